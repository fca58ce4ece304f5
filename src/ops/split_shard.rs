//! SplitShard.

use millpond_api::{
    operations::{SplitShard, SplitShardInput},
    types::HashKey,
};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, address};
use crate::error::{Result, invalid};

impl Serve for SplitShard {
    async fn serve<'a>(cx: &'a Cx<'a>, input: SplitShardInput<'a>) -> Result<Reply> {
        let stream = cx.address(input.stream())?;
        let shard = address::shard(&stream, &input.shard_to_split)?;
        cx.admit(Some(&stream))?;
        let at: HashKey = input.new_starting_hash_key.parse().map_err(|_| {
            let key = &input.new_starting_hash_key;
            invalid(format!("NewStartingHashKey {key} is not in the range: [0, 2^128-1]."))
        })?;
        cx.submit(Command::SplitShard { stream, shard, at, due: cx.due() }).await?;
        Ok(Reply::empty())
    }
}
