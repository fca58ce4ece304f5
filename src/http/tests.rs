//! The listener over real loopback sockets.

mod answers;
mod clients;
mod cuts;
mod tls;

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, response::IntoResponse as _};
use futures::{StreamExt as _, stream};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::clients::{Http1, http2};
use super::*;

/// A server whose gateway reads the body and echoes method, path and length.
struct TestServer {
    addr: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<usize>,
    gates: Gates,
}

/// Where requests for `/wait` announce themselves and wait.
#[derive(Clone)]
struct Gates {
    arrived: Arc<Semaphore>,
    left: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Default for Gates {
    fn default() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        Self { arrived: closed(), left: closed(), go: closed() }
    }
}

/// Waits until `gate` lets one through.
async fn pass(gate: &Semaphore) {
    gate.acquire().await.unwrap().forget();
}

struct Setup {
    body: BodyLimits,
    inflight_bytes: usize,
    connections: ConnectionLimits,
    tls: Option<TlsAcceptor>,
    drain: Duration,
    is_ready: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            body: BodyLimits { body_bytes_max: 2 << 20, ..BodyLimits::default() },
            inflight_bytes: 64 << 20,
            connections: ConnectionLimits::default(),
            tls: None,
            drain: Duration::from_secs(30),
            is_ready: true,
        }
    }
}

impl Setup {
    async fn start(self) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, gates) = (CancellationToken::new(), Gates::default());
        let probes = Probes::new(
            MetricsAccess::Local,
            || "millpond_up 1\n".to_owned(),
            move || if self.is_ready { Ok(()) } else { Err("the disk is full") },
            None,
        );
        let budget = BodyBudget::new(self.inflight_bytes, self.body.body_bytes_max);
        let gateway = {
            let gates = gates.clone();
            move |head, body| echo(gates.clone(), head, body)
        };
        let bodies = BodyReader { limits: self.body, budget };
        let site = Site::new(gateway, ("/_millpond", Router::new()), &probes, bodies);
        let serving = serve(listener, site, self.tls, self.connections, stop.clone(), self.drain);
        let served = TaskTracker::new().spawn(serving);
        TestServer { addr, stop, served, gates }
    }
}

impl TestServer {
    async fn start() -> Self {
        Setup::default().start().await
    }

    async fn connect(&self) -> Http1 {
        Http1::connect(self.addr).await
    }

    async fn stop(self) -> usize {
        self.stop.cancel();
        self.served.await.unwrap()
    }
}

/// Tells that its request has ended, however it ended.
struct Leave(Arc<Semaphore>);

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

async fn echo(gates: Gates, head: Parts, body: RequestBody) -> Response {
    if head.uri.path() == "/refuse" {
        body.discard().await;
        return StatusCode::FORBIDDEN.into_response();
    }
    let body = match body.collect().await {
        Ok(body) => body,
        Err(refused) => return refused.into_response(),
    };
    if head.uri.path() == "/large" {
        return answers::large(&gates);
    }
    match head.uri.path() {
        "/events" => return answers::events(&gates),
        "/cut" => return cuts::at_once(),
        "/cut-short" => return cuts::short(),
        _ => {}
    }
    if head.uri.path() == "/stream" {
        let gates = gates.clone();
        let frames = stream::unfold((), move |()| {
            let gates = gates.clone();
            async move {
                gates.arrived.add_permits(1);
                pass(&gates.go).await;
                Some((Ok::<_, Infallible>("tick"), ()))
            }
        });
        return Body::from_stream(frames.take(2)).into_response();
    }
    if head.uri.path() == "/wait" {
        let _leave = Leave(Arc::clone(&gates.left));
        gates.arrived.add_permits(1);
        pass(&gates.go).await;
    }
    format!("{} {} {}", head.method, head.uri, body.len()).into_response()
}

