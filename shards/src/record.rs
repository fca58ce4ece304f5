//! The stored form of records: a chunk is a header and records one after another.
//!
//! | bytes | header |
//! |---|---|
//! | 1 | version, 1 |
//! | 3 | reserved, 0 |
//! | 4 | records, little-endian |
//! | 8 | arrival, milliseconds since the epoch, little-endian |
//!
//! | bytes | record |
//! |---|---|
//! | 1 | flags: 1 = explicit hash key is given, 2 = no partition key is, 4 = data is sealed |
//! | varint + n, unless flagged | partition key, UTF-8 |
//! | 16, if flagged | explicit hash key, little-endian |
//! | varint, if sealed | the number of the data key |
//! | 12, if sealed | nonce |
//! | varint + n | data, or as many bytes of ciphertext |
//! | 16, if sealed | tag |

use bytes::{Buf, BufMut};
use millpond_api::types::{Blob, HashKey, Timestamp};

use crate::{
    crypt::{NONCE_BYTES, Sealing, TAG_BYTES},
    engine::{EngineError, Offset, StoredChunk},
    stream::encryption::DataKeyNumber,
};

/// Bytes in front of a chunk's first record.
pub(crate) const HEADER_BYTES: usize = 16;

const VERSION: u8 = 1;
const COUNT_AT: usize = 4;
const FLAG_EXPLICIT_HASH_KEY: u8 = 1;
const FLAG_NO_PARTITION_KEY: u8 = 2;
const FLAG_SEALED: u8 = 4;
const VARINT_BYTES_MAX: usize = 5;

/// What sealing adds to a record at most.
pub const SEAL_BYTES_MAX: usize = VARINT_BYTES_MAX + NONCE_BYTES + TAG_BYTES;

/// An upper bound of what [`encode`] appends.
pub(crate) fn stored_bytes_max(key_bytes: usize, data_bytes: usize) -> usize {
    1 + VARINT_BYTES_MAX + key_bytes + 16 + VARINT_BYTES_MAX + data_bytes
}

/// Appends one record to `chunk`, sealed in place if there are the means to it.
pub(crate) fn encode(
    chunk: &mut Vec<u8>,
    partition_key: Option<&str>,
    explicit: Option<HashKey>,
    data: &Blob<'_>,
    sealing: Option<&mut Sealing>,
) {
    chunk.put_u8(flags(partition_key, explicit, sealing.is_some()));
    if let Some(key) = partition_key {
        put_varint(chunk, key.len());
        chunk.put_slice(key.as_bytes());
    }
    if let Some(key) = explicit {
        chunk.put_u128_le(key.value());
    }
    let Some(sealing) = sealing else {
        put_varint(chunk, data.len());
        data.append_to(chunk);
        return;
    };
    let nonce = sealing.next_nonce();
    put_varint(chunk, sealing.data_key().0 as usize);
    chunk.put_slice(&nonce);
    put_varint(chunk, data.len());
    let from = chunk.len();
    data.append_to(chunk);
    let sealed = chunk.get_mut(from..).unwrap_or_default();
    let tag = sealing.seal(nonce, partition_key, explicit, sealed);
    chunk.put_slice(&tag);
}

/// What a record begins with: which parts it has.
pub(crate) fn flags(partition_key: Option<&str>, explicit: Option<HashKey>, is_sealed: bool) -> u8 {
    let of_explicit = if explicit.is_some() { FLAG_EXPLICIT_HASH_KEY } else { 0 };
    let of_key = if partition_key.is_none() { FLAG_NO_PARTITION_KEY } else { 0 };
    let of_seal = if is_sealed { FLAG_SEALED } else { 0 };
    of_explicit | of_key | of_seal
}

/// Notes in the header that one record was appended.
pub(crate) fn count_one_more(chunk: &mut [u8]) {
    let records = count(chunk) + 1;
    set_count(chunk, records);
}

/// Records in the chunk, by its header.
pub(crate) fn count(chunk: &[u8]) -> u32 {
    let bytes = chunk.get(COUNT_AT..COUNT_AT + 4).expect("a chunk begins with its header");
    u32::from_le_bytes(bytes.try_into().expect("four bytes were taken"))
}

/// Appends the records of `later` to `chunk`.
pub(crate) fn join(chunk: &mut Vec<u8>, later: &[u8]) {
    let records = count(chunk) + count(later);
    set_count(chunk, records);
    chunk.extend_from_slice(later.get(HEADER_BYTES..).expect("a chunk begins with its header"));
}

