//! MergeShards.

use millpond_api::operations::{MergeShards, MergeShardsInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, address};
use crate::error::Result;

impl Serve for MergeShards {
    async fn serve<'a>(cx: &'a Cx<'a>, input: MergeShardsInput<'a>) -> Result<Reply> {
        let arn = cx.address(input.stream())?;
        let lower = address::shard(&arn, &input.shard_to_merge)?;
        let upper = address::shard(&arn, &input.adjacent_shard_to_merge)?;
        let stream = cx.control(input.stream())?;
        cx.submit(Command::MergeShards { stream, lower, upper, due: cx.due() }).await?;
        Ok(Reply::empty())
    }
}