#[tokio::test]
async fn http1_and_http2_share_the_port() {
    let server = TestServer::start().await;
    let mut one = server.connect().await;
    one.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(one.response().await.body, "POST / 2");

    let mut two = http2(server.addr).await;
    let body = Full::new(bytes::Bytes::from(vec![b'x'; 1_500_000]));
    let request = Request::post(format!("http://{}/", server.addr)).body(body).unwrap();
    let response = two.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let answer = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(answer, format!("POST http://{}/ 1500000", server.addr));
}

#[tokio::test]
async fn answers_have_a_date_an_exact_length_and_no_connection_header() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!(response.header("content-length"), Some("8"));
    assert!(response.header("date").unwrap().ends_with(" GMT"));
    assert_eq!(response.header("connection"), None);
    assert_eq!(response.header("transfer-encoding"), None);
}

#[tokio::test]
async fn any_method_and_path_goes_to_the_gateway() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    for line in [
        "GET /",
        "PUT /any/path?x=1",
        "OPTIONS *",
        "OPTIONS /",
        "BREW /pot",
        "POST /metrics",
        "POST /_millpond/health/live",
        "GET /_millpond/other",
        "DELETE //",
    ] {
        client.send(&format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(client.response().await.body, format!("{line} 0"));
    }
}

#[tokio::test]
async fn probes_are_answered_beside_the_gateway() {
    let server = Setup { is_ready: false, ..Setup::default() }.start().await;
    let mut client = server.connect().await;
    for (path, status, body) in [
        ("/metrics", 200, "millpond_up 1\n"),
        ("/_millpond/health/live", 200, "live\n"),
        ("/_millpond/health/ready", 503, "the disk is full\n"),
    ] {
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        let response = client.response().await;
        assert_eq!((response.status, response.body.as_str()), (status, body));
    }
}