/// Completes the header.
pub(crate) fn stamp(chunk: &mut [u8], arrival: Timestamp) {
    let records = count(chunk);
    let mut header = chunk.get_mut(..HEADER_BYTES).expect("a chunk begins with its header");
    header.put_u8(VERSION);
    header.put_bytes(0, 3);
    header.put_u32_le(records);
    header.put_i64_le(arrival.millis());
}

fn set_count(chunk: &mut [u8], records: u32) {
    let bytes = chunk.get_mut(COUNT_AT..COUNT_AT + 4).expect("a chunk begins with its header");
    bytes.copy_from_slice(&records.to_le_bytes());
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// A stored record, borrowed from its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Position in the shard's log.
    pub offset: Offset,
    /// When the record was accepted.
    pub arrival: Timestamp,
    /// The producer's partition key; absent only where the service picked the shard.
    pub partition_key: Option<&'a str>,
    /// The producer's explicit hash key.
    pub explicit: Option<HashKey>,
    /// The producer's data; ciphertext of the same length when it is sealed.
    pub data: &'a [u8],
    /// What opens the data, if it is sealed.
    pub seal: Option<Seal<'a>>,
}

/// What stands beside sealed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal<'a> {
    /// The data key that it was sealed under.
    pub data_key: DataKeyNumber,
    /// The nonce.
    pub nonce: &'a [u8; NONCE_BYTES],
    /// The tag.
    pub tag: &'a [u8; TAG_BYTES],
}

impl RecordView<'_> {
    /// Bytes that quotas and page sizes count: data and partition key.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.partition_key.map_or(0, str::len) + self.data.len()
    }
}

/// The records of one stored chunk, in order.
#[derive(Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: u32,
    next: Offset,
    arrival: Timestamp,
}

impl<'a> Records<'a> {
    /// The records of `chunk`.
    pub(crate) fn of(chunk: &'a StoredChunk) -> Result<Self, EngineError> {
        let mut header = chunk.bytes.get(..HEADER_BYTES).ok_or_else(damaged)?;
        if header.get_u8() != VERSION {
            return Err(damaged());
        }
        header.advance(3);
        Ok(Self {
            left: header.get_u32_le(),
            arrival: Timestamp::from_millis(header.get_i64_le()),
            rest: chunk.bytes.get(HEADER_BYTES..).unwrap_or_default(),
            next: chunk.first,
        })
    }

    /// When the records of the chunk arrived.
    #[must_use]
    pub fn arrival(&self) -> Timestamp {
        self.arrival
    }

    /// Records that are still to come.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.left
    }

    /// The next record, without a look at the bytes that it holds.
    pub(crate) fn next_frame(&mut self) -> Option<Result<Frame<'a>, EngineError>> {
        if self.left == 0 {
            return None;
        }
        Some(self.parse_one().ok_or_else(|| {
            self.left = 0;
            damaged()
        }))
    }

    fn parse_one(&mut self) -> Option<Frame<'a>> {
        let rest = &mut self.rest;
        let flags = take(rest, 1)?.get_u8();
        let partition_key = match flags & FLAG_NO_PARTITION_KEY {
            0 => {
                let key_bytes = get_varint(rest)?;
                Some(take(rest, key_bytes)?)
            }
            _ => None,
        };
        let explicit = match flags & FLAG_EXPLICIT_HASH_KEY {
            0 => None,
            _ => Some(HashKey::new(take(rest, 16)?.get_u128_le())),
        };
        let is_sealed = flags & FLAG_SEALED != 0;
        let opener = if is_sealed { Some((get_varint(rest)?, take_array(rest)?)) } else { None };
        let data_bytes = get_varint(rest)?;
        let data = take(rest, data_bytes)?;
        let seal = match opener {
            None => None,
            Some((number, nonce)) => {
                let data_key = DataKeyNumber(number.try_into().ok()?);
                Some(Seal { data_key, nonce, tag: take_array(rest)? })
            }
        };
        let offset = self.next;
        self.next = offset.plus(1);
        self.left -= 1;
        Some(Frame { offset, partition_key, explicit, data, seal })
    }
}

/// A stored record as it lies in its chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) offset: Offset,
    partition_key: Option<&'a [u8]>,
    explicit: Option<HashKey>,
    data: &'a [u8],
    pub(crate) seal: Option<Seal<'a>>,
}

impl<'a> Frame<'a> {
    /// Bytes that quotas and page sizes count.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.partition_key.map_or(0, <[u8]>::len) + self.data.len()
    }

    /// Fails where the partition key isn't text.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        let is_text = |key: &[u8]| key.is_ascii() || std::str::from_utf8(key).is_ok();
        if self.partition_key.is_none_or(is_text) { Ok(()) } else { Err(damaged()) }
    }

    fn view(self, arrival: Timestamp) -> Result<RecordView<'a>, EngineError> {
        let Self { offset, partition_key, explicit, data, seal } = self;
        let partition_key = partition_key.map(std::str::from_utf8).transpose();
        let partition_key = partition_key.map_err(|_| damaged())?;
        Ok(RecordView { offset, arrival, partition_key, explicit, data, seal })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.next_frame()?.and_then(|frame| frame.view(self.arrival));
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(taken)
}

