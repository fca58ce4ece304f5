//! GetShardIterator.

use millpond_api::{
    operations::{
        GetShardIterator, GetShardIteratorInput, GetShardIteratorOutput, StartingPosition,
    },
    types::StreamStatus,
};
use millpond_shards::iterator::ShardIterator;

use super::{Cx, Reply, Serve, address, dry_run, starting_position::Start};
use crate::{
    error::{Result, does_not_exist, read_throttled, unreadable},
    policy::Tagging,
};

impl Serve for GetShardIterator {
    async fn serve<'a>(cx: &'a Cx<'a>, input: GetShardIteratorInput<'a>) -> Result<Reply> {
        let (arn, found) = cx.permitted(input.stream(), Tagging::Nothing)?;
        let id = address::shard(&arn, &input.shard_id)?;
        // A missing stream is told as a missing shard.
        let stream = found.ok_or_else(|| does_not_exist(&arn, id))?;
        let state = stream.state();
        let listed = state.listed_shards(cx.now()).any(|shard| shard.id == id);
        let shard = stream.shard(id).filter(|_| listed && state.status != StreamStatus::Creating);
        let shard = shard.ok_or_else(|| does_not_exist(&arn, id))?;
        let start = StartingPosition {
            r#type: input.shard_iterator_type,
            sequence_number: input.starting_sequence_number,
            timestamp: input.timestamp,
        };
        let start = Start::of(cx, &arn, shard, &start)?;
        dry_run::check(input.dry_run)?;
        shard.admit_iterator().map_err(|refusal| {
            cx.note_throttle(&arn, id, refusal);
            read_throttled(&arn, id)
        })?;
        let position = start.position(shard).await.map_err(|e| unreadable(e, &arn, id))?;
        let iterator =
            ShardIterator { issued: cx.now(), arn, number: state.number, shard: id, position };
        let text = iterator.seal(cx.domain().tokens());
        Ok(cx.reply(&GetShardIteratorOutput { shard_iterator: Some(text.into()) }))
    }
}
