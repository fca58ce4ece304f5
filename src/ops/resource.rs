//! From a request's ResourceARN to the stream or the consumer that it means.

use std::{collections::BTreeMap, sync::Arc};

use millpond_shards::{
    Error as Fact, directory::Stream, state::Resource, stream::consumer::ConsumerState,
};

use super::{Cx, consumers};
use crate::{
    error::{Result, invalid},
    policy::Tagging,
};

/// What a ResourceARN means, as it was when the caller was let in.
pub(super) enum Found {
    Stream(Arc<Stream>),
    Consumer(ConsumerState),
}

impl Found {
    pub(super) fn resource(&self) -> Resource {
        match self {
            Self::Stream(stream) => Resource::Stream(stream.state().arn.clone()),
            Self::Consumer(consumer) => Resource::Consumer(consumer.arn()),
        }
    }

    pub(super) fn policy(&self) -> Option<&str> {
        match self {
            Self::Stream(stream) => stream.state().policy.as_deref(),
            Self::Consumer(consumer) => consumer.policy.as_deref(),
        }
    }

    pub(super) fn tags(&self) -> &BTreeMap<String, String> {
        match self {
            Self::Stream(stream) => &stream.state().tags,
            Self::Consumer(consumer) => &consumer.tags,
        }
    }
}

/// The resource that a ResourceARN means, which exists, once the operation's call rate allows the
/// call.
pub(super) fn control(cx: &Cx<'_>, text: &str, tagging: Tagging<'_>) -> Result<Found> {
    match parse(text)? {
        Resource::Stream(arn) => {
            let found = cx.permitted_arn(&arn, tagging)?;
            cx.admit(Some(&arn))?;
            let missing = || Fact::StreamNotFound { stream: arn.clone() };
            Ok(Found::Stream(found.ok_or_else(missing)?))
        }
        Resource::Consumer(arn) => {
            let stream = cx.permitted_consumer(&arn, tagging)?;
            cx.admit(Some(&arn.stream))?;
            Ok(Found::Consumer(consumers::of(stream.as_deref(), &arn)?))
        }
    }
}

fn parse(text: &str) -> Result<Resource> {
    let stream = text.parse().map(Resource::Stream).ok();
    let resource = stream.or_else(|| text.parse().map(Resource::Consumer).ok());
    let unknown = || invalid(format!("ResourceARN {text} is not of a stream or a consumer."));
    resource.ok_or_else(unknown)
}
