//! The seam between the domain and storage: append-only logs, one a shard, and a small metadata
//! store.

#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "test-util")]
pub mod memory;
pub mod rocks;

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::future::BoxFuture;
use millpond_api::types::Timestamp;

use crate::{batch::Chunk, record::Records};

/// A position in a shard's log. Ascends with each record; gaps may lie between batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(u64);

impl Offset {
    /// The first position of every shard.
    pub const ZERO: Self = Self(0);

    /// No position of a snapshot is beyond this: as many are left for what comes after it.
    pub(crate) const MAX: Self = Self(u64::MAX >> 2);

    /// The position of this number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The position as a number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The position `records` further on.
    #[must_use]
    pub const fn plus(self, records: u64) -> Self {
        Self(self.0 + records)
    }
}

/// The name of a log. Never reused, so that a stream created anew can't see old data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(u64);

impl LogId {
    /// The log of this number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The name as a number.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

/// How long data written now is expected to live: the class of the stream's retention period. A
/// hint for placement, so that data that dies together lies together; what is visible never depends
/// on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RetentionTier {
    /// Up to 24 hours.
    #[default]
    Standard,
    /// Up to 7 days.
    Extended,
    /// Up to 365 days.
    LongTerm,
}

/// Whether an acknowledged write has reached the disk or the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// An acknowledgement follows an fsync: the records survive a crash of the machine.
    Fsync,
    /// An acknowledgement follows the write: the records survive a crash of the process.
    Os,
}

/// How much [`ShardLog::read`] should return. A read stops at whichever is reached first, but
/// returns at least one chunk where one is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimit {
    /// Records at or after the position that was asked for.
    pub records: usize,
    /// Bytes of stored chunks.
    pub bytes: usize,
}

/// A chunk as it is stored, with the position of its first record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// Position of the chunk's first record; the others follow without a gap.
    pub first: Offset,
    /// The chunk, in the form that [`Chunk`] gives it.
    pub bytes: Bytes,
}

impl StoredChunk {
    /// The records of the chunk.
    ///
    /// # Errors
    /// [`EngineError::Corrupt`] when the header is not that of a chunk.
    pub fn records(&self) -> Result<Records<'_>, EngineError> {
        Records::of(self)
    }

    /// Records of the chunk at or after `from`.
    #[must_use]
    pub fn count_from(&self, from: Offset) -> usize {
        let before = from.value().saturating_sub(self.first.value()) as usize;
        self.records().map_or(0, |records| records.remaining() as usize).saturating_sub(before)
    }
}

/// Consecutive chunks of a log. The first may begin before the position that was asked for, as
/// chunks are never cut; there is none when nothing is stored at or after it.
pub type Page = Vec<StoredChunk>;

/// Resolves when the records are durable, with the position of the first; the others follow without
/// a gap.
pub type Commit = BoxFuture<'static, Result<Offset, EngineError>>;

/// An append-only log for one shard.
///
/// * Positions are **assigned by the log**, ascending. The records of one `append` have contiguous
///   positions; gaps may lie between appends. A position is never given out twice, not even after
///   everything was trimmed and the log reopened.
/// * Appends are stored in the order of the calls, each whole or not at all. `append` queues at
///   once; dropping the commit does not undo it.
/// * When a commit resolves `Ok`, the records survive a crash of this process, and of the machine
///   where the engine was opened with [`Durability::Fsync`].
/// * [`EngineError::Full`] is a refusal: nothing was stored and later appends may succeed. After
///   any other error the log is *poisoned*: every later append fails with the first error until the
///   log is opened anew.
/// * Reads see committed records only. A position that was trimmed or never given out is not an
///   error: reading starts at the next record there is.
/// * Arrival times never go backwards within a log; who appends sees to that.
pub trait ShardLog: Send + Sync {
    /// Queues `chunks` as one atomic batch. `chunks` is not empty.
    fn append(&self, chunks: Vec<Chunk>) -> Commit;

