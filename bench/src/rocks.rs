//! RocksDB alone: a bare loop that stores the same batches, as the floor of what storage costs.

use std::env::current_exe;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rocksdb::{Cache, DB, Env, Options, WriteBatch, WriteOptions};
use tokio::process::Command;
use tokio::time::Instant;

use crate::cases::{self, Case, Durability, Load};
use crate::clock::Window;
use crate::cost::Meter;
use crate::duration;
use crate::load::{Answered, Tally};
use crate::millpond::{Millpond, data_dir};
use crate::report::Row;
use crate::server::Server;
use crate::subject::Run;

/// How a batch is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    /// With the options of millpond's own files, one value for each shard of a batch.
    Chunks,
    /// With the options that RocksDB has by itself, one value for each record.
    Records,
}

/// The loop, as something to set beside a server.
#[derive(Clone, Debug)]
pub(crate) struct Rocks {
    pub(crate) millpond: Millpond,
    pub(crate) layout: Layout,
}

/// Where millpond keeps its store, below its directory of data.
const STORE_DIR: &str = "rocksdb";
/// Where in it chunks of records are, for the usual retention.
const CHUNKS_FAMILY: &str = "d1";
/// How long the loop may take beyond what it was asked for.
const SPARE: Duration = Duration::from_mins(1);

impl Rocks {
    pub(crate) const fn name(&self) -> &'static str {
        match self.layout {
            Layout::Chunks => "rocksdb, as millpond",
            Layout::Records => "rocksdb, a key a record",
        }
    }

    /// Why it can't run a case.
    pub(crate) fn lacks(case: &Case) -> Option<&'static str> {
        let setting = &case.setting;
        match setting.durability {
            _ if !case.load.writes() => Some("only what is written is compared"),
            Durability::Memory => Some("it writes to disk"),
            _ if setting.per_second.is_some() => Some("it writes without a pause"),
            _ => None,
        }
    }

    /// Runs the loop in a process of its own, so that its cost is told apart.
    pub(crate) async fn measure(&self, run: &Run) -> Result<Row> {
        let home = self.millpond.scratch()?;
        let mut directory = data_dir(home.path());
        if self.layout == Layout::Chunks {
            // A server leaves its files behind, and in them the options that it runs with.
            let arguments = self.millpond.serve(home.path())?;
            Server::start(self.millpond.program(), &arguments).await?.stop().await?;
            directory.push(STORE_DIR);
        }
        let mut command = Command::new(current_exe()?);
        command.args(["rocks-writer", "--directory"]).arg(directory);
        let layout = if self.layout == Layout::Chunks { "chunks" } else { "records" };
        command.args(["--layout", layout, "--case", run.case.name]);
        command.args(["--shards", &run.case.setting.shards.to_string()]);
        if run.case.setting.durability == Durability::Fsync {
            command.arg("--sync");
        }
        for (flag, time) in [("--warm-up", run.plan.warm_up), ("--duration", run.plan.duration)] {
            command.args([flag, &format!("{}ms", time.as_millis())]);
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        let limit = run.plan.warm_up + run.plan.duration + SPARE;
        let output = tokio::time::timeout(limit, command.output()).await.context("it hung")??;
        let failed = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "it ended with {}: {failed}", output.status);
        let row: Row = serde_json::from_slice(&output.stdout).context("reading its figures")?;
        Ok(Row { setting: run.case.setting, server: self.name().into(), ..row })
    }
}

/// The loop itself.
#[derive(Debug, clap::Args)]
pub(crate) struct RocksWriter {
    #[arg(long)]
    directory: PathBuf,
    #[arg(long, value_enum)]
    layout: Layout,
    #[arg(long, value_parser = cases::parse)]
    case: Case,
    #[arg(long)]
    shards: u16,
    #[arg(long)]
    sync: bool,
    #[arg(long, value_parser = duration::parse)]
    warm_up: Duration,
    #[arg(long, value_parser = duration::parse)]
    duration: Duration,
}

impl RocksWriter {
    /// Writes until the time is over; prints what it cost, as JSON.
    pub(crate) fn run(&self) -> Result<()> {
        let store = Store::open(&self.directory, self.layout)?;
        let mut write = WriteOptions::default();
        write.set_sync(self.sync);
        let window = Window::after(self.warm_up, self.duration);
        let mut batches = Batches::new(&self.case, self.layout, usize::from(self.shards));
        let (mut tally, mut meter) = (Tally::new(), None);
        loop {
            let begun = Instant::now();
            if begun >= window.end {
                break;
            }
            if meter.is_none() && window.contains(begun) {
                meter = Some(Meter::start(std::process::id())?);
            }
            let records = batches.write(&store, &write)?;
            let answered = Answered { at: Instant::now(), records, bytes: 0 };
            tally.count(window, begun, answered);
        }
        let cost = meter.context("nothing was written in time")?.stop()?;
        let row = Row::new(&self.case, "rocksdb", window, &tally, &cost);
        println!("{}", serde_json::to_string(&row)?);
        Ok(())
    }
}

