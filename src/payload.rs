//! What producers put into records that Kinesis knows nothing of: the aggregates of the KPL, and
//! gzip. Both are read for people who look into a stream; whatever doesn't read as one of them is
//! left as it is.

mod aggregate;

use std::{borrow::Cow, io::Read as _};

use flate2::read::MultiGzDecoder;

use aggregate::Aggregate;

/// Bytes that one stored record may come to when it is unpacked; what is beyond it stays packed.
/// Three times the largest record.
pub const UNPACKED_BYTES_MAX: usize = 32 << 20;

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
    pub partition_key: Option<Cow<'a, str>>,
    /// Its own explicit hash key, where it is in an aggregate and has one.
    pub explicit_hash_key: Option<String>,
    /// Its data.
    pub data: Cow<'a, [u8]>,
    /// Whether the data was packed.
    pub was_gzip: bool,
}

/// The records that a stored one stands for; itself, unless it is an aggregate.
#[must_use]
pub fn unpack<'a>(
    partition_key: Option<&'a str>,
    data: Cow<'a, [u8]>,
    unpacking: Unpacking,
) -> Vec<UserRecord<'a>> {
    let aggregate = unpacking.deaggregate.then(|| Aggregate::read(&data)).flatten();
    let mut records = match aggregate {
        Some(Aggregate(records)) => records.into_iter().map(UserRecord::from).collect(),
        None => vec![UserRecord {
            sub_sequence_number: None,
            partition_key: partition_key.map(Cow::Borrowed),
            explicit_hash_key: None,
            data,
            was_gzip: false,
        }],
    };
    if unpacking.gunzip {
        let mut left = UNPACKED_BYTES_MAX;
        for record in &mut records {
            if let Some(unpacked) = gunzip(&record.data, left) {
                left -= unpacked.len();
                record.data = Cow::Owned(unpacked);
                record.was_gzip = true;
            }
        }
    }
    records
}

/// What was packed, unless it isn't gzip, is damaged, or has more bytes than this.
fn gunzip(data: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    if !data.starts_with(&GZIP) {
        return None;
    }
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(data).take(bytes_max as u64 + 1);
    reader.read_to_end(&mut unpacked).ok()?;
    (unpacked.len() <= bytes_max).then_some(unpacked)
}

#[cfg(test)]
mod tests;