    /// Chunks from the one that holds `from` (or the first after it), in order.
    fn read(&self, from: Offset, limit: ReadLimit) -> BoxFuture<'_, Result<Page, EngineError>>;

    /// Position of the first record that arrived at or after `at`; the end of the log when there is
    /// none.
    fn seek(&self, at: Timestamp) -> BoxFuture<'_, Result<Offset, EngineError>>;

    /// From the trim point to the position after the last committed record; both are the first
    /// position as long as there never was one.
    fn bounds(&self) -> Range<Offset>;

    /// Arrival of the last committed record, also when it was trimmed since; the epoch when there
    /// never was one.
    fn last_arrival(&self) -> Timestamp;

    /// Gives up all records before `before`, at a cost that doesn't grow with their number. Whole
    /// chunks go; a chunk that straddles `before` stays. Durable when it resolves.
    fn trim(&self, before: Offset) -> BoxFuture<'_, Result<(), EngineError>>;

    /// From now on appended data is expected to live as long as `tier` says; until then, as in the
    /// first tier.
    fn place(&self, tier: RetentionTier);
}

/// A change of one metadata row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataChange {
    /// Stores `value` under `key`, whatever was there.
    Put {
        /// The row's name.
        key: Vec<u8>,
        /// The row's content.
        value: Vec<u8>,
    },
    /// Removes the row, if there is one.
    Delete {
        /// The row's name.
        key: Vec<u8>,
    },
}

impl MetadataChange {
    /// The row's name.
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// Metadata rows in ascending order of their keys.
pub type MetadataRows = Vec<(Vec<u8>, Vec<u8>)>;

/// Logs and metadata of one data directory, or of one server's memory.
pub trait Engine: Send + Sync {
    /// Opens the log, which comes into being when something is appended: its first record gets
    /// position `first`, which is of no account from then on. Opening an open log gives the same
    /// log.
    fn open_log(
        &self,
        id: LogId,
        first: Offset,
    ) -> BoxFuture<'_, Result<Arc<dyn ShardLog>, EngineError>>;

    /// Forgets the logs and everything in them, all or none, at a cost that hardly grows with their
    /// number. Idempotent. The logs' open handles fail from then on.
    fn drop_logs(&self, ids: Vec<LogId>) -> BoxFuture<'_, Result<(), EngineError>>;

    /// All metadata rows.
    fn load_metadata(&self) -> BoxFuture<'_, Result<MetadataRows, EngineError>>;

    /// Makes all changes, or none; durable when it resolves. After an error other than
    /// [`EngineError::Full`] they may be found made when the engine is opened anew.
    fn commit_metadata(
        &self,
        changes: Vec<MetadataChange>,
    ) -> BoxFuture<'_, Result<(), EngineError>>;

    /// Whether writes would be taken now. Turns `Ok` again when space returns.
    ///
    /// # Errors
    /// What a write would fail with.
    fn writable(&self) -> Result<(), EngineError>;

    /// Lets queued commits finish and closes the files. Later calls fail with
    /// [`EngineError::Closed`].
    fn close(&self) -> BoxFuture<'_, Result<(), EngineError>>;
}

/// Why storage refused or failed. Cheap to clone: one failed commit answers many.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No space, or no memory, is left for more records. Nothing was stored; trying again later may
    /// succeed.
    #[error("storage is full: {0}")]
    Full(Arc<str>),
    /// Reading or writing failed.
    #[error("storage failed: {0}")]
    Failed(Arc<str>),
    /// What was read is not what was written.
    #[error("stored data is damaged: {0}")]
    Corrupt(Arc<str>),
    /// The engine was closed, or the log dropped.
    #[error("storage is closed")]
    Closed,
}

impl EngineError {
    /// A failure with its reason.
    pub fn failed(reason: impl fmt::Display) -> Self {
        Self::Failed(reason.to_string().into())
    }
}
