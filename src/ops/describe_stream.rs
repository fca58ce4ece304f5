//! DescribeStream.

use std::borrow::Cow;

use millpond_api::operations::{
    DescribeStream, DescribeStreamInput, DescribeStreamOutput, StreamDescription,
};
use millpond_quotas::limits;

use super::{Cx, Reply, Serve, describe};
use crate::error::Result;

impl Serve for DescribeStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DescribeStreamInput<'a>) -> Result<Reply> {
        let stream = cx.controlled(input.stream())?;
        let state = stream.state();
        let page = limits::page_size(input.limit, limits::DESCRIBE_STREAM_SHARDS_PAGE_MAX);
        // Ids are compared as text, as AWS does: the start need not be a shard's id.
        let after = input.exclusive_start_shard_id.unwrap_or_default();
        let mut listed = state
            .listed_shards(cx.now())
            .filter(|shard| shard.id.to_string().as_str() > after.as_ref());
        let shards: Vec<_> = listed.by_ref().take(page).map(describe::shard).collect();
        let bytes = describe::SHARD_BYTES * (shards.len() + 1);
        let room = cx.room(bytes).await?;
        let description = StreamDescription {
            stream_name: state.arn.name.as_str().into(),
            stream_arn: state.arn.to_string().into(),
            stream_status: state.status,
            stream_mode_details: Some(describe::mode(state)),
            shards,
            has_more_shards: listed.next().is_some(),
            retention_period_hours: state.retention_hours.cast_signed(),
            stream_creation_timestamp: state.created,
            enhanced_monitoring: describe::enhanced_monitoring(state),
            encryption_type: Some(describe::encryption_type(state)),
            key_id: state.encryption.key_id.as_deref().map(Cow::Borrowed),
        };
        Ok(cx.reply_in(room, &DescribeStreamOutput { stream_description: description }, bytes))
    }
}
