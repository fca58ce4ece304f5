//! From a request's StreamARN, ConsumerName and ConsumerARN to the consumer that it means, and how
//! consumers look to clients.

use std::{fmt::Display, sync::Arc};

use millpond_api::{
    shapes::Consumer,
    types::{ConsumerArn, StreamArn, StreamRef},
};
use millpond_shards::{
    Error as Fact,
    directory::Stream,
    stream::{Namespace, consumer::ConsumerState},
};

use super::{Cx, address, permission::Subject};
use crate::{
    error::{Result, invalid, no_consumer},
    policy::Tagging,
};

/// How a request names a consumer: by its ARN, by its name and its stream's ARN, or by both.
pub(super) struct ConsumerRef<'a> {
    pub(super) stream: StreamRef<'a>,
    pub(super) name: Option<&'a str>,
    pub(super) arn: Option<&'a str>,
}

/// The consumer that a control operation means, once the operation's call rate allows the call.
pub(super) fn control(cx: &Cx<'_>, given: &ConsumerRef<'_>) -> Result<ConsumerArn> {
    if let Some(text) = given.arn {
        let arn = parse_arn(text)?;
        cx.permitted_consumer(&arn, Tagging::Nothing)?;
        check_agreement(cx, given, &arn)?;
        cx.admit(Some(&arn.stream))?;
        return Ok(arn);
    }
    let (Some(_), Some(name)) = (given.stream.arn, given.name) else {
        return Err(invalid(
            "Both streamARN and consumer name must be provided if consumerARN is not provied.",
        ));
    };
    let stream = address::resolve(cx, given.stream)?;
    let arn = named(cx, &stream, name)?;
    cx.admit(Some(&stream))?;
    cx.find(&stream)?;
    arn.ok_or_else(|| no_consumer(&stream, name))
}

/// The ARN of the consumer of this name, if there is one. Other accounts know consumers by their
/// ARN only.
fn named(cx: &Cx<'_>, stream: &StreamArn, name: &str) -> Result<Option<ConsumerArn>> {
    let is_here = Namespace::of(stream) == *cx.namespace();
    let found = cx.find(stream).ok().filter(|_| is_here);
    let consumer = found.as_ref().and_then(|stream| stream.state().consumers.get(name));
    let Some(consumer) = consumer else {
        let unknown = format!("{stream}/consumer/{name}");
        let is_own = stream.account == cx.namespace().account;
        let subject: &(dyn Display + Sync) = if is_own { &unknown } else { stream };
        cx.permit(&Subject::bare(subject, stream.account), Tagging::Nothing)?;
        let is_elsewhere = stream.region != cx.namespace().region;
        let missing = || Err(Fact::StreamNotFound { stream: stream.clone() }.into());
        return if is_elsewhere { missing() } else { Ok(None) };
    };
    let arn = consumer.arn();
    cx.permit(&Subject::consumer(&arn, Some(consumer)), Tagging::Nothing)?;
    Ok(Some(arn))
}

/// The consumer that a ConsumerARN names, whether or not it exists.
pub(super) fn parse_arn(text: &str) -> Result<ConsumerArn> {
    text.parse().map_err(|error| invalid(format!("ConsumerARN: {error}.")))
}

/// Checks that what a request says beside a consumer's ARN is of the same consumer.
fn check_agreement(cx: &Cx<'_>, given: &ConsumerRef<'_>, arn: &ConsumerArn) -> Result<()> {
    let same_stream =
        given.stream.arn.is_none() || address::resolve(cx, given.stream)? == arn.stream;
    if same_stream && given.name.is_none_or(|name| name == arn.name) {
        return Ok(());
    }
    Err(invalid(format!("ConsumerARN {arn} is not of the given ConsumerName and StreamARN.")))
}

/// The consumer of this ARN, as it is now.
pub(super) fn find(cx: &Cx<'_>, arn: &ConsumerArn) -> Result<ConsumerState> {
    let stream = cx.domain().directory().stream(&Namespace::of(&arn.stream), &arn.stream.name);
    let missing = |_| Fact::ConsumerNotFound { consumer: arn.clone() };
    let stream: Arc<Stream> = stream.map_err(missing)?;
    Ok(stream.state().consumer(arn)?.clone())
}

/// A consumer as RegisterStreamConsumer and ListStreamConsumers show it.
pub(super) fn describe(consumer: &ConsumerState) -> Consumer<'_> {
    Consumer {
        consumer_name: consumer.name.as_str().into(),
        consumer_arn: consumer.arn().to_string().into(),
        consumer_status: consumer.status,
        consumer_creation_timestamp: consumer.created,
    }
}
