//! `bench trim`: what giving back the space of expired records costs, and whether puts wait for it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

use crate::admin::Admin;
use crate::cases::{self, Case};
use crate::clock::Window;
use crate::endpoint::Endpoint;
use crate::growth::has_room;
use crate::kinesis::Control;
use crate::load::{self, Tally};
use crate::millpond::{Millpond, data_dir};
use crate::report::{Destination, Lines, float, micros};
use crate::server::Server;
use crate::setup::{self, Callers, STREAM, Service};
use crate::usage::{Usage, written_bytes};

const STORED: &str = "stored";
const SHARDS: usize = 4;
const DATA_BYTES: usize = 1024;
const GB: u64 = 1_000_000_000;
/// Between the parts that are put; the retention is 24 hours.
const APART: Duration = Duration::from_hours(8);
/// How long after the last of them time is moved on, so that the first has expired.
const LATER: Duration = Duration::from_hours(2);
/// How long the space may take to come back.
const TRIM_MAX: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(250);
/// Puts that are watched, and how long before and how long meanwhile.
const CASE: &str = "put-record-1KiB-c16";
const PER_SECOND: u32 = 500;
const WATCHED: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Trim {
    #[command(flatten)]
    millpond: Millpond,
    /// Data to store, in GB: half of it is trimmed alone, a quarter while records are put
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=200))]
    gb: u16,
    #[command(flatten)]
    report: Destination,
}

/// What trimming took.
struct Trimmed {
    cpu: Duration,
    written: u64,
    freed: u64,
}

impl Trim {
    pub(crate) async fn run(self) -> Result<()> {
        let home = self.millpond.scratch()?;
        let bytes = u64::from(self.gb) * GB;
        has_room(home.path(), bytes)?;
        let arguments = self.millpond.serve_owned(home.path())?;
        let server = Server::start(self.millpond.program(), &arguments).await?;
        let endpoint = Endpoint::plain(server.address);
        let mut control = Control::connect(&endpoint).await?;
        control.create_stream(STORED, SHARDS, DATA_BYTES).await?;
        control.create_stream(STREAM, SHARDS, DATA_BYTES).await?;
        let mut admin = Admin::connect(&endpoint, home.path()).await?;
        let service = Service { endpoint: &endpoint };
        for part in [bytes / 2, bytes / 4, bytes / 4] {
            service.fill_much(STORED, DATA_BYTES, part).await?;
            admin.advance(APART).await?;
        }

        let data = data_dir(home.path());
        let alone = trim(&mut admin, &server, &data, LATER, bytes / 2).await?;
        let before = puts(&endpoint).await?;
        let (meanwhile, _) =
            tokio::try_join!(puts(&endpoint), trim(&mut admin, &server, &data, APART, bytes / 4),)?;
        server.stop().await?;

        let headings = [
            ("CPU", "s", 2),
            ("written for each byte trimmed", "", 3),
            ("p99 before", "ms", 2),
            ("p99 meanwhile", "ms", 2),
            ("p99 over before", "ms", 2),
        ];
        let mut lines = Lines::new("trimming", headings);
        let [before, meanwhile] =
            [before, meanwhile].map(|tally| micros(tally.latency.per_mille(990)) / 1e3);
        let written = float(alone.written) / float(alone.freed).max(1.0);
        let cpu = alone.cpu.as_secs_f64();
        let figures = [cpu, written, before, meanwhile, meanwhile - before];
        lines.push(format!("half of {} GB", self.gb), figures);
        lines.tell(&self.report)
    }
}

/// Moves time on until so much has expired, and waits for most of its space.
async fn trim(
    admin: &mut Admin,
    server: &Server,
    data: &Path,
    by: Duration,
    expired: u64,
) -> Result<Trimmed> {
    let look = || {
        let written = written_bytes(server.pid()).context("nobody counts what is written")?;
        anyhow::Ok((Usage::of(server.pid())?.cpu, written))
    };
    let (cpu, written) = look()?;
    let size = size(data)?;
    admin.advance(by).await?;
    let deadline = Instant::now() + TRIM_MAX;
    let freed = loop {
        let freed = size.saturating_sub(self::size(data)?);
        // A last file of each kind keeps what still lives in it.
        if freed >= expired / 10 * 8 {
            break freed;
        }
        ensure!(Instant::now() < deadline, "of {expired} bytes that expired {freed} came back");
        sleep(LOOK).await;
    };
    let (cpu_after, written_after) = look()?;
    Ok(Trimmed { cpu: cpu_after.saturating_sub(cpu), written: written_after - written, freed })
}

/// Puts at a rate for a while.
async fn puts(endpoint: &Endpoint) -> Result<Tally> {
    let case: Case = cases::parse(CASE).map_err(anyhow::Error::msg)?;
    let callers = Service { endpoint }.callers(&case, &setup::pool(&case)).await?;
    let Callers::Each(callers) = callers else { anyhow::bail!("only puts are watched") };
    load::run(callers, Window::after(Duration::ZERO, WATCHED), Some(PER_SECOND)).await
}

/// Bytes that the files of a directory take.
fn size(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).context("listing the data directory")? {
        let entry = entry?;
        // A file may be gone by now.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_as_large_as_all_files_in_it() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inner")).unwrap();
        for name in ["one", "inner/two"] {
            fs::write(directory.path().join(name), [1; 1_000]).unwrap();
        }
        assert_eq!(size(directory.path()).unwrap(), 2_000);
    }

    #[test]
    fn when_the_first_part_expires_the_second_lives() {
        let retention = Duration::from_hours(24);
        assert!(3 * APART + LATER > retention && 2 * APART + LATER < retention);
    }
}
