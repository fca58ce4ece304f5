//! Large answers, and clients that don't take them.

use super::{clients::http2_with_window, *};

/// Far more than the kernel keeps for a connection.
const LARGE_ANSWER_BYTES: usize = 48 << 20;

/// How long a test waits for what it says must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes that tell when they are let go.
struct Watched(Vec<u8>, #[expect(dead_code, reason = "tells when it is dropped")] Leave);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The answer to `/large`.
pub(super) fn large(gates: &Gates) -> Response {
    let bytes = Watched(vec![b'x'; LARGE_ANSWER_BYTES], Leave(Arc::clone(&gates.left)));
    Body::from(bytes::Bytes::from_owner(bytes)).into_response()
}

/// The answer to `/events`: endless, though it says that it has ended once the gate is open.
pub(super) fn events(gates: &Gates) -> Response {
    let leave = Leave(Arc::clone(&gates.left));
    let frames = stream::unfold(leave, async |leave| {
        Some((Ok::<_, Infallible>(bytes::Bytes::from(vec![b'x'; 1 << 16])), leave))
    });
    let mut response = Body::from_stream(frames).into_response();
    let gate = Arc::clone(&gates.go);
    let end = async move { pass(&gate).await };
    gates.arrived.add_permits(1);
    response.extensions_mut().insert(Ends::new(Box::pin(end)));
    response
}

fn impatient() -> Setup {
    let mut setup = Setup::default();
    setup.connections.answer_grace = Duration::from_millis(50);
    setup.connections.answer_bytes_per_second_min = 1 << 30;
    setup
}

#[tokio::test]
async fn an_answer_that_an_http2_client_gives_no_window_is_let_go_with_its_connection() {
    let server = impatient().start().await;
    let mut client = http2_with_window(server.addr, 0).await;
    let request = Request::get("http://x/large").body(Full::default()).unwrap();
    let response = client.send_request(request).await.unwrap();
    timeout(PATIENCE, pass(&server.gates.left)).await.expect("the answer is still held");
    response.into_body().collect().await.unwrap_err();
    assert!(client.ready().await.is_err(), "the connection is still open");
}

#[tokio::test]
async fn an_answer_that_drips_is_let_go_with_its_connection() {
    let server = impatient().start().await;
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut dripped = 0;
    let drip = async {
        loop {
            dripped += client.take(64).await;
            tokio::task::yield_now().await;
        }
    };
    let let_go = timeout(PATIENCE, async {
        tokio::select! {
            () = pass(&server.gates.left) => {}
            () = drip => {}
        }
    });
    let_go.await.expect("the answer is still held");
    let rest = timeout(PATIENCE, client.until_closed()).await.expect("the connection is open");
    assert!(dripped + rest.len() < LARGE_ANSWER_BYTES);
}

#[tokio::test]
async fn a_large_answer_comes_whole_over_either_protocol() {
    let server = Setup::default().start().await;
    let mut one = server.connect().await;
    one.send("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(one.response().await.body.len(), LARGE_ANSWER_BYTES);
    pass(&server.gates.left).await;

    let mut two = http2_with_window(server.addr, 20_000).await;
    let request = Request::get("http://x/large").body(Full::default()).unwrap();
    let response = two.send_request(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.len() == LARGE_ANSWER_BYTES && body.iter().all(|byte| *byte == b'x'));
    pass(&server.gates.left).await;
}

#[tokio::test]
async fn an_untaken_small_answer_does_not_keep_its_connection() {
    let mut setup = Setup::default();
    setup.connections.idle_max = Duration::from_millis(50);
    let server = setup.start().await;
    let mut client = http2_with_window(server.addr, 0).await;
    let request = Request::get("http://x/").body(Full::default()).unwrap();
    let response = client.send_request(request).await.unwrap();
    let body = timeout(PATIENCE, response.into_body().collect()).await;
    body.expect("the connection is still open").unwrap_err();
}

#[tokio::test]
async fn events_that_are_not_taken_end_with_their_connection() {
    let server = impatient().start().await;
    let mut client = server.connect().await;
    client.send("GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await;
    pass(&server.gates.arrived).await;
    assert_eq!(
        server.gates.left.available_permits(),
        0,
        "they may be taken as slowly as they come"
    );
    server.gates.go.add_permits(1);
    timeout(PATIENCE, pass(&server.gates.left)).await.expect("the events are still held");
}
