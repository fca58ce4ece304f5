//! Browsers: preflights, and what a page may read of an answer.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request};

use crate::{
    server::TestServer,
    wire::{self, Answer},
};

const PAGE: &str = "http://localhost:3000";

/// A page asks its browser, and that the server, whether it may call.
async fn preflight(server: &TestServer, origin: Option<&str>) -> Answer {
    let asked = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,x-amz-target"),
    ];
    let headers: Vec<_> =
        origin.map(|origin| ("origin", origin)).into_iter().chain(asked).collect();
    let mut request = wire::request(&headers, "");
    *request.method_mut() = Method::OPTIONS;
    server.send(request).await
}

fn from_page(mut request: Request<Body>, origin: &'static str) -> Request<Body> {
    let name = HeaderName::from_static("origin");
    request.headers_mut().insert(name, HeaderValue::from_static(origin));
    request
}

#[tokio::test]
async fn a_page_is_told_what_it_may_send() {
    let server = TestServer::new().await;
    let answer = preflight(&server, Some(PAGE)).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, ""));
    for (name, value) in [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "authorization,x-amz-target"),
        ("access-control-max-age", "172800"),
        ("access-control-expose-headers", ""),
        ("content-type", ""),
        ("x-amz-id-2", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
}

#[tokio::test]
async fn without_a_page_nothing_is_a_preflight() {
    let server = TestServer::new().await;
    let answer = preflight(&server, None).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().starts_with("<AccessDeniedException>"), "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_page_may_read_answers_and_errors() {
    let server = TestServer::new().await;
    for (operation, status) in [("ListStreams", 200), ("CreateStream", 400)] {
        let answer = server.send(from_page(server.request(operation, "{}"), PAGE)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.starts_with("x-amzn-RequestId,x-amzn-ErrorType,"), "{exposed}");
    }
    let answer = server.send(server.request("ListStreams", "{}")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "");
}

/// Where any key will do, or one that everybody knows, a web site that a developer visits must not
/// get in, not even one whose name leads to this machine and which needs no leave to read answers.
#[tokio::test]
async fn a_page_from_elsewhere_is_served_only_where_keys_are_secret() {
    const ELSEWHERE: &str = "https://example.com";
    for flags in ["", "--auth verify"] {
        let server = TestServer::with(flags).await;
        let call = server.send(from_page(server.request("ListStreams", "{}"), ELSEWHERE)).await;
        for answer in [preflight(&server, Some(ELSEWHERE)).await, call] {
            assert_eq!(answer.status, 403, "{flags}");
            assert!(answer.text().contains("web pages from this machine"), "{}", answer.text());
            let mut headers = answer.headers.keys().map(HeaderName::as_str);
            assert!(!headers.any(|name| name.starts_with("access-control")), "{flags}");
        }
    }
    let secret = TestServer::with("--auth verify --credential AKIDEXAMPLE:not-a-secret").await;
    let answer = preflight(&secret, Some(ELSEWHERE)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}
