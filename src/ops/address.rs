//! From a request's StreamName and StreamARN to the stream that it means.

use millpond_api::{
    ErrorKind,
    types::{ShardId, StreamArn, StreamName, StreamRef},
};
use millpond_shards::Error as Fact;

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
    if arn.account == cx.namespace().account {
        // Each region knows its own streams only, as on AWS, where each has its own endpoint.
        let here = arn.region == cx.namespace().region;
        return if here { Ok(arn) } else { Err(Fact::StreamNotFound { stream: arn }.into()) };
    }
    let (caller, action) = (cx.caller(), cx.operation().name());
    let (partition, account) = (caller.region.partition(), caller.account);
    Err(Error(ErrorKind::AccessDenied.with(format!(
        "User: arn:{partition}:iam::{account}:user/{} is not authorized to perform: \
         kinesis:{action} on resource: {arn} because no resource-based policy allows the \
         kinesis:{action} action",
        caller.access_key_id
    ))))
}

/// The shard that a request names, whether or not the stream has it.
pub(super) fn shard(stream: &StreamArn, id: &str) -> Result<ShardId> {
    id.parse().map_err(|_| could_not_find(stream, id))
}
