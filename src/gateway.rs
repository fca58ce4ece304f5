//! The one pipeline that every request goes through: identify, authenticate, decode, serve, answer.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, request::Parts};
use millpond_api::{Codec, ErrorKind, OperationId, types::Timestamp};
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    app::App,
    auth::{self, Claim, Refusal, Service},
    error::Error,
    http::{BodyRefused, Peer, RequestBody},
    ops::{self, Cx, Origin, Reply},
    traces::Span,
};

mod answer;
mod companion;
mod cors;
mod format;
mod torn;

pub use cors::Pages;

use answer::Failure;
use format::Format;

/// What `X-Amz-Target` begins with.
const SERVICE: &str = "Kinesis_20131202";

/// What stands in logs and metrics for the code of an answer that a fault cuts off.
const CUT: &str = "ConnectionCut";

/// Bodies up to this declared length are read although the head alone refuses the request, because
/// AWS looks at the body first: who sends rubbish is told so, signed or not.
const BODY_READ_BEFORE_REFUSAL_MAX: u64 = 64 << 10;

/// How many such bodies are read at once: they are from strangers, and take room in the same budget
/// as everybody's.
pub const REFUSED_BODIES_MAX: usize = 64;

/// Answers one request.
pub async fn handle(app: Arc<App>, head: Parts, body: RequestBody) -> Response {
    let id = app.ids().request_id();
    let is_from_page = cors::is_from_page(&head);
    if is_from_page && !app.pages().admit(&head.headers) {
        body.discard().await;
        let refusal = Failure::page_from_elsewhere().into_response(Codec::Json);
        return answer::with_ids(refusal, app.ids(), id);
    }
    let mut response = if cors::is_preflight(&head) {
        body.discard().await;
        answer::with_request_id(Response::default(), id)
    } else {
        let target = Target::of(&head.headers);
        let response = match service(&head, target) {
            Service::Kinesis => operate(&app, &head, target, body, id).await,
            service => companion::operate(&app, &head, body, service, id).await,
        };
        answer::with_ids(response, app.ids(), id)
    };
    if is_from_page {
        cors::admit(&mut response, &head);
    }
    response
}

/// Who is to answer. What names an operation of Kinesis is Kinesis', however it is signed.
fn service(head: &Parts, target: Target) -> Service {
    match target {
        Target::Operation(_) => Service::Kinesis,
        Target::Unknown | Target::Incomplete => Service::claimed_by(head),
    }
}

/// What the head of a request claims, once all is in order that the head can show.
fn examine<'a>(app: &'a App, head: &'a Parts, service: Service) -> Result<Claim<'a>, Refusal> {
    let now = Timestamp::from_millis(app.clock().wall().millis());
    let claim = app.verifier().examine(head, service, now);
    claim.inspect_err(|refusal| tell_refused(app, head, refusal))
}

/// The words of a refusal stay out of the log: they quote what came, signatures included.
fn tell_refused(app: &App, head: &Parts, refusal: &Refusal) {
    if app.refused_credentials().is_due() {
        let peer = head.extensions.get().map(|peer: &Peer| tracing::field::display(peer.address));
        tracing::warn!(error = refusal.kind().wire_name(), peer, "credentials refused");
    }
}

/// Where a request came from, if it came over a connection.
fn origin(head: &Parts) -> Option<Origin> {
    head.extensions.get().copied().map(|peer: Peer| Origin::from(peer))
}

fn begin_trace(app: &App, head: &Parts, service: Service, id: Uuid) -> Span {
    app.traces().map(|traces| traces.begin(&head.headers, service, id)).unwrap_or_default()
}

/// Does what the request asks for.
async fn operate(app: &App, head: &Parts, target: Target, body: RequestBody, id: Uuid) -> Response {
    let started = Instant::now();
    let trace = begin_trace(app, head, Service::Kinesis, id);
    let operation = target.operation().map_or("", OperationId::name);
    if !operation.is_empty() {
        trace.operation(operation);
    }
    let span = tracing::debug_span!("request", %id, operation);
    let request = Request { app, head, target, trace: &trace };
    let (codec, outcome) = request.answer(body).instrument(span).await;
    let took = started.elapsed();
    let code = match &outcome {
        Ok(Reply::Cut | Reply::CutHalfway { .. }) => Some(CUT),
        Ok(_) => None,
        Err(failure) => Some(failure.code()),
    };
    app.metrics().request(operation, code.unwrap_or_default(), took);
    tracing::debug!(%id, operation, error = code, micros = took.as_micros() as u64, "answered");
    let response = match outcome {
        Ok(reply) => answer::reply(codec, reply),
        Err(failure) => failure.into_response(codec),
    };
    if response.status().is_server_error() {
        tracing::warn!(%id, operation, error = code, "failed");
    }
    trace.end(response.status(), code);
    response
}

