//! What an operation may see: its caller, the domain, and the stream that the request names.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use millpond_api::{
    Codec, ErrorKind, OperationId,
    types::{ShardId, StreamArn, StreamRef, Timestamp},
};
use millpond_quotas::{
    Clock, Quotas, Refusal,
    limits::{self, CallScope},
};
use millpond_shards::{
    Domain, Error as Fact, directory::Stream, state::Command, stream::Namespace,
};
use serde::Serialize;

use super::{Reply, injected::Injected};
use crate::{
    answers::{AnswerRoom, Answers, EventRooms},
    app::App,
    auth::Caller,
    blocks::Blocks,
    error::{Error, Result},
    faults::Injector,
    policy::{Readings, Tagging},
    telemetry::Warning,
    throttles::{Refused, Whose},
    traces::Span,
};

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The other end of the connection.
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub is_secure: bool,
}

/// One request's context.
pub struct Cx<'a> {
    app: &'a App,
    operation: OperationId,
    codec: Codec,
    caller: Caller,
    namespace: Namespace,
    origin: Option<Origin>,
    trace: &'a Span,
    meets_faults: bool,
    injected: OnceLock<Injected>,
}

impl<'a> Cx<'a> {
    /// The context of a request by `caller`, with where it came from and its span.
    #[must_use]
    pub fn new(
        app: &'a App,
        operation: OperationId,
        codec: Codec,
        caller: Caller,
        origin: Option<Origin>,
        trace: &'a Span,
    ) -> Self {
        let namespace = Namespace { account: caller.account, region: caller.region.clone() };
        let (meets_faults, injected) = (true, OnceLock::new());
        Self { app, operation, codec, caller, namespace, origin, trace, meets_faults, injected }
    }

    /// The same for a request that no client of Kinesis makes: no fault is about it.
    #[must_use]
    pub fn without_faults(self) -> Self {
        Self { meets_faults: false, ..self }
    }

