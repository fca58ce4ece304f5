//! The admin API: who may use it, and what it says to whom it refuses.

use axum::body::Body;
use http::{Method, Request, request::Builder};
use millpond::http::Peer;
use serde_json::{Value, json};

use crate::server::{TestServer, here};

const CLOCK: &str = "/_millpond/clock";

fn ask(host: &str) -> Builder {
    Request::get(CLOCK).header("host", host).extension(here())
}

/// The status and the message.
async fn told(server: &TestServer, request: Builder) -> (u16, String) {
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    let output: Value = serde_json::from_slice(&answer.body).unwrap();
    let message = output["message"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), message)
}

#[tokio::test]
async fn dev_answers_programs_on_this_host() {
    let server = TestServer::new().await;
    for host in ["localhost:4567", "127.0.0.1:4567", "[::1]:4567", "LOCALHOST", "10.0.0.7:1"] {
        assert_eq!(told(&server, ask(host)).await.0, 200, "{host}");
    }
}

/// A client keeps the token of another server, and sends it.
#[tokio::test]
async fn who_needs_no_token_may_send_any() {
    for server in [TestServer::new().await, TestServer::with("--admin-token s3same").await] {
        let request = ask("localhost").header("authorization", "Bearer another");
        assert_eq!(told(&server, request).await.0, 200);
    }
}

#[tokio::test]
async fn no_web_page_gets_in() {
    let server = TestServer::with("--admin-token s3same").await;
    let bearer = ("authorization", "Bearer s3same");
    for origin in ["http://localhost:3000", "https://evil.example", "null"] {
        let request = ask("localhost").header("origin", origin).header(bearer.0, bearer.1);
        assert_eq!(told(&server, request).await.0, 403, "{origin}");
    }
    // An image, a script or a link of a page brings no origin.
    for site in ["cross-site", "same-site", "same-origin", "anything"] {
        let request = ask("localhost").header("sec-fetch-site", site).header(bearer.0, bearer.1);
        let (status, message) = told(&server, request).await;
        assert_eq!(status, 403, "{site}");
        assert!(message.contains("Sec-Fetch-Site"), "{message}");
    }
    let typed = ask("localhost").header("sec-fetch-site", "none");
    assert_eq!(told(&server, typed.header(bearer.0, bearer.1)).await.0, 200);
    // A page that makes its own name point to this host sends that name, and perhaps no origin.
    let (status, message) = told(&server, ask("evil.example:4567")).await;
    assert_eq!(status, 401);
    assert!(message.contains("Authorization: Bearer"), "{message}");
}

#[tokio::test]
async fn others_need_the_token() {
    let elsewhere = Peer { address: ([10, 0, 0, 7], 50_000).into(), is_secure: false };
    let server = TestServer::with("--admin-token s3same").await;
    let from = |peer: Peer| Request::get(CLOCK).header("host", "millpond:4567").extension(peer);
    let with = |text: &str| from(elsewhere).header("authorization", text);
    assert_eq!(told(&server, from(elsewhere)).await.0, 401);
    let without_peer = Request::get(CLOCK).header("host", "localhost");
    assert_eq!(told(&server, without_peer).await.0, 401);
    for header in [
        ("forwarded", "for=10.0.0.7"),
        ("via", "1.1 proxy"),
        ("x-forwarded-for", "10.0.0.7"),
        ("x-forwarded-host", "kinesis.example"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "10.0.0.7"),
    ] {
        let proxied = ask("localhost").header(header.0, header.1);
        assert_eq!(told(&server, proxied).await.0, 401, "{header:?}");
    }
    assert_eq!(told(&server, with("Bearer s3same")).await.0, 200);
    assert_eq!(told(&server, with("bearer s3same")).await.0, 200);
    for wrong in ["Bearer s3sam", "Bearer s3samee", "Bearer ", "Basic s3same", "s3same"] {
        assert_eq!(told(&server, with(wrong)).await.0, 401, "{wrong}");
    }
    let kinesis = server.authorization();
    assert_eq!(told(&server, with(&kinesis)).await.0, 401, "a credential of Kinesis");
    let answer = server.send(with("Bearer no").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"millpond admin\"");
}

#[tokio::test]
async fn without_a_token_only_this_host_is_answered_and_told_so() {
    let elsewhere = Peer { address: ([10, 0, 0, 7], 50_000).into(), is_secure: false };
    let server = TestServer::new().await;
    let request = || Request::get(CLOCK).header("host", "millpond").extension(elsewhere);
    for request in [request(), request().header("authorization", "Bearer ")] {
        let (status, message) = told(&server, request).await;
        assert_eq!(status, 401);
        assert!(message.contains("--admin-token"), "{message}");
    }
}

