//! ListShards.

use std::sync::Arc;

use millpond_api::{
    operations::{ListShards, ListShardsInput, ListShardsOutput, ShardFilter},
    types::{Region, ShardFilterType, StreamArn, Timestamp},
};
use millpond_quotas::limits;
use millpond_shards::{
    Error as Fact,
    directory::Stream,
    stream::{ShardState, StreamNumber, StreamState},
    token::Purpose,
};

use super::{Cx, Reply, Serve, address, describe, page, permission::Subject};
use crate::{
    error::{Result, invalid},
    policy::Tagging,
};

impl Serve for ListShards {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListShardsInput<'a>) -> Result<Reply> {
        let (stream, selection) = match &input.next_token {
            Some(token) => resume(cx, &input, token)?,
            None => begin(cx, &input)?,
        };
        let state = stream.state();
        let now = cx.now();
        let size = limits::page_size(input.max_results, limits::LIST_SHARDS_PAGE_MAX);
        let mut listed =
            state.listed_shards(now).filter(|shard| selection.selects(state, shard, now));
        let page: Vec<_> = listed.by_ref().take(size).collect();
        let more = listed.next().and(page.last());
        let next = more.map(|last| selection.after(last).seal(cx, state).into());
        let bytes = describe::SHARD_BYTES * page.len();
        let room = cx.room(bytes).await?;
        let shards = page.into_iter().map(describe::shard).collect();
        let output = ListShardsOutput { shards: Some(shards), next_token: next };
        Ok(cx.reply_in(room, &output, bytes))
    }
}

fn begin(cx: &Cx<'_>, input: &ListShardsInput<'_>) -> Result<(Arc<Stream>, Selection)> {
    if input.stream().name.is_none() && input.stream().arn.is_none() {
        return Err(invalid("Either NextToken or StreamName should be provided."));
    }
    let stream = address::usable(cx.controlled(input.stream())?)?;
    address::check_created(&stream, input.stream_creation_timestamp)?;
    let filter = input.shard_filter.as_ref().map(Filter::of).transpose()?;
    let after = input.exclusive_start_shard_id.as_ref().map(ToString::to_string);
    let selection = Selection { filter: filter.unwrap_or(Filter::From(i64::MIN)), after };
    Ok((stream, selection))
}

