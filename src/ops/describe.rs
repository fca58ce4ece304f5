//! How streams and shards look to clients; shared by the operations that show them.

use millpond_api::{
    shapes::{
        ChildShard, EnhancedMetrics, HashKeyRange, SequenceNumberRange, Shard, StreamModeDetails,
    },
    types::{self, EncryptionType},
};
use millpond_shards::stream::{ShardState, StreamState};

/// What a shard takes in an answer at most.
pub(super) const SHARD_BYTES: usize = 512;

/// A shard as DescribeStream and ListShards show it.
pub(super) fn shard(shard: &ShardState) -> Shard<'static> {
    Shard {
        shard_id: shard.id,
        parent_shard_id: shard.parents.parent,
        adjacent_parent_shard_id: shard.parents.adjacent,
        hash_key_range: hash_key_range(shard.range),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: shard.starting_sequence_number(),
            ending_sequence_number: shard.ending_sequence_number(),
        },
    }
}

/// A shard that took over from another, as the reader of its parent is told.
pub(super) fn child_shard(shard: &ShardState) -> ChildShard<'static> {
    ChildShard {
        shard_id: shard.id,
        parent_shards: shard.parents.iter().collect(),
        hash_key_range: hash_key_range(shard.range),
    }
}

fn hash_key_range(range: types::HashKeyRange) -> HashKeyRange<'static> {
    HashKeyRange {
        starting_hash_key: range.start().to_string().into(),
        ending_hash_key: range.end().to_string().into(),
    }
}

/// A number of things as the wire has it.
pub(super) fn count(things: usize) -> i32 {
    i32::try_from(things).unwrap_or(i32::MAX)
}

/// Who decides how many shards the stream has.
pub(super) fn mode(stream: &StreamState) -> StreamModeDetails {
    StreamModeDetails { stream_mode: stream.mode() }
}

/// Whether records that are written now are encrypted. AWS always tells it.
pub(super) fn encryption_type(stream: &StreamState) -> EncryptionType {
    match stream.encryption.key_id {
        Some(_) => EncryptionType::Kms,
        None => EncryptionType::None,
    }
}

/// One element, as AWS always sends.
pub(super) fn enhanced_monitoring(stream: &StreamState) -> Vec<EnhancedMetrics> {
    let enabled = stream.shard_level_metrics.iter().copied().collect();
    vec![EnhancedMetrics { shard_level_metrics: Some(enabled) }]
}
