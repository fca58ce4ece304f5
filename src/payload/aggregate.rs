//! The KPL's aggregates: a record that holds many, which Kinesis takes for one.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `F3 89 9A C2` |
//! | n | protocol buffers: tables of keys, and the records, each with its places in these |
//! | 16 | MD5 of the n |

use std::borrow::Cow;

use md5::{Digest as _, Md5};
use prost::{Message, bytes::Bytes};

use super::{UNPACKED_BYTES_MAX, UserRecord};

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Bytes of the digest at its end.
const DIGEST_BYTES: usize = 16;

/// The largest aggregate that is taken apart. The KPL makes none beyond 1 MiB; decoding takes a
/// multiple of it.
const AGGREGATE_BYTES_MAX: usize = 2 << 20;

/// `AggregatedRecord`. Its elements are only cut out here, and decoded one by one.
#[derive(Clone, PartialEq, Eq, Message)]
struct Wire {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    partition_keys: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    explicit_hash_keys: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "3")]
    records: Vec<Bytes>,
}

/// `Record`. Tags of records are read past: no producer sets them.
#[derive(Clone, PartialEq, Eq, Message)]
struct WireRecord {
    #[prost(uint64, optional, tag = "1")]
    partition_key: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    explicit_hash_key: Option<u64>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    data: Option<Bytes>,
}

/// The records of an aggregate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Aggregate(pub(super) Vec<SubRecord>);

/// A record within an aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SubRecord {
    place: u32,
    partition_key: String,
    explicit_hash_key: Option<String>,
    data: Vec<u8>,
}

impl From<SubRecord> for UserRecord<'_> {
    fn from(record: SubRecord) -> Self {
        Self {
            sub_sequence_number: Some(record.place),
            partition_key: Some(Cow::Owned(record.partition_key)),
            explicit_hash_key: record.explicit_hash_key,
            data: Cow::Owned(record.data),
            was_gzip: false,
        }
    }
}

impl Aggregate {
    /// Takes `data` apart; `None` when it isn't an aggregate, is damaged, or is too large.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let body = data.strip_prefix(&MAGIC)?;
        let (body, digest) = body.split_at_checked(body.len().checked_sub(DIGEST_BYTES)?)?;
        if body.len() > AGGREGATE_BYTES_MAX || Md5::digest(body).as_slice() != digest {
            return None;
        }
        let wire = Wire::decode(Bytes::copy_from_slice(body)).ok()?;
        let key = |keys: &[Bytes], place: u64| -> Option<String> {
            let key = keys.get(usize::try_from(place).ok()?)?;
            String::from_utf8(key.to_vec()).ok()
        };
        // Many records may share one long key.
        let mut left = UNPACKED_BYTES_MAX;
        let mut records = Vec::new();
        for (place, record) in (0..).zip(&wire.records) {
            let record = WireRecord::decode(record.clone()).ok()?;
            let partition_key = key(&wire.partition_keys, record.partition_key?)?;
            let explicit = record.explicit_hash_key;
            let explicit_hash_key = match explicit {
                Some(place) => Some(key(&wire.explicit_hash_keys, place)?),
                None => None,
            };
            let data = record.data?.to_vec();
            let explicit_bytes = explicit_hash_key.as_ref().map_or(0, String::len);
            left = left.checked_sub(partition_key.len() + explicit_bytes + data.len())?;
            records.push(SubRecord { place, partition_key, explicit_hash_key, data });
        }
        Some(Self(records))
    }

    /// The aggregate of these records, as a producer makes it.
    #[cfg(test)]
    pub(super) fn write(records: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
        let mut wire = Wire::default();
        for (key, explicit, data) in records {
            let mut place = |keys: fn(&mut Wire) -> &mut Vec<Bytes>, key: &str| {
                let keys = keys(&mut wire);
                let key = Bytes::copy_from_slice(key.as_bytes());
                let found = keys.iter().position(|known| *known == key);
                Some(found.unwrap_or_else(|| {
                    keys.push(key);
                    keys.len() - 1
                }) as u64)
            };
            let record = WireRecord {
                partition_key: place(|wire| &mut wire.partition_keys, key),
                explicit_hash_key: explicit
                    .and_then(|key| place(|wire| &mut wire.explicit_hash_keys, key)),
                data: Some(Bytes::copy_from_slice(data)),
            };
            wire.records.push(record.encode_to_vec().into());
        }
        let body = wire.encode_to_vec();
        [&MAGIC[..], &body, &Md5::digest(&body)].concat()
    }
}