fn resume(
    cx: &Cx<'_>,
    input: &ListShardsInput<'_>,
    token: &str,
) -> Result<(Arc<Stream>, Selection)> {
    let others = [
        ("StreamName", input.stream_name.is_some()),
        ("StreamARN", input.stream_arn.is_some()),
        ("ExclusiveStartShardId", input.exclusive_start_shard_id.is_some()),
        ("StreamCreationTimestamp", input.stream_creation_timestamp.is_some()),
        ("ShardFilter", input.shard_filter.is_some()),
    ];
    if let Some((member, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(invalid(format!("NextToken and {member} cannot be provided together.")));
    }
    let position = page::open(cx, Purpose::ListShards, token)?;
    let malformed = || invalid("NextToken is not one that was given out by this operation.");
    let (number, arn, selection) =
        Selection::parse(&position, &cx.namespace().region).ok_or_else(malformed)?;
    let snapshot = cx.domain().directory().snapshot();
    let stream = snapshot.stream_of_number(number).cloned();
    cx.permit(&Subject::stream(&arn, stream.as_deref()), Tagging::Nothing)?;
    let stream = stream.ok_or_else(|| Fact::StreamNotFound { stream: arn.clone() })?;
    cx.admit(Some(&arn))?;
    Ok((address::usable(stream)?, selection))
}

/// The stream that a NextToken goes on with.
pub(super) fn stream_of(cx: &Cx<'_>, token: &str) -> Option<StreamArn> {
    let position = page::open(cx, Purpose::ListShards, token).ok()?;
    Selection::parse(&position, &cx.namespace().region).map(|(_, arn, _)| arn)
}

/// Which shards a listing shows, and after which it goes on.
struct Selection {
    filter: Filter,
    after: Option<String>,
}

/// A ShardFilter; times are milliseconds.
enum Filter {
    /// Shards that were open at some time from then on.
    From(i64),
    /// Shards that were open then.
    At(i64),
    /// Shards that are open.
    Open,
    /// Shards whose id sorts after this one.
    After(String),
}

impl Filter {
    fn of(filter: &ShardFilter<'_>) -> Result<Self> {
        use ShardFilterType as Type;
        let kind = filter.r#type;
        let (id, timestamp) = (filter.shard_id.as_deref(), filter.timestamp);
        let takes_id = kind == Type::AfterShardId;
        let takes_timestamp = matches!(kind, Type::AtTimestamp | Type::FromTimestamp);
        if id.is_some() != takes_id || timestamp.is_some() != takes_timestamp {
            return Err(invalid(format!(
                "ShardFilter of type {} takes {}.",
                kind.as_str(),
                match (takes_id, takes_timestamp) {
                    (true, _) => "a ShardId and no Timestamp",
                    (_, true) => "a Timestamp and no ShardId",
                    _ => "neither ShardId nor Timestamp",
                }
            )));
        }
        let millis = timestamp.map_or(i64::MIN, Timestamp::millis);
        Ok(match kind {
            Type::AfterShardId => Self::After(id.unwrap_or_default().to_owned()),
            Type::AtTrimHorizon | Type::AtTimestamp => Self::At(millis),
            Type::FromTrimHorizon | Type::FromTimestamp => Self::From(millis),
            Type::AtLatest => Self::Open,
        })
    }

    fn selects(&self, stream: &StreamState, shard: &ShardState, now: Timestamp) -> bool {
        let horizon = stream.horizon(now).max(stream.created);
        let raised = |millis: i64| Timestamp::from_millis(millis).max(horizon);
        let open_until = |at| shard.closed.is_none_or(|closing| closing.at >= at);
        match self {
            Self::From(millis) => open_until(raised(*millis)),
            Self::At(millis) => shard.created <= raised(*millis) && open_until(raised(*millis)),
            Self::Open => shard.is_open(),
            Self::After(id) => shard.id.to_string() > *id,
        }
    }
}

impl Selection {
    fn selects(&self, stream: &StreamState, shard: &ShardState, now: Timestamp) -> bool {
        let follows = self.after.as_ref().is_none_or(|after| shard.id.to_string() > *after);
        follows && self.filter.selects(stream, shard, now)
    }

    fn after(&self, last: &ShardState) -> After<'_> {
        After { filter: &self.filter, after: last.id.to_string() }
    }

    /// Reads what [`After::seal`] wrote: the stream's number, its ARN, and the selection.
    fn parse(position: &str, region: &Region) -> Option<(StreamNumber, StreamArn, Self)> {
        let mut parts = position.splitn(6, '/');
        let number = StreamNumber(parts.next()?.parse().ok()?);
        let account = parts.next()?.parse().ok()?;
        let name = parts.next()?.parse().ok()?;
        let arn = StreamArn { region: region.clone(), account, name };
        let kind = parts.next()?;
        let argument = parts.next()?;
        let after = Some(parts.next()?.to_owned());
        let filter = match kind {
            "from" => Filter::From(argument.parse().ok()?),
            "at" => Filter::At(argument.parse().ok()?),
            "open" => Filter::Open,
            "after" => Filter::After(argument.to_owned()),
            _ => return None,
        };
        Some((number, arn, Self { filter, after }))
    }
}

/// Where a listing goes on.
struct After<'a> {
    filter: &'a Filter,
    after: String,
}

impl After<'_> {
    fn seal(&self, cx: &Cx<'_>, stream: &StreamState) -> String {
        let (kind, argument) = match self.filter {
            Filter::From(millis) => ("from", millis.to_string()),
            Filter::At(millis) => ("at", millis.to_string()),
            Filter::Open => ("open", String::new()),
            Filter::After(id) => ("after", id.clone()),
        };
        let (number, after) = (stream.number.0, &self.after);
        let StreamArn { account, name, .. } = &stream.arn;
        let position = format!("{number}/{account}/{name}/{kind}/{argument}/{after}");
        page::seal(cx, Purpose::ListShards, &position)
    }
}
