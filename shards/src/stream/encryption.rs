//! What a stream's records are sealed under, as the metadata has it. Plain data; `state::apply`
//! changes it.

use std::{collections::BTreeMap, fmt, time::Duration};

use millpond_api::types::{StreamArn, Timestamp};

use super::StreamNumber;

/// Leases of nonces that a data key has.
pub const LEASES_MAX: u16 = 256;

/// How long a data key is kept beyond the records that were sealed before it was retired. Requests
/// that were under way by then ended within minutes.
const KEPT_LONGER: Duration = Duration::from_hours(24);

/// A data key's number within its stream. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DataKeyNumber(pub u32);

/// The keys of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encryption {
    /// The master key, as StartStreamEncryption named it; `None` when new records aren't sealed.
    pub key_id: Option<String>,
    /// The data keys that records are or were sealed under. While there is a master key, the last
    /// one is in use.
    pub data_keys: BTreeMap<DataKeyNumber, DataKey>,
    /// The number that the next data key gets.
    pub next_data_key: u32,
    /// When StartStreamEncryption applied a key, as far as it still counts against the daily limit.
    pub starts: Vec<Timestamp>,
    /// When StopStreamEncryption took one away, likewise.
    pub stops: Vec<Timestamp>,
}

/// A data key in the form in which it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey {
    /// The master key that it was asked for under, by its name of then.
    pub key_id: String,
    /// The data key, which only the key service can open.
    pub wrapped: Vec<u8>,
    /// Leases of nonces that were taken.
    pub leases: u16,
    /// Since when nothing more is sealed under it.
    pub retired: Option<Timestamp>,
    /// The stream that it was made for, where that is another one, which this is a fork of.
    pub origin: Option<Origin>,
}

/// The stream that a data key was made for: what is sealed under the key belongs to that stream,
/// and the key service was told its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Which stream, among all that ever were.
    pub number: StreamNumber,
    /// What it was called.
    pub arn: StreamArn,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, wrapped, leases, retired, .. } = self;
        let bytes = wrapped.len();
        write!(f, "DataKey({key_id}, {bytes} bytes, {leases} leases, retired {retired:?})")
    }
}

impl DataKey {
    /// Whether everything that was sealed under it arrived before `horizon`.
    #[must_use]
    pub fn is_expired(&self, horizon: Timestamp) -> bool {
        let kept_longer = KEPT_LONGER.as_millis() as i64;
        self.retired.is_some_and(|at| at.millis() + kept_longer < horizon.millis())
    }
}

impl Encryption {
    /// The data key that new records are sealed under.
    #[must_use]
    pub fn current(&self) -> Option<(DataKeyNumber, &DataKey)> {
        self.key_id.as_ref()?;
        self.data_keys.last_key_value().map(|(number, key)| (*number, key))
    }

    /// Whether some data key is no longer needed.
    #[must_use]
    pub fn has_expired_keys(&self, horizon: Timestamp) -> bool {
        self.data_keys.values().any(|key| key.is_expired(horizon))
    }

    /// From now on records are sealed under a new data key.
    pub(crate) fn begin(&mut self, key_id: String, wrapped: Vec<u8>, now: Timestamp) {
        self.retire(now);
        let number = DataKeyNumber(self.next_data_key);
        self.next_data_key += 1;
        self.key_id = Some(key_id.clone());
        self.data_keys
            .insert(number, DataKey { key_id, wrapped, leases: 0, retired: None, origin: None });
    }

    /// From now on nothing is sealed under the data key that was in use.
    pub(crate) fn retire(&mut self, now: Timestamp) {
        self.key_id = None;
        for key in self.data_keys.values_mut() {
            key.retired.get_or_insert(now);
        }
    }
}
