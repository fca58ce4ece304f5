//! Connections that faults cut.

use super::{clients::http2_with_window, *};
use crate::faults::{Cut, Handover};

/// Bytes of each frame: more than the kernel and a window of HTTP/2 hold, and little ones after.
const FRAMES: [usize; 6] = [10, 20_000, 16 << 20, 10, 10, 200_000];

/// The answer to `/cut`.
pub(super) fn at_once() -> Response {
    let mut response = Response::default();
    response.extensions_mut().insert(Cut);
    response
}

/// The answer to `/cut-short`: some frames, then a cut when they are handed over.
pub(super) fn short() -> Response {
    let frames = stream::unfold((0, None::<Handover>), async |(told, last)| {
        let Some(length) = FRAMES.get(told) else {
            last?.done().await;
            return Some((Err(Cut), (told + 1, None)));
        };
        let (frame, last) = Handover::of(bytes::Bytes::from(vec![b'x'; *length]));
        Some((Ok(frame), (told + 1, Some(last))))
    });
    Body::from_stream(frames).into_response()
}

#[tokio::test]
async fn http1_is_closed_without_a_byte() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    client.round_trips().await;
    client.send("POST /cut HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").await;
    assert_eq!(client.until_closed().await, b"");
}

#[tokio::test]
async fn http2_resets_that_stream_and_no_other() {
    let server = TestServer::start().await;
    let mut client = http2(server.addr).await;
    let request = |path: &str| {
        let request = Request::post(format!("http://{}{path}", server.addr));
        request.body(Full::<bytes::Bytes>::default()).unwrap()
    };
    let waiting = client.send_request(request("/wait"));
    pass(&server.gates.arrived).await;
    let error = client.send_request(request("/cut")).await.unwrap_err();
    assert!(!error.is_closed(), "{error:?}");
    server.gates.go.add_permits(1);
    assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
    assert_eq!(client.send_request(request("/")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn what_was_told_before_a_cut_arrives() {
    let server = TestServer::start().await;
    for _ in 0..3 {
        let mut one = server.connect().await;
        one.send("POST /cut-short HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
        // It takes its time, and the server sends as much as it can.
        server.connect().await.round_trips().await;
        let told = one.until_closed().await;
        let told = told.split(|byte| *byte == b'x').count() - 1;
        assert_eq!(told, FRAMES.iter().sum::<usize>());

        let mut two = http2_with_window(server.addr, 20_000).await;
        let request = Request::post(format!("http://{}/cut-short", server.addr));
        let response = two.send_request(request.body(Full::default()).unwrap()).await.unwrap();
        let mut body = response.into_body();
        let mut told = 0;
        let error = loop {
            match body.frame().await.expect("the stream is reset, not ended") {
                Ok(frame) => told += frame.into_data().unwrap().len(),
                Err(error) => break error,
            }
        };
        assert_eq!(told, FRAMES.iter().sum::<usize>(), "{error}");
    }
}
