//! What is known of a stream: its status, its shards and their lineage. Plain data; `state::apply`
//! changes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millpond_api::types::{
    AccountId, ConsumerArn, HashKeyRange, MetricsName, RecordDistributionStrategy, Region,
    SequenceNumber, ShardId, StreamArn, StreamMode, StreamName, StreamStatus, Timestamp,
};
use millpond_quotas::limits;

use crate::engine::{LogId, Offset};
use consumer::ConsumerState;
use encryption::Encryption;
use on_demand::OnDemand;
pub use segments::Segment;

pub mod consumer;
pub mod encryption;
pub mod on_demand;
pub mod reshard;
pub mod retention;
pub mod routing;
pub mod segments;

/// A day, in the milliseconds of timestamps.
pub(crate) const DAY_MILLIS: i64 = limits::DAY.as_millis() as i64;

/// An account's part of a region. Streams in two namespaces never meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    /// The owning account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
}

impl Namespace {
    /// The ARN of the stream of this name.
    #[must_use]
    pub fn arn(&self, name: StreamName) -> StreamArn {
        StreamArn { region: self.region.clone(), account: self.account, name }
    }

    /// The namespace that an ARN points into.
    #[must_use]
    pub fn of(arn: &StreamArn) -> Self {
        Self { account: arn.account, region: arn.region.clone() }
    }
}

/// A stream's number in its server. Never reused: a stream created anew under an old name has
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamNumber(pub u32);

impl StreamNumber {
    /// The log that a shard of this stream writes first.
    #[must_use]
    pub fn log(self, shard: ShardId) -> LogId {
        LogId::new(u64::from(self.0) << 32 | u64::from(shard.index().cast_unsigned()))
    }
}

/// A stream, as the metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Which stream this is, among all that ever were.
    pub number: StreamNumber,
    /// The number that its logs are named by: its own, unless it was restored from a snapshot. It
    /// is never given out twice, so what is asked of one life isn't done to the next, and later
    /// logs aren't those of an earlier one.
    pub log_number: StreamNumber,
    /// Account, region and name.
    pub arn: StreamArn,
    /// When CreateStream was accepted.
    pub created: Timestamp,
    /// As DescribeStream shows it.
    pub status: StreamStatus,
    /// The retention period.
    pub retention_hours: u32,
    /// What arrived before this is gone, whatever the retention period: raising it never brings
    /// data back.
    pub trim_floor: Timestamp,
    /// The largest record that is accepted, in KiB of data and partition key.
    pub max_record_kib: u32,
    /// Metrics that enhanced monitoring is enabled for, each by its own name.
    pub shard_level_metrics: BTreeSet<MetricsName>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// The resource policy, as it was given.
    pub policy: Option<Arc<str>>,
    /// Shards that are listed, open and closed, by id.
    pub shards: BTreeMap<ShardId, ShardState>,
    /// The index that the next new shard gets.
    pub next_shard: i32,
    /// What is under way; `None` exactly when the status is ACTIVE.
    pub transition: Option<Transition>,
    /// When UpdateShardCount was called, as far as it still counts against the daily limit.
    pub shard_count_updates: Vec<Timestamp>,
    /// Registered consumers by name.
    pub consumers: BTreeMap<String, ConsumerState>,
    /// The on-demand mode; `None` when the stream is provisioned.
    pub on_demand: Option<OnDemand>,
    /// When its mode was switched, as far as that still counts against the daily limit.
    pub mode_switches: Vec<Timestamp>,
    /// What records are sealed under.
    pub encryption: Encryption,
}

/// Something that a stream is going through: a persisted intent, which survives a crash at any
/// step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When it takes effect.
    pub due: Timestamp,
    /// What takes effect.
    pub intent: Intent,
}

/// What a transition leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// Open this many shards.
    Create {
        /// Shards of the new stream.
        shards: u32,
    },
    /// Remove the stream and all its data.
    Delete,
    /// Close and open shards.
    Reshard(reshard::ReshardPlan),
    /// Nothing more; the change took effect when it was asked for.
    Settle,
}

/// A shard, as the metadata has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardState {
    /// The shard's id, unique within the stream for ever.
    pub id: ShardId,
    /// The hash keys that it owns, or owned while it was open.
    pub range: HashKeyRange,
    /// The shards that it took over from.
    pub parents: Parents,
    /// When it was opened; whole seconds count, as they stand in sequence numbers.
    pub created: Timestamp,
    /// Where its records are, in ascending order, at least one; the last is written to while the
    /// shard is open. Other shards may refer to the same logs.
    pub segments: Vec<Segment>,
    /// When and where it was closed.
    pub closed: Option<Closing>,
}

/// The shards whose hash keys a shard took over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parents {
    /// The split shard, or the lower one of a merge.
    pub parent: Option<ShardId>,
    /// The upper one of a merge.
    pub adjacent: Option<ShardId>,
}

