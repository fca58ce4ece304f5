//! PutRecords.

use std::borrow::Cow;

use millpond_api::{
    ErrorKind,
    operations::{PutRecords, PutRecordsInput, PutRecordsOutput, PutRecordsResultEntry},
};
use millpond_quotas::limits;

use super::{
    Cx, Reply, Serve, describe,
    write::{self, Outcomes, Written},
};
use crate::error::{Error, Result, invalid};

/// What a result takes in an answer.
const RESULT_BYTES: usize = 128;

impl Serve for PutRecords {
    async fn serve<'a>(cx: &'a Cx<'a>, input: PutRecordsInput<'a>) -> Result<Reply> {
        let stream = write::target(cx, input.stream())?;
        let mut entries = Vec::with_capacity(input.records.len());
        for (i, record) in input.records.iter().enumerate() {
            let path = |member: &str| format!("records.{}.member.{member}", i + 1);
            let (key, explicit) = (&record.partition_key, &record.explicit_hash_key);
            let (key, explicit) = (key.as_deref(), explicit.as_deref());
            entries.push(write::entry(&stream, path, key, explicit, &record.data)?);
        }
        let bytes = entries.iter().map(|entry| entry.payload_bytes() as u64).sum::<u64>();
        if bytes > limits::PUT_RECORDS_BYTES_MAX {
            let mib = limits::PUT_RECORDS_BYTES_MAX >> 20;
            return Err(invalid(format!("Records size exceeds {mib} MB limit")));
        }
        write::check_dry_run(cx, &stream, input.dry_run).await?;
        Ok(reply(cx, &write::write(cx, stream, &entries).await?))
    }
}

fn reply(cx: &Cx<'_>, outcomes: &Outcomes) -> Reply {
    let Outcomes { entries, encryption_type } = outcomes;
    let failed = entries.iter().filter(|outcome| outcome.is_err()).count();
    let output = PutRecordsOutput {
        failed_record_count: Some(describe::count(failed)),
        records: entries.iter().map(result).collect(),
        encryption_type: *encryption_type,
    };
    cx.reply_of_size(&output, entries.len() * RESULT_BYTES + RESULT_BYTES)
}

fn result(outcome: &Result<Written>) -> PutRecordsResultEntry<'_> {
    match outcome {
        Ok(Written { shard, number }) => PutRecordsResultEntry {
            sequence_number: Some(*number),
            shard_id: Some(*shard),
            ..PutRecordsResultEntry::default()
        },
        Err(Error(error)) => PutRecordsResultEntry {
            // In an entry the code of an internal failure has no suffix.
            error_code: Some(match error.kind {
                ErrorKind::InternalFailureException => {
                    ErrorKind::InternalFailure.wire_name().into()
                }
                kind => kind.wire_name().into(),
            }),
            error_message: error.message.as_deref().map(Cow::Borrowed),
            ..PutRecordsResultEntry::default()
        },
    }
}
