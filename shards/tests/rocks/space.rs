//! Space: limits are refusals that end, and what was given up comes back.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use millpond_shards::engine::{
    Durability, Engine, EngineError, LogId, MetadataChange, Offset, ShardLog, rocks::RocksEngine,
};
use tempfile::TempDir;

use super::fixture::{chunks, in_memory, open, open_log, records};

const MIB: usize = 1024 * 1024;
/// For background work, and RocksDB's own look at a full disk every five seconds.
const PATIENCE: Duration = Duration::from_mins(1);

fn mebibyte(content: u8) -> Vec<Vec<u8>> {
    vec![vec![content; MIB / 64]; 64]
}

async fn append_mebibytes(log: &Arc<dyn ShardLog>, count: usize) {
    for i in 0..count {
        log.append(chunks(&mebibyte(i as u8))).await.unwrap();
    }
}

/// Appends until refused; how many records were taken. A mebibyte holds 64.
async fn fill(log: &Arc<dyn ShardLog>, mebibytes_max: usize) -> usize {
    let mut taken = 0;
    for records in [64, 1] {
        let append = chunks(&mebibyte(7)[..records]);
        loop {
            match log.append(append.clone()).await {
                Ok(_) => taken += records,
                Err(EngineError::Full(_)) => break,
                Err(error) => panic!("{error}"),
            }
            assert!(taken < mebibytes_max * 64, "too much was taken");
        }
    }
    taken
}

/// Tries again until it succeeds.
async fn eventually<T, E, F: Future<Output = Result<T, E>>>(mut attempt: impl FnMut() -> F) -> T {
    let attempts = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, attempts).await.expect("it succeeds in the end")
}

async fn until_used_is_below(engine: &RocksEngine, mebibytes: usize) {
    let limit = (mebibytes * MIB) as u64;
    eventually(async || {
        let used = engine.stats().used_bytes;
        if used < limit { Ok(()) } else { Err(used) }
    })
    .await;
}

#[tokio::test]
async fn a_memory_limit_refuses_until_something_is_trimmed() {
    let engine = in_memory(32 * MIB as u64);
    let log = open_log(&engine, 1).await;
    for round in 0..3 {
        let taken = fill(&log, 64).await;
        assert!((24 * 64..=32 * 64).contains(&taken), "{taken} records in round {round}");
        assert!(matches!(engine.writable(), Err(EngineError::Full(_))));
        assert_eq!(records(&log, log.bounds().start.value()).await.len(), taken);
        log.trim(log.bounds().end).await.unwrap();
        until_used_is_below(&engine, 4).await;
        assert_eq!(engine.writable(), Ok(()));
    }
    assert!(engine.stats().records > 64 * 64);
}

#[tokio::test]
async fn a_memory_limit_is_not_blocked_by_one_large_append() {
    let engine = in_memory(32 * MIB as u64);
    let log = open_log(&engine, 1).await;
    let large = vec![vec![1; MIB]; 40];
    assert!(matches!(log.append(chunks(&large)).await, Err(EngineError::Full(_))));
    append_mebibytes(&log, 8).await;
}

#[tokio::test]
async fn trimming_gives_the_disk_back() {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path(), Durability::Os);
    let logs = [open_log(&engine, 1).await, open_log(&engine, 2).await];
    for _ in 0..60 {
        for log in &logs {
            append_mebibytes(log, 1).await;
        }
    }
    assert!(engine.stats().used_bytes > 120 * MIB as u64);
    for log in &logs {
        log.trim(Offset::new(log.bounds().end.value() * 9 / 10)).await.unwrap();
    }
    until_used_is_below(&engine, 40).await;
    for log in &logs {
        assert_eq!(records(log, 0).await.len(), 6 * 64);
    }
}

