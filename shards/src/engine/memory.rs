//! An engine for tests and the simulator: in memory, deterministic, and able to lose, refuse, fail
//! and delay writes on purpose.
//!
//! There are no threads and no timers. A write waits in one queue, in the order of the calls, until
//! its turn to be synced comes: at once, or, while [`Faults::hold`] is in force, at a
//! [`Faults::step`]. Only then is it visible, durable and acknowledged. What a crash leaves is
//! therefore a matter of the calls that were made and the seed, of nothing else.

mod faults;
mod image;
mod state;

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

use futures::future::BoxFuture;
use millpond_api::types::Timestamp;

pub use self::faults::{Fault, Faults};
use self::{
    image::{StoredLog, Write},
    state::State,
};
use crate::{
    batch::Chunk,
    engine::{
        Commit, Engine, EngineError, LogId, MetadataChange, MetadataRows, Offset, Page, ReadLimit,
        RetentionTier, ShardLog,
    },
};

/// Logs and metadata in memory, with faults on demand. Copies are the same engine.
#[derive(Debug, Clone, Default)]
pub struct MemoryEngine {
    shared: Shared,
}

impl MemoryEngine {
    /// An engine with nothing in it, that syncs each write as it is made.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The handle through which a test makes this engine misbehave.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::of(self.shared.clone())
    }

    /// Ends this engine as a power cut would, and gives the one that is opened afterwards, without
    /// faults.
    ///
    /// What was acknowledged survives. Of `n` writes that still waited, the first `seed % (n + 1)`
    /// survive too: a disk may hold more than anybody was told. So seed 0 loses all of them, and
    /// seeds 0 to `n` try every outcome. Commits that were not resolved, and later calls of this
    /// engine, fail with [`EngineError::Closed`]. After [`Engine::close`] it is a clean reopening.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        Self { shared: Shared::new(self.shared.lock().crash(seed)) }
    }

    /// The logs that were written to and not dropped since, and the chunks that each still holds.
    #[must_use]
    pub fn logs(&self) -> Vec<(LogId, usize)> {
        self.shared.lock().logs()
    }
}

/// The state that an engine shares with its logs and its faults.
#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<State>>);

impl Shared {
    fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding the state")
    }

    /// Queues the write at once.
    fn commit(&self, write: Write) -> Commit {
        let answer = self.lock().submit(write);
        // A sender that is gone is an engine that was closed or that crashed.
        Box::pin(async move { answer.await.unwrap_or(Err(EngineError::Closed)) })
    }

    async fn commit_unplaced(&self, write: Write) -> Result<(), EngineError> {
        self.commit(write).await.map(|_| ())
    }
}

impl Engine for MemoryEngine {
    fn open_log(
        &self,
        id: LogId,
        first: Offset,
    ) -> BoxFuture<'_, Result<Arc<dyn ShardLog>, EngineError>> {
        Box::pin(async move {
            self.shared.lock().open_log(id, first)?;
            let shared = self.shared.clone();
            let log: Arc<dyn ShardLog> = Arc::new(MemoryLog { id, first, shared });
            Ok(log)
        })
    }

    fn drop_logs(&self, ids: Vec<LogId>) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.shared.commit_unplaced(Write::Drop(ids)))
    }

    fn load_metadata(&self) -> BoxFuture<'_, Result<MetadataRows, EngineError>> {
        Box::pin(async { self.shared.lock().metadata() })
    }

    fn commit_metadata(
        &self,
        changes: Vec<MetadataChange>,
    ) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.shared.commit_unplaced(Write::Metadata(changes)))
    }

    fn writable(&self) -> Result<(), EngineError> {
        self.shared.lock().writable()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { self.shared.lock().close() })
    }
}

#[derive(Debug)]
struct MemoryLog {
    id: LogId,
    first: Offset,
    shared: Shared,
}

impl MemoryLog {
    fn look<T>(&self, at: impl FnOnce(&StoredLog) -> T) -> Result<T, EngineError> {
        self.shared.lock().log(self.id).map(at)
    }
}

impl ShardLog for MemoryLog {
    fn append(&self, chunks: Vec<Chunk>) -> Commit {
        self.shared.commit(Write::Append(self.id, self.first, chunks))
    }

    fn read(&self, from: Offset, limit: ReadLimit) -> BoxFuture<'_, Result<Page, EngineError>> {
        Box::pin(async move {
            let mut waited = false;
            while self.shared.lock().plan.holds_read(&mut waited) {
                tokio::task::yield_now().await;
            }
            self.look(|log| log.read(from, limit))
        })
    }

    fn seek(&self, at: Timestamp) -> BoxFuture<'_, Result<Offset, EngineError>> {
        Box::pin(async move { self.look(|log| log.seek(at)) })
    }

    fn bounds(&self) -> Range<Offset> {
        self.shared.lock().peek(self.id).map(StoredLog::bounds).unwrap_or_default()
    }

    fn last_arrival(&self) -> Timestamp {
        self.shared.lock().peek(self.id).map(StoredLog::last_arrival).unwrap_or_default()
    }

    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(self.shared.commit_unplaced(Write::Trim(self.id, before)))
    }

    fn place(&self, _tier: RetentionTier) {
        // All memory is alike.
    }
}

#[cfg(test)]
mod tests;
