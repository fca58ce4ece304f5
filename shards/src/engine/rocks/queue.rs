//! The committer's queue: what waits for the next write, in the order of the calls, within a bound.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{keys::Minute, log::LogState};
use crate::{
    batch::Chunk,
    engine::{EngineError, MetadataChange, Offset},
};

/// Bytes of records that may wait. Whoever appends more waits in turn: for one commit, since that
/// makes room.
pub(super) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes that one entry counts for beside its records.
const ENTRY_BYTES: usize = 256;

/// Where the outcome of a change goes. Nobody may be waiting any more.
pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// A change that waits for the next write.
#[derive(Debug)]
pub(super) enum Change {
    Append {
        log: Arc<LogState>,
        chunks: Vec<Chunk>,
        reply: Reply<Offset>,
    },
    /// Gives up what is before `to`, the first position of a chunk or the end, and the time index
    /// before the minute of the record at `to`.
    Trim {
        log: Arc<LogState>,
        to: Offset,
        minute: Minute,
        reply: Reply<()>,
    },
    Drop {
        logs: Vec<Arc<LogState>>,
        reply: Reply<()>,
    },
    Metadata {
        changes: Vec<MetadataChange>,
        reply: Reply<()>,
    },
    /// A write that changes nothing, to find out whether writes are taken.
    Probe,
}

impl Change {
    /// Bytes that the change takes in the queue.
    pub(super) fn bytes(&self) -> usize {
        let payload: usize = match self {
            Self::Append { chunks, .. } => chunks.iter().map(|chunk| chunk.bytes().len()).sum(),
            Self::Metadata { changes, .. } => changes.iter().map(metadata_bytes).sum(),
            Self::Trim { .. } | Self::Drop { .. } | Self::Probe => 0,
        };
        payload + ENTRY_BYTES
    }
}

fn metadata_bytes(change: &MetadataChange) -> usize {
    match change {
        MetadataChange::Put { key, value } => key.len() + value.len(),
        MetadataChange::Delete { key } => key.len(),
    }
}

/// Changes on their way to the committer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<(usize, Change)>,
    bytes: usize,
    /// Changes after which the taker is told.
    awaited: usize,
    closed: bool,
}

/// How long a taker waits for more once there is something to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// Until so many changes wait,
    pub(super) changes: usize,
    /// but no longer than this.
    pub(super) limit: Duration,
}

impl Patience {
    /// Takes what there is.
    pub(super) const NONE: Self = Self { changes: 0, limit: Duration::ZERO };
}

impl Queue {
    /// Puts `change` behind all that waits.
    ///
    /// # Errors
    /// [`EngineError::Closed`] once the queue was closed.
    pub(super) fn push(&self, change: Change) -> Result<(), EngineError> {
        let bytes = change.bytes();
        let no_room = |waiting: &mut Waiting| {
            !waiting.closed && waiting.bytes > 0 && waiting.bytes + bytes > QUEUE_BYTES_MAX
        };
        let waiting = self.lock();
        let mut waiting =
            self.drained.wait_while(waiting, no_room).unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Err(EngineError::Closed);
        }
        waiting.bytes += bytes;
        waiting.changes.push_back((bytes, change));
        if waiting.changes.len() == waiting.awaited {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for changes, and with `patience` for more of them, and takes them: all of `bytes_max`,
    /// but at least one. `None` once the queue was closed and everything in it taken.
    pub(super) fn take(&self, bytes_max: usize, patience: Patience) -> Option<Vec<Change>> {
        let mut waiting = self.lock();
        waiting.awaited = 1;
        let nothing = |waiting: &mut Waiting| waiting.changes.is_empty() && !waiting.closed;
        let mut waiting =
            self.filled.wait_while(waiting, nothing).unwrap_or_else(PoisonError::into_inner);
        waiting.awaited = patience.changes;
        let too_few = |waiting: &mut Waiting| {
            waiting.changes.len() < patience.changes && waiting.bytes < bytes_max && !waiting.closed
        };
        let (mut waiting, _) = self
            .filled
            .wait_timeout_while(waiting, patience.limit, too_few)
            .unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        let mut room = bytes_max;
        while let Some((bytes, change)) =
            waiting.changes.pop_front_if(|(bytes, _)| *bytes <= room || taken.is_empty())
        {
            room = room.saturating_sub(bytes);
            waiting.bytes -= bytes;
            taken.push(change);
        }
        self.drained.notify_all();
        (!taken.is_empty()).then_some(taken)
    }

    /// Refuses further changes. What waits is still to be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    /// Refuses further changes and drops those that wait, which tells whoever waits for them.
    pub(super) fn abandon(&self) {
        self.close();
        while self.take(usize::MAX, Patience::NONE).is_some() {}
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Whole between any two statements that can panic, so a panic elsewhere spoils nothing.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
