//! Whether limits are kept, and what is said when one refuses.

use std::time::Duration;

use crate::bucket::Shortage;

/// Are limits kept?
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Quotas {
    /// As on AWS.
    Strict,
    /// Everything is admitted, nothing is remembered.
    Off,
}

/// Which limit refused.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// Records a second written to a shard.
    WriteRecords,
    /// Bytes a second written to a shard.
    WriteBytes,
    /// GetRecords calls a second on a shard.
    ReadCalls,
    /// Bytes a second read from a shard.
    ReadBytes,
    /// GetShardIterator calls a second on a shard.
    IteratorCalls,
    /// SubscribeToShard calls a second of a consumer on a shard.
    SubscribeCalls,
    /// Calls a second of a control operation.
    ControlCalls,
}

/// A request was throttled. Nothing was spent on it, but for the rare case that
/// [`ShardQuota::admit_write`](crate::ShardQuota::admit_write) names.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The limit in the way.
    pub limit: Limit,
    /// By how much the request went over it: records, bytes or calls, as the limit counts.
    pub excess: u64,
    /// When the same request would be admitted if nobody else came.
    pub retry_after: Duration,
}

impl Refusal {
    pub(crate) const fn new(limit: Limit, shortage: Shortage) -> Self {
        Self { limit, excess: shortage.excess, retry_after: shortage.retry_after }
    }
}
