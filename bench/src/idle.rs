//! `bench idle`: the memory of a server that has nothing to do.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::duration;
use crate::endpoint::Endpoint;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::report::{Destination, Lines, float, mib, micros};
use crate::server::Server;
use crate::setup::Service;
use crate::usage::Usage;

/// Data of one record put.
const DATA_BYTES: usize = 100;
/// Records put for each shard; that random keys then miss even one of 2,000 has a chance of
/// 2,000 / e^20, 1 in 200,000.
const RECORDS_PER_SHARD: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Idle {
    #[command(flatten)]
    millpond: Millpond,
    /// Open shards of the large stream
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    shards: u16,
    /// How long the server is left alone before its memory is read
    #[arg(long, default_value = "3s", value_parser = duration::parse)]
    settle: Duration,
    #[command(flatten)]
    report: Destination,
}

impl Idle {
    pub(crate) async fn run(self) -> Result<()> {
        let scratch = self.millpond.scratch()?;
        let arguments = self.millpond.serve(scratch.path())?;
        let server = Server::start(self.millpond.program(), &arguments).await?;
        let shards = usize::from(self.shards);
        let endpoint = Endpoint::plain(server.address);
        let service = Service { endpoint: &endpoint };
        let mut control = Control::connect(&endpoint).await?;

        let headings = [
            ("RSS", "MiB", 1),
            ("anonymous", "MiB", 1),
            ("threads", "", 0),
            ("CPU in a second", "ms", 1),
        ];
        let mut lines = Lines::new("idle", headings);
        control.list_streams().await?;
        lines.push("no stream", self.figures(&server).await?);
        control.create_stream("one", 1, DATA_BYTES).await?;
        service.fill("one", DATA_BYTES, DATA_BYTES).await?;
        lines.push("1 stream, 1 shard, 500 records", self.figures(&server).await?);
        control.create_stream("many", shards, DATA_BYTES).await?;
        let open = control.shards("many").await?.len();
        ensure!(open == shards, "{open} shards where {shards} were asked for");
        lines.push(format!("{shards} more shards"), self.figures(&server).await?);
        service.fill("many", DATA_BYTES, shards * RECORDS_PER_SHARD * DATA_BYTES).await?;
        lines.push(format!("{shards} more shards, each written to"), self.figures(&server).await?);
        lines.tell(&self.report)?;
        server.stop().await.map(drop)
    }

    async fn figures(&self, server: &Server) -> Result<[f64; 4]> {
        sleep(self.settle).await;
        let before = Usage::of(server.pid())?;
        sleep(Duration::from_secs(1)).await;
        let usage = Usage::of(server.pid())?;
        Ok([
            mib(usage.rss_bytes),
            mib(usage.rss_anonymous_bytes),
            float(usage.threads.len() as u64),
            micros(usage.cpu.saturating_sub(before.cpu)) / 1e3,
        ])
    }
}
