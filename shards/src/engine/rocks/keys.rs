//! Keys as they are stored: big-endian, so that bytes sort as the numbers do.
//!
//! | column family | key |
//! |---|---|
//! | `d1`, `d7`, `d365` | log u64, position of the chunk's first record u64 |
//! | `time` | log u64, minute u64 |
//! | `meta` | `l`, log u64: what must outlast a log's data; `m`, the caller's key: metadata |

use millpond_api::types::Timestamp;

use crate::engine::{EngineError, LogId, Offset};

const MINUTE_MILLIS: i64 = 60_000;
const SIGN: u64 = 1 << 63;
const LOG_ROW: u8 = b'l';
const METADATA_ROW: u8 = b'm';

/// The key in `meta` of a row that is never there: deleting it is a write that changes nothing.
pub(super) const PROBE_ROW: [u8; 1] = *b"p";

/// A log and a number within it.
pub(super) type Key = [u8; 16];

/// A minute since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Minute(i64);

impl Minute {
    pub(super) fn of(at: Timestamp) -> Self {
        Self(at.millis().div_euclid(MINUTE_MILLIS))
    }

    /// The minute in keys: a number that sorts as minutes do.
    pub(super) fn number(self) -> u64 {
        self.0.cast_unsigned() ^ SIGN
    }
}

/// The key of the chunk whose first record is at `first`.
pub(super) fn chunk(log: LogId, first: Offset) -> Key {
    pair(log, first.value())
}

/// The position in the key of a chunk.
pub(super) fn chunk_offset(key: &[u8]) -> Result<Offset, EngineError> {
    let (_, offset) = key.split_first_chunk::<8>().ok_or_else(damaged)?;
    Ok(Offset::new(number(offset)?))
}

/// The key under which the time index tells the first position of a minute.
pub(super) fn minute(log: LogId, minute: Minute) -> Key {
    pair(log, minute.number())
}

/// The first of a log's keys.
pub(super) fn log_start(log: LogId) -> Key {
    pair(log, 0)
}

/// After all of a log's keys and before those of the next log, also when this is the last one.
pub(super) fn log_end(log: LogId) -> [u8; 17] {
    let mut key = [u8::MAX; 17];
    let (id, _) = key.split_first_chunk_mut().expect("seventeen bytes hold eight");
    *id = log.value().to_be_bytes();
    key
}

/// The key of a log's row in `meta`.
pub(super) fn log_row(log: LogId) -> Vec<u8> {
    prefixed(LOG_ROW, &log.value().to_be_bytes())
}

/// The key of a metadata row.
pub(super) fn metadata_row(key: &[u8]) -> Vec<u8> {
    prefixed(METADATA_ROW, key)
}

/// Where metadata rows begin, and where they have ended.
pub(super) fn metadata_rows() -> ([u8; 1], [u8; 1]) {
    ([METADATA_ROW], [METADATA_ROW + 1])
}

/// The caller's part of a metadata row's key; `None` for other rows.
pub(super) fn metadata_key(row: &[u8]) -> Option<&[u8]> {
    row.strip_prefix(&[METADATA_ROW])
}

/// A number as the value of a row.
pub(super) fn number(bytes: &[u8]) -> Result<u64, EngineError> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| damaged())?))
}

/// A key of `log`.
pub(super) fn pair(log: LogId, number: u64) -> Key {
    let pair = u128::from(log.value()) << 64 | u128::from(number);
    pair.to_be_bytes()
}

fn prefixed(prefix: u8, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(1 + key.len());
    row.push(prefix);
    row.extend_from_slice(key);
    row
}

fn damaged() -> EngineError {
    EngineError::Corrupt("a key doesn't read as one".into())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn chunks_sort_by_log_and_position(a: (u64, u64), b: (u64, u64)) {
            let key = |(log, first)| chunk(LogId::new(log), Offset::new(first));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(chunk_offset(&key(a)).unwrap(), Offset::new(a.1));
        }

        #[test]
        fn minutes_sort_by_time(log: u64, a: i64, b: i64) {
            let minutes = [a, b].map(|millis| Minute::of(Timestamp::from_millis(millis)));
            let keys = minutes.map(|m| minute(LogId::new(log), m));
            prop_assert_eq!(keys[0].cmp(&keys[1]), minutes[0].cmp(&minutes[1]));
            prop_assert_eq!(minutes[0] < minutes[1], a.div_euclid(60_000) < b.div_euclid(60_000));
        }

        #[test]
        fn a_log_ends_after_its_keys_and_before_the_next_log(log: u64, number: u64) {
            let end = log_end(LogId::new(log));
            let key = pair(LogId::new(log), number);
            prop_assert!(log_start(LogId::new(log)) <= key);
            prop_assert!(key.as_slice() < end.as_slice());
            if let Some(next) = log.checked_add(1) {
                prop_assert!(end.as_slice() < log_start(LogId::new(next)).as_slice());
            }
        }

        #[test]
        fn metadata_keys_read_back(key in vec(any::<u8>(), 0..40), log: u64) {
            let rows = [metadata_row(&key), log_row(LogId::new(log))];
            prop_assert_eq!(metadata_key(&rows[0]), Some(key.as_slice()));
            prop_assert_eq!(metadata_key(&rows[1]), None);
            let (low, high) = metadata_rows();
            prop_assert!((low.as_slice()..high.as_slice()).contains(&rows[0].as_slice()));
        }

        #[test]
        fn other_keys_are_errors(key in vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(chunk_offset(&key).is_ok(), key.len() == 16);
        }
    }
}
