//! Why the admin API does not do what it was asked, and what would be right.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use serde_json::json;

use super::PATH;

/// Bytes of a sentence that is told: some have in them what was sent.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

/// What a handler comes to.
pub type Result<T> = std::result::Result<T, Fault>;

/// A refusal: a status, and a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    status: StatusCode,
    message: String,
}

impl Fault {
    /// The request asks for something that can't be; the sentence names the field.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// There is nothing of that name.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// Something is in the way that may go away.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self { status: StatusCode::CONFLICT, message: message.into() }
    }

    /// It failed, for no fault of the caller.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: message.into() }
    }

    /// It isn't done, or not in full, and may be if it is asked again.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message: message.into() }
    }

    /// The body could not be read, or not as what it should be.
    #[must_use]
    pub fn unreadable(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn off() -> Self {
        Self::not_found("the admin API is off: start millpond with --admin on")
    }

    pub(super) fn no_endpoint(method: &Method, uri: &Uri) -> Self {
        Self::not_found(format!("the admin API has no {method} {PATH}{}", uri.path()))
    }

    pub(super) fn not_allowed(method: &Method, uri: &Uri) -> Self {
        let message = format!("{PATH}{} is there, but not for {method}", uri.path());
        Self { status: StatusCode::METHOD_NOT_ALLOWED, message }
    }

    pub(super) fn from_page() -> Self {
        let message = "the admin API answers no web page: a request with an Origin, or with a \
                       Sec-Fetch-Site that isn't none, is refused";
        Self { status: StatusCode::FORBIDDEN, message: message.to_owned() }
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, message: message.into() }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let message = self.message.get(..self.message.floor_char_boundary(MESSAGE_BYTES_MAX));
        let body = Json(json!({ "message": message }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"millpond admin\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// What the domain refuses is said in the words that a client of Kinesis gets.
impl From<millpond_shards::Error> for Fault {
    fn from(fact: millpond_shards::Error) -> Self {
        Self::from(crate::error::Error::from(fact))
    }
}

impl From<crate::error::Error> for Fault {
    fn from(crate::error::Error(error): crate::error::Error) -> Self {
        use millpond_api::ErrorKind as Kind;
        let message = error.message.clone().unwrap_or_else(|| error.kind.wire_name().into());
        let status = match error.kind {
            Kind::ResourceNotFound => StatusCode::NOT_FOUND,
            Kind::ResourceInUse => StatusCode::CONFLICT,
            kind => StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::BAD_REQUEST),
        };
        Self { status, message: message.into() }
    }
}
