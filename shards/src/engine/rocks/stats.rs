//! What the engine tells about itself, for gauges.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Figures of an engine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RocksStats {
    /// Bytes that wait for the next write.
    pub queued_bytes: u64,
    /// Bytes that records, their index and buffers take, what was trimmed but isn't given back yet
    /// included.
    pub used_bytes: u64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: u64,
    /// Rounds of the committer since the engine was opened, each one write.
    pub commits: u64,
    /// Records stored since the engine was opened.
    pub records: u64,
    /// How long the last round took, from taking what waited to answering.
    pub last_commit: Duration,
}

/// Counts of the committer.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    records: AtomicU64,
    last_commit_nanos: AtomicU64,
}

impl Counters {
    pub(super) fn committed(&self, records: u64, stopwatch: &Stopwatch) {
        self.commits.fetch_add(1, Relaxed);
        self.records.fetch_add(records, Relaxed);
        self.last_commit_nanos.store(stopwatch.elapsed().as_nanos() as u64, Relaxed);
    }

    pub(super) fn fill(&self, stats: &mut RocksStats) {
        stats.commits = self.commits.load(Relaxed);
        stats.records = self.records.load(Relaxed);
        stats.last_commit = Duration::from_nanos(self.last_commit_nanos.load(Relaxed));
    }
}

/// How long work took. Only gauges and pauses between background work depend on it, never what is
/// stored or read; so it needs no clock that tests can own.
#[derive(Debug)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a duration of work, not a point in time")]
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