    /// The operation that was asked for.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// The format of the request, and of its answer.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The caller's account and region.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where the request came from.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// The request's span.
    pub(super) fn trace(&self) -> &'a Span {
        self.trace
    }

    /// What the policies of resources say.
    #[must_use]
    pub fn policies(&self) -> &'a Readings {
        self.app.policies()
    }

    /// Says that the policy of a resource can't be read.
    pub(super) fn unread_policies(&self) -> &'a Warning {
        self.app.unread_policies()
    }

    /// Streams and shards.
    #[must_use]
    pub fn domain(&self) -> &'a Domain {
        self.app.domain()
    }

    /// The clock that service time is of.
    pub(super) fn clock(&self) -> &'a Clock {
        self.app.clock()
    }

    /// Ends when the server is told to stop.
    pub(super) async fn stopping(&self) {
        self.app.stopping().cancelled().await;
    }

    /// The faults that are in force, if any.
    pub(super) fn faults(&self) -> Option<Arc<Injector>> {
        self.app.faults().current().filter(|_| self.meets_faults)
    }

    /// Notes what faults make of this call, once.
    pub(super) fn inject(&self, injected: Injected) -> &Injected {
        self.injected.get_or_init(|| injected)
    }

    /// What faults make of this call, if there were any when it came.
    pub(super) fn injected(&self) -> Option<&Injected> {
        self.injected.get()
    }

    /// Which limits apply.
    #[must_use]
    pub fn quotas(&self) -> &'a Quotas {
        self.app.quotas()
    }

    /// Service time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.domain().now()
    }

    /// Waits until so much service time has passed from now on.
    pub fn after(&self, length: Duration) -> BoxFuture<'static, ()> {
        let clock = self.app.clock().clone();
        let at = clock.now() + length;
        async move { clock.sleep_until(at).await }.boxed()
    }

    /// When a transition that begins now takes effect.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        later(self.now(), self.app.transition())
    }

    /// The answer that carries `output`.
    #[must_use]
    pub fn reply(&self, output: &impl Serialize) -> Reply {
        Reply::Whole { body: self.codec.encode(output).into(), room: AnswerRoom::default() }
    }

    /// The answer that carries `output`, which is about `bytes` long.
    #[must_use]
    pub fn reply_of_size(&self, output: &impl Serialize, bytes: usize) -> Reply {
        Reply::Whole { body: self.body_of_size(output, bytes), room: AnswerRoom::default() }
    }

    /// Room for an answer that may become this large, asked for before it is made.
    ///
    /// # Errors
    /// When others hold the room for too long.
    pub async fn room(&self, bytes: usize) -> Result<AnswerRoom> {
        let words = "No room for the answer now, as clients take others too slowly.";
        let room = self.app.answers().room(bytes).await;
        room.ok_or_else(|| Error(ErrorKind::ServiceUnavailable.with(words)))
    }

    /// The answer that carries `output`, which is about `bytes` long, in room asked for before.
    #[must_use]
    pub fn reply_in(&self, room: AnswerRoom, output: &impl Serialize, bytes: usize) -> Reply {
        let body = self.body_of_size(output, bytes);
        let room = room.shrunk_to(body.capacity());
        Reply::Whole { body, room }
    }

    fn body_of_size(&self, output: &impl Serialize, bytes: usize) -> Blocks {
        let mut body = Blocks::with_capacity(bytes);
        self.codec.encode_into(output, &mut body);
        body
    }

    /// Room for large answers, where it is asked for while one is sent.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.app.answers().clone()
    }

    /// Room for events on their way.
    #[must_use]
    pub fn event_rooms(&self) -> EventRooms {
        self.app.events().clone()
    }

    /// The stream that a request means, whether or not it exists.
    ///
    /// # Errors
    /// When the request names none, two different ones, or one that the caller may not use this
    /// operation on.
    pub fn address(&self, stream: StreamRef<'_>) -> Result<StreamArn> {
        Ok(self.permitted(stream, Tagging::Nothing)?.0)
    }

    /// The stream that a request means, as it is now.
    ///
    /// # Errors
    /// Those of `address`, and when there is no such stream.
    pub fn stream(&self, stream: StreamRef<'_>) -> Result<Arc<Stream>> {
        let (arn, found) = self.permitted(stream, Tagging::Nothing)?;
        found.ok_or_else(|| Fact::StreamNotFound { stream: arn }.into())
    }

    /// The stream of this name, as it is now.
    ///
    /// # Errors
    /// When there is no such stream.
    pub fn find(&self, arn: &StreamArn) -> Result<Arc<Stream>> {
        Ok(self.domain().directory().stream(&Namespace::of(arn), &arn.name)?)
    }

    /// The stream that a control operation means, once the operation's call rate allows the call.
    ///
    /// # Errors
    /// Those of `address`, and when the operation is called too often.
    pub fn control(&self, stream: StreamRef<'_>) -> Result<StreamArn> {
        self.control_tagging(stream, Tagging::Nothing)
    }

    /// The same for an operation on tags.
    ///
    /// # Errors
    /// Those of `control`.
    pub fn control_tagging(
        &self,
        stream: StreamRef<'_>,
        tagging: Tagging<'_>,
    ) -> Result<StreamArn> {
        Ok(self.admitted(stream, tagging)?.0)
    }

    /// The stream that a control operation means, as it is now, once the call is allowed.
    ///
    /// # Errors
    /// Those of `control`, and when there is no such stream.
    pub fn controlled(&self, stream: StreamRef<'_>) -> Result<Arc<Stream>> {
        let (arn, found) = self.admitted(stream, Tagging::Nothing)?;
        found.ok_or_else(|| Fact::StreamNotFound { stream: arn }.into())
    }

    /// The stream that was judged goes on with its ARN: one of the same name that is made in the
    /// meantime may not be the caller's to see.
    fn admitted(
        &self,
        stream: StreamRef<'_>,
        tagging: Tagging<'_>,
    ) -> Result<(StreamArn, Option<Arc<Stream>>)> {
        let (arn, found) = self.permitted(stream, tagging)?;
        self.admit(Some(&arn))?;
        Ok((arn, found))
    }

    /// Asks for room for one call of this operation.
    ///
    /// # Errors
    /// When it is called too often.
    pub fn admit(&self, stream: Option<&StreamArn>) -> Result<()> {
        let name = self.operation.name();
        let Namespace { account, region } = &self.namespace;
        let whose = match (limits::control_calls(name).map(|limit| limit.scope), stream) {
            (Some(CallScope::Stream), Some(arn)) => Whose::Stream(arn.clone()),
            _ => Whose::Account(self.namespace.clone()),
        };
        let scope = match &whose {
            Whose::Stream(arn) => arn.to_string(),
            Whose::Account(_) => format!("{account}/{region}"),
        };
        let admitted = self.app.calls().admit(self.app.clock().now(), &scope, name);
        admitted.map_err(|refusal| {
            self.app.throttles().note_control(name, &whose, self.now(), refusal);
            self.rate_exceeded(stream)
        })
    }

    /// The error of a control operation that is called too often.
    pub(super) fn rate_exceeded(&self, stream: Option<&StreamArn>) -> Error {
        let of = match stream {
            Some(arn) => format!("stream {} under account {}", arn.name, arn.account),
            None => format!("account {}", self.namespace.account),
        };
        Error(ErrorKind::LimitExceeded.with(format!("Rate exceeded for {of}.")))
    }

    /// Notes that a call on a shard was refused.
    pub(super) fn note_throttle(&self, stream: &StreamArn, shard: ShardId, refusal: Refusal) {
        let (name, now) = (self.operation.name(), self.now());
        self.app.throttles().note_call(name, stream, shard, now, refusal);
    }

    /// Notes that records were refused.
    pub(super) fn note_throttled_records<'r>(
        &self,
        stream: &StreamArn,
        records: impl Iterator<Item = Refused<'r>>,
    ) {
        let (name, now) = (self.operation.name(), self.now());
        self.app.throttles().note_writes(name, stream, now, records);
    }

    /// Notes why the domain refused, if that was a limit.
    pub(super) fn note_fact(&self, fact: &Fact) {
        let (name, now) = (self.operation.name(), self.now());
        self.app.throttles().note_fact(name, &self.namespace, now, fact);
    }

    /// Has the metadata changed as `command` says.
    ///
    /// # Errors
    /// The command's precondition that doesn't hold, or why storage failed.
    pub async fn submit(&self, command: Command) -> Result<()> {
        let submitted = self.domain().control().submit(command).await;
        Ok(submitted.inspect_err(|fact| self.note_fact(fact))?)
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_add_unsigned(by.as_millis() as u64))
}