#[tokio::test]
async fn metrics_are_for_this_host_unless_opened() {
    use MetricsAccess::{Local, Open};

    let ask_with = async |access, peer: &str, (name, value): (&'static str, &'static str)| {
        let probes = Probes::new(access, || "secret\n".to_owned(), || Ok(()), None);
        let gateway = |_, _| std::future::ready(StatusCode::OK.into_response());
        let budget = BodyBudget::new(1 << 20, 1 << 20);
        let bodies = BodyReader { limits: BodyLimits::default(), budget };
        let site = Site::new(gateway, ("/_millpond", Router::new()), &probes, bodies);
        let mut request = Request::get("/metrics").body(Body::empty()).unwrap();
        let peer = Peer { address: peer.parse().unwrap(), is_secure: false };
        request.extensions_mut().insert(peer);
        let headers = request.headers_mut();
        headers.insert("host", HeaderValue::from_static("localhost:4567"));
        headers.insert(name, HeaderValue::from_static(value));
        site.call(request).await.status()
    };
    let ask = async |access, peer: &str| ask_with(access, peer, ("x-none", "")).await;
    assert_eq!(ask(Local, "127.0.0.1:9").await, StatusCode::OK);
    assert_eq!(ask(Local, "[::ffff:127.0.0.1]:9").await, StatusCode::OK);
    assert_eq!(ask(Local, "10.0.0.1:9").await, StatusCode::FORBIDDEN);
    assert_eq!(ask(Open, "10.0.0.1:9").await, StatusCode::OK);
    for proxy in ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"] {
        let through = (proxy, "10.0.0.1");
        assert_eq!(ask_with(Local, "127.0.0.1:9", through).await, StatusCode::FORBIDDEN);
        assert_eq!(ask_with(Open, "127.0.0.1:9", through).await, StatusCode::OK);
    }
    for (host, status) in [
        ("127.0.0.1:4567", StatusCode::OK),
        ("[::1]:4567", StatusCode::OK),
        ("LocalHost", StatusCode::OK),
        ("rebound.example:4567", StatusCode::FORBIDDEN),
        ("no host at all", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ask_with(Local, "127.0.0.1:9", ("host", host)).await, status, "{host}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let request = |n| format!("POST /{n} HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc");
    client.send(&(0..20).map(request).collect::<String>()).await;
    for n in 0..20 {
        assert_eq!(client.response().await.body, format!("POST /{n} 3"));
    }
}

#[tokio::test]
async fn garbage_closes_its_connection_and_no_other() {
    let server = TestServer::start().await;
    let mut other = server.connect().await;
    let endless_head = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(100_000));
    for garbage in
        ["\u{0}\u{1}\u{16}\u{3}\u{1}", "hello\r\n\r\n", "PRI * HTTP/2.0\r\n", &endless_head]
    {
        let mut client = server.connect().await;
        client.send(garbage).await;
        client.send("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n").await;
        client.until_closed().await;
    }
    other.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(other.response().await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_or_not() {
    let server = TestServer::start().await;
    let head = |path: &str, bytes: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
             content-length: {bytes}\r\n\r\n"
        )
    };
    let mut client = server.connect().await;
    client.send(&head("/", 3)).await;
    assert_eq!(client.response().await.status, 100);
    client.send("abc").await;
    assert_eq!(client.response().await.body, "POST / 3");

    for (path, bytes, status) in [("/", 3 << 20, 413), ("/refuse", 3, 403)] {
        let mut client = server.connect().await;
        client.send(&head(path, bytes)).await;
        assert_eq!(client.response().await.status, status);
        client.until_closed().await;
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_sees_why_it_is_refused() {
    let server = TestServer::start().await;
    let large = "x".repeat(3 << 20);
    let declared = format!("content-length: {}\r\n\r\n{large}", large.len());
    let chunked =
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", 3 << 20);
    for rest in [declared, chunked] {
        let mut client = server.connect().await;
        client.send(&format!("POST / HTTP/1.1\r\nhost: x\r\n{rest}")).await;
        let response = client.response().await;
        assert_eq!((response.status, response.body.as_str()), (413, ""));
        // All of it was read, so the connection is still good.
        client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
    }
}

#[tokio::test]
async fn a_refusal_from_the_head_alone_reaches_a_client_that_is_still_sending() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    let body = "x".repeat(1 << 20);
    let head = format!("POST /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", 1 << 20);
    client.send(&(head + &body)).await;
    assert_eq!(client.response().await.status, 403);
}

#[tokio::test]
async fn a_half_sent_body_is_refused_and_closed_while_others_are_served() {
    let mut setup = Setup::default();
    setup.body.grace = Duration::from_millis(50);
    let server = setup.start().await;
    let mut stalled = server.connect().await;
    stalled.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf").await;
    let mut other = server.connect().await;
    other.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(other.response().await.status, 200);
    assert_eq!(stalled.response().await.status, 408);
    stalled.until_closed().await;
}

#[tokio::test]
async fn two_thousand_idle_connections_hinder_nobody() {
    let server = TestServer::start().await;
    let mut idle = Vec::new();
    for n in 0..2_000 {
        let mut client = server.connect().await;
        if n % 2 == 0 {
            client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
            assert_eq!(client.response().await.status, 200);
        }
        idle.push(client);
    }
    let mut client = server.connect().await;
    for _ in 0..100 {
        client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(client.response().await.status, 200);
    }
    let last = idle.last_mut().unwrap();
    last.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(last.response().await.status, 200);
    assert_eq!(server.stop().await, 0, "idle connections close at once");
}

#[tokio::test]
async fn connections_without_a_request_are_closed_and_busy_ones_are_not() {
    let mut setup = Setup::default();
    setup.connections.idle_max = Duration::from_millis(200);
    let server = setup.start().await;
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    pass(&server.gates.arrived).await;

    for beginning in ["", "PRI * HTT", "POST / HTTP/1.1\r\nhost: x\r\n", clients::HTTP2_PREFACE] {
        let mut client = server.connect().await;
        client.send(beginning).await;
        client.until_closed().await;
    }
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.response().await.status, 200);
    client.until_closed().await;

    server.gates.go.add_permits(1);
    assert_eq!(busy.response().await.body, "GET /wait 0");
}

#[tokio::test]
async fn an_idle_http2_connection_is_told_that_it_ends() {
    const GOAWAY: u8 = 7;
    let mut setup = Setup::default();
    setup.connections.idle_max = Duration::from_millis(50);
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send(clients::HTTP2_PREFACE).await;
    let said = clients::frame_types(&client.until_closed().await);
    assert!(said.contains(&GOAWAY), "{said:?}");
}

