//! Every error that is known of Kinesis, provoked and compared: `errors.csv` has a row for each,
//! with where it is known from, and a test is as strict as that source allows.

mod authentication;
mod case;
mod consumers;
mod fields;
mod iterators;
mod policies;
mod records;
mod row;
mod shards;
mod streams;
mod subscriptions;
mod tags;
mod wire_forms;

use std::collections::{BTreeMap, BTreeSet};

use millpond::ops::entrypoint;
use millpond_api::OperationId;

use self::{
    case::{Case, Verdict},
    row::{Row, rows},
};

/// The names of the operations that are served; `protocol.rs` holds this against the server.
pub(crate) fn served() -> BTreeSet<&'static str> {
    let served = OperationId::ALL.iter().filter(|operation| entrypoint(**operation).is_some());
    served.map(|operation| operation.name()).collect()
}

fn cases() -> Vec<Case> {
    let parts = [
        wire_forms::cases(),
        authentication::cases(),
        fields::cases(),
        streams::cases(),
        shards::cases(),
        tags::cases(),
        consumers::cases(),
        policies::cases(),
        subscriptions::cases(),
        records::cases(),
        iterators::cases(),
    ];
    parts.into_iter().flatten().collect()
}

/// What a case is looked up by.
type Key = (String, String, String);

fn key(operation: &str, condition: &str, code: &str) -> Key {
    (operation.to_owned(), condition.to_owned(), code.to_owned())
}

#[test]
fn every_row_of_a_served_operation_has_one_case() {
    let rows = rows();
    let cases = cases();
    let mut taken = BTreeSet::new();
    for case in &cases {
        assert!(taken.insert(case.name()), "two cases for {:?}", case.name());
    }
    let of_served = |row: &&Row| {
        // `PutRecords (entry)` is of PutRecords, `*…*` of all that it describes.
        let operation = row.operation.split(' ').next().unwrap_or_default();
        operation.starts_with('*') || served().contains(operation)
    };
    let named: BTreeSet<_> = rows.iter().filter(of_served).map(Row::name).collect();
    let missing: Vec<_> = named.difference(&taken).collect();
    let unknown: Vec<_> = taken.difference(&named).collect();
    assert!(missing.is_empty(), "rows without a case: {missing:#?}");
    assert!(unknown.is_empty(), "cases without a row: {unknown:#?}");
}

#[tokio::test]
async fn every_case_is_answered_as_its_row_says() {
    let rows: BTreeMap<Key, Row> = rows().into_iter().map(|row| (row.name(), row)).collect();
    let mut faults = Vec::new();
    for case in cases() {
        let row = &rows[&case.name()];
        for codec in case.codecs() {
            let Some(seen) = case.provoke(codec).await else { continue };
            let fault = match &case.verdict {
                Verdict::AsTold => row.fault(&seen, &case.fill),
                Verdict::Spelled(answer) | Verdict::Unlike { answer, .. } => {
                    row::differs(&seen.to_string(), answer)
                }
                Verdict::Excused(_) => None,
            };
            let told =
                |fault| format!("{} when {} ({codec:?}): {fault}", row.operation, row.condition);
            faults.extend(fault.map(told));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
