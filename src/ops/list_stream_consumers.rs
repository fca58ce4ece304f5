//! ListStreamConsumers.

use std::ops::Bound;

use millpond_api::operations::{
    ListStreamConsumers, ListStreamConsumersInput, ListStreamConsumersOutput,
};
use millpond_quotas::limits;
use millpond_shards::{stream::StreamState, token::Purpose};

use super::{Cx, Reply, Serve, address, consumers, page};
use crate::error::{Result, invalid};

impl Serve for ListStreamConsumers {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListStreamConsumersInput<'a>) -> Result<Reply> {
        if input.next_token.is_some() && input.stream_creation_timestamp.is_some() {
            let words = "NextToken and StreamCreationTimestamp cannot be provided together.";
            return Err(invalid(words));
        }
        let stream = address::usable(cx.controlled(input.stream())?)?;
        address::check_created(&stream, input.stream_creation_timestamp)?;
        let state = stream.state();
        let token = input.next_token.as_deref();
        let after = token.map(|token| resume(cx, state, token)).transpose()?.unwrap_or_default();
        let after = (Bound::Excluded(after.as_str()), Bound::Unbounded);
        let mut listed = state.consumers.range::<str, _>(after).map(|(_, consumer)| consumer);
        let size = limits::page_size(input.max_results, limits::LIST_STREAM_CONSUMERS_PAGE_MAX);
        let page: Vec<_> = listed.by_ref().take(size).collect();
        let more = listed.next().and(page.last());
        let next = more.map(|last| {
            let position = format!("{}/{}", state.number.0, last.name);
            page::seal(cx, Purpose::ListStreamConsumers, &position).into()
        });
        let consumers = page.into_iter().map(consumers::describe).collect();
        let output = ListStreamConsumersOutput { consumers: Some(consumers), next_token: next };
        Ok(cx.reply(&output))
    }
}

/// The consumer after which the listing of this stream goes on.
fn resume(cx: &Cx<'_>, stream: &StreamState, token: &str) -> Result<String> {
    let position = page::open(cx, Purpose::ListStreamConsumers, token)?;
    let parts =
        position.split_once('/').filter(|(number, _)| *number == stream.number.0.to_string());
    let (_, last) = parts.ok_or_else(|| invalid("NextToken is of another stream."))?;
    Ok(last.to_owned())
}
