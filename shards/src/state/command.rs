//! What can be asked of the metadata: plain data, each with its precondition checked when it is
//! applied.

use std::{collections::BTreeSet, fmt, sync::Arc};

use millpond_api::types::{HashKey, MetricsName, ShardId, StreamArn, Timestamp};

use super::{CapacityCommand, ConsumerCommand, EncryptionCommand, Fork, PolicyCommand};
use crate::{
    engine::{LogId, Offset},
    stream::{Namespace, StreamNumber, on_demand::OnDemand},
};

/// A change of the metadata. Times are part of the command, so that applying it again gives the
/// same state. What was made of a look at a stream has the `log_number` that it had: another stream
/// may be in its place by now, under the same name, and the same number if that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are Kinesis' own request members, or explained above")]
pub enum Command {
    /// CreateStream: the stream is CREATING until `due`.
    CreateStream(NewStream),
    /// A stream of the configuration, likewise, with what CreateStream doesn't give it.
    DeclareStream(NewStream, Box<Provisions>),
    /// DeleteStream: the stream is DELETING until `due`, and so are its consumers.
    DeleteStream { stream: StreamArn, enforce_consumer_deletion: bool, due: Timestamp },
    /// SplitShard: the stream is UPDATING until `due`, when the parent closes.
    SplitShard { stream: StreamArn, shard: ShardId, at: HashKey, due: Timestamp },
    /// MergeShards, likewise; `upper` is the AdjacentShardToMerge.
    MergeShards { stream: StreamArn, lower: ShardId, upper: ShardId, due: Timestamp },
    /// UpdateShardCount with UNIFORM_SCALING, likewise.
    UpdateShardCount { stream: StreamArn, target: u32, now: Timestamp, due: Timestamp },
    /// IncreaseStreamRetentionPeriod: effective at once, UPDATING until `due`.
    IncreaseRetention { stream: StreamArn, hours: u32, now: Timestamp, due: Timestamp },
    /// DecreaseStreamRetentionPeriod, likewise.
    DecreaseRetention { stream: StreamArn, hours: u32, now: Timestamp, due: Timestamp },
    /// UpdateMaxRecordSize, likewise.
    UpdateMaxRecordSize { stream: StreamArn, kib: u32, due: Timestamp },
    /// EnableEnhancedMonitoring of these too, likewise.
    EnableMonitoring { stream: StreamArn, metrics: BTreeSet<MetricsName>, due: Timestamp },
    /// DisableEnhancedMonitoring of these, likewise.
    DisableMonitoring { stream: StreamArn, metrics: BTreeSet<MetricsName>, due: Timestamp },
    /// UpdateAccountSettings: enables the commitment to a minimum throughput, or ends it.
    UpdateAccountSettings { namespace: Namespace, enabled: bool, now: Timestamp },
    /// AddTagsToStream.
    AddTags { stream: StreamArn, tags: Vec<(String, String)> },
    /// RemoveTagsFromStream.
    RemoveTags { stream: StreamArn, keys: Vec<String> },
    /// Registers, changes or deregisters consumers of a stream.
    Consumer(ConsumerCommand),
    /// Puts or deletes the policy of a stream or a consumer.
    Policy(PolicyCommand),
    /// Changes what a stream can take, and who decides that.
    Capacity(CapacityCommand),
    /// Changes the encryption of a stream.
    Encryption(EncryptionCommand),
    /// Makes streams that share the records of others as they are now, all of them or none.
    Fork { forks: Vec<Fork>, now: Timestamp },
    /// Gives up the records of these shards before their ends.
    Truncate { stream: StreamArn, log_number: StreamNumber, ends: Vec<ShardEnd> },
    /// A transition's due time has come. `ends` tells where each of the shards ends that a reshard
    /// closes, now that they are sealed, in the order of its plan. Nothing happens when the stream
    /// is no longer in that transition.
    Settle { stream: StreamArn, log_number: StreamNumber, ends: Vec<ShardEnd>, now: Timestamp },
    /// Forget closed shards, and what open ones share with others, whose records have all expired.
    ForgetShards { stream: StreamArn, log_number: StreamNumber, now: Timestamp },
    /// The engine has dropped these logs.
    ForgetLogs { logs: Vec<LogId> },
}

/// A stream to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStream {
    /// Account, region and name.
    pub arn: StreamArn,
    /// Who decides about its shards.
    pub mode: NewMode,
    /// The largest record that it will accept, in KiB.
    pub max_record_kib: u32,
    /// Its first tags.
    pub tags: Vec<(String, String)>,
    /// When it was asked for.
    pub now: Timestamp,
    /// When it turns ACTIVE.
    pub due: Timestamp,
}

/// What a stream has from its first moment on that others get by commands of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct Provisions {
    /// The retention period.
    pub retention_hours: u32,
    /// Its resource policy.
    pub policy: Option<Arc<str>>,
    /// The master key that its records are encrypted with, and a data key wrapped by that.
    pub encryption: Option<(String, Vec<u8>)>,
}

impl fmt::Debug for Provisions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key_id = self.encryption.as_ref().map(|(key_id, _)| key_id);
        f.debug_struct("Provisions")
            .field("retention_hours", &self.retention_hours)
            .field("policy", &self.policy)
            .field("key_id", &key_id)
            .finish()
    }
}

/// The mode of a stream to be, which says how many open shards it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewMode {
    /// Its owner decides.
    Provisioned {
        /// At least one.
        shards: u32,
    },
    /// The service does, and begins with the fewest.
    OnDemand(OnDemand),
}

/// Where a sealed shard ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardEnd {
    /// The shard.
    pub shard: ShardId,
    /// The position after its last record.
    pub end: Offset,
    /// When its last record arrived.
    pub last_arrival: Timestamp,
}
