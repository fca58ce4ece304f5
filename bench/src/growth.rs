//! `bench growth`: the same short cases at more and more stored, with many streams, after splits;
//! and how long a start takes with all that.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::statvfs;

use crate::cases::{self, Case};
use crate::clock::Window;
use crate::cost;
use crate::endpoint::Endpoint;
use crate::kinesis::Control;
use crate::load;
use crate::millpond::Millpond;
use crate::report::{Destination, Heading, Lines, Row, SERVICE, mib, micros};
use crate::run::Pace;
use crate::server::Server;
use crate::setup::{self, Callers, STREAM, Service};
use crate::usage::Usage;

const STORED: &str = "stored";
const MANY_SHARDS: &str = "many-shards";
const DATA_BYTES: usize = 1024;
const GB: u64 = 1_000_000_000;
/// Free space for each 100 bytes to store, which take 105 and a few more while they move.
const SPACE_PERCENT: u64 = 120;
/// The logs before them, and what cases add.
const SPACE_MORE: u64 = 4 * GB;
/// Shards of the stream that is put into.
const SHARDS: usize = 4;
/// What is run at each size.
const CASES: [&str; 3] = ["put-records-500x100B", "put-records-500x1KiB", "put-record-1KiB-c64"];
/// Two for each of them, and what a start takes and holds.
const HEADINGS: [Heading; 9] = [
    ("put-records-500x100B", "µs/record", 2),
    ("500x100B p99", "ms", 1),
    ("put-records-500x1KiB", "µs/record", 2),
    ("500x1KiB p99", "ms", 1),
    ("put-record-1KiB-c64", "µs/record", 1),
    ("c64 p99", "ms", 1),
    ("start", "ms", 1),
    ("CPU of the start", "ms", 1),
    ("RSS after it", "MiB", 1),
];

#[derive(Debug, clap::Args)]
pub(crate) struct Growth {
    #[command(flatten)]
    millpond: Millpond,
    #[command(flatten)]
    pace: Pace,
    /// Sizes to measure at, in GB of data, ascending
    #[arg(long, value_delimiter = ',', default_value = "1",
        value_parser = clap::value_parser!(u16).range(1..=200))]
    gb: Vec<u16>,
    /// Streams to make after that, each of one shard
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u16).range(..=20_000))]
    streams: u16,
    /// Splits to make after that
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(..=1_000))]
    splits: u16,
    /// Open shards of another stream that is there all the time
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    shards: u16,
    #[command(flatten)]
    report: Destination,
}

/// A server that keeps its home over restarts.
struct Kept<'a> {
    growth: &'a Growth,
    home: &'a Path,
    server: Server,
}

impl Growth {
    pub(crate) async fn run(self) -> Result<()> {
        ensure!(self.gb.is_sorted(), "give the sizes in ascending order");
        let home = self.millpond.scratch()?;
        let most = self.gb.last().copied().unwrap_or_default();
        has_room(home.path(), u64::from(most) * GB)?;
        let server = self.start(home.path()).await?;
        let mut kept = Kept { growth: &self, home: home.path(), server };
        let mut control = kept.control().await?;
        control.create_stream(MANY_SHARDS, self.shards.into(), DATA_BYTES).await?;
        control.create_stream(STORED, 4, DATA_BYTES).await?;
        control.create_stream(STREAM, SHARDS, DATA_BYTES).await?;

        let (mut lines, mut stored) = (Lines::new("growth", HEADINGS), 0);
        for gb in &self.gb {
            let endpoint = Endpoint::plain(kept.server.address);
            let target = u64::from(*gb) * GB;
            let service = Service { endpoint: &endpoint };
            service.fill_much(STORED, DATA_BYTES, target - stored).await?;
            stored = target;
            let figures = kept.figures().await?;
            lines.push(format!("{gb} GB stored"), figures);
        }
        if self.streams > 0 {
            let mut control = kept.control().await?;
            for number in 0..self.streams {
                control.create_stream(&format!("one-of-many-{number}"), 1, DATA_BYTES).await?;
            }
            lines.push(format!("and {} streams", self.streams), kept.figures().await?);
        }
        if self.splits > 0 {
            split(&mut kept.control().await?, self.splits).await?;
            lines.push(format!("and {} splits", self.splits), kept.figures().await?);
        }
        kept.server.stop().await?;
        lines.tell(&self.report)
    }

