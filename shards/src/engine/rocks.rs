//! The engine on RocksDB: chunks as values in blob files, one committer, trims by range.
//!
//! | thread | does |
//! |---|---|
//! | `millpond-commit` | every write, of all that waits, with one fsync |
//! | `millpond-space` | gives back the space of what was trimmed |
//! | the runtime's blocking threads | reads, as many at a time as twice the cores |

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use futures::future::{self, BoxFuture, FutureExt};
use tokio::sync::{Semaphore, oneshot};

use crate::engine::{Engine, EngineError, LogId, MetadataChange, MetadataRows, Offset, ShardLog};

mod committer;
mod directory;
mod keys;
mod log;
mod options;
mod queue;
mod read;
mod reclaim;
mod space;
mod stats;
mod store;
mod view;

pub use directory::OpenError;
pub use options::{Location, RocksOptions};
pub use stats::RocksStats;

use log::{LogState, RocksLog};
use queue::{Change, Queue, Reply};
use reclaim::Reclaim;
use space::Space;
use stats::Counters;
use store::{Db, Family, Store};
use view::View;

/// Reads at a time for each core: while one waits for the disk another can use the core.
const READS_PER_CORE: usize = 2;

type Outcome<T> = Result<T, EngineError>;

/// Logs and metadata in a RocksDB database. Dropping it closes it, after what is queued.
#[derive(Debug)]
pub struct RocksEngine {
    core: Arc<Core>,
}

/// What the engine's threads and handles share.
#[derive(Debug)]
struct Core {
    store: Store,
    queue: Queue,
    space: Space,
    reclaim: Reclaim,
    health: Health,
    stats: Counters,
    reads: Arc<Semaphore>,
    logs: Mutex<HashMap<LogId, Arc<LogState>>>,
    /// The committer, then the others.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The last write's failure, until a write succeeds.
#[derive(Debug, Default)]
struct Health(Mutex<Option<EngineError>>);

impl RocksEngine {
    /// Opens the engine, making its directory where there is none. Blocks on the disk.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is changed in a directory that isn't ours.
    pub fn open(options: &RocksOptions) -> Result<Self, OpenError> {
        let store = Store::open(options)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let core = Arc::new(Core {
            store,
            queue: Queue::default(),
            space: Space::of(&options.location),
            reclaim: Reclaim::default(),
            health: Health::default(),
            stats: Counters::default(),
            reads: Arc::new(Semaphore::new(READS_PER_CORE * cores)),
            logs: Mutex::default(),
            threads: Mutex::default(),
        });
        let engine = Self { core };
        engine.spawn("millpond-commit", committer::run)?;
        engine.spawn("millpond-space", reclaim::run)?;
        Ok(engine)
    }

    /// Figures for gauges; zero once the engine is closed.
    #[must_use]
    pub fn stats(&self) -> RocksStats {
        let mut stats = RocksStats::default();
        let _ = self.core.store.with(|db| {
            stats.queued_bytes = self.core.queue.bytes() as u64;
            stats.used_bytes = db.used_bytes();
            stats.wal_bytes = db.wal_bytes();
            self.core.stats.fill(&mut stats);
            Ok(())
        });
        stats
    }

    fn spawn(&self, name: &str, run: fn(&Core)) -> Result<(), EngineError> {
        let core = self.core.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&core));
        lock(&self.core.threads).push(thread.map_err(EngineError::failed)?);
        Ok(())
    }
}

impl Drop for RocksEngine {
    fn drop(&mut self) {
        match self.core.close() {
            Ok(()) | Err(EngineError::Closed) => {}
            Err(error) => tracing::error!(%error, "closing the storage failed"),
        }
    }
}