fn take_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(taken)
}

fn get_varint(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in (0..VARINT_BYTES_MAX).map(|i| i * 7) {
        let byte = take(rest, 1)?.get_u8();
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn damaged() -> EngineError {
    EngineError::Corrupt("a chunk doesn't read as one".into())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::batch::RecordBatch;

    fn stored(batch: RecordBatch, first: u64) -> Vec<StoredChunk> {
        let mut next = Offset::new(first);
        let mut page = Vec::new();
        for chunk in batch.stamp(Timestamp::from_millis(5)) {
            page.push(StoredChunk { first: next, bytes: chunk.bytes().clone() });
            next = next.plus(chunk.records().into());
        }
        page
    }

    proptest! {
        #[test]
        fn records_read_back_as_they_were_pushed(
            entries in vec(
                (option::of(".{1,40}"), option::of(any::<u128>()), vec(any::<u8>(), 0..300)),
                1..40,
            ),
            split in 0..40_usize,
        ) {
            let mut batches = [RecordBatch::default(), RecordBatch::default()];
            for (i, (key, explicit, data)) in entries.iter().enumerate() {
                let batch = &mut batches[usize::from(i >= split)];
                batch.push(key.as_deref(), explicit.map(HashKey::new), &Blob::Bytes(data.into()));
            }
            let [mut batch, later] = batches;
            batch.append(later);
            prop_assert_eq!(batch.records() as usize, entries.len());
            let page = stored(batch, 7);
            let read: Vec<_> = page.iter().flat_map(|chunk| chunk.records().unwrap()).collect();
            prop_assert_eq!(read.len(), entries.len());
            for (i, (record, (key, explicit, data))) in read.into_iter().zip(&entries).enumerate() {
                let expected = RecordView {
                    offset: Offset::new(7 + i as u64),
                    arrival: Timestamp::from_millis(5),
                    partition_key: key.as_deref(),
                    explicit: explicit.map(HashKey::new),
                    data,
                    seal: None,
                };
                prop_assert_eq!(record.unwrap(), expected);
            }
        }

        #[test]
        fn a_chunk_that_is_cut_short_ends_with_an_error(
            entries in vec((".{1,20}", option::of(any::<u128>()), vec(any::<u8>(), 0..90)), 1..9),
            cut: prop::sample::Index,
        ) {
            let mut batch = RecordBatch::default();
            for (key, explicit, data) in &entries {
                batch.push(key.as_str(), explicit.map(HashKey::new), &Blob::Bytes(data.into()));
            }
            let mut chunk = stored(batch, 0).remove(0);
            chunk.bytes.truncate(HEADER_BYTES + cut.index(chunk.bytes.len() - HEADER_BYTES));
            let read: Vec<_> = chunk.records().unwrap().collect();
            let (last, whole) = read.split_last().unwrap();
            prop_assert!(matches!(last, Err(EngineError::Corrupt(_))), "{last:?}");
            prop_assert!(whole.iter().all(Result::is_ok));
            prop_assert!(whole.len() < entries.len());
        }

        #[test]
        fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200), count in 0..9_u32) {
            let mut chunk = vec![0; HEADER_BYTES];
            chunk.extend(bytes);
            set_count(&mut chunk, count);
            stamp(&mut chunk, Timestamp::default());
            let chunk = StoredChunk { first: Offset::ZERO, bytes: Bytes::from(chunk) };
            prop_assert!(chunk.records().unwrap().count() <= count as usize);
        }
    }

    #[test]
    fn a_large_batch_is_cut_into_chunks() {
        let mut batch = RecordBatch::default();
        for _ in 0..100 {
            batch.push("k", None, &Blob::Bytes(vec![0; 10_000].into()));
        }
        batch.push("k", None, &Blob::Bytes(vec![0; 1_000_000].into()));
        let chunks = batch.stamp(Timestamp::default());
        let records: Vec<_> = chunks.iter().map(crate::batch::Chunk::records).collect();
        assert_eq!(records.iter().sum::<u32>(), 101);
        assert_eq!(records.last(), Some(&1));
        assert!(chunks[..4].iter().all(|c| c.bytes().len() <= crate::batch::CHUNK_BYTES_MAX + 16));
    }
}
