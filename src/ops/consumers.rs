//! From a request's StreamARN, ConsumerName and ConsumerARN to the consumer that it means, and how
//! consumers look to clients.

use millpond_api::{
    shapes::Consumer,
    types::{ConsumerArn, StreamRef},
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

/// The consumer that a control operation means, as it was when the caller was let in, once the
/// operation's call rate allows the call.
pub(super) fn control(cx: &Cx<'_>, given: &ConsumerRef<'_>) -> Result<ConsumerState> {
    if let Some(text) = given.arn {
        let arn = parse_arn(text)?;
        let stream = cx.permitted_consumer(&arn, Tagging::Nothing)?;
        check_agreement(cx, given, &arn)?;
        cx.admit(Some(&arn.stream))?;
        return of(stream.as_deref(), &arn);
    }
    let (Some(_), Some(name)) = (given.stream.arn, given.name) else {
        return Err(invalid(
            "Both streamARN and consumer name must be provided if consumerARN is not provied.",
        ));
    };
    let stream = address::resolve(cx, given.stream)?;
    if Namespace::of(&stream) != *cx.namespace() {
        // Other accounts know a consumer by its ARN only.
        cx.permit(&Subject::bare(&stream, stream.account), Tagging::Nothing)?;
        return Err(Fact::StreamNotFound { stream }.into());
    }
    let found = cx.find(&stream);
    let consumer = found.as_ref().ok().and_then(|found| found.state().consumers.get(name));
    let consumer = consumer.cloned();
    if let Some(known) = &consumer {
        cx.permit(&Subject::consumer(&known.arn(), Some(known)), Tagging::Nothing)?;
    } else {
        let unknown = format!("{stream}/consumer/{name}");
        cx.permit(&Subject::bare(&unknown, stream.account), Tagging::Nothing)?;
    }
    cx.admit(Some(&stream))?;
    found?;
    consumer.ok_or_else(|| no_consumer(&stream, name))
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

/// The consumer of this ARN, of the stream that was found for it.
pub(super) fn of(stream: Option<&Stream>, arn: &ConsumerArn) -> Result<ConsumerState> {
    let missing = || Fact::ConsumerNotFound { consumer: arn.clone() };
    Ok(stream.ok_or_else(missing)?.state().consumer(arn)?.clone())
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
