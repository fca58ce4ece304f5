//! From a request's StreamName and StreamARN to the stream that it means; whose an ARN is.

use std::{fmt::Display, sync::Arc};

use millpond_api::{
    ErrorKind,
    types::{ConsumerArn, ShardId, StreamArn, StreamName, StreamRef, StreamStatus, Timestamp},
};
use millpond_shards::{Error as Fact, directory::Stream};

use super::Cx;
use crate::error::{Error, Result, could_not_find, invalid};

/// The stream that a request names, by name in the caller's namespace or by ARN.
pub(super) fn resolve(cx: &Cx<'_>, stream: StreamRef<'_>) -> Result<StreamArn> {
    let by_name = stream.name.map(|name| parse_name(cx, name)).transpose()?;
    let by_arn = stream.arn.map(|arn| parse_arn(cx, arn)).transpose()?;
    match (by_name, by_arn) {
        (Some(name), Some(arn)) if name.name != arn.name => Err(invalid(format!(
            "StreamARN {arn} and StreamName {} name different streams.",
            name.name
        ))),
        (_, Some(arn)) | (Some(arn), None) => Ok(arn),
        (None, None) => Err(invalid("Either StreamARN or StreamName should be provided.")),
    }
}

fn parse_name(cx: &Cx<'_>, name: &str) -> Result<StreamArn> {
    let name: StreamName =
        name.parse().map_err(|error| invalid(format!("StreamName: {error}.")))?;
    Ok(cx.namespace().arn(name))
}

fn parse_arn(cx: &Cx<'_>, text: &str) -> Result<StreamArn> {
    let arn: StreamArn = text.parse().map_err(|error| invalid(format!("StreamARN: {error}.")))?;
    own_stream(cx, arn)
}

/// Checks that a stream is the caller's, and of this region.
pub(super) fn own_stream(cx: &Cx<'_>, arn: StreamArn) -> Result<StreamArn> {
    let here = is_here(cx, &arn, &arn)?;
    if here { Ok(arn) } else { Err(Fact::StreamNotFound { stream: arn }.into()) }
}

/// Checks that a consumer is the caller's, and of this region.
pub(super) fn own_consumer(cx: &Cx<'_>, arn: ConsumerArn) -> Result<ConsumerArn> {
    let here = is_here(cx, &arn.stream, &arn)?;
    if here { Ok(arn) } else { Err(Fact::ConsumerNotFound { consumer: arn }.into()) }
}

/// Whether a resource of the caller's account is in the region. Each region knows its own streams
/// only, as on AWS, where each has its own endpoint.
fn is_here(cx: &Cx<'_>, stream: &StreamArn, resource: &impl Display) -> Result<bool> {
    if stream.account == cx.namespace().account {
        return Ok(stream.region == cx.namespace().region);
    }
    let (caller, action) = (cx.caller(), cx.operation().name());
    let (partition, account) = (caller.region.partition(), caller.account);
    Err(Error(ErrorKind::AccessDenied.with(format!(
        "User: arn:{partition}:iam::{account}:user/{} is not authorized to perform: \
         kinesis:{action} on resource: {resource} because no resource-based policy allows the \
         kinesis:{action} action",
        caller.access_key_id
    ))))
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