#[tokio::test]
async fn what_was_dropped_before_a_restart_is_given_back_after_it() {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path(), Durability::Os);
    append_mebibytes(&open_log(&engine, 1).await, 120).await;
    // After work on this one it rests, and the engine is closed before it has seen to the other.
    engine.drop_logs(vec![LogId::new(2)]).await.unwrap();
    engine.drop_logs(vec![LogId::new(1)]).await.unwrap();
    engine.close().await.unwrap();
    let engine = open(directory.path(), Durability::Os);
    until_used_is_below(&engine, 40).await;
}

#[tokio::test]
async fn dropping_gives_back_what_lies_between_others() {
    let engine = in_memory(256 * MIB as u64);
    let (kept, dropped) = (open_log(&engine, 1).await, open_log(&engine, 2).await);
    for _ in 0..20 {
        append_mebibytes(&kept, 1).await;
        append_mebibytes(&dropped, 3).await;
    }
    assert!(engine.stats().used_bytes > 80 * MIB as u64);
    for _ in 0..2 {
        engine.drop_logs(vec![LogId::new(2)]).await.unwrap();
    }
    until_used_is_below(&engine, 40).await;
    assert_eq!(records(&kept, 0).await.len(), 20 * 64);
    assert_eq!(dropped.append(chunks(&mebibyte(1))).await, Err(EngineError::Closed));
}

/// A small disk of its own.
struct Disk(TempDir);

impl Disk {
    fn mount(mebibytes: u32) -> Self {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]);
        assert!(mount.arg(directory.path()).status().unwrap().success(), "can't mount a tmpfs");
        Self(directory)
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Writes a file until the disk is full.
fn ballast(path: &Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

#[tokio::test]
#[ignore = "mounts a tmpfs, which only root may: cargo test --test rocks -- --ignored full_disk"]
async fn a_full_disk_refuses_until_there_is_space() {
    let disk = Disk::mount(96);
    let engine = open(&disk.data(), Durability::Fsync);
    let log = open_log(&engine, 1).await;
    let taken = fill(&log, 96).await;
    assert!(taken > 40 * 64, "{taken} records");
    assert!(matches!(engine.writable(), Err(EngineError::Full(_))));
    assert_eq!(records(&log, 0).await.len(), taken);
    log.trim(Offset::new(log.bounds().end.value() / 2)).await.unwrap();
    let after = eventually(|| log.append(chunks(&mebibyte(9)))).await;
    assert_eq!(engine.writable(), Ok(()));
    assert_eq!(after.value(), taken as u64, "a refusal leaves no gap");
}

#[tokio::test]
#[ignore = "mounts a tmpfs, which only root may: cargo test --test rocks -- --ignored full_disk"]
async fn a_full_disk_under_rocksdb_itself_loses_nothing() {
    let disk = Disk::mount(96);
    let engine = open(&disk.data(), Durability::Fsync);
    let log = open_log(&engine, 1).await;
    append_mebibytes(&log, 12).await;
    let other = disk.0.path().join("ballast");
    ballast(&other);
    let row = |i: u8| MetadataChange::Put { key: vec![i], value: vec![i; MIB] };
    let mut committed = Vec::new();
    // Metadata isn't held back by the reserve, so that RocksDB is what meets the full disk.
    let refused = loop {
        let i = committed.len() as u8;
        match engine.commit_metadata(vec![row(i)]).await {
            Ok(()) => committed.push(vec![i]),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, EngineError::Full(_)), "{refused:?}");
    assert!(matches!(log.append(chunks(&mebibyte(1))).await, Err(EngineError::Full(_))));
    assert_eq!(records(&log, 0).await.len(), 12 * 64, "reading goes on");
    fs::remove_file(&other).unwrap();
    let after = eventually(|| log.append(chunks(&mebibyte(9)))).await;
    assert_eq!(after.value(), 12 * 64);
    eventually(|| engine.commit_metadata(vec![row(200)])).await;
    committed.push(vec![200]);
    drop((log, engine));
    let engine = open(&disk.data(), Durability::Fsync);
    assert_eq!(records(&open_log(&engine, 1).await, 0).await.len(), 13 * 64);
    let rows = engine.load_metadata().await.unwrap();
    assert!(rows.into_iter().map(|(key, _)| key).eq(committed));
}
