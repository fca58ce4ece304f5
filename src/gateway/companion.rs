//! Requests that are signed for CloudWatch or STS: the same pipeline in their protocols.

use std::io::Read as _;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};
use millpond_quotas::limits::METRICS_BODY_BYTES_MAX as BODY_BYTES_MAX;
use uuid::Uuid;

use super::{begin_trace, examine, origin, tell_refused};
use crate::{
    app::App,
    auth::{Refusal, Service},
    companions::{
        Call, Operation,
        fault::Fault,
        tree::{Place, Tree},
        wire::{Answer, Wire},
    },
    http::{BodyRefused, RequestBody},
};

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
    let started = app.clock().now();
    let trace = begin_trace(app, head, service, id);
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let (wire, named) = Wire::of(head.uri.path(), target);
    let outcome = Companion { app, head, service, wire, named }.answer(body).await;
    let (operation, code) = match &outcome {
        Ok((operation, _)) => (operation.name(), ""),
        Err(refused) => ("", refused.code()),
    };
    if !operation.is_empty() {
        trace.operation(operation);
    }
    let took = app.clock().now().saturating_duration_since(started);
    app.metrics().request(operation, code, took);
    tracing::debug!(%id, service = service.name(), operation, error = code, "answered");
    let error = Some(code).filter(|code| !code.is_empty());
    let response = response(wire, service, outcome, &id.to_string());
    trace.end(response.status(), error);
    response
}

/// What became of the request, in its protocol.
fn response(
    wire: Wire,
    service: Service,
    outcome: Result<(Operation, Option<Tree>), Refused>,
    id: &str,
) -> Response {
    match outcome {
        Ok((operation, output)) => {
            let operation = operation.name();
            let body = wire.write(Answer { service, operation, output }, id);
            respond(wire, StatusCode::OK, body)
        }
        Err(Refused::Fault(fault)) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = respond(wire, status, wire.write_fault(service, &fault, id));
            if let Ok(code) = HeaderValue::try_from(format!("{};Sender", fault.code)) {
                response.headers_mut().insert(QUERY_ERROR, code);
            }
            response
        }
        Err(Refused::Body(refused)) => axum::response::IntoResponse::into_response(refused),
    }
}

fn respond(wire: Wire, status: StatusCode, body: Vec<u8>) -> Response {
    let is_empty = body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !is_empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(wire.content_type()));
    }
    if wire == Wire::Cbor {
        headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
    }
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

struct Companion<'a> {
    app: &'a App,
    head: &'a Parts,
    service: Service,
    wire: Wire,
    /// The operation, where that isn't in the body.
    named: Option<&'a str>,
}

impl Companion<'_> {
    async fn answer(&self, body: RequestBody) -> Result<(Operation, Option<Tree>), Refused> {
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
        let body = body.collect().await.map_err(Refused::Body)?;
        let refused = |refusal: Refusal| {
            tell_refused(self.app, self.head, &refusal);
            Fault::from(&refusal)
        };
        let caller = claim.confirm(&body).map_err(refused)?;
        let input = self.wire.read(&self.unpacked(body)?)?;
        let operation = self.operation(&input)?;
        let call = Call {
            caller: &caller,
            origin: origin(self.head),
            now: self.app.domain().now(),
            metrics: self.app.metric_store(),
            input: &input,
        };
        Ok((operation, operation.serve(&call)?))
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