struct Store {
    rocksdb: DB,
    layout: Layout,
}

impl Store {
    fn open(directory: &Path, layout: Layout) -> Result<Self> {
        let rocksdb = match layout {
            Layout::Records => {
                let mut options = Options::default();
                options.create_if_missing(true);
                DB::open(&options, directory)
            }
            Layout::Chunks => {
                let cache = Cache::new_lru_cache(CACHE_BYTES);
                Options::load_latest(directory, Env::new()?, false, cache).and_then(
                    |(options, families)| DB::open_cf_descriptors(&options, directory, families),
                )
            }
        };
        Ok(Self { rocksdb: rocksdb.context("opening the store")?, layout })
    }

    fn put(&self, batch: &mut WriteBatch, key: [u8; 16], value: &[u8]) -> Result<()> {
        match self.layout {
            Layout::Records => batch.put(key, value),
            Layout::Chunks => {
                let family = self.rocksdb.cf_handle(CHUNKS_FAMILY);
                batch.put_cf(family.context("the family of chunks has another name")?, key, value);
            }
        }
        Ok(())
    }
}

/// Bytes of index blocks kept for reads, as the server has it; nothing is read here.
const CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Data that values are cut from; it doesn't compress.
const POOL_BYTES: usize = 4 * 1024 * 1024;

/// Batches with the records of a case.
struct Batches {
    data: Vec<u8>,
    /// Where the next value is cut from.
    at: usize,
    next_index: u64,
    /// Values of one batch, and the records and bytes of each.
    values: usize,
    value_records: usize,
    value_bytes: usize,
}

impl Batches {
    fn new(case: &Case, layout: Layout, shards: usize) -> Self {
        // Those who wait for one commit are stored together.
        let records = match case.load {
            Load::PutRecords { entries } => entries,
            _ => case.connections,
        };
        let values = if layout == Layout::Chunks { shards.clamp(1, records) } else { records };
        let value_records = records.div_ceil(values);
        let value_bytes = value_records * case.data_bytes;
        let mut data = vec![0; POOL_BYTES + value_bytes];
        fastrand::Rng::with_seed(1).fill(&mut data);
        Self { data, at: 0, next_index: 0, values, value_records, value_bytes }
    }

    /// Writes the next batch; its records.
    fn write(&mut self, store: &Store, options: &WriteOptions) -> Result<u64> {
        let mut batch = WriteBatch::default();
        for shard in 0..self.values as u64 {
            let mut key = [0; 16];
            let (first, last) = key.split_at_mut(8);
            first.copy_from_slice(&shard.to_be_bytes());
            last.copy_from_slice(&self.next_index.to_be_bytes());
            let value = self.data.get(self.at..self.at + self.value_bytes);
            store.put(&mut batch, key, value.context("values are within the pool")?)?;
            self.at = (self.at + self.value_bytes) % POOL_BYTES;
        }
        self.next_index += self.value_records as u64;
        store.rocksdb.write_opt(batch, options).context("writing")?;
        Ok((self.values * self.value_records) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(case: &str, layout: Layout) -> Batches {
        Batches::new(&cases::parse(case).unwrap(), layout, 4)
    }

    #[test]
    fn a_batch_has_the_records_of_a_request_or_of_all_who_wait() {
        let shape = |batches: Batches| (batches.values, batches.value_records, batches.value_bytes);
        let chunks = |case| shape(batches(case, Layout::Chunks));
        assert_eq!(chunks("put-records-500x100B"), (4, 125, 12_500));
        assert_eq!(chunks("put-record-1KiB-c64"), (4, 16, 16_384));
        assert_eq!(chunks("put-record-100B-c1"), (1, 1, 100));
        assert_eq!(shape(batches("put-records-500x1KiB", Layout::Records)), (500, 1, 1024));
    }

    #[test]
    fn what_is_written_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), Layout::Records).unwrap();
        let mut batches = batches("put-records-500x100B", Layout::Records);
        for _ in 0..2 {
            assert_eq!(batches.write(&store, &WriteOptions::default()).unwrap(), 500);
        }
        assert_eq!(store.rocksdb.iterator(rocksdb::IteratorMode::Start).count(), 1_000);
        assert!(Store::open(Path::new("/no/such/store"), Layout::Chunks).is_err());
    }
}
