//! One shard's log: appends go to the committer, reads to RocksDB, positions come from memory.

use std::{
    ops::Range,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use futures::future::{self, BoxFuture, FutureExt};
use millpond_api::types::Timestamp;

use super::{Core, Outcome, lock, queue::Change, read::Reader, view::View};
use crate::{
    batch::Chunk,
    engine::{Commit, EngineError, LogId, Offset, Page, ReadLimit, RetentionTier, ShardLog},
};

/// What all handles of a log, and the committer, share.
#[derive(Debug)]
pub(super) struct LogState {
    pub(super) id: LogId,
    view: ArcSwap<View>,
    /// What [`ShardLog::place`] asked for last.
    tier: Mutex<RetentionTier>,
    /// Why the log takes no more changes: its first failure, or that it was dropped.
    end: OnceLock<EngineError>,
    /// Whether it was dropped, also after a failure.
    dropped: AtomicBool,
}

impl LogState {
    pub(super) fn new(id: LogId, view: View) -> Self {
        let view = ArcSwap::from_pointee(view);
        let (end, dropped) = (OnceLock::new(), AtomicBool::new(false));
        Self { id, view, tier: Mutex::default(), end, dropped }
    }

    /// The log as it is after the last commit.
    pub(super) fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    pub(super) fn publish(&self, view: View) {
        self.view.store(Arc::new(view));
    }

    /// Where new data is to lie.
    pub(super) fn tier(&self) -> RetentionTier {
        *lock(&self.tier)
    }

    pub(super) fn place(&self, tier: RetentionTier) {
        *lock(&self.tier) = tier;
    }

    /// Takes no more changes from now on; the first reason is the one that is told.
    pub(super) fn fail(&self, error: EngineError) {
        // Later ones come from it.
        let _ = self.end.set(error);
    }

    /// Takes no more changes and gives no more records from now on.
    pub(super) fn set_dropped(&self) {
        self.dropped.store(true, Relaxed);
        self.fail(EngineError::Closed);
    }

    /// Whether the log takes changes.
    ///
    /// # Errors
    /// Why it doesn't.
    pub(super) fn usable(&self) -> Outcome<()> {
        self.end.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Whether there is anything to read: a log that failed is still read, one that was dropped
    /// isn't.
    fn readable(&self) -> Outcome<Arc<View>> {
        if self.dropped.load(Relaxed) { Err(EngineError::Closed) } else { Ok(self.view()) }
    }
}

/// A handle of a log.
#[derive(Debug)]
pub(super) struct RocksLog {
    pub(super) core: Arc<Core>,
    pub(super) state: Arc<LogState>,
}

impl RocksLog {
    /// Reads from the log as `view` has it, where waiting for the disk holds up nobody.
    async fn read_from<T: Send + 'static>(
        &self,
        view: Arc<View>,
        read: impl FnOnce(&Reader<'_>) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let log = self.state.id;
        let read = move |_: &Core, db: &_| read(&Reader { db, log, view: &view });
        Core::blocking(&self.core, read).await
    }

    async fn trim(&self, before: Offset) -> Outcome<()> {
        self.state.usable()?;
        let view = self.state.view();
        if before <= view.start {
            return self.core.check_open();
        }
        let start = view.start;
        let boundary = self.read_from(view, move |reader| reader.boundary(before)).await?;
        let Some((to, minute)) = boundary.filter(|(to, _)| *to > start) else { return Ok(()) };
        let log = self.state.clone();
        self.core.change(|reply| Change::Trim { log, to, minute, reply }).await
    }
}

impl ShardLog for RocksLog {
    fn append(&self, chunks: Vec<Chunk>) -> Commit {
        let log = self.state.clone();
        match log.usable() {
            Ok(()) => self.core.change(|reply| Change::Append { log, chunks, reply }),
            Err(error) => future::ready(Err(error)).boxed(),
        }
    }

    fn read(&self, from: Offset, limit: ReadLimit) -> BoxFuture<'_, Outcome<Page>> {
        match self.state.readable() {
            Err(error) => future::ready(Err(error)).boxed(),
            Ok(view) if from >= view.end || view.start == view.end => {
                future::ready(self.core.check_open().map(|()| Page::new())).boxed()
            }
            Ok(view) => self.read_from(view, move |reader| reader.read(from, limit)).boxed(),
        }
    }

    fn seek(&self, at: Timestamp) -> BoxFuture<'_, Outcome<Offset>> {
        match self.state.readable() {
            Err(error) => future::ready(Err(error)).boxed(),
            Ok(view) if at > view.last_arrival || view.start == view.end => {
                future::ready(self.core.check_open().map(|()| view.end)).boxed()
            }
            Ok(view) => self.read_from(view, move |reader| reader.seek(at)).boxed(),
        }
    }

    fn bounds(&self) -> Range<Offset> {
        let view = self.state.view.load();
        view.start..view.end
    }

    fn last_arrival(&self) -> Timestamp {
        self.state.view.load().last_arrival
    }

    fn trim(&self, before: Offset) -> BoxFuture<'_, Outcome<()>> {
        self.trim(before).boxed()
    }

    fn place(&self, tier: RetentionTier) {
        self.state.place(tier);
    }
}
