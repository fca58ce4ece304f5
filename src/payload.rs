//! What producers put into records that Kinesis knows nothing of: the aggregates of the KPL, and
//! gzip. Both are read for people who look into a stream; whatever doesn't read as one of them is
//! left as it is.
//!
//! Anybody who may put records decides what is read here, so each record comes out by itself, and
//! all that a stored one comes to is bounded.

mod aggregate;

use std::{
    borrow::Cow,
    io::{self, Read as _},
};

use flate2::read::MultiGzDecoder;

use aggregate::{Aggregate, DECODED_BYTES_MAX};

/// Bytes that one stored record may come to when it is unpacked; what is beyond it stays packed.
/// A record of an aggregate counts 256 bytes beside its data, and its keys three times: as JSON
/// it takes at most twice that.
pub const UNPACKED_BYTES_MAX: usize = 16 << 20;

/// Unpacked data up to this size has room that grows with it. What comes to more gets all that
/// there may be at once: as it grew by steps it would take both, the old and the new.
const GROWING_BYTES_MAX: usize = 1 << 20;

/// Memory that unpacking one record takes at most: its room, the byte that shows that it is too
/// much, and what it grew out of, up to twice as large as what was in it.
const INFLATING_BYTES_MAX: usize = UNPACKED_BYTES_MAX + 1 + 2 * GROWING_BYTES_MAX;

/// Memory that unpacking takes at most, beside the stored record and what is told of it: a decoded
/// aggregate, and the one record that is being unpacked.
pub const WORKING_BYTES_MAX: usize = DECODED_BYTES_MAX + INFLATING_BYTES_MAX;

/// What gzip begins with: its magic number, and deflate, the only method there is.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];

/// What of this is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unpacking {
    /// Aggregates are taken apart.
    pub deaggregate: bool,
    /// Data that is packed with gzip is unpacked.
    pub gunzip: bool,
}

/// A record as its producer meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// Its place in the aggregate that it came in, if it did.
    pub sub_sequence_number: Option<u32>,
    /// Its own partition key, or that of the stored record.
    pub partition_key: Option<&'a str>,
    /// Its own explicit hash key, where it is in an aggregate and has one.
    pub explicit_hash_key: Option<&'a str>,
    /// Its data.
    pub data: Cow<'a, [u8]>,
    /// Whether the data was packed.
    pub was_gzip: bool,
}

/// A stored record, and what it holds.
pub struct Payload<'a> {
    partition_key: Option<&'a str>,
    data: Cow<'a, [u8]>,
    aggregate: Option<Aggregate>,
    gunzip: bool,
}

impl<'a> Payload<'a> {
    /// The record of this key and data, of which that much is undone.
    #[must_use]
    pub fn of(partition_key: Option<&'a str>, data: Cow<'a, [u8]>, unpacking: Unpacking) -> Self {
        let Unpacking { deaggregate, gunzip } = unpacking;
        let aggregate = deaggregate.then(|| Aggregate::read(&data)).flatten();
        Self { partition_key, data, aggregate, gunzip }
    }

    /// The records that it stands for; itself, unless it is an aggregate.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        let whole = || UserRecord {
            sub_sequence_number: None,
            partition_key: self.partition_key,
            explicit_hash_key: None,
            data: Cow::Borrowed(&self.data),
            was_gzip: false,
        };
        let (parts, taken): (Box<dyn Iterator<Item = _>>, _) = match &self.aggregate {
            Some(aggregate) => (Box::new(aggregate.records()), aggregate.told_bytes()),
            None => (Box::new(std::iter::once_with(whole)), 0),
        };
        let left = UNPACKED_BYTES_MAX.saturating_sub(taken);
        Records { parts, gunzip: self.gunzip, left, inflated: 0 }
    }
}

/// The records of a stored one, each unpacked when it is asked for.
pub struct Records<'a> {
    parts: Box<dyn Iterator<Item = UserRecord<'a>> + 'a>,
    gunzip: bool,
    /// Bytes that may still be inflated.
    left: usize,
    inflated: usize,
}

impl Records<'_> {
    /// Bytes that were inflated so far, with those that were thrown away.
    #[must_use]
    pub fn inflated_bytes(&self) -> usize {
        self.inflated
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = UserRecord<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.parts.next()?;
        if !self.gunzip || self.left == 0 || !record.data.starts_with(&GZIP) {
            return Some(record);
        }
        let mut unpacked = Vec::new();
        let is_whole = gunzip(&record.data, self.left, &mut unpacked)
            .is_ok_and(|()| unpacked.len() <= self.left);
        self.inflated += unpacked.len();
        self.left = self.left.saturating_sub(unpacked.len());
        let unpacked = is_whole.then_some(Cow::Owned(unpacked));
        let was_gzip = unpacked.is_some();
        Some(UserRecord { data: unpacked.unwrap_or(record.data), was_gzip, ..record })
    }
}

/// Fills `unpacked`, which is empty, with what was packed, and with one byte beyond the bound at
/// most. It is filled as far as the data isn't damaged.
fn gunzip(data: &[u8], bytes_max: usize, unpacked: &mut Vec<u8>) -> io::Result<()> {
    let room = bytes_max + 1;
    let mut reader = MultiGzDecoder::new(data).take(room as u64);
    reader.by_ref().take(GROWING_BYTES_MAX as u64).read_to_end(unpacked)?;
    if unpacked.len() == GROWING_BYTES_MAX {
        unpacked.reserve_exact(room.saturating_sub(GROWING_BYTES_MAX));
        reader.read_to_end(unpacked)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
