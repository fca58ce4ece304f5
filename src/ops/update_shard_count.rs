//! UpdateShardCount.

use millpond_api::operations::{UpdateShardCount, UpdateShardCountInput, UpdateShardCountOutput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, describe};
use crate::error::Result;

impl Serve for UpdateShardCount {
    async fn serve<'a>(cx: &'a Cx<'a>, input: UpdateShardCountInput<'a>) -> Result<Reply> {
        let before = cx.controlled(input.stream())?;
        let arn = &before.state().arn;
        let target = input.target_shard_count.unsigned_abs();
        let (stream, now, due) = (arn.clone(), cx.now(), cx.due());
        cx.submit(Command::UpdateShardCount { stream, target, now, due }).await?;
        let output = UpdateShardCountOutput {
            stream_name: Some(arn.name.as_str().into()),
            current_shard_count: Some(describe::count(before.state().open_shards().count())),
            target_shard_count: Some(input.target_shard_count),
            stream_arn: Some(arn.to_string().into()),
        };
        Ok(cx.reply(&output))
    }
}
