//! GetShardIterator.

use millpond_api::{
    operations::{GetShardIterator, GetShardIteratorInput, GetShardIteratorOutput},
    types::{SequenceNumber, ShardId, ShardIteratorType, StreamArn, StreamStatus},
};
use millpond_shards::{
    engine::{EngineError, Offset},
    iterator::ShardIterator,
    shard::Shard,
};

use super::{Cx, Reply, Serve, address, dry_run};
use crate::error::{Result, does_not_exist, invalid, read_throttled, unreadable};

impl Serve for GetShardIterator {
    async fn serve<'a>(cx: &'a Cx<'a>, input: GetShardIteratorInput<'a>) -> Result<Reply> {
        let arn = cx.address(input.stream())?;
        let id = address::shard(&arn, &input.shard_id)?;
        // A missing stream is told as a missing shard.
        let stream = cx.find(&arn).map_err(|_| does_not_exist(&arn, id))?;
        let state = stream.state();
        let listed = state.listed_shards(cx.now()).any(|shard| shard.id == id);
        let shard = stream.shard(id).filter(|_| listed && state.status != StreamStatus::Creating);
        let shard = shard.ok_or_else(|| does_not_exist(&arn, id))?;
        let start = Start::of(cx, &arn, shard, &input)?;
        dry_run::check(input.dry_run)?;
        shard.admit_iterator().map_err(|_| read_throttled(&arn, id))?;
        let position = start.position(shard).await.map_err(|e| unreadable(e, &arn, id))?;
        let iterator =
            ShardIterator { issued: cx.now(), arn, number: state.number, shard: id, position };
        let text = iterator.seal(cx.domain().tokens());
        Ok(cx.reply(&GetShardIteratorOutput { shard_iterator: Some(text.into()) }))
    }
}

/// Where reading starts, in the terms of the request.
enum Start {
    Oldest,
    Newest,
    At(SequenceNumber),
    After(SequenceNumber),
    Time(millpond_api::types::Timestamp),
}

impl Start {
    fn of(
        cx: &Cx<'_>,
        arn: &StreamArn,
        shard: &Shard,
        input: &GetShardIteratorInput<'_>,
    ) -> Result<Self> {
        use ShardIteratorType as Type;
        let kind = input.shard_iterator_type;
        let number = input.starting_sequence_number.as_deref();
        match (kind, number) {
            (Type::AtSequenceNumber, Some(text)) => Ok(Self::At(own(arn, shard, text)?)),
            (Type::AfterSequenceNumber, Some(text)) => Ok(Self::After(own(arn, shard, text)?)),
            (Type::AtSequenceNumber | Type::AfterSequenceNumber, None) => {
                Err(mismatch(kind, "no StartingSequenceNumber"))
            }
            (Type::TrimHorizon | Type::Latest, Some(_)) => {
                Err(mismatch(kind, "also a StartingSequenceNumber"))
            }
            (Type::TrimHorizon, None) => Ok(Self::Oldest),
            (Type::Latest, None) => Ok(Self::Newest),
            (Type::AtTimestamp, _) => Self::time(cx, input),
        }
    }

    fn time(cx: &Cx<'_>, input: &GetShardIteratorInput<'_>) -> Result<Self> {
        let Some(at) = input.timestamp else {
            return Err(invalid(
                "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. \
                 Current request has no timestamp parameter.",
            ));
        };
        let now = cx.now();
        if at > now {
            return Err(invalid(format!(
                "The timestampInMillis parameter cannot be greater than the \
                 currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
                at.millis(),
                now.millis()
            )));
        }
        Ok(Self::Time(at))
    }

    async fn position(self, shard: &Shard) -> Result<Offset, EngineError> {
        Ok(match self {
            Self::Oldest => Offset::ZERO,
            Self::Newest => shard.end().await?,
            Self::Time(at) => shard.seek(at).await?,
            Self::At(number) => shard.offset_at(number).min(shard.end().await?),
            Self::After(number) => shard.offset_after(number).min(shard.end().await?),
        })
    }
}

fn mismatch(kind: ShardIteratorType, given: &str) -> crate::error::Error {
    let kind = kind.as_str();
    invalid(format!(
        "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and \
         StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. \
         Request specified {kind} and {given}."
    ))
}

fn unusable(arn: &StreamArn, shard: ShardId, number: &str, why: &str) -> crate::error::Error {
    let StreamArn { name, account, .. } = arn;
    invalid(format!(
        "StartingSequenceNumber {number} used in GetShardIterator on shard {shard} in stream \
         {name} under account {account} is invalid{why}."
    ))
}

/// The number that `text` is, if it is one of this shard.
fn own(arn: &StreamArn, shard: &Shard, text: &str) -> Result<SequenceNumber> {
    let number: SequenceNumber = text.parse().map_err(|_| unusable(arn, shard.id(), text, ""))?;
    if number.shard != shard.id() {
        let (encoded, used) = (number.shard, shard.id());
        return Err(invalid(format!(
            "Invalid StartingSequenceNumber. It encodes {encoded}, while it was used in a call to \
             a shard with {used}"
        )));
    }
    if !shard.owns(number) {
        let why = " because it did not come from this stream";
        return Err(unusable(arn, shard.id(), text, why));
    }
    Ok(number)
}
