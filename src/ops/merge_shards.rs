//! MergeShards.

use millpond_api::operations::{MergeShards, MergeShardsInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, address};
use crate::error::Result;

impl Serve for MergeShards {
    async fn serve<'a>(cx: &'a Cx<'a>, input: MergeShardsInput<'a>) -> Result<Reply> {
        let stream = cx.address(input.stream())?;
        let lower = address::shard(&stream, &input.shard_to_merge)?;
        let upper = address::shard(&stream, &input.adjacent_shard_to_merge)?;
        cx.admit(Some(&stream))?;
        cx.submit(Command::MergeShards { stream, lower, upper, due: cx.due() }).await?;
        Ok(Reply::empty())
    }
}
