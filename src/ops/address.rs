//! From a request's StreamName and StreamARN to the stream that it means.

use std::sync::Arc;

use millpond_api::types::{ShardId, StreamArn, StreamName, StreamRef, StreamStatus, Timestamp};
use millpond_shards::{Error as Fact, directory::Stream};

use super::Cx;
use crate::error::{Result, could_not_find, invalid};

/// The stream that a request names, by name in the caller's namespace or by ARN in any. Where it
/// says both, the ARN counts.
pub(super) fn resolve(cx: &Cx<'_>, stream: StreamRef<'_>) -> Result<StreamArn> {
    let by_name = stream.name.map(|name| parse_name(cx, name)).transpose()?;
    let by_arn = stream.arn.map(parse_arn).transpose()?;
    by_arn.or(by_name).ok_or_else(|| invalid("Either StreamARN or StreamName should be provided."))
}

/// Checks that a name beside an ARN is of the same stream.
pub(super) fn check_agreement(stream: StreamRef<'_>, arn: &StreamArn) -> Result<()> {
    match stream.name.filter(|name| *name != arn.name.as_str()) {
        None => Ok(()),
        Some(name) => {
            Err(invalid(format!("StreamARN {arn} and StreamName {name} name different streams.")))
        }
    }
}

fn parse_name(cx: &Cx<'_>, name: &str) -> Result<StreamArn> {
    let name: StreamName =
        name.parse().map_err(|error| invalid(format!("StreamName: {error}.")))?;
    Ok(cx.namespace().arn(name))
}

fn parse_arn(text: &str) -> Result<StreamArn> {
    text.parse().map_err(|error| invalid(format!("StreamARN: {error}.")))
}

/// The shard that a request names, whether or not the stream has it.
pub(super) fn shard(stream: &StreamArn, id: &str) -> Result<ShardId> {
    id.parse().map_err(|_| could_not_find(stream, id))
}

/// The stream, unless it is being created or deleted: then nothing of it is listed.
pub(super) fn usable(stream: Arc<Stream>) -> Result<Arc<Stream>> {
    match stream.state().status {
        StreamStatus::Active | StreamStatus::Updating => Ok(stream),
        status @ (StreamStatus::Creating | StreamStatus::Deleting) => {
            Err(Fact::StreamNotActive { stream: stream.state().arn.clone(), status }.into())
        }
    }
}

/// Checks a StreamCreationTimestamp, which tells streams of one name apart.
pub(super) fn check_created(stream: &Stream, at: Option<Timestamp>) -> Result<()> {
    let state = stream.state();
    if at.is_none_or(|at| at.seconds() == state.created.seconds()) {
        return Ok(());
    }
    Err(Fact::StreamNotFound { stream: state.arn.clone() }.into())
}