/// What `X-Amz-Target` says.
#[derive(Debug, Clone, Copy)]
enum Target {
    Operation(OperationId),
    /// A service and an operation, not both ours.
    Unknown,
    /// No service, or no operation.
    Incomplete,
}

impl Target {
    fn of(headers: &HeaderMap) -> Self {
        let target = headers.get(auth::TARGET).and_then(|value| value.to_str().ok());
        let Some((service, operation)) = target.and_then(|target| target.split_once('.')) else {
            return Self::Incomplete;
        };
        match OperationId::from_name(operation) {
            Some(operation) if service == SERVICE => Self::Operation(operation),
            _ if service.is_empty() || operation.is_empty() => Self::Incomplete,
            _ => Self::Unknown,
        }
    }

    fn operation(self) -> Option<OperationId> {
        match self {
            Self::Operation(operation) => Some(operation),
            Self::Unknown | Self::Incomplete => None,
        }
    }
}

struct Request<'a> {
    app: &'a App,
    head: &'a Parts,
    target: Target,
    trace: &'a Span,
}

impl Request<'_> {
    /// The answer, and the format that it is written in.
    async fn answer(&self, body: RequestBody) -> (Codec, Result<Reply, Failure>) {
        let format = Format::of(&self.head.headers);
        let answer = async {
            if self.head.method != Method::POST {
                body.discard().await;
                return Err(Failure::undetermined());
            }
            let claim = examine(self.app, self.head, Service::Kinesis).map_err(Failure::from);
            match (self.identify(format), claim) {
                (Ok((codec, operation)), Ok(claim)) => {
                    let body = body.collect().await?;
                    self.serve(codec, operation, claim, &body).await
                }
                (Err(refusal), _) | (_, Err(refusal)) => {
                    Err(self.refuse(refusal, format, body).await)
                }
            }
        };
        (format.codec(), answer.await)
    }

    fn identify(&self, format: Format) -> Result<(Codec, OperationId), Failure> {
        match (format, self.target) {
            (Format::Served(codec), Target::Operation(operation)) => Ok((codec, operation)),
            (Format::Served(_), _) => Err(Failure::unknown_operation()),
            (Format::PlainJson, _) => Err(Failure::coral(ErrorKind::UnknownOperation)),
            (Format::Other, Target::Incomplete) => Err(Failure::undetermined()),
            (Format::Other, _) => Err(Failure::unknown_operation_xml()),
        }
    }

    async fn serve(
        &self,
        codec: Codec,
        operation: OperationId,
        claim: Claim<'_>,
        body: &Bytes,
    ) -> Result<Reply, Failure> {
        if body.is_empty() {
            return Err(Failure::serialization());
        }
        let caller = match claim.confirm(body) {
            Ok(caller) => caller,
            Err(_) if !codec.is_map(body) => return Err(Failure::serialization()),
            Err(refusal) => {
                tell_refused(self.app, self.head, &refusal);
                return Err(refusal.into());
            }
        };
        let origin = origin(self.head);
        let cx = Cx::new(self.app, operation, codec, caller, origin, self.trace);
        let outcome = match ops::entrypoint(operation) {
            Some(serve) => serve(&cx, body).await,
            None => Err(ops::unserved(operation)),
        };
        outcome.map_err(|error| Failure::Error(error.0))
    }

    /// A request is refused for its head; but AWS would have looked at its body before.
    #[cold]
    async fn refuse(&self, refusal: Failure, format: Format, body: RequestBody) -> Failure {
        let is_large =
            body.declared_bytes().is_none_or(|bytes| bytes > BODY_READ_BEFORE_REFUSAL_MAX);
        let Some(_place) = self.app.refused_bodies().try_acquire().ok().filter(|_| !is_large)
        else {
            body.discard().await;
            return refusal;
        };
        let body = match body.collect().await {
            Ok(body) => body,
            Err(refused) => return refused.into(),
        };
        let known = self.target.operation().is_some();
        match format {
            _ if body.is_empty() && known => Failure::serialization(),
            _ if body.is_empty() => Failure::unknown_operation(),
            Format::Served(codec) if !codec.is_map(&body) => Failure::serialization(),
            Format::PlainJson if !Codec::Json.is_map(&body) => {
                Failure::coral(ErrorKind::Serialization)
            }
            _ => refusal,
        }
    }
}

impl From<Peer> for Origin {
    fn from(Peer { address, is_secure }: Peer) -> Self {
        Self { address: address.ip(), is_secure }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Error(Error::from(refusal).0)
    }
}

impl From<BodyRefused> for Failure {
    fn from(refused: BodyRefused) -> Self {
        Self::Body(refused)
    }
}
