//! `bench slow-readers`: the memory of subscriptions over HTTP/2 whose clients hardly read.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::body::Body;
use crate::codec::Codec;
use crate::endpoint::Endpoint;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::push::request;
use crate::report::{Destination, Lines, mib};
use crate::server::Server;
use crate::setup::{STREAM, Service};
use crate::sign::Signer;
use crate::usage::Usage;

/// The most that one stream may have.
const CONSUMERS: u16 = 20;
const DATA_BYTES: usize = 1024;
/// Data in each shard: more than any one event holds.
const SHARD_BYTES: usize = 4 << 20;
/// What the protocol begins with; a client that grants more only takes more on its own side.
const WINDOW_BYTES: u32 = 65_535;
/// How long one subscription may take to begin.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// How long a reader rests after each frame, of up to 16 KiB.
const REST: Duration = Duration::from_secs(1);
const WATCHED: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
pub(crate) struct SlowReaders {
    #[command(flatten)]
    millpond: Millpond,
    /// Connections of HTTP/2, each with one subscription from TRIM_HORIZON on
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(20..=10_000))]
    connections: u16,
    #[command(flatten)]
    report: Destination,
}

impl SlowReaders {
    pub(crate) async fn run(self) -> Result<()> {
        crate::subscriptions::raise_open_files()?;
        let scratch = self.millpond.scratch()?;
        let arguments = self.millpond.serve(scratch.path())?;
        let server = Server::start(self.millpond.program(), &arguments).await?;
        let endpoint = Endpoint::plain(server.address);
        let mut control = Control::connect(&endpoint).await?;
        let shards = usize::from(self.connections.div_ceil(CONSUMERS));
        control.create_stream(STREAM, shards, DATA_BYTES).await?;
        let service = Service { endpoint: &endpoint };
        service.fill(STREAM, DATA_BYTES, shards * SHARD_BYTES).await?;
        let ids = control.shards(STREAM).await?;
        let before = Usage::of(server.pid())?;

        let mut reading = JoinSet::new();
        for number in 0..CONSUMERS {
            let consumer = control.register_consumer(STREAM, &format!("app-{number}")).await?;
            for shard in &ids {
                if reading.len() < usize::from(self.connections) {
                    let begun = timeout(BEGIN_MAX, subscribe(&endpoint, &consumer, shard));
                    let body = begun.await.context("a subscription took too long to begin")??;
                    reading.spawn(read_slowly(body));
                }
            }
        }
        let connections = reading.len();
        let (mut most, until) = (before.rss_bytes, Instant::now() + WATCHED);
        while Instant::now() < until {
            sleep(LOOK).await;
            most = most.max(Usage::of(server.pid())?.rss_bytes);
            if let Some(ended) = reading.try_join_next() {
                return ended.context("a reader panicked")?;
            }
        }
        let headings = [("RSS before", "MiB", 1), ("most RSS", "MiB", 1), ("each", "KiB", 1)];
        let mut lines = Lines::new("slow readers", headings);
        let each = mib(most.saturating_sub(before.rss_bytes) / connections as u64) * 1024.0;
        lines.push(connections.to_string(), [mib(before.rss_bytes), mib(most), each]);
        drop(reading);
        lines.tell(&self.report)?;
        server.stop().await.map(drop)
    }
}

/// A subscription on a connection of its own; its events have to be read yet.
async fn subscribe(endpoint: &Endpoint, consumer: &str, shard: &str) -> Result<Incoming> {
    let stream = TcpStream::connect(endpoint.address).await.context("connecting")?;
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .context("agreeing on HTTP/2")?;
    // It ends with its last stream, or with the runtime.
    JoinSet::from_iter([connection]).detach_all();
    let request = signed(endpoint, Body::new(request(consumer, shard, "TRIM_HORIZON")))?;
    let answer = sender.send_request(request).await.context("subscribing")?;
    ensure!(answer.status() == 200, "status {}", answer.status());
    Ok(answer.into_body())
}

/// A signed SubscribeToShard.
fn signed(endpoint: &Endpoint, body: Body) -> Result<http::Request<Full<Bytes>>> {
    let now = endpoint.clock.epoch_seconds(Instant::now());
    let host = endpoint.address.to_string();
    let content_type = Codec::Json.content_type();
    let mut head = Vec::new();
    Signer::new(host, content_type, "SubscribeToShard", now).head(now, &body, &mut head);
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(&head)?;
    let mut request = http::Request::post(format!("http://{}/", endpoint.address));
    // HTTP/2 has its own way to say these two.
    let own = |name: &str| matches!(name, "host" | "content-length");
    for header in parsed.headers.iter().filter(|header| !own(header.name)) {
        request = request.header(header.name, header.value);
    }
    Ok(request.body(Full::new(body.bytes))?)
}

/// Reads a frame at a time, with a rest after each.
async fn read_slowly(mut body: Incoming) -> Result<()> {
    loop {
        let frame = body.frame().await.context("the subscription ended")?;
        ensure!(!frame?.is_trailers(), "the subscription ended");
        sleep(REST).await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;

    #[test]
    fn a_request_over_http2_is_signed_like_any_other() {
        let endpoint = Endpoint::plain(SocketAddr::from((Ipv4Addr::LOCALHOST, 4567)));
        let request = signed(&endpoint, Body::new("{}")).unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:4567/");
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert!(header("authorization").starts_with("AWS4-HMAC-SHA256 Credential="));
        assert_eq!(header("x-amz-target"), "Kinesis_20131202.SubscribeToShard");
        assert!(!request.headers().contains_key("host"));
    }
}
