//! From a request's ResourceARN to the stream or the consumer that it means.

use millpond_shards::{Error as Fact, state::Resource};

use super::{Cx, consumers};
use crate::{
    error::{Result, invalid},
    policy::Tagging,
};

/// The resource that a ResourceARN means, which exists, once the operation's call rate allows the
/// call.
pub(super) fn control(cx: &Cx<'_>, text: &str, tagging: Tagging<'_>) -> Result<Resource> {
    let resource = parse(text)?;
    match &resource {
        Resource::Stream(stream) => {
            let found = cx.permitted_arn(stream, tagging)?;
            cx.admit(Some(stream))?;
            found.ok_or_else(|| Fact::StreamNotFound { stream: stream.clone() })?;
        }
        Resource::Consumer(consumer) => {
            cx.permitted_consumer(consumer, tagging)?;
            cx.admit(Some(&consumer.stream))?;
            consumers::find(cx, consumer)?;
        }
    }
    Ok(resource)
}

fn parse(text: &str) -> Result<Resource> {
    let stream = text.parse().map(Resource::Stream).ok();
    let resource = stream.or_else(|| text.parse().map(Resource::Consumer).ok());
    let unknown = || invalid(format!("ResourceARN {text} is not of a stream or a consumer."));
    resource.ok_or_else(unknown)
}
