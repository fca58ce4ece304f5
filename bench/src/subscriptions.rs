//! `bench subscriptions`: what subscriptions cost a server that has nothing to push.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{sleep, timeout};

use crate::duration;
use crate::endpoint::Endpoint;
use crate::http::Connection;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::push;
use crate::report::{Destination, Lines, float, mib};
use crate::server::Server;
use crate::usage::Usage;

const STREAM: &str = "pushed";
/// The most that one stream may have.
const CONSUMERS: usize = 20;
/// How long one subscription may take to begin.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// The name of an event; one without records comes every few seconds.
const HEARTBEAT: &[u8] = b"SubscribeToShardEvent";
/// Two heartbeats.
const WATCHED: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Subscriptions {
    #[command(flatten)]
    millpond: Millpond,
    /// Shards of the stream; each gets twenty subscriptions on connections of their own
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=500))]
    shards: u16,
    /// How long the server is left alone before its memory is read
    #[arg(long, default_value = "6s", value_parser = duration::parse)]
    settle: Duration,
    #[command(flatten)]
    report: Destination,
}

impl Subscriptions {
    pub(crate) async fn run(self) -> Result<()> {
        raise_open_files()?;
        let scratch = self.millpond.scratch()?;
        let mut arguments = self.millpond.serve(scratch.path())?;
        arguments.extend(["--max-connections", "20000"].map(Into::into));
        let server = Server::start(self.millpond.program(), &arguments).await?;
        let endpoint = Endpoint::plain(server.address);
        let mut control = Control::connect(&endpoint).await?;
        control.create_stream(STREAM, self.shards.into(), 0).await?;
        let shards = control.shards(STREAM).await?;
        let mut consumers = Vec::new();
        for number in 0..CONSUMERS {
            consumers.push(control.register_consumer(STREAM, &format!("app-{number}")).await?);
        }

        let headings = [
            ("RSS", "MiB", 1),
            ("each", "KiB", 1),
            ("threads", "", 0),
            ("CPU in a second", "ms", 1),
        ];
        let mut lines = Lines::new("subscriptions", headings);
        sleep(self.settle).await;
        let before = Usage::of(server.pid())?;
        lines.push("none", figures(&server, 0, &before).await?);
        let mut open = Vec::new();
        for (shard, consumer) in shards.iter().flat_map(|s| consumers.iter().map(move |c| (s, c))) {
            let begun = timeout(BEGIN_MAX, quiet(&endpoint, consumer, shard)).await;
            open.push(begun.context("a subscription took too long to begin")??);
        }
        sleep(self.settle).await;
        lines.push(open.len().to_string(), figures(&server, open.len(), &before).await?);
        let first = open.first_mut().context("there are subscriptions")?;
        let heartbeat = timeout(WATCHED, first.receive_next(HEARTBEAT)).await;
        heartbeat.context("the first subscription has no heartbeat any more")??;
        lines.tell(&self.report)?;
        drop(open);
        server.stop().await.map(drop)
    }
}

/// A connection on which events come from now on.
async fn quiet(endpoint: &Endpoint, consumer: &str, shard: &str) -> Result<Connection> {
    let mut connection = push::subscribe(endpoint, consumer, shard).await?;
    connection.receive_until(b"initial-response").await?;
    Ok(connection)
}

async fn figures(server: &Server, open: usize, before: &Usage) -> Result<[f64; 4]> {
    let first = Usage::of(server.pid())?;
    sleep(WATCHED).await;
    let usage = Usage::of(server.pid())?;
    let grown = usage.rss_bytes.saturating_sub(before.rss_bytes);
    let cpu = usage.cpu.saturating_sub(first.cpu).as_secs_f64() / WATCHED.as_secs_f64();
    let threads = float(usage.threads.len() as u64);
    Ok([mib(usage.rss_bytes), mib(grown / open.max(1) as u64) * 1024.0, threads, cpu * 1e3])
}

/// Each connection is an open file, and many systems begin with 1,024 of them.
pub(crate) fn raise_open_files() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
        .context("raising the limit on open files")
}
