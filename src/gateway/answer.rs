//! The forms of answers: a reply, an error in the request's format, and the older forms that AWS
//! has for requests in no format that it serves.

use std::{collections::BTreeMap, convert::Infallible};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures::StreamExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use millpond_api::{Codec, Error, ErrorKind, event_stream};
use millpond_quotas::limits;
use uuid::Uuid;

use super::torn;
use crate::{
    faults::Cut,
    http::{BodyRefused, Ends},
    ids::Ids,
    ops::Reply,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXTENDED_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Why a request is not served, in the form that it is answered in.
#[derive(Debug)]
pub(super) enum Failure {
    /// In the request's own format.
    Error(Error),
    /// In the form of `application/json`.
    Coral(StatusCode, ErrorKind),
    /// As XML, without a media type.
    Xml(StatusCode, Error),
    /// The body could not be read.
    Body(BodyRefused),
}

impl Failure {
    /// There is no such operation.
    pub(super) fn unknown_operation() -> Self {
        Self::Error(ErrorKind::UnknownOperation.into())
    }

    /// There is no such operation, for requests in no usable format.
    pub(super) fn unknown_operation_xml() -> Self {
        Self::Xml(StatusCode::NOT_FOUND, ErrorKind::UnknownOperation.into())
    }

    /// The request doesn't say what it wants.
    pub(super) fn undetermined() -> Self {
        let words = "Unable to determine service/operation name to be authorized";
        Self::Xml(StatusCode::FORBIDDEN, ErrorKind::AccessDenied.with(words))
    }

    /// A web page from elsewhere wants in where no secret protects the streams.
    pub(super) fn page_from_elsewhere() -> Self {
        let words = "This server takes keys that are no secret, and so calls of web pages from \
                     this machine only. Start it with credentials of its own and --auth verify.";
        Self::Xml(StatusCode::FORBIDDEN, ErrorKind::AccessDenied.with(words))
    }

    /// The body is not a map.
    pub(super) fn serialization() -> Self {
        Self::Error(ErrorKind::Serialization.into())
    }

    /// The answer to `application/json`.
    pub(super) fn coral(kind: ErrorKind) -> Self {
        let status = match kind {
            ErrorKind::Serialization => StatusCode::BAD_REQUEST,
            _ => StatusCode::NOT_FOUND,
        };
        Self::Coral(status, kind)
    }

    /// The error's wire name, for logs and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Error(error) | Self::Xml(_, error) => error.kind.wire_name(),
            Self::Coral(_, kind) => kind.wire_name(),
            Self::Body(_) => "BodyRefused",
        }
    }

    pub(super) fn into_response(self, codec: Codec) -> Response {
        match self {
            Self::Error(error) => {
                let status = StatusCode::from_u16(error.kind.status());
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                (status, content_type(codec.content_type()), error.encode(codec)).into_response()
            }
            Self::Coral(status, kind) => {
                let kind = kind.wire_name();
                let body = format!(
                    r#"{{"Output":{{"__type":"com.amazon.coral.service#{kind}"}},"Version":"1.0"}}"#
                );
                (status, content_type("application/json"), body).into_response()
            }
            Self::Xml(status, error) => {
                let mut response = Response::new(Body::from(xml(&error)));
                *response.status_mut() = status;
                response
            }
            Self::Body(refused @ BodyRefused::TooLarge) => {
                let mib = limits::REQUEST_BODY_BYTES_MAX >> 20;
                let message = format!(
                    "The request's body is larger than {mib} MiB, the most that this server takes."
                );
                // No code: AWS has none, and clients call the error by its status then.
                let body = codec.encode(&BTreeMap::from([("message", message)]));
                (refused.status(), content_type(codec.content_type()), body).into_response()
            }
            Self::Body(refused) => refused.into_response(),
        }
    }
}

fn xml(error: &Error) -> String {
    let code = error.kind.wire_name();
    match &error.message {
        Some(message) => format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n"),
        None => format!("<{code}/>\n"),
    }
}

/// The answer of an operation.
pub(super) fn reply(codec: Codec, reply: Reply) -> Response {
    match reply {
        Reply::Whole { body, .. } if body.is_empty() => Response::new(Body::empty()),
        Reply::Whole { body, room } => {
            (content_type(codec.content_type()), body.into_body(room)).into_response()
        }
        Reply::Parts { frames } => {
            let body = Body::from_stream(frames.map(Ok::<_, Infallible>));
            (content_type(codec.content_type()), body).into_response()
        }
        Reply::Events { frames, ends } => {
            let body = Body::from_stream(frames);
            let mut response = (content_type(event_stream::CONTENT_TYPE), body).into_response();
            response.extensions_mut().insert(Ends::new(ends));
            response
        }
        Reply::CutHalfway { body, room } => {
            torn::reply(content_type(codec.content_type()), body, room)
        }
        Reply::Cut => {
            let mut response = Response::default();
            response.extensions_mut().insert(Cut);
            response
        }
    }
}

/// The answer with the ids that every answer carries.
pub(super) fn with_ids(response: Response, ids: &Ids, id: Uuid) -> Response {
    let mut response = with_request_id(response, id);
    response.headers_mut().insert(EXTENDED_REQUEST_ID, value(ids.extended_request_id()));
    response
}

/// The same without the second one, which AWS leaves out where nothing is served.
pub(super) fn with_request_id(mut response: Response, id: Uuid) -> Response {
    response.headers_mut().insert(REQUEST_ID, value(id.to_string()));
    response
}

fn value(id: String) -> HeaderValue {
    HeaderValue::try_from(id).expect("ids are ASCII")
}

fn content_type(value: &'static str) -> [(HeaderName, HeaderValue); 1] {
    [(header::CONTENT_TYPE, HeaderValue::from_static(value))]
}
