//! Browsers: which web pages may call, and the answers that tell their browsers so.

use std::net::IpAddr;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};

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

/// Which web pages may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Every page, as with AWS: signatures with secret keys protect the streams.
    All,
    /// Pages from this machine: where strangers are let in, or everybody knows a key, every web
    /// site that a developer visits could otherwise read and write the streams.
    Local,
}

impl Pages {
    /// Whether the page that a request comes from, if it is from one, may call.
    pub(super) fn admit(self, headers: &HeaderMap) -> bool {
        match self {
            Self::All => true,
            Self::Local => headers.get_all(header::ORIGIN).iter().all(is_local),
        }
    }
}

fn is_local(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let Some(host) = origin.as_ref().and_then(Uri::host) else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost" || host.ends_with(".localhost"), |ip| ip.is_loopback())
}

/// Whether a request comes from a web page.
pub(super) fn is_from_page(head: &Parts) -> bool {
    head.headers.contains_key(header::ORIGIN)
}

/// Whether a browser asks if a page may call.
pub(super) fn is_preflight(head: &Parts) -> bool {
    head.method == Method::OPTIONS && is_from_page(head)
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

    fn admits(pages: Pages, origin: &'static str) -> bool {
        let origin = [(header::ORIGIN, HeaderValue::from_static(origin))];
        pages.admit(&origin.into_iter().collect())
    }

    #[test]
    fn a_server_whose_keys_are_secret_is_open_to_every_page() {
        assert!(admits(Pages::All, "https://example.com"));
    }

    #[test]
    fn another_one_is_open_to_pages_of_this_machine() {
        for origin in [
            "http://localhost:3000",
            "https://app.localhost",
            "http://127.0.0.1:8080",
            "http://[::1]:5173",
        ] {
            assert!(admits(Pages::Local, origin), "{origin}");
        }
        for origin in
            ["https://example.com", "http://localhost.example.com", "null", "http://10.0.0.1", ""]
        {
            assert!(!admits(Pages::Local, origin), "{origin}");
        }
        assert!(Pages::Local.admit(&HeaderMap::new()), "no page");
    }
}