impl Parents {
    /// The parents, lower first.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        self.parent.into_iter().chain(self.adjacent)
    }
}

/// The end of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// When it was closed; not before any of its records arrived.
    pub at: Timestamp,
    /// The position after its last record.
    pub end: Offset,
}

impl StreamState {
    /// When the stream or one of its consumers changes by itself.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        let consumers = self.consumers.values().filter_map(|consumer| consumer.due);
        self.transition.iter().map(|transition| transition.due).chain(consumers).min()
    }

    /// As DescribeStream shows it.
    #[must_use]
    pub fn mode(&self) -> StreamMode {
        if self.on_demand.is_some() { StreamMode::OnDemand } else { StreamMode::Provisioned }
    }

    /// Whether the service picks the shards of records, whatever their partition keys.
    #[must_use]
    pub fn spreads_records(&self) -> bool {
        let strategy = self.on_demand.as_ref().map(|on_demand| on_demand.distribution);
        strategy == Some(RecordDistributionStrategy::Auto)
    }

    /// Shards that take records, in order of their ids.
    pub fn open_shards(&self) -> impl Iterator<Item = &ShardState> {
        self.shards.values().filter(|shard| shard.is_open())
    }

    /// Shards that clients see: all but closed ones whose newest record has expired.
    pub fn listed_shards(&self, now: Timestamp) -> impl Iterator<Item = &ShardState> {
        let horizon = self.horizon(now);
        self.shards.values().filter(move |shard| !shard.is_expired(horizon))
    }

    /// Open shards, or those that the stream opens once it is created.
    pub(crate) fn open_shards_to_be(&self) -> u64 {
        match &self.transition {
            Some(Transition { intent: Intent::Create { shards }, .. }) => u64::from(*shards),
            Some(Transition { intent: Intent::Reshard(plan), .. }) => {
                let opens = plan.opens.iter().filter(|new| !new.passing).count();
                (self.open_shards().count() + opens - plan.closes.len()) as u64
            }
            _ => self.open_shards().count() as u64,
        }
    }

    /// The shard of this id, open or closed.
    ///
    /// # Errors
    /// `ShardNotFound` when the stream has none, or no longer has it.
    pub fn shard(&self, id: ShardId) -> Result<&ShardState, crate::Error> {
        let stream = || self.arn.clone();
        self.shards
            .get(&id)
            .ok_or_else(|| crate::Error::ShardNotFound { stream: stream(), shard: id })
    }

    /// The consumer of this ARN.
    ///
    /// # Errors
    /// `ConsumerNotFound` when there is none, or one that was registered at another time.
    pub fn consumer(&self, arn: &ConsumerArn) -> Result<&ConsumerState, crate::Error> {
        let named = self.consumers.get(&arn.name);
        let found = named.filter(|consumer| consumer.arn() == *arn);
        found.ok_or_else(|| crate::Error::ConsumerNotFound { consumer: arn.clone() })
    }

    /// The shards that took over from `parent`, in order of their ids.
    pub fn children(&self, parent: ShardId) -> impl Iterator<Item = &ShardState> {
        self.shards.values().filter(move |shard| shard.parents.iter().any(|id| id == parent))
    }

    /// What arrived before this can no longer be read.
    #[must_use]
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        retention::horizon(self.retention_hours, self.trim_floor, now)
    }
}

impl ShardState {
    /// Whether the shard takes records.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether everything in the shard arrived before `horizon` and nothing can follow.
    #[must_use]
    pub fn is_expired(&self, horizon: Timestamp) -> bool {
        self.closed.is_some_and(|closing| closing.at < horizon)
    }

    /// Position of the oldest record that can be read, or of the next one to come.
    #[must_use]
    pub fn begins(&self) -> Offset {
        self.segments.first().expect("every shard has a segment").from
    }

    /// The log that the shard writes, and where its records begin in it.
    #[must_use]
    pub fn segment(&self) -> Segment {
        *self.segments.last().expect("every shard has a segment")
    }

    /// The StartingSequenceNumber: below that of every record.
    #[must_use]
    pub fn starting_sequence_number(&self) -> SequenceNumber {
        self.number(0, self.created)
    }

    /// The EndingSequenceNumber of a closed shard: above that of every record.
    #[must_use]
    pub fn ending_sequence_number(&self) -> Option<SequenceNumber> {
        self.closed.map(|closing| self.number(SequenceNumber::INDEX_MAX, closing.at))
    }

    fn number(&self, index: u64, at: Timestamp) -> SequenceNumber {
        SequenceNumber {
            shard_created: self.created.seconds().cast_unsigned(),
            index,
            arrival: at.seconds().cast_unsigned(),
            shard: self.id,
        }
    }
}
