//! Keys of a stream as commands change them, and as their row keeps them.

use super::*;
use crate::{
    state::{
        self, Command, ShardLimit, rows,
        tests::{arn, at, rows_of, settle, with_stream},
    },
    stream::encryption::Encryption,
};

const DAY: i64 = 86_400;

fn start(key_id: &str, now: i64) -> EncryptionCommand {
    let (key_id, wrapped) = (key_id.to_owned(), vec![1, 2, 3]);
    EncryptionCommand::Start { stream: arn("clicks"), key_id, wrapped, now: at(now), due: at(now) }
}

fn stop(now: i64) -> EncryptionCommand {
    EncryptionCommand::Stop { stream: arn("clicks"), now: at(now), due: at(now) }
}

fn rotate(data_key: u32, now: i64) -> EncryptionCommand {
    let (log_number, data_key) = (StreamNumber(1), DataKeyNumber(data_key));
    let (wrapped, now) = (vec![4], at(now));
    EncryptionCommand::Rotate { stream: arn("clicks"), log_number, data_key, wrapped, now }
}

fn lease(data_key: u32, lease: u8) -> EncryptionCommand {
    let (log_number, data_key) = (StreamNumber(1), DataKeyNumber(data_key));
    EncryptionCommand::Lease { stream: arn("clicks"), log_number, data_key, lease }
}

fn forget(now: i64) -> EncryptionCommand {
    let log_number = StreamNumber(1);
    EncryptionCommand::ForgetKeys { stream: arn("clicks"), log_number, now: at(now) }
}

fn after(state: &State, command: EncryptionCommand) -> Result<State, Error> {
    state::apply(state, &Command::Encryption(command))
}

/// After the command, and the transition that it began.
fn settled(state: &State, command: EncryptionCommand) -> State {
    settle(&after(state, command).unwrap(), "clicks", at(0))
}

fn encryption(state: &State) -> &Encryption {
    &state.stream(&arn("clicks")).unwrap().encryption
}

fn data_keys(state: &State) -> Vec<(u32, &str, Option<i64>)> {
    let keys = encryption(state).data_keys.iter();
    keys.map(|(n, key)| (n.0, key.key_id.as_str(), key.retired.map(Timestamp::seconds))).collect()
}

#[test]
fn each_application_of_a_key_has_a_data_key_of_its_own() {
    let state = with_stream("clicks", 1);
    assert_eq!(encryption(&state).current(), None);
    let updating = after(&state, start("a", 200)).unwrap();
    assert!(matches!(after(&updating, stop(201)), Err(Error::StreamNotActive { .. })));
    let state = settled(&state, start("a", 200));
    assert_eq!(data_keys(&state), [(0, "a", None)]);
    assert_eq!(after(&state, start("a", 201)).unwrap(), state, "it is the same key");
    let state = settled(&state, start("b", 202));
    assert_eq!(data_keys(&state), [(0, "a", Some(202)), (1, "b", None)]);
    assert_eq!(encryption(&state).key_id.as_deref(), Some("b"));
    let state = settled(&state, stop(203));
    assert_eq!(data_keys(&state), [(0, "a", Some(202)), (1, "b", Some(203))]);
    assert_eq!((&encryption(&state).key_id, encryption(&state).current()), (&None, None));
    assert_eq!(after(&state, stop(204)).unwrap(), state, "there is nothing to stop");
    let state = settled(&state, start("b", 205));
    let keys = [(0, "a", Some(202)), (1, "b", Some(203)), (2, "b", None)];
    assert_eq!(data_keys(&state), keys);
}

#[test]
fn an_alias_may_mean_another_key_by_now() {
    for alias in ["alias/a", "arn:aws:kms:us-east-1:000000000000:alias/a"] {
        let state = settled(&with_stream("clicks", 1), start(alias, 200));
        let state = settled(&state, start(alias, 300));
        assert_eq!(data_keys(&state), [(0, alias, Some(300)), (1, alias, None)]);
    }
}