#[tokio::test]
async fn a_streamed_answer_leaves_frame_by_frame_and_keeps_its_connection_busy() {
    let mut setup = Setup::default();
    setup.connections.idle_max = Duration::from_millis(50);
    let server = setup.start().await;
    let mut client = server.connect().await;
    client.send("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.response().await.header("transfer-encoding"), Some("chunked"));
    for _ in 0..2 {
        // Longer than the time after which an idle connection is closed.
        server.connect().await.until_closed().await;
        server.gates.go.add_permits(1);
        assert_eq!(client.line().await, "4");
        assert_eq!(client.line().await, "tick");
    }
    assert_eq!(client.line().await, "0");
    client.until_closed().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let mut setup = Setup::default();
    setup.connections.connections_max = 1;
    let server = setup.start().await;
    let mut first = server.connect().await;
    first.round_trips().await;
    let mut second = server.connect().await;
    second.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    first.round_trips().await;
    let arrived = server.gates.arrived.available_permits();
    assert_eq!(arrived, 0, "the second connection was served beside the first");

    drop(first);
    pass(&server.gates.arrived).await;
    server.gates.go.add_permits(1);
    assert_eq!(second.response().await.status, 200);
}

#[tokio::test]
async fn a_full_budget_holds_bodies_back_and_recovers() {
    let setup = Setup { inflight_bytes: (2 << 20) + 100, ..Setup::default() };
    let server = setup.start().await;
    let request = format!("POST /wait HTTP/1.1\r\nhost: x\r\ncontent-length: 80\r\n\r\n{:80}", "");
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(&request).await;
        clients.push(client);
    }
    // One in the shared room, one in the room set aside; the third has none until one leaves.
    pass(&server.gates.arrived).await;
    pass(&server.gates.arrived).await;
    server.connect().await.round_trips().await;
    let arrived = server.gates.arrived.available_permits();
    assert_eq!(arrived, 0, "three bodies found room for two");

    server.gates.go.add_permits(1);
    pass(&server.gates.left).await;
    pass(&server.gates.arrived).await;
    server.gates.go.add_permits(2);
    for client in &mut clients {
        assert_eq!(client.response().await.body, "POST /wait 80");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_along() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    pass(&server.gates.arrived).await;
    drop(client);
    pass(&server.gates.left).await;
}

#[tokio::test]
async fn stopping_finishes_the_request_at_hand_then_closes() {
    let server = TestServer::start().await;
    let (mut busy, mut idle) = (server.connect().await, server.connect().await);
    let mut two = http2(server.addr).await;
    idle.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(idle.response().await.status, 200);
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    pass(&server.gates.arrived).await;
    let request = Request::builder().method(Method::GET).uri("http://x/wait");
    let request = request.body(Full::default()).unwrap();
    let stream = TaskTracker::new().spawn(two.send_request(request));
    pass(&server.gates.arrived).await;

    server.stop.cancel();
    idle.until_closed().await;
    server.gates.go.add_permits(2);
    assert_eq!(busy.response().await.body, "GET /wait 0");
    busy.until_closed().await;
    assert_eq!(stream.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_is_cut_and_counted() {
    let setup = Setup { drain: Duration::from_millis(50), ..Setup::default() };
    let server = setup.start().await;
    let (mut busy, _silent) = (server.connect().await, server.connect().await);
    busy.send("GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await;
    pass(&server.gates.arrived).await;
    assert_eq!(server.stop().await, 1);
    busy.until_closed().await;
}

#[tokio::test]
async fn half_a_head_does_not_hold_up_the_drain() {
    let server = TestServer::start().await;
    let mut half = server.connect().await;
    half.send("POST / HTTP/1.1\r\nhost:").await;
    let mut whole = server.connect().await;
    whole.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(whole.response().await.status, 200);
    assert_eq!(server.stop().await, 0);
}
