//! Browsers: which web pages may call, and the answers that tell their browsers so.

use std::net::IpAddr;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};

use crate::auth::Mode;

/// What a page may read of an answer, as AWS has it.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-amzn-RequestId,x-amzn-ErrorType,x-amz-request-id,x-amz-id-2,x-amzn-ErrorMessage,Date",
);

/// Seconds for which a browser may remember a preflight's answer.
const MAX_AGE: HeaderValue = HeaderValue::from_static("172800");

const EVERY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// What a preflight asks for, and how the same is allowed.
const ECHOED: [(HeaderName, HeaderName); 2] = [
    (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS),
    (header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_ALLOW_METHODS),
];

/// Whether a web page's browser is to let it call.
///
/// Signatures protect a server that verifies all of them, so that every page may try, as with AWS.
/// One that lets strangers in is open to pages from this machine only: else every web site that a
/// developer visits could read and write the streams.
pub(super) fn admits(mode: Mode, headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| match mode {
        Mode::Verify => true,
        Mode::Any => is_local(origin),
    })
}

fn is_local(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let Some(host) = origin.as_ref().and_then(Uri::host) else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
}

/// Whether a browser asks if a page may call.
pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(header::ORIGIN)
}

/// Tells the browser that the page which sent `asked` may do so, and read the answer.
pub(super) fn admit(response: &mut Response, asked: &Parts) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN);
    if !is_preflight(asked) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        return;
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    for (ask, allow) in ECHOED {
        if let Some(value) = asked.headers.get(ask) {
            headers.insert(allow, value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits_origin(mode: Mode, origin: &'static str) -> bool {
        let origin = [(header::ORIGIN, HeaderValue::from_static(origin))];
        admits(mode, &origin.into_iter().collect())
    }

    #[test]
    fn a_server_that_verifies_is_open_to_every_page() {
        assert!(admits_origin(Mode::Verify, "https://example.com"));
        assert!(!admits(Mode::Verify, &HeaderMap::new()), "not a page");
    }

    #[test]
    fn a_server_that_takes_any_key_is_open_to_pages_of_this_machine() {
        for origin in [
            "http://localhost:3000",
            "https://app.localhost",
            "http://127.0.0.1:8080",
            "http://[::1]:5173",
        ] {
            assert!(admits_origin(Mode::Any, origin), "{origin}");
        }
        for origin in
            ["https://example.com", "http://localhost.example.com", "null", "http://10.0.0.1", ""]
        {
            assert!(!admits_origin(Mode::Any, origin), "{origin}");
        }
    }
}
