//! Where reading a shard starts, as GetShardIterator and SubscribeToShard are told it.

use millpond_api::{
    operations::StartingPosition,
    types::{SequenceNumber, ShardId, ShardIteratorType, StreamArn, Timestamp},
};
use millpond_shards::{
    engine::{EngineError, Offset},
    shard::Shard,
};

use super::Cx;
use crate::error::{Result, invalid};

/// Where reading starts, in the terms of the request.
pub(super) enum Start {
    Oldest,
    Newest,
    At(SequenceNumber),
    After(SequenceNumber),
    Time(Timestamp),
}

impl Start {
    /// What the request says, if it is possible in this shard.
    pub(super) fn of(
        cx: &Cx<'_>,
        arn: &StreamArn,
        shard: &Shard,
        position: &StartingPosition<'_>,
    ) -> Result<Self> {
        use ShardIteratorType as Type;
        let (kind, number) = (position.r#type, position.sequence_number.as_deref());
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
            (Type::AtTimestamp, _) => Self::time(cx, position.timestamp),
        }
    }

    fn time(cx: &Cx<'_>, at: Option<Timestamp>) -> Result<Self> {
        let Some(at) = at else {
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

    /// The position in the shard's log.
    pub(super) async fn position(self, shard: &Shard) -> Result<Offset, EngineError> {
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
