//! `bench idle`: the memory of a server that has nothing to do.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::clock::Clock;
use crate::duration;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::report::{aligned, mib};
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
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u16).range(1..=2000))]
    shards: u16,
    /// How long the server is left alone before its memory is read
    #[arg(long, default_value = "3s", value_parser = duration::parse)]
    settle: Duration,
}

impl Idle {
    pub(crate) async fn run(self) -> Result<()> {
        let scratch = self.millpond.scratch()?;
        let mut arguments = self.millpond.serve(&scratch.path().join("data"));
        arguments.extend(["--shard-limit", "20000"].map(str::to_owned));
        let server = Server::start(self.millpond.program(), &arguments).await?;
        let shards = usize::from(self.shards);
        let service = Service { address: server.address, clock: Clock::start(), shards };
        let mut control = Control::connect(service.address, service.clock).await?;

        let headings = ["idle", "RSS MiB", "anonymous MiB", "threads", "CPU ms in a second"];
        let mut lines = vec![headings.map(str::to_owned)];
        control.list_streams().await?;
        lines.push(self.line("no stream", &server).await?);
        control.create_stream("one", 1).await?;
        service.fill("one", DATA_BYTES, DATA_BYTES).await?;
        lines.push(self.line("1 stream, 1 shard, 500 records", &server).await?);
        control.create_stream("many", shards).await?;
        let open = control.shards("many").await?.len();
        ensure!(open == shards, "{open} shards where {shards} were asked for");
        lines.push(self.line(&format!("{shards} more shards"), &server).await?);
        service.fill("many", DATA_BYTES, shards * RECORDS_PER_SHARD * DATA_BYTES).await?;
        lines.push(self.line("each of them written to", &server).await?);
        println!("{}", aligned(&lines));
        server.stop().await
    }

    async fn line(&self, name: &str, server: &Server) -> Result<[String; 5]> {
        sleep(self.settle).await;
        let before = Usage::of(server.pid())?;
        sleep(Duration::from_secs(1)).await;
        let usage = Usage::of(server.pid())?;
        Ok([
            name.to_owned(),
            format!("{:.1}", mib(usage.rss_bytes)),
            format!("{:.1}", mib(usage.rss_anonymous_bytes)),
            usage.threads.to_string(),
            format!("{:.1}", usage.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e3),
        ])
    }
}
