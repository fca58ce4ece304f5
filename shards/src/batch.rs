//! Records on their way into storage: encoded once, at the edge, in the form in which they are
//! stored.

use bytes::{BufMut, Bytes};
use millpond_api::types::{Blob, HashKey, Timestamp};

use crate::{
    crypt::Sealing,
    engine::{EngineError, Offset, StoredChunk},
    record,
};

/// Bytes of stored records after which a new chunk begins, so that a small read never fetches
/// megabytes.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;

/// Batches of at least this size become chunks of their own; smaller ones that wait together are
/// copied together.
pub const COALESCE_BYTES_MAX: usize = 16 * 1024;

/// Records of one request for one shard, in the order of the request, not yet stamped with their
/// arrival.
#[derive(Debug, Default)]
pub struct RecordBatch {
    chunks: Vec<Vec<u8>>,
    records: u32,
    payload_bytes: u64,
}

impl RecordBatch {
    /// A batch that can take `bytes` of stored records before it grows.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        let first = chunk_with_capacity(bytes.min(CHUNK_BYTES_MAX));
        Self { chunks: vec![first], records: 0, payload_bytes: 0 }
    }

    /// Appends a record: decodes `data` straight into its stored form.
    pub fn push<'k>(
        &mut self,
        partition_key: impl Into<Option<&'k str>>,
        explicit: Option<HashKey>,
        data: &Blob<'_>,
    ) {
        self.push_sealed(partition_key, explicit, data, None);
    }

    /// Appends a record; with the means to it, the data is sealed where it was decoded to.
    pub fn push_sealed<'k>(
        &mut self,
        partition_key: impl Into<Option<&'k str>>,
        explicit: Option<HashKey>,
        data: &Blob<'_>,
        sealing: Option<&mut Sealing>,
    ) {
        let partition_key = partition_key.into();
        let key_bytes = partition_key.map_or(0, str::len);
        let seal_bytes = if sealing.is_some() { record::SEAL_BYTES_MAX } else { 0 };
        let size = record::stored_bytes_max(key_bytes, data.len()) + seal_bytes;
        match self.chunks.last() {
            Some(last) if last.len() + size <= CHUNK_BYTES_MAX || is_empty(last) => {}
            _ => self.chunks.push(chunk_with_capacity(size)),
        }
        let chunk = self.chunks.last_mut().expect("a chunk was pushed if there was none");
        record::encode(chunk, partition_key, explicit, data, sealing);
        record::count_one_more(chunk);
        self.records += 1;
        self.payload_bytes += (key_bytes + data.len()) as u64;
    }

    /// Records in the batch.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// Bytes that quotas count: data and partition keys.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Bytes that the batch takes in storage.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Takes in a later batch of the same shard: small ones are copied into the last chunk, larger
    /// ones follow it.
    pub fn append(&mut self, later: Self) {
        self.records += later.records;
        self.payload_bytes += later.payload_bytes;
        for chunk in later.chunks {
            match self.chunks.last_mut() {
                Some(last)
                    if chunk.len() < COALESCE_BYTES_MAX
                        && last.len() + chunk.len() <= CHUNK_BYTES_MAX =>
                {
                    record::join(last, &chunk);
                }
                _ => self.chunks.push(chunk),
            }
        }
    }

    /// Stamps every record with the time of its arrival; from then on the bytes are never touched
    /// again.
    #[must_use]
    pub fn stamp(self, arrival: Timestamp) -> Vec<Chunk> {
        let stamp = |mut bytes: Vec<u8>| {
            record::stamp(&mut bytes, arrival);
            // Bounds of memory count a chunk's length. It was made for records of which some were
            // refused.
            if bytes.capacity() > 2 * bytes.len() {
                bytes.shrink_to_fit();
            }
            Chunk { records: record::count(&bytes), arrival, bytes: Bytes::from(bytes) }
        };
        self.chunks.into_iter().filter(|chunk| !is_empty(chunk)).map(stamp).collect()
    }
}

/// Records that are stored, and read, as one value. Shared, never copied, from here on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    records: u32,
    arrival: Timestamp,
    bytes: Bytes,
}

impl Chunk {
    /// A chunk as it was stored elsewhere.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when it isn't one, down to its last record.
    pub(crate) fn from_stored(bytes: Bytes) -> Result<Self, EngineError> {
        let stored = StoredChunk { first: Offset::ZERO, bytes };
        let records = stored.records()?;
        let (count, arrival) = (records.remaining(), records.arrival());
        for record in records {
            record?;
        }
        if count == 0 {
            return Err(EngineError::Corrupt("a chunk without records".into()));
        }
        Ok(Self { records: count, arrival, bytes: stored.bytes })
    }

    /// Records in the chunk; at least one.
    #[must_use]
    pub fn records(&self) -> u32 {
        self.records
    }

    /// When the records arrived.
    #[must_use]
    pub fn arrival(&self) -> Timestamp {
        self.arrival
    }

    /// The stored form.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

fn chunk_with_capacity(bytes: usize) -> Vec<u8> {
    let mut chunk = Vec::with_capacity(record::HEADER_BYTES + bytes);
    chunk.put_bytes(0, record::HEADER_BYTES);
    chunk
}

fn is_empty(chunk: &[u8]) -> bool {
    chunk.len() == record::HEADER_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_holds_on_to_no_memory_for_what_it_was_not_given() {
        let mut batch = RecordBatch::with_capacity(CHUNK_BYTES_MAX);
        batch.push("key", None, &Blob::Bytes(vec![1; 500].into()));
        let chunks = batch.stamp(Timestamp::from_millis(1));
        let bytes: Vec<_> = chunks.into_iter().map(|chunk| Vec::from(chunk.bytes)).collect();
        let [bytes] = bytes.as_slice() else { panic!("one record is one chunk") };
        assert!(bytes.capacity() <= 2 * bytes.len(), "{} bytes", bytes.capacity());
    }
}
