//! Engines under test, in directories of their own.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{FutureExt, future::BoxFuture};
use millpond_api::types::{Blob, Timestamp};
use millpond_shards::{
    batch::{Chunk, RecordBatch},
    engine::{
        Durability, Engine, LogId, Offset, ReadLimit, ShardLog,
        conformance::Fixture,
        rocks::{Location, OpenError, RocksEngine, RocksOptions},
    },
};
use tempfile::TempDir;

/// Opens engines on disk. A crash leaves the files as they were at some moment after the last
/// acknowledgement; the engine that crashed is closed only afterwards.
pub(crate) struct OnDisk {
    durability: Durability,
    directory: TempDir,
}

impl OnDisk {
    pub(crate) fn new(durability: Durability) -> Self {
        Self { durability, directory: TempDir::new().unwrap() }
    }

    fn serve(&self) -> Arc<dyn Engine> {
        Arc::new(open(self.directory.path(), self.durability))
    }
}

impl Fixture for OnDisk {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Engine>> {
        self.directory = TempDir::new().unwrap();
        async { self.serve() }.boxed()
    }

    fn reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>> {
        async move {
            engine.close().await.unwrap();
            self.serve()
        }
        .boxed()
    }

    fn crash_and_reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>> {
        let image = image(self.directory.path());
        drop(engine);
        self.directory = image;
        async { self.serve() }.boxed()
    }
}

/// Opens engines in memory. There is nothing to open them from again: where a case closes or
/// crashes one, it goes on.
pub(crate) struct InMemory;

impl Fixture for InMemory {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Engine>> {
        async { Arc::new(in_memory(1 << 30)) as Arc<dyn Engine> }.boxed()
    }

    fn reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>> {
        async { engine }.boxed()
    }

    fn crash_and_reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>> {
        async { engine }.boxed()
    }
}

pub(crate) fn try_open(directory: &Path, durability: Durability) -> Result<RocksEngine, OpenError> {
    let location = Location::Directory(directory.to_owned());
    RocksEngine::open(&RocksOptions { durability, ..RocksOptions::new(location) })
}

pub(crate) fn open(directory: &Path, durability: Durability) -> RocksEngine {
    try_open(directory, durability).unwrap()
}

/// Opens an engine that writes out what it has in memory so often that it goes through many
/// write-ahead logs.
pub(crate) fn open_small(directory: &Path, durability: Durability) -> RocksEngine {
    let location = Location::Directory(directory.to_owned());
    let options = RocksOptions { durability, ..RocksOptions::new(location) };
    RocksEngine::open(&RocksOptions { write_buffer_bytes: 512 * 1024, ..options }).unwrap()
}

pub(crate) fn in_memory(limit_bytes: u64) -> RocksEngine {
    RocksEngine::open(&RocksOptions::new(Location::Memory { limit_bytes })).unwrap()
}

pub(crate) async fn open_log(engine: &RocksEngine, id: u64) -> Arc<dyn ShardLog> {
    engine.open_log(LogId::new(id), Offset::ZERO).await.unwrap()
}

/// Records of these data, as one append.
pub(crate) fn chunks(records: &[Vec<u8>]) -> Vec<Chunk> {
    let mut batch = RecordBatch::default();
    for data in records {
        batch.push("key", None, &Blob::Bytes(data.as_slice().into()));
    }
    batch.stamp(Timestamp::from_millis(1))
}

/// The position and data of every record from `from` on.
pub(crate) async fn records(log: &Arc<dyn ShardLog>, mut from: u64) -> Vec<(u64, Vec<u8>)> {
    let limit = ReadLimit { records: 1000, bytes: 1024 * 1024 };
    let mut found = Vec::new();
    loop {
        let page = log.read(Offset::new(from), limit).await.unwrap();
        let of_page = page.iter().flat_map(|chunk| chunk.records().unwrap()).map(Result::unwrap);
        found.extend(of_page.map(|record| (record.offset.value(), record.data.to_vec())));
        match found.last() {
            Some((last, _)) if !page.is_empty() => from = last + 1,
            _ => return found,
        }
    }
}

/// A copy of a directory that is in use, from a moment when no file came or went.
pub(crate) fn image(directory: &Path) -> TempDir {
    loop {
        let before = files(directory);
        let image = TempDir::new().unwrap();
        let copied = before.iter().all(|file| copy(directory, image.path(), file));
        if copied && before == files(directory) {
            return image;
        }
    }
}

fn copy(from: &Path, to: &Path, file: &Path) -> bool {
    let target = to.join(file);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(from.join(file), target).is_ok()
}

/// All files below `directory`, by their paths in it.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(inner) = directories.pop() {
        for entry in fs::read_dir(directory.join(&inner)).unwrap() {
            let entry = entry.unwrap();
            let path = inner.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                directories.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}
