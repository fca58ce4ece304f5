//! What is told of on-demand mode, and what only it has.

use millpond_api::{shapes::WarmThroughputObject, types::RecordDistributionStrategy};
use millpond_shards::stream::{Namespace, StreamState, on_demand};

use super::Cx;
use crate::error::{Error, invalid};

/// What the stream is kept warm for; `None` unless that was asked for, in an account whose
/// commitment is in force.
pub(super) fn warm_throughput(cx: &Cx<'_>, stream: &StreamState) -> Option<WarmThroughputObject> {
    let target = stream.on_demand.as_ref()?.warm_mib?;
    let snapshot = cx.domain().directory().snapshot();
    let is_committed = snapshot.is_committed(&Namespace::of(&stream.arn), cx.now());
    let capacity = on_demand::capacity_mib(stream.open_shards().map(|shard| shard.range));
    is_committed.then(|| WarmThroughputObject {
        target_mibps: Some(target.cast_signed()),
        current_mibps: Some(target.min(capacity).cast_signed()),
    })
}

/// Who picks the shards of an on-demand stream's records.
pub(super) fn distribution(stream: &StreamState) -> Option<RecordDistributionStrategy> {
    stream.on_demand.as_ref().map(|on_demand| on_demand.distribution)
}

/// A stream that is or becomes provisioned can't be kept warm.
pub(super) fn no_warm_throughput() -> Error {
    invalid("WarmThroughputMiBps is only supported for on-demand streams.")
}
