//! What one shard admits: records and bytes in, calls and bytes out.

use crate::{
    Limit, Quotas, Refusal, Time,
    bucket::Bucket,
    calls::Calls,
    limits::{
        SHARD_ITERATOR_CALLS_PER_SECOND, SHARD_READ_BYTES_PER_SECOND, SHARD_READ_CALLS_PER_SECOND,
        SHARD_WRITE_BYTES_PER_SECOND, SHARD_WRITE_RECORDS_PER_SECOND,
    },
};

/// The quotas of one shard. Lock-free; nothing is kept when quotas are off.
///
/// In every window of `t` seconds, whatever the threads, at most `rate · t + depth` is admitted:
///
/// | what | rate a second | depth |
/// | --- | --- | --- |
/// | records written | 1,000 | 1,000 |
/// | bytes written | 1 MiB | 1 MiB, or the stream's record size limit if greater |
/// | GetRecords calls | 5 | 5 |
/// | bytes read | 2 MiB | 2 MiB, and the answers that were admitted before it was empty |
/// | GetShardIterator calls | 5 | 5 |
#[derive(Debug)]
pub struct ShardQuota(Option<Strict>);

#[derive(Debug)]
struct Strict {
    write_records: Calls,
    write_bytes: Bucket,
    read_calls: Calls,
    read_bytes: Bucket,
    iterator_calls: Calls,
}

impl ShardQuota {
    /// Full quotas for a shard of a stream whose records are at most `record_bytes_max` long, data
    /// and partition key together.
    #[must_use]
    pub fn new(quotas: Quotas, record_bytes_max: u64) -> Self {
        Self(match quotas {
            Quotas::Strict => Some(Strict::new(record_bytes_max)),
            Quotas::Off => None,
        })
    }

    /// From now on records may be `record_bytes_max` long. What was written is still paid for.
    pub fn set_record_bytes_max(&self, record_bytes_max: u64) {
        if let Some(strict) = &self.0 {
            strict.write_bytes.set_depth(write_depth(record_bytes_max));
        }
    }

    /// May a record of `payload_bytes`, data and partition key together, be written? Spends one
    /// record and its bytes if both are there.
    ///
    /// # Errors
    ///
    /// The limit that refused. Nothing is spent then, with one exception: when another thread gets
    /// ahead for the last bytes in the very moment of the decision, the record of the one that is
    /// refused stays spent. Giving it back could only be wrong in the other direction.
    pub fn admit_write(&self, now: Time, payload_bytes: u64) -> Result<(), Refusal> {
        let Some(strict) = &self.0 else { return Ok(()) };
        let short = |shortage| Refusal::new(Limit::WriteBytes, shortage);
        strict.write_bytes.check(now, payload_bytes).map_err(short)?;
        strict.write_records.admit(now)?;
        strict.write_bytes.try_take(now, payload_bytes).map_err(short)
    }

    /// May GetRecords read? Spends one call if so; the bytes follow by
    /// [`charge_read`](Self::charge_read) when they are known.
    ///
    /// # Errors
    ///
    /// The limit that refused; nothing is spent then.
    pub fn admit_read_call(&self, now: Time) -> Result<(), Refusal> {
        let Some(strict) = &self.0 else { return Ok(()) };
        let debt = strict.read_bytes.check(now, 0);
        debt.map_err(|shortage| Refusal::new(Limit::ReadBytes, shortage))?;
        strict.read_calls.admit(now)
    }

    /// GetRecords has answered with `bytes` of data. An answer greater than a second's bytes stops
    /// further reads until it is paid for: 10 MiB for 5 seconds.
    pub fn charge_read(&self, now: Time, bytes: u64) {
        if let Some(strict) = &self.0 {
            strict.read_bytes.charge(now, bytes);
        }
    }

    /// May GetShardIterator answer for this shard? Spends one call if so.
    ///
    /// # Errors
    ///
    /// The limit; nothing is spent then.
    pub fn admit_iterator_call(&self, now: Time) -> Result<(), Refusal> {
        self.0.as_ref().map_or(Ok(()), |strict| strict.iterator_calls.admit(now))
    }
}

impl Strict {
    fn new(record_bytes_max: u64) -> Self {
        let write_depth = write_depth(record_bytes_max);
        let read_depth = SHARD_READ_BYTES_PER_SECOND.into();
        Self {
            write_records: Calls::per_second(Limit::WriteRecords, SHARD_WRITE_RECORDS_PER_SECOND),
            write_bytes: Bucket::new(SHARD_WRITE_BYTES_PER_SECOND, write_depth),
            read_calls: Calls::per_second(Limit::ReadCalls, SHARD_READ_CALLS_PER_SECOND),
            read_bytes: Bucket::new(SHARD_READ_BYTES_PER_SECOND, read_depth),
            iterator_calls: Calls::per_second(
                Limit::IteratorCalls,
                SHARD_ITERATOR_CALLS_PER_SECOND,
            ),
        }
    }
}

/// Deep enough for one record of the greatest size.
fn write_depth(record_bytes_max: u64) -> u64 {
    record_bytes_max.max(SHARD_WRITE_BYTES_PER_SECOND.into())
}

#[cfg(test)]
mod tests;
