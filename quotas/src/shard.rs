//! What one shard admits: records and bytes in, calls and bytes out.

use crate::{Limit, Offered, Peak, Quotas, Rate, Refusal, Time, bucket::Bucket, calls::Calls};

/// The quotas of one shard. Lock-free; nothing is kept when all its rates are off.
///
/// In every window of `t` seconds, whatever the threads, at most `rate · t + depth` is admitted:
///
/// | what | rate a second, as on AWS | depth |
/// | --- | --- | --- |
/// | records written | 1,000 | a second's |
/// | bytes written | 1 MiB | a second's, or the stream's record size limit if greater |
/// | GetRecords calls | 5 | a second's |
/// | bytes read | 2 MiB | a second's, and the answers that were admitted before it was empty |
/// | GetShardIterator calls | 5 | a second's |
#[derive(Debug)]
pub struct ShardQuota(Option<Kept>);

#[derive(Debug)]
struct Kept {
    write_records: Option<Calls>,
    write_bytes: Option<Bucket>,
    read_calls: Option<Calls>,
    read_bytes: Option<Bucket>,
    iterator_calls: Option<Calls>,
    write_bytes_rate: Rate,
    writes: Offered,
    reads: Offered,
}

/// The busiest seconds of a shard.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct ShardPeaks {
    /// Records to be written.
    pub writes: Peak,
    /// GetRecords calls.
    pub read_calls: u64,
}

impl ShardQuota {
    /// Full quotas for a shard of a stream whose records are at most `record_bytes_max` long, data
    /// and partition key together.
    #[must_use]
    pub fn new(quotas: &Quotas, record_bytes_max: u64) -> Self {
        Self(quotas.rates.limit_shards().then(|| Kept::new(quotas, record_bytes_max)))
    }

    /// From now on records may be `record_bytes_max` long. What was written is still paid for.
    pub fn set_record_bytes_max(&self, record_bytes_max: u64) {
        if let Some(kept) = &self.0
            && let Some(bucket) = &kept.write_bytes
        {
            bucket.set_depth(write_depth(kept.write_bytes_rate, record_bytes_max));
        }
    }

    /// A record of `payload_bytes`, data and partition key together, is about to be written if it
    /// is admitted. It counts for the busiest second.
    pub fn note_offered(&self, now: Time, payload_bytes: u64) {
        if let Some(kept) = &self.0 {
            kept.writes.note(now, 1, payload_bytes);
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
        let Some(kept) = &self.0 else { return Ok(()) };
        let short = |shortage| Refusal::new(Limit::WriteBytes, shortage);
        if let Some(bytes) = &kept.write_bytes {
            bytes.check(now, payload_bytes).map_err(short)?;
        }
        admit(kept.write_records.as_ref(), now)?;
        match &kept.write_bytes {
            Some(bytes) => bytes.try_take(now, payload_bytes).map_err(short),
            None => Ok(()),
        }
    }

    /// May GetRecords read? Spends one call if so; the bytes follow by
    /// [`charge_read`](Self::charge_read) when they are known.
    ///
    /// # Errors
    ///
    /// The limit that refused; nothing is spent then.
    pub fn admit_read_call(&self, now: Time) -> Result<(), Refusal> {
        let Some(kept) = &self.0 else { return Ok(()) };
        kept.reads.note(now, 1, 0);
        if let Some(bytes) = &kept.read_bytes {
            let short = |shortage| Refusal::new(Limit::ReadBytes, shortage);
            bytes.check(now, 0).map_err(short)?;
        }
        admit(kept.read_calls.as_ref(), now)
    }

    /// GetRecords has answered with `bytes` of data. An answer greater than a second's bytes stops
    /// further reads until it is paid for: 10 MiB for 5 seconds.
    ///
    /// An answer in parts tells when it has begun, and what it was charged for `before`.
    pub fn charge_read(&self, begun: Time, before: u64, bytes: u64) {
        if let Some(kept) = &self.0
            && let Some(bucket) = &kept.read_bytes
        {
            bucket.charge_on(begun, before, bytes);
        }
    }

    /// May GetShardIterator answer for this shard? Spends one call if so.
    ///
    /// # Errors
    ///
    /// The limit; nothing is spent then.
    pub fn admit_iterator_call(&self, now: Time) -> Result<(), Refusal> {
        let Some(kept) = &self.0 else { return Ok(()) };
        admit(kept.iterator_calls.as_ref(), now)
    }

    /// The busiest seconds so far: what was asked for, admitted or not.
    #[must_use]
    pub fn peaks(&self) -> ShardPeaks {
        let peaks = |kept: &Kept| ShardPeaks {
            writes: kept.writes.peak(),
            read_calls: kept.reads.peak().records,
        };
        self.0.as_ref().map(peaks).unwrap_or_default()
    }

    /// Forgets the busiest seconds.
    pub fn clear_peaks(&self) {
        if let Some(kept) = &self.0 {
            kept.writes.clear();
            kept.reads.clear();
        }
    }
}

impl Kept {
    fn new(quotas: &Quotas, record_bytes_max: u64) -> Self {
        let rates = &quotas.rates;
        let write_bytes =
            |rate| Bucket::new(rate, write_depth(rates.write_bytes, record_bytes_max));
        Self {
            write_records: rates.write_records.calls(Limit::WriteRecords),
            write_bytes: rates.write_bytes.get().map(write_bytes),
            read_calls: rates.read_calls.calls(Limit::ReadCalls),
            read_bytes: rates.read_bytes.bucket(),
            iterator_calls: rates.iterator_calls.calls(Limit::IteratorCalls),
            write_bytes_rate: rates.write_bytes,
            writes: Offered::default(),
            reads: Offered::default(),
        }
    }
}

fn admit(calls: Option<&Calls>, now: Time) -> Result<(), Refusal> {
    calls.map_or(Ok(()), |calls| calls.admit(now))
}

/// Deep enough for one record of the greatest size.
fn write_depth(rate: Rate, record_bytes_max: u64) -> u64 {
    record_bytes_max.max(rate.get().unwrap_or_default().into())
}

#[cfg(test)]
mod tests;