#[test]
fn twenty_five_changes_a_day_take_effect() {
    let mut state = with_stream("clicks", 1);
    for n in 0..25 {
        let key_id = if n % 2 == 0 { "a" } else { "b" };
        state = settled(&state, start(key_id, 200 + n));
    }
    let refused = Err(Error::EncryptionChangedTooOften { stream: arn("clicks"), limit: 25 });
    assert_eq!(after(&state, start("b", 300)), refused);
    assert_eq!(after(&state, start("b", 199 + DAY)), refused);
    assert_eq!(after(&state, start("a", 300)).unwrap(), state, "it is the key in use");
    assert!(after(&state, stop(300)).is_ok(), "stops are counted apart");
    assert!(after(&state, start("b", 200 + DAY)).is_ok());
}

#[test]
fn a_lease_is_taken_once_and_of_the_key_in_use_only() {
    let changed = Err(Error::DataKeyChanged { stream: arn("clicks") });
    let state = with_stream("clicks", 1);
    assert_eq!(after(&state, lease(0, 0)), changed);
    let state = after(&state, start("a", 200)).unwrap();
    let state = after(&state, lease(0, 0)).expect("also while the stream is UPDATING");
    assert_eq!(after(&state, lease(0, 0)), changed);
    assert_eq!(after(&state, lease(0, 2)), changed);
    let state = settle(&after(&state, lease(0, 1)).unwrap(), "clicks", at(0));
    assert_eq!(encryption(&state).current().unwrap().1.leases, 2);
    assert_eq!(after(&state, rotate(0, 300)), changed, "there are nonces left");
    let state = settled(&state, start("b", 300));
    assert_eq!(after(&state, lease(0, 2)), changed);
    assert_eq!(after(&state, rotate(0, 300)), changed);
    let mut state = state;
    for n in 0..=255 {
        state = after(&state, lease(1, n)).unwrap();
    }
    assert_eq!(after(&state, lease(1, 255)), changed);
    let state = after(&state, rotate(1, 301)).unwrap();
    assert_eq!(data_keys(&state)[1..], [(1, "b", Some(301)), (2, "b", None)]);
    assert_eq!(encryption(&state).starts.len(), 2, "it is no application of a key");
}

#[test]
fn a_key_is_forgotten_a_day_after_its_last_record_expired() {
    let state = settled(&with_stream("clicks", 1), start("a", 200));
    let state = settled(&state, start("b", 300));
    let horizon = |now| state.stream(&arn("clicks")).unwrap().horizon(at(now));
    assert!(!encryption(&state).has_expired_keys(horizon(300 + 2 * DAY)));
    assert_eq!(after(&state, forget(300 + 2 * DAY)).unwrap(), state);
    assert!(encryption(&state).has_expired_keys(horizon(301 + 2 * DAY)));
    let forgotten = after(&state, forget(301 + 2 * DAY)).unwrap();
    assert_eq!(data_keys(&forgotten), [(1, "b", None)]);
    assert_eq!(after(&forgotten, forget(999 * DAY)).unwrap(), forgotten, "it is in use");
}

#[test]
fn keys_read_back_as_they_were_written() {
    let plain = with_stream("clicks", 1);
    let started = after(&plain, start("alias/a", 200)).unwrap();
    let leased = after(&started, lease(0, 0)).unwrap();
    let settled = settle(&leased, "clicks", at(0));
    let changed = after(&settled, start("alias/b", 300)).unwrap();
    let stopped = after(&settled, stop(400)).unwrap();
    for state in [plain, started, leased, changed, stopped] {
        let loaded = rows::load(&rows_of(&state), ShardLimit::Fixed(100_000)).unwrap();
        assert_eq!(loaded, state);
    }
}

/// A stream that never was encrypted has the row that it had before there was encryption.
#[test]
fn a_row_without_keys_is_read() {
    let state = with_stream("clicks", 1);
    let rows = rows_of(&state);
    let (_, row) = rows.iter().find(|(key, _)| key[0] == b's').expect("a stream is a row");
    let fields = minicbor::Decoder::new(row).array().unwrap().unwrap();
    assert!(fields <= 50, "{fields} fields: the last is that of encryption");
    let loaded = rows::load(&rows, ShardLimit::Fixed(100_000)).unwrap();
    assert_eq!(loaded, state);
    assert_eq!(encryption(&loaded), &Encryption::default());
}
