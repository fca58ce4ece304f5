//! ListStreams.

use std::ops::Bound;

use millpond_api::{
    operations::{ListStreams, ListStreamsInput, ListStreamsOutput, StreamSummary},
    types::StreamName,
};
use millpond_quotas::limits;
use millpond_shards::{directory::Stream, stream::StreamState, token::Purpose};

use super::{Cx, Reply, Serve, describe, page};
use crate::error::{Result, invalid};

impl Serve for ListStreams {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListStreamsInput<'a>) -> Result<Reply> {
        cx.control_account()?;
        let after = match (&input.exclusive_start_stream_name, &input.next_token) {
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "NextToken and ExclusiveStartStreamName cannot be provided together.",
                ));
            }
            (Some(name), None) => name.to_string(),
            (None, Some(token)) => page::open(cx, Purpose::ListStreams, token)?,
            (None, None) => String::new(),
        };
        let snapshot = cx.domain().directory().snapshot();
        let none = std::collections::BTreeMap::new();
        let streams = snapshot.namespace(cx.namespace()).unwrap_or(&none);
        let mut listed = streams
            .range::<str, _>((Bound::Excluded(after.as_str()), Bound::Unbounded))
            .map(|(_, stream): (&StreamName, &std::sync::Arc<Stream>)| stream.state());
        let size = limits::page_size(input.limit, limits::LIST_STREAMS_PAGE_MAX);
        let states: Vec<_> = listed.by_ref().take(size).collect();
        let has_more_streams = listed.next().is_some();
        let last = states.last().filter(|_| has_more_streams);
        let token =
            |state: &&StreamState| page::seal(cx, Purpose::ListStreams, state.arn.name.as_str());
        let output = ListStreamsOutput {
            stream_names: states.iter().map(|state| state.arn.name.as_str().into()).collect(),
            has_more_streams,
            next_token: last.map(|state| token(state).into()),
            stream_summaries: Some(states.iter().map(|state| summary(state)).collect()),
        };
        Ok(cx.reply(&output))
    }
}

fn summary(state: &StreamState) -> StreamSummary<'_> {
    StreamSummary {
        stream_name: state.arn.name.as_str().into(),
        stream_arn: state.arn.to_string().into(),
        stream_status: state.status,
        stream_mode_details: Some(describe::mode(state)),
        stream_creation_timestamp: Some(state.created),
    }
}