impl Core {
    /// Does `work` where waiting for the disk holds up nobody.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Db) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let reads = self.reads.clone();
        let permit = reads.acquire_owned().await.map_err(|_| EngineError::Closed)?;
        let core = self.clone();
        let work = move || {
            let _permit = permit;
            core.store.with(|db| work(&core, db))
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(EngineError::failed(error)))
    }

    /// `Ok` unless the engine was closed.
    fn check_open(&self) -> Outcome<()> {
        self.store.with(|_| Ok(()))
    }

    /// The log's state: the one that is in use, or, after a failure or when there is none, as
    /// storage has it.
    fn state(&self, db: &Db, id: LogId, first: Offset) -> Outcome<Arc<LogState>> {
        let mut logs = lock(&self.logs);
        if let Some(state) = logs.get(&id).filter(|state| state.usable().is_ok()) {
            return Ok(state.clone());
        }
        let view = read::recover(db, id)?.unwrap_or_else(|| View::beginning_at(first));
        let state = Arc::new(LogState::new(id, view));
        logs.insert(id, state.clone());
        Ok(state)
    }

    /// Forgets the logs. Waits with the table of logs in hand, so that none can be opened while its
    /// data is still there.
    fn drop_logs(&self, ids: &[LogId]) -> Outcome<()> {
        let mut table = lock(&self.logs);
        let take = |&id: &LogId| {
            let unopened = || LogState::new(id, View::default());
            let log = table.remove(&id).unwrap_or_else(|| Arc::new(unopened()));
            log.set_dropped();
            log
        };
        let logs = ids.iter().map(take).collect();
        let dropped = self.submit(|reply| Change::Drop { logs, reply })?;
        dropped.blocking_recv().unwrap_or(Err(EngineError::Closed))
    }

    /// Queues a change at once, behind all that waits.
    fn submit<T>(
        &self,
        change: impl FnOnce(Reply<T>) -> Change,
    ) -> Outcome<oneshot::Receiver<Outcome<T>>> {
        let (reply, outcome) = oneshot::channel();
        self.queue.push(change(reply))?;
        Ok(outcome)
    }

    /// Queues a change at once; the future tells its outcome.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(Reply<T>) -> Change,
    ) -> BoxFuture<'static, Outcome<T>> {
        match self.submit(change) {
            // The committer answers everything that it takes, unless the engine closes first.
            Ok(outcome) => outcome.map(|sent| sent.unwrap_or(Err(EngineError::Closed))).boxed(),
            Err(error) => future::ready(Err(error)).boxed(),
        }
    }

    /// Finds out whether RocksDB takes writes again: after it met a full disk it refuses all until
    /// it has seen space, which it looks for every few seconds. Health tells the outcome.
    fn try_write(&self) {
        // A closed queue has nothing to find out.
        let _ = self.queue.push(Change::Probe);
    }

    fn load_metadata(db: &Db) -> Outcome<MetadataRows> {
        let (low, high) = keys::metadata_rows();
        let mut rows = db.iterate(Family::Meta, &low, &high);
        let mut loaded = MetadataRows::new();
        rows.seek_to_first();
        while let Some((row, value)) = rows.item() {
            loaded.extend(keys::metadata_key(row).map(|key| (key.to_vec(), value.to_vec())));
            rows.next();
        }
        rows.status().map(|()| loaded).map_err(store::error)
    }

    /// Lets the committer finish what is queued, then closes the files.
    fn close(&self) -> Outcome<()> {
        let mut threads = lock(&self.threads);
        self.queue.close();
        self.reclaim.close();
        let mut threads = threads.drain(..);
        let committer = threads.next();
        let finished = committer.map_or(Ok(()), join);
        // What is still being compacted gives up now, and its thread ends.
        let closed = self.store.close();
        threads.map(join).chain([finished, closed]).collect()
    }
}

impl Engine for RocksEngine {
    fn open_log(&self, id: LogId, first: Offset) -> BoxFuture<'_, Outcome<Arc<dyn ShardLog>>> {
        let open = async move {
            let state = self.core.blocking(move |core, db| core.state(db, id, first)).await?;
            Ok(Arc::new(RocksLog { core: self.core.clone(), state }) as Arc<dyn ShardLog>)
        };
        open.boxed()
    }

    fn drop_logs(&self, ids: Vec<LogId>) -> BoxFuture<'_, Outcome<()>> {
        self.core.blocking(move |core, _| core.drop_logs(&ids)).boxed()
    }

    fn load_metadata(&self) -> BoxFuture<'_, Outcome<MetadataRows>> {
        self.core.blocking(|_, db| Core::load_metadata(db)).boxed()
    }

    fn commit_metadata(&self, changes: Vec<MetadataChange>) -> BoxFuture<'_, Outcome<()>> {
        self.core.change(|reply| Change::Metadata { changes, reply })
    }

    fn writable(&self) -> Outcome<()> {
        self.core.store.with(|db| {
            self.core.space.check(db)?;
            let health = self.core.health.check();
            if let Err(EngineError::Full(_)) = health {
                self.core.try_write();
            }
            health
        })
    }

    fn close(&self) -> BoxFuture<'_, Outcome<()>> {
        let core = self.core.clone();
        let close = async move {
            let closed = tokio::task::spawn_blocking(move || core.close()).await;
            closed.unwrap_or_else(|error| Err(EngineError::failed(error)))
        };
        close.boxed()
    }
}

impl Health {
    fn note(&self, written: &Outcome<()>) {
        *lock(&self.0) = written.as_ref().err().cloned();
    }

    /// Whether the last write went well.
    fn check(&self) -> Outcome<()> {
        lock(&self.0).clone().map_or(Ok(()), Err)
    }
}

/// Locks what is whole between any two statements, so that a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn join(thread: JoinHandle<()>) -> Outcome<()> {
    thread.join().map_err(|_| EngineError::failed("a storage thread panicked"))
}

#[cfg(test)]
mod tests;
