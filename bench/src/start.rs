//! `bench start`: from the spawn of a server to its first answer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Clock;
use crate::disk;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::report::{aligned, mib, micros};
use crate::server::Server;
use crate::usage::Usage;

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    #[command(flatten)]
    millpond: Millpond,
    /// Starts of each kind
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u8).range(1..=100))]
    starts: u8,
}

/// One start: how long until the first answer, and what the process had used by then.
#[derive(Clone, Copy, Debug)]
struct Started {
    after: Duration,
    usage: Usage,
}

impl Start {
    pub(crate) async fn run(self) -> Result<()> {
        let fdatasync = disk::fdatasync(self.millpond.scratch()?.path())?;
        println!("an append with fdatasync takes {:.0} µs here\n", micros(fdatasync));
        let (mut dev, mut fresh, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.starts {
            dev.push(self.start(&self.millpond.dev()).await.context("dev")?);
            let scratch = self.millpond.scratch()?;
            let serve = self.millpond.serve(&scratch.path().join("data"));
            fresh.push(self.start(&serve).await.context("serve, fresh directory")?);
            again.push(self.start(&serve).await.context("serve, directory opened again")?);
        }
        let headings =
            ["until the first answer", "ms", "least", "most", "CPU ms", "least", "RSS MiB"];
        let lines = [
            headings.map(str::to_owned),
            line("dev", dev),
            line("serve, fresh directory", fresh),
            line("serve, opened again", again),
        ];
        println!("{}", aligned(&lines));
        Ok(())
    }

    async fn start(&self, arguments: &[String]) -> Result<Started> {
        let program: &Path = self.millpond.program();
        let server = Server::start(program, arguments).await?;
        Control::connect(server.address, Clock::start()).await?.list_streams().await?;
        let started = Started { after: server.spawned.elapsed(), usage: Usage::of(server.pid())? };
        server.stop().await?;
        Ok(started)
    }
}

/// Medians, and what lies at their sides.
fn line(name: &str, mut starts: Vec<Started>) -> [String; 7] {
    let millis = |duration: Duration| format!("{:.1}", micros(duration) / 1e3);
    let [(_, rss), (least_cpu, cpu), (least, after)] = [
        |started: &Started| Duration::from_secs(started.usage.rss_bytes),
        |started: &Started| started.usage.cpu,
        |started: &Started| started.after,
    ]
    .map(|of| {
        starts.sort_unstable_by_key(of);
        let at = |index: usize| starts.get(index).map(of).unwrap_or_default();
        (at(0), at(starts.len() / 2))
    });
    let most = starts.last().map(|started| started.after).unwrap_or_default();
    let rss = format!("{:.1}", mib(rss.as_secs()));
    [name.into(), millis(after), millis(least), millis(most), millis(cpu), millis(least_cpu), rss]
}
