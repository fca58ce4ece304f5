//! `bench start`: from the spawn of a server to its first answer.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::disk;
use crate::endpoint::Endpoint;
use crate::kinesis::Control;
use crate::millpond::Millpond;
use crate::report::{Destination, Lines, mib, micros};
use crate::server::Server;
use crate::usage::Usage;

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    #[command(flatten)]
    millpond: Millpond,
    /// Starts of each kind
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u8).range(1..=100))]
    starts: u8,
    #[command(flatten)]
    report: Destination,
}

/// One start: how long until the first answer, and what the process had used by then.
#[derive(Clone, Debug)]
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
            let serve = self.millpond.serve(scratch.path())?;
            fresh.push(self.start(&serve).await.context("serve, fresh directory")?);
            again.push(self.start(&serve).await.context("serve, directory opened again")?);
        }
        let headings = [
            ("median", "ms", 1),
            ("least", "ms", 1),
            ("most", "ms", 1),
            ("CPU", "ms", 1),
            ("least CPU", "ms", 1),
            ("RSS", "MiB", 1),
        ];
        let mut lines = Lines::new("until the first answer", headings);
        lines.push("dev", figures(&dev));
        lines.push("serve, fresh directory", figures(&fresh));
        lines.push("serve, opened again", figures(&again));
        lines.tell(&self.report)?;
        let binary = std::fs::metadata(self.millpond.program()).context("the server's binary")?;
        let mut lines = Lines::new("binary", [("size", "MiB", 1)]);
        lines.push("as it was given", [mib(binary.len())]);
        lines.tell(&self.report)
    }

    async fn start(&self, arguments: &[String]) -> Result<Started> {
        let program: &Path = self.millpond.program();
        let server = Server::start(program, arguments).await?;
        Control::connect(&Endpoint::plain(server.address)).await?.list_streams().await?;
        let started = Started { after: server.spawned.elapsed(), usage: Usage::of(server.pid())? };
        server.stop().await?;
        Ok(started)
    }
}

fn figures(starts: &[Started]) -> [f64; 6] {
    let (after, least, most) = spread(starts, |started| started.after);
    let (cpu, cpu_least, _) = spread(starts, |started| started.usage.cpu);
    let (rss_bytes, ..) = spread(starts, |started| started.usage.rss_bytes);
    let [after, least, most, cpu, cpu_least] =
        [after, least, most, cpu, cpu_least].map(|duration| micros(duration) / 1e3);
    [after, least, most, cpu, cpu_least, mib(rss_bytes)]
}

/// The median, the least and the most of a figure.
fn spread<T: Copy + Ord + Default>(
    starts: &[Started],
    figure: impl Fn(&Started) -> T,
) -> (T, T, T) {
    let mut figures: Vec<T> = starts.iter().map(figure).collect();
    figures.sort_unstable();
    let at = |index: usize| figures.get(index).copied().unwrap_or_default();
    (at(figures.len() / 2), at(0), at(figures.len().saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_median_least_and_most() {
        let usage = Usage::of(std::process::id()).unwrap();
        let starts =
            [5, 1, 9].map(|ms| Started { after: Duration::from_millis(ms), usage: usage.clone() });
        let [median, least, most] = [5, 1, 9].map(Duration::from_millis);
        assert_eq!(spread(&starts, |started| started.after), (median, least, most));
    }
}
