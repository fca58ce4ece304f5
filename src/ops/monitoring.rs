//! Metrics of enhanced monitoring: which ones a request means, and what it is answered.

use std::collections::BTreeSet;

use millpond_api::{
    shapes::EnhancedMonitoringOutput,
    types::{MetricsName, StreamArn},
};

use super::{Cx, Reply};

/// The metrics that are meant, each by its own name.
pub(super) fn metrics(named: &[MetricsName]) -> BTreeSet<MetricsName> {
    let named = if named.contains(&MetricsName::All) { MetricsName::ALL } else { named };
    named.iter().copied().filter(|metric| *metric != MetricsName::All).collect()
}

/// The metrics of a stream before and after.
pub(super) fn reply(
    cx: &Cx<'_>,
    stream: &StreamArn,
    current: &BTreeSet<MetricsName>,
    desired: &BTreeSet<MetricsName>,
) -> Reply {
    cx.reply(&EnhancedMonitoringOutput {
        stream_name: Some(stream.name.as_str().into()),
        current_shard_level_metrics: Some(current.iter().copied().collect()),
        desired_shard_level_metrics: Some(desired.iter().copied().collect()),
        stream_arn: Some(stream.to_string().into()),
    })
}
