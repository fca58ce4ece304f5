//! A data key in use: seals the data of records in place, and opens it again.

use std::{
    fmt, hint,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use millpond_api::types::HashKey;
use millpond_quotas::Time;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::RETRY_AFTER;
use crate::{
    engine::EngineError,
    record::{self, RecordView, Seal},
    stream::{StreamNumber, encryption::DataKeyNumber},
};

/// Bytes of a data key.
const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// How long before it expires a data key in use is asked for anew.
const RENEWAL: Duration = Duration::from_mins(1);

/// A key in the clear. Shown nowhere, and overwritten when it is dropped.
pub struct PlainKey([u8; KEY_BYTES]);

impl PlainKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A key of these bytes, if they are as many as a key has.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, to wrap them or to make a cipher of them.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for PlainKey {
    fn drop(&mut self) {
        self.0.fill(0);
        // So that the zeros are written, though nobody reads them.
        hint::black_box(&self.0);
    }
}

impl fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(key)")
    }
}

/// A data key, ready for use until it expires.
pub struct Cipher {
    stream: StreamNumber,
    number: DataKeyNumber,
    key: LessSafeKey,
    expires: Time,
    /// When it is to be asked for anew, in nanoseconds.
    due: AtomicU64,
}

impl Cipher {
    /// The data key `number` of `stream`, usable until `expires`.
    #[must_use]
    pub fn new(
        stream: StreamNumber,
        number: DataKeyNumber,
        plain: &PlainKey,
        expires: Time,
    ) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, plain.expose()).expect("a key has 32 bytes");
        let due = AtomicU64::new(expires.nanos().saturating_sub(RENEWAL.as_nanos() as u64));
        Self { stream, number, key: LessSafeKey::new(key), expires, due }
    }

    pub(crate) fn number(&self) -> DataKeyNumber {
        self.number
    }

    pub(crate) fn is_usable(&self, now: Time) -> bool {
        now < self.expires
    }

    /// Whether it is to be asked for anew. Says so to one who asks, and again after a moment.
    pub(super) fn is_due(&self, now: Time) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        let again = (now + RETRY_AFTER).nanos();
        let set = |due| self.due.compare_exchange(due, again, Ordering::Relaxed, Ordering::Relaxed);
        now.nanos() >= due && set(due).is_ok()
    }

    /// Seals `data` in place. `scratch` is memory to work in.
    pub(crate) fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        partition_key: Option<&str>,
        explicit: Option<HashKey>,
        data: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> [u8; TAG_BYTES] {
        self.write_associated(partition_key, explicit, scratch);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(&*scratch), data);
        let tag = sealed.expect("a record is shorter than 64 GiB");
        tag.as_ref().try_into().expect("a tag has 16 bytes")
    }

    /// The data of a record that was sealed under this key.
    pub(crate) fn open(
        &self,
        record: &RecordView<'_>,
        seal: &Seal<'_>,
    ) -> Result<Vec<u8>, EngineError> {
        let mut associated = Vec::new();
        self.write_associated(record.partition_key, record.explicit, &mut associated);
        let nonce = Nonce::assume_unique_for_key(*seal.nonce);
        let mut data = record.data.to_vec();
        let tag = Tag::from(*seal.tag);
        match self.key.open_in_place_separate_tag(
            nonce,
            Aad::from(&associated),
            tag,
            &mut data,
            0..,
        ) {
            Ok(_) => Ok(data),
            Err(_) => Err(EngineError::Corrupt("a sealed record doesn't open".into())),
        }
    }

    /// What is authenticated beside the data.
    fn write_associated(
        &self,
        partition_key: Option<&str>,
        explicit: Option<HashKey>,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        out.extend(self.stream.0.to_le_bytes());
        out.extend(self.number.0.to_le_bytes());
        out.push(record::flags(partition_key, explicit, true));
        out.extend(explicit.into_iter().flat_map(|key| key.value().to_le_bytes()));
        out.extend(partition_key.unwrap_or_default().as_bytes());
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cipher({:?} of {:?})", self.number, self.stream)
    }
}
