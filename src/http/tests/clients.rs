//! A client that writes bytes, and one that speaks HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_util::task::TaskTracker;

/// What an HTTP/2 client sends first: the preface and empty settings.
pub(super) const HTTP2_PREFACE: &str =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u{0}\u{0}\u{0}\u{4}\u{0}\u{0}\u{0}\u{0}\u{0}";

/// The types of the HTTP/2 frames in `bytes`.
pub(super) fn frame_types(mut bytes: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    while let [a, b, c, kind, rest @ ..] = bytes {
        types.push(*kind);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        bytes = rest.get(5 + length..).unwrap_or_default();
    }
    types
}

pub(super) struct Http1(BufReader<TcpStream>);

pub(super) struct Http1Response {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Http1Response {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name)?;
        Some(&found.1)
    }
}

impl Http1 {
    pub(super) async fn connect(addr: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(addr).await.unwrap()))
    }

    /// Writes; a server that closes meanwhile is not an error.
    pub(super) async fn send(&mut self, text: &str) {
        let _ = self.0.write_all(text.as_bytes()).await;
    }

    pub(super) async fn response(&mut self) -> Http1Response {
        let status = self.line().await;
        let status = status.split(' ').nth(1).expect("a status line").parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut response = Http1Response { status, headers, body: String::new() };
        let length = response.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        response.body = String::from_utf8(body).unwrap();
        response
    }

    /// Gives the server time for whatever else it has at hand.
    pub(super) async fn round_trips(&mut self) {
        for _ in 0..20 {
            self.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            assert_eq!(self.response().await.status, 200);
        }
    }

    pub(super) async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Reads at most this many bytes; none when the server has closed.
    pub(super) async fn take(&mut self, bytes: usize) -> usize {
        self.0.read(&mut vec![0; bytes]).await.unwrap_or_default()
    }

    /// Waits until the server has closed the connection, and returns what it said before.
    pub(super) async fn until_closed(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest
    }
}

pub(super) async fn http2(addr: SocketAddr) -> SendRequest<Full<Bytes>> {
    http2_with_window(addr, 1 << 20).await
}

/// A client that takes this much of an answer before it must be asked for more.
pub(super) async fn http2_with_window(addr: SocketAddr, bytes: u32) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(addr).await.unwrap();
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(bytes);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    TaskTracker::new().spawn(connection);
    sender
}