#[tokio::test]
async fn serve_has_none_unless_asked_and_then_asks_everybody_for_the_token() {
    let server = TestServer::run("serve --in-memory").await;
    let (status, message) = told(&server, ask("localhost")).await;
    assert_eq!(status, 404);
    assert_eq!(message, "the admin API is off: start millpond with --admin on");
    let server = TestServer::run("serve --in-memory --admin on --admin-token s3same").await;
    assert_eq!(told(&server, ask("localhost")).await.0, 401);
    let request = ask("localhost").header("authorization", "Bearer s3same");
    assert_eq!(told(&server, request).await.0, 200);
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let server = TestServer::new().await;
    let (status, output) = server.admin("GET", "clocks", &Value::Null).await;
    assert_eq!(
        (status, output),
        (
            404,
            json!({"message": "the admin API has no GET \
        /_millpond/clocks"})
        )
    );
    let (status, output) = server.admin("DELETE", "clock", &Value::Null).await;
    assert_eq!(status, 405);
    assert_eq!(output["message"], "/_millpond/clock is there, but not for DELETE");
    // Probes stay what they are.
    let live = Request::builder().method(Method::GET).uri("/_millpond/health/live");
    let answer = server.send(live.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.text(), "live\n");
}

/// Every route, with a body that it would take.
const ROUTES: [(&str, &str, &str); 22] = [
    ("GET", "/clock", ""),
    ("POST", "/clock/advance", r#"{"seconds": 1}"#),
    ("POST", "/clock/set", r#"{"epoch_seconds": 1700000100}"#),
    ("POST", "/clock/pause", "{}"),
    ("POST", "/clock/resume", "{}"),
    ("GET", "/streams", ""),
    ("GET", "/streams/{name}", ""),
    ("GET", "/streams/{name}/shards", ""),
    ("GET", "/streams/{name}/records", ""),
    ("POST", "/streams/{name}/records", r#"{"records": [{"data": "x"}]}"#),
    ("POST", "/fork", r#"{"account": "000000000000", "to": "000000000001"}"#),
    ("POST", "/reset", "{}"),
    ("POST", "/restore", r#"{"from": "/absent"}"#),
    ("POST", "/snapshot", r#"{"to": "/absent/"}"#),
    ("POST", "/streams/{name}/fork", r#"{"to": "copy"}"#),
    ("POST", "/streams/{name}/truncate", "{}"),
    ("GET", "/faults", ""),
    ("PUT", "/faults", r#"{"faults": []}"#),
    ("DELETE", "/faults", ""),
    ("GET", "/throttles", ""),
    ("DELETE", "/throttles", ""),
    ("GET", "/throttles", "{}"),
];

/// What the admin API answers on this host to a body of any kind.
async fn sent(server: &TestServer, method: &str, path: &str, body: &str) -> (u16, String) {
    let path = path.replace("{name}", "clicks");
    let uri = format!("/_millpond{path}");
    let request = Request::builder().method(method).uri(uri).header("host", "localhost:4567");
    let request = request.extension(here()).body(Body::from(body.to_owned())).unwrap();
    let answer = server.send(request).await;
    (answer.status.as_u16(), answer.text().to_owned())
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_every_route_and_changes_nothing() {
    let source = include_str!("../../src/admin.rs");
    for line in source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let path = line.split('"').next().unwrap();
        assert!(ROUTES.iter().any(|(_, known, _)| *known == path), "{path} is tested here, too");
    }
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "kept").await;
    for (method, path, body) in ROUTES {
        let asked = format!("{path}?nobody=knows");
        let (status, told) = sent(&server, method, &asked, body).await;
        assert!(
            status == 400 && told.contains("unknown field `nobody`"),
            "{method} {asked}: {told}"
        );
        for wrong in [r#"{"nobody": "knows"}"#, "garbage", "[]", "null", "7"] {
            let (status, told) = sent(&server, method, path, wrong).await;
            assert_eq!(status, 400, "{method} {path} {wrong}: {told}");
            let is_object = wrong.starts_with('{');
            assert!(!is_object || told.contains("nobody"), "{method} {path} {wrong}: {told}");
        }
    }
    for path in ["/reset?account=000000000000", "/fork?region=eu-west-1", "/snapshot?region=a"] {
        assert_eq!(sent(&server, "POST", path, "{}").await.0, 400, "{path}");
    }
    for before in [r#"{"before": "2020"}"#, r#"{"account": "000000000000"}"#] {
        let path = "/streams/{name}/truncate";
        assert_eq!(sent(&server, "POST", path, before).await.0, 400, "{before}");
    }
    assert_eq!(server.read("clicks", 0).await, ["kept"]);
    let streams = server.administer("GET", "streams", Value::Null).await;
    assert_eq!(streams["streams"].as_array().unwrap().len(), 1);
    for (method, path, empty) in [("GET", "/clock", "{}"), ("POST", "/reset", " {} ")] {
        assert_eq!(sent(&server, method, path, empty).await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn a_parameter_that_cannot_be_is_refused() {
    let server = TestServer::new().await;
    for query in ["account=7", "region=Nowhere", "stream=a%20b"] {
        let (status, answer) =
            server.admin("GET", &format!("throttles?{query}"), &Value::Null).await;
        let name = query.split('=').next().unwrap();
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.starts_with(&format!("{name}: ")), "{query}: {answer}");
    }
}

#[tokio::test]
async fn the_clock_is_shown() {
    let server = TestServer::new().await;
    let clock = server.administer("GET", "clock", Value::Null).await;
    assert_eq!(clock["epoch_seconds"], 1_700_000_000.0);
}
