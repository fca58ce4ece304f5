//! Streams and their shards, as they are now.

use axum::{
    Json,
    extract::{Path, State},
};
use millpond_api::types::{AccountId, Region, ShardId, StreamArn, Timestamp};
use millpond_shards::{
    directory::Stream,
    stream::{Namespace, ShardState, StreamState, consumer::ConsumerState},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Admin, Fault, Input, Result, Scope,
    input::{Nothing, Params, parsed},
};

/// Streams or shards in an answer, unless it is asked for fewer.
const PAGE_MAX: usize = 1_000;

/// Which part of a list is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    account: Option<String>,
    region: Option<String>,
    limit: Option<usize>,
    next: Option<String>,
}

impl Paging {
    fn size(&self) -> Result<usize> {
        match self.limit.unwrap_or(PAGE_MAX) {
            size if (1..=PAGE_MAX).contains(&size) => Ok(size),
            size => {
                Err(Fault::invalid(format!("limit: it is from 1 to {PAGE_MAX}, and not {size}")))
            }
        }
    }
}

/// `GET streams`: all, or those of the account or region that is named.
pub(super) async fn list(
    State(admin): State<Admin>,
    Params(paging): Params<Paging>,
    _: Input<Nothing>,
) -> Result<Json<Value>> {
    let size = paging.size()?;
    let account = paging.account.map(|text| parsed::<AccountId>("account", &text)).transpose()?;
    let region = paging.region.map(|text| parsed::<Region>("region", &text)).transpose()?;
    let after = paging.next.map(|text| parsed::<StreamArn>("next", &text)).transpose()?;
    let after = after.map(|arn| (Namespace::of(&arn), arn.name));
    let snapshot = admin.app.domain().directory().snapshot();
    let wanted = snapshot.streams().map(|stream| stream.state()).filter(|state| {
        let arn = &state.arn;
        account.is_none_or(|account| account == arn.account)
            && region.as_ref().is_none_or(|region| *region == arn.region)
            && after.as_ref().is_none_or(|after| (Namespace::of(arn), arn.name.clone()) > *after)
    });
    let mut wanted = wanted.peekable();
    let page: Vec<_> = wanted.by_ref().take(size).collect();
    let next = wanted.peek().and(page.last()).map(|state| state.arn.to_string());
    let streams: Vec<_> = page.into_iter().map(summary).collect();
    Ok(Json(json!({ "streams": streams, "next": next })))
}

/// `GET streams/{name}`.
pub(super) async fn describe(
    State(admin): State<Admin>,
    Scope(namespace): Scope,
    Path(name): Path<String>,
    _: Input<Nothing>,
) -> Result<Json<Value>> {
    let stream = admin.stream(&namespace, &name)?;
    let state = stream.state();
    let mut answer = summary(state);
    let more = json!({
        "max_record_kib": state.max_record_kib,
        "encryption_key": state.encryption.key_id,
        "record_distribution": state.on_demand.as_ref().map(|mode| mode.distribution),
        "warm_throughput_mib": state.on_demand.as_ref().and_then(|mode| mode.warm_mib),
        "shard_level_metrics": state.shard_level_metrics,
        "tags": state.tags,
        "policy": state.policy.as_deref(),
        "consumers": state.consumers.values().map(consumer).collect::<Vec<_>>(),
    });
    if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
        answer.extend(more);
    }
    Ok(Json(answer))
}

/// `GET streams/{name}/shards`: those that clients see.
pub(super) async fn shards(
    State(admin): State<Admin>,
    Path(name): Path<String>,
    Params(paging): Params<Paging>,
    _: Input<Nothing>,
) -> Result<Json<Value>> {
    let size = paging.size()?;
    let namespace = admin.scope(paging.account.as_deref(), paging.region.as_deref())?;
    let after = paging.next.map(|text| parsed::<ShardId>("next", &text)).transpose()?;
    let stream = admin.stream(&namespace, &name)?;
    let (page, next) = page(stream.state(), admin.app.domain().now(), after, size);
    let mut shards = Vec::with_capacity(page.len());
    for state in page {
        let mut told = shard(state);
        let records = records(&admin, &stream, state).await?;
        if let Some(told) = told.as_object_mut() {
            told.insert("records".to_owned(), json!(records));
        }
        shards.push(told);
    }
    Ok(Json(json!({ "shards": shards, "next": next })))
}

/// So many shards after this one, and the last of them if more follow.
fn page(
    stream: &StreamState,
    now: Timestamp,
    after: Option<ShardId>,
    size: usize,
) -> (Vec<&ShardState>, Option<String>) {
    let follows = |shard: &&ShardState| after.is_none_or(|after| shard.id.index() > after.index());
    let mut wanted = stream.listed_shards(now).filter(follows).peekable();
    let page: Vec<_> = wanted.by_ref().take(size).collect();
    let next = wanted.peek().and(page.last()).map(|shard| shard.id.to_string());
    (page, next)
}

impl Admin {
    /// The stream of this name.
    pub(super) fn stream(
        &self,
        namespace: &Namespace,
        name: &str,
    ) -> Result<std::sync::Arc<Stream>> {
        let name = parsed("stream", name)?;
        Ok(self.app.domain().directory().stream(namespace, &name)?)
    }
}

fn summary(state: &StreamState) -> Value {
    let arn = &state.arn;
    json!({
        "name": arn.name.as_str(),
        "arn": arn.to_string(),
        "account": arn.account.as_str(),
        "region": arn.region.as_str(),
        "status": state.status,
        "mode": state.mode(),
        "open_shards": state.open_shards().count(),
        "retention_hours": state.retention_hours,
        "created": state.created,
    })
}

fn consumer(state: &ConsumerState) -> Value {
    json!({
        "name": state.name,
        "arn": state.arn().to_string(),
        "status": state.status,
        "created": state.created,
        "tags": state.tags,
        "policy": state.policy.as_deref(),
    })
}

fn shard(state: &ShardState) -> Value {
    json!({
        "shard": state.id.to_string(),
        "state": if state.is_open() { "open" } else { "closed" },
        "starting_hash_key": state.range.start().to_string(),
        "ending_hash_key": state.range.end().to_string(),
        "parent": state.parents.parent.map(|id| id.to_string()),
        "adjacent_parent": state.parents.adjacent.map(|id| id.to_string()),
        "created": state.created,
        "closed": state.closed.map(|closing| closing.at),
        "starting_sequence_number": state.starting_sequence_number().to_string(),
        "ending_sequence_number": state.ending_sequence_number().map(|number| number.to_string()),
    })
}

/// How many records of the shard can be read now. Where appends failed it may be a few fewer.
async fn records(admin: &Admin, stream: &Stream, state: &ShardState) -> Result<u64> {
    let Some(shard) = stream.shard(state.id) else { return Ok(0) };
    let horizon = stream.state().horizon(admin.app.domain().now());
    let unreadable = |error| crate::error::unreadable(error, &stream.state().arn, state.id);
    let end = shard.end().await.map_err(unreadable)?;
    let from = shard.seek(horizon).await.map_err(unreadable)?;
    Ok(end.value().saturating_sub(from.value()))
}
