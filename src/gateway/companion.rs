//! Requests that are signed for CloudWatch or STS: the same pipeline in their protocols.

use std::{io::Read as _, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use millpond_quotas::limits::METRICS_BODY_BYTES_MAX as BODY_BYTES_MAX;
use tokio::time::Instant;
use uuid::Uuid;

use super::{begin_trace, examine, origin, tell_refused};
use crate::{
    answers::AnswerRoom,
    app::App,
    auth::{self, Refusal, Service},
    companions::{
        Call, Operation,
        fault::Fault,
        tree::{Place, Tree},
        wire::{Answer, Wire},
    },
    http::{BodyRefused, RequestBody},
};

/// Bytes of the largest answer: all data points that GetMetricData tells at once, as XML.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Tells SDKs which error of the query protocol an error of the others is.
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// Answers a request that is signed for this service.
pub(super) async fn operate(
    app: &App,
    head: &Parts,
    body: RequestBody,
    service: Service,
    id: Uuid,
) -> Response {
    let started = Instant::now();
    let trace = begin_trace(app, head, service, id);
    let target = head.headers.get(auth::TARGET).and_then(|target| target.to_str().ok());
    let (wire, named) = Wire::of(head.uri.path(), target);
    let mut operation = None;
    let companion = Companion { app, head, service, wire, named, id };
    let outcome = companion.answer(body, &mut operation).await;
    let name = operation.map_or("", Operation::name);
    if !name.is_empty() {
        trace.operation(name);
    }
    let code = outcome.as_ref().err().map(Refused::code);
    let took = started.elapsed();
    app.metrics().request(name, code.unwrap_or_default(), took);
    tracing::debug!(%id, service = service.name(), operation = name, error = code, "answered");
    let response = outcome.unwrap_or_else(|refused| companion.refuse(refused));
    trace.end(response.status(), code);
    response
}

/// Why a request is not served.
enum Refused {
    Fault(Fault),
    Body(BodyRefused),
}

impl Refused {
    fn code(&self) -> &'static str {
        match self {
            Self::Fault(fault) => fault.shape,
            Self::Body(_) => "BodyRefused",
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<BodyRefused> for Refused {
    fn from(refused: BodyRefused) -> Self {
        match refused {
            BodyRefused::TooLarge => Fault::too_large(BODY_BYTES_MAX).into(),
            refused => Self::Body(refused),
        }
    }
}

struct Companion<'a> {
    app: &'a App,
    head: &'a Parts,
    service: Service,
    wire: Wire,
    /// The operation, where that isn't in the body.
    named: Option<&'a str>,
    id: Uuid,
}

impl Companion<'_> {
    /// The answer; `operation` learns what was asked for.
    async fn answer(
        &self,
        body: RequestBody,
        operation: &mut Option<Operation>,
    ) -> Result<Response, Refused> {
        let claim = match examine(self.app, self.head, self.service) {
            Ok(claim) => claim,
            Err(refusal) => {
                body.discard().await;
                return Err(Fault::from(&refusal).into());
            }
        };
        if body.declared_bytes().is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
            body.discard().await;
            return Err(Fault::too_large(BODY_BYTES_MAX).into());
        }
        let body = body.collect().await?;
        let refused = |refusal: Refusal| {
            tell_refused(self.app, self.head, &refusal);
            Fault::from(&refusal)
        };
        let caller = claim.confirm(&body).map_err(refused)?;
        // Before anything is unpacked, so that nobody holds that while waiting.
        let room = self.app.answers().room(ANSWER_BYTES_MAX).await.ok_or_else(Fault::busy)?;
        let input = self.wire.read(&self.unpacked(body)?)?;
        let asked = self.operation(&input)?;
        *operation = Some(asked);
        let call = Call {
            caller: &caller,
            origin: origin(self.head),
            now: self.app.domain().now(),
            metrics: self.app.metric_store(),
            input: &input,
        };
        let output = asked.serve(&call)?;
        let answer = Answer { service: self.service, operation: asked.name(), output };
        let body = self.wire.write(answer, &self.id.to_string());
        Ok(self.respond(StatusCode::OK, body, room))
    }

    /// Why there is no answer, in the request's protocol.
    fn refuse(&self, refused: Refused) -> Response {
        let fault = match refused {
            Refused::Fault(fault) => fault,
            Refused::Body(refused) => return refused.into_response(),
        };
        let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = self.wire.write_fault(self.service, &fault, &self.id.to_string());
        let mut response = self.respond(status, body, AnswerRoom::default());
        if let Ok(code) = HeaderValue::try_from(format!("{};Sender", fault.code)) {
            response.headers_mut().insert(QUERY_ERROR, code);
        }
        response
    }

    /// The body holds what it needs of the room until it is sent.
    fn respond(&self, status: StatusCode, body: Vec<u8>, room: AnswerRoom) -> Response {
        let is_empty = body.is_empty();
        let room = Arc::new(room.shrunk_to(body.capacity()));
        let mut response = Response::new(Body::from(room.hold(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if !is_empty {
            let media_type = HeaderValue::from_static(self.wire.content_type());
            headers.insert(header::CONTENT_TYPE, media_type);
        }
        if self.wire == Wire::Cbor {
            headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
        }
        response
    }

    /// SDKs send what is large in packed form, and sign that.
    fn unpacked(&self, body: Bytes) -> Result<Bytes, Fault> {
        let is_packed = match self.head.headers.get(header::CONTENT_ENCODING) {
            None => false,
            Some(encoding) if encoding.as_bytes().eq_ignore_ascii_case(b"gzip") => true,
            Some(encoding) => {
                let words = format!("Content-Encoding must be gzip, and not {encoding:?}.");
                return Err(Fault::malformed(words));
            }
        };
        let mut unpacked = Vec::new();
        if is_packed {
            let packed = GzDecoder::new(&*body).take(BODY_BYTES_MAX as u64 + 1);
            let read = { packed }.read_to_end(&mut unpacked);
            read.map_err(|error| Fault::malformed(format!("The body is not gzip: {error}.")))?;
        }
        let body = if is_packed { unpacked.into() } else { body };
        if body.len() > BODY_BYTES_MAX { Err(Fault::too_large(BODY_BYTES_MAX)) } else { Ok(body) }
    }

    fn operation(&self, input: &Tree) -> Result<Operation, Fault> {
        let name = match self.named {
            Some(name) => name,
            None => Place::of(input).at("Action").text()?.unwrap_or_default(),
        };
        Operation::find(self.service, name)
            .ok_or_else(|| Fault::unknown_operation(self.service, name))
    }
}
