//! The KPL's aggregates: a record that holds many, which Kinesis takes for one.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `F3 89 9A C2` |
//! | n | protocol buffers: tables of keys, and the records, each with its places in these |
//! | 16 | MD5 of the n |

use md5::{Digest as _, Md5};
use prost::{Message, bytes::Bytes};

use super::{UNPACKED_BYTES_MAX, UserRecord};

/// What an aggregate begins with.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// Bytes of the digest at its end.
const DIGEST_BYTES: usize = 16;

/// The largest aggregate that is taken apart: the KPL makes none beyond it.
const AGGREGATE_BYTES_MAX: usize = 1 << 20;

/// Memory that the elements of one take at most when it is decoded: those of two bytes have a
/// [`Bytes`] each.
const ELEMENTS_BYTES_MAX: usize = AGGREGATE_BYTES_MAX / 2 * size_of::<Bytes>();

/// Memory that one takes at most while it is decoded: a copy, and its tables. The room of a table
/// is a power of two, up to twice what is in it, and has half of it beside it as it grows: together
/// nine quarters of the elements, where one table has half of them and a quarter and an eighth are
/// in the others.
pub(super) const DECODED_BYTES_MAX: usize = AGGREGATE_BYTES_MAX + ELEMENTS_BYTES_MAX / 4 * 9;

/// Characters of the longest key that the KPL takes.
const KEY_CHARS_MAX: usize = 256;

/// What a record counts beside its data and keys: half of what its other members take in JSON.
const RECORD_BYTES: usize = 256;

/// How often a key counts: half of the six bytes that JSON takes for a control character.
const KEY_FACTOR: usize = 3;

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

/// An aggregate that reads as one to its end.
pub(super) struct Aggregate {
    wire: Wire,
    told_bytes: usize,
}

impl Wire {
    /// The record of this place; `None` when it is damaged, or no producer would have made it.
    fn record<'a>(&'a self, place: u32, record: &Bytes) -> Option<UserRecord<'a>> {
        let record = WireRecord::decode(record.clone()).ok()?;
        let explicit = record.explicit_hash_key;
        Some(UserRecord {
            sub_sequence_number: Some(place),
            partition_key: Some(key(&self.partition_keys, record.partition_key?)?),
            explicit_hash_key: match explicit {
                Some(place) => Some(key(&self.explicit_hash_keys, place)?),
                None => None,
            },
            data: Vec::from(record.data?).into(),
            was_gzip: false,
        })
    }

    fn records(&self) -> impl Iterator<Item = Option<UserRecord<'_>>> {
        (0..).zip(&self.records).map(|(place, record)| self.record(place, record))
    }
}

fn key(keys: &[Bytes], place: u64) -> Option<&str> {
    let key = keys.get(usize::try_from(place).ok()?)?;
    let key = std::str::from_utf8(key).ok()?;
    (key.chars().nth(KEY_CHARS_MAX).is_none()).then_some(key)
}

impl Aggregate {
    /// Takes `data` apart; `None` when it isn't an aggregate, is damaged, is too large, or has no
    /// records: who looks would see nothing of what is stored.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let body = data.strip_prefix(&MAGIC)?;
        let (body, digest) = body.split_at_checked(body.len().checked_sub(DIGEST_BYTES)?)?;
        if body.len() > AGGREGATE_BYTES_MAX || Md5::digest(body).as_slice() != digest {
            return None;
        }
        let wire = Wire::decode(Bytes::copy_from_slice(body)).ok()?;
        wire.records.first()?;
        // Many records may share one long key.
        let mut told_bytes = 0;
        for record in wire.records() {
            told_bytes += told_bytes_of(&record?);
            if told_bytes > UNPACKED_BYTES_MAX {
                return None;
            }
        }
        Some(Self { wire, told_bytes })
    }

    /// Its records, made as they are asked for.
    pub(super) fn records(&self) -> impl Iterator<Item = UserRecord<'_>> {
        self.wire.records().flatten()
    }

    /// What its records count of [`UNPACKED_BYTES_MAX`].
    pub(super) fn told_bytes(&self) -> usize {
        self.told_bytes
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

fn told_bytes_of(record: &UserRecord<'_>) -> usize {
    let keys = [record.partition_key, record.explicit_hash_key];
    let key_bytes: usize = keys.into_iter().flatten().map(str::len).sum();
    RECORD_BYTES + KEY_FACTOR * key_bytes + record.data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_tables_take_as_much_as_is_reckoned() {
        // One more than a power of two each, which together is the most that fits.
        let elements = AGGREGATE_BYTES_MAX / 2;
        let table = |part: usize| vec![Bytes::new(); elements / part + 1];
        let wire =
            Wire { partition_keys: table(8), explicit_hash_keys: table(4), records: table(2) };
        let body = wire.encode_to_vec();
        assert!(body.len() <= AGGREGATE_BYTES_MAX);
        let wire = Wire::decode(Bytes::from(body)).unwrap();
        let tables = [&wire.partition_keys, &wire.explicit_hash_keys, &wire.records];
        let rooms = tables.map(|table| table.capacity() * size_of::<Bytes>());
        // What the largest grew out of was still there when it got its room.
        let grown_out_of = wire.records.capacity() / 2 * size_of::<Bytes>();
        let taken = rooms.iter().sum::<usize>() + grown_out_of;
        assert_eq!(AGGREGATE_BYTES_MAX + taken, DECODED_BYTES_MAX);
    }
}
