//! DescribeStreamSummary.

use std::borrow::Cow;

use millpond_api::operations::{
    DescribeStreamSummary, DescribeStreamSummaryInput, DescribeStreamSummaryOutput,
    StreamDescriptionSummary,
};

use super::{Cx, Reply, Serve, describe, on_demand};
use crate::error::Result;

impl Serve for DescribeStreamSummary {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DescribeStreamSummaryInput<'a>) -> Result<Reply> {
        let stream = cx.controlled(input.stream())?;
        let state = stream.state();
        let summary = StreamDescriptionSummary {
            stream_name: state.arn.name.as_str().into(),
            stream_arn: state.arn.to_string().into(),
            // Never told: SDKs would go around the endpoint that they were given.
            stream_id: None,
            stream_status: state.status,
            stream_mode_details: Some(describe::mode(state)),
            retention_period_hours: state.retention_hours.cast_signed(),
            stream_creation_timestamp: state.created,
            enhanced_monitoring: describe::enhanced_monitoring(state),
            encryption_type: Some(describe::encryption_type(state)),
            key_id: state.encryption.key_id.as_deref().map(Cow::Borrowed),
            open_shard_count: describe::count(state.open_shards().count()),
            consumer_count: Some(describe::count(state.consumers.len())),
            warm_throughput: on_demand::warm_throughput(cx, state),
            max_record_size_in_kib: Some(state.max_record_kib.cast_signed()),
            record_distribution_strategy: on_demand::distribution(state),
            queue_count: None,
            channel_count: None,
        };
        let output = DescribeStreamSummaryOutput { stream_description_summary: summary };
        Ok(cx.reply(&output))
    }
}
