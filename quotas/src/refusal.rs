//! Which limits there are, and what is said when one refuses.

use std::time::Duration;

use crate::{Time, bucket::Shortage};

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
    /// Time for which a subscription is safe from the next one.
    SubscriptionTakeover,
    /// Calls a second of a control operation.
    ControlCalls,
}

impl Limit {
    /// The name by which [`Quotas::set`](crate::Quotas::set) knows it; that of the whole table for
    /// calls, whose rates each have the name of their operation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WriteRecords => "shard-write-records-per-second",
            Self::WriteBytes => "shard-write-bytes-per-second",
            Self::ReadCalls => "shard-read-calls-per-second",
            Self::ReadBytes => "shard-read-bytes-per-second",
            Self::IteratorCalls => "shard-iterator-calls-per-second",
            Self::SubscribeCalls => "subscribe-calls-per-second",
            Self::SubscriptionTakeover => "subscription-takeover",
            Self::ControlCalls => "calls-per-second",
        }
    }
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
    /// A subscription that is safe from the next one until `safe`.
    #[must_use]
    pub const fn safe_until(safe: Time, now: Time) -> Self {
        let retry_after = safe.saturating_duration_since(now);
        Self { limit: Limit::SubscriptionTakeover, excess: 1, retry_after }
    }

    pub(crate) const fn new(limit: Limit, shortage: Shortage) -> Self {
        Self { limit, excess: shortage.excess, retry_after: shortage.retry_after }
    }
}