    async fn start(&self, home: &Path) -> Result<Server> {
        Server::start(self.millpond.program(), &self.millpond.serve_owned(home)?).await
    }
}

impl Kept<'_> {
    async fn control(&self) -> Result<Control> {
        Control::connect(&Endpoint::plain(self.server.address)).await
    }

    /// Runs all cases, and starts the server anew.
    async fn figures(&mut self) -> Result<[f64; HEADINGS.len()]> {
        let mut figures = Vec::new();
        for name in CASES {
            let case = cases::parse(name).map_err(anyhow::Error::msg)?;
            let row = self.measure(&case).await.context(name)?;
            figures.extend([row.server_cpu_us_per_record, row.p99_us / 1e3]);
        }
        // The one before has to be gone, as a data directory belongs to one process.
        self.server.end().await?;
        self.server = self.growth.start(self.home).await?;
        self.control().await?.list_streams().await?;
        let after = self.server.spawned.elapsed();
        let usage = Usage::of(self.server.pid())?;
        figures.extend([micros(after) / 1e3, micros(usage.cpu) / 1e3, mib(usage.rss_bytes)]);
        let mut figures = figures.into_iter();
        Ok(std::array::from_fn(|_| figures.next().unwrap_or(f64::NAN)))
    }

    async fn measure(&self, case: &Case) -> Result<Row> {
        let endpoint = Endpoint::plain(self.server.address);
        let callers = Service { endpoint: &endpoint }.callers(case, &setup::pool(case)).await?;
        let Callers::Each(callers) = callers else { bail!("only puts are measured here") };
        let plan = self.growth.pace.plan();
        let window = Window::after(plan.warm_up, plan.duration);
        let cost = cost::of(self.server.pid(), window);
        let (tally, cost) = tokio::try_join!(load::run(callers, window, None), cost)?;
        Ok(Row::new(case, SERVICE, window, &tally, &cost))
    }
}

/// Whether so many bytes can be stored in a directory and worked with.
///
/// # Errors
///
/// If not; what is free, and what it takes.
pub(crate) fn has_room(directory: &Path, bytes: u64) -> Result<()> {
    let disk = statvfs(directory).context("looking at the disk")?;
    let (free, needed) = (disk.f_bavail * disk.f_frsize, bytes / 100 * SPACE_PERCENT + SPACE_MORE);
    let (free_gb, needed_gb, place) = (free / GB, needed / GB, directory.display());
    ensure!(free >= needed, "this needs {needed_gb} GB free in {place}, there are {free_gb} GB");
    Ok(())
}

/// Splits shards in the order of their numbers, each in the middle: children get the next two.
async fn split(control: &mut Control, splits: u16) -> Result<()> {
    let mut ranges = even(SHARDS);
    for number in 0..usize::from(splits) {
        let (first, last) = ranges.get(number).copied().context("each split makes two shards")?;
        let middle = first + (last - first) / 2 + 1;
        let shard = format!("shardId-{number:012}");
        control.split(STREAM, &shard, middle).await.with_context(|| shard)?;
        ranges.extend([(first, middle - 1), (middle, last)]);
    }
    Ok(())
}

/// The ranges of hash keys of so many shards alike.
fn even(shards: usize) -> Vec<(u128, u128)> {
    let each = u128::MAX / shards as u128;
    let first = |shard: usize| each * shard as u128;
    (0..shards).map(|shard| (first(shard), first(shard + 1) - 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_doesnt_fit_is_refused_before_anything_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let error = has_room(directory.path(), 1_000_000 * GB).unwrap_err().to_string();
        assert!(error.contains("needs 1200004 GB free in"), "{error}");
    }

    #[test]
    fn shards_part_all_hash_keys() {
        let ranges = even(4);
        assert_eq!(ranges.len(), 4);
        assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        assert_eq!(ranges[0].0, 0);
    }
}
