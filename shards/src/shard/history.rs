//! The older segments of a shard: logs that it doesn't write, opened when they are read.

use std::sync::Arc;

use millpond_api::types::Timestamp;
use tokio::sync::OnceCell;

use crate::{
    engine::{Engine, EngineError, Offset, ShardLog},
    stream::{
        Segment,
        segments::{self, Older},
    },
};

/// Where a shard's records are, but for those in the log that it writes. Replaced as a whole.
pub(super) struct History {
    segments: Vec<Segment>,
    older: Vec<Arc<OlderLog>>,
}

/// The log of a segment with a successor.
pub(super) struct OlderLog {
    of: Older,
    log: OnceCell<Arc<dyn ShardLog>>,
}

impl History {
    pub(super) fn of(segments: &[Segment]) -> Self {
        let older = segments::older(segments).map(OlderLog::new).map(Arc::new).collect();
        Self { segments: segments.to_vec(), older }
    }

    /// The history that follows this one; `None` when it is the same. Logs that are open stay so.
    pub(super) fn followed_by(&self, segments: &[Segment]) -> Option<Self> {
        if self.segments == segments {
            return None;
        }
        let known = |of: Older| {
            let same = self.older.iter().find(|older| older.of == of).cloned();
            same.unwrap_or_else(|| Arc::new(OlderLog::new(of)))
        };
        let older = segments::older(segments).map(known).collect();
        Some(Self { segments: segments.to_vec(), older })
    }

    /// Position of the oldest record that can be read.
    pub(super) fn begins(&self) -> Offset {
        self.segments.first().map(|first| first.from).unwrap_or_default()
    }

    /// Whether there are older segments.
    pub(super) fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// The logs of the older segments that hold records at or after `from`, and any that arrived
    /// at or after `horizon`, in order.
    pub(super) fn older_from(
        &self,
        from: Offset,
        horizon: Timestamp,
    ) -> impl Iterator<Item = &OlderLog> {
        let older = self.older.iter().map(AsRef::as_ref);
        older.filter(move |older| older.of.to > from && older.of.until >= horizon)
    }
}

impl OlderLog {
    fn new(of: Older) -> Self {
        Self { of, log: OnceCell::new() }
    }

    /// Position of the segment's first record.
    pub(super) fn begins(&self) -> Offset {
        self.of.segment.from
    }

    /// The position after its last record.
    pub(super) fn ends(&self) -> Offset {
        self.of.to
    }

    pub(super) async fn log(&self, engine: &dyn Engine) -> Result<&dyn ShardLog, EngineError> {
        let open = || engine.open_log(self.of.segment.log, self.of.segment.from);
        self.log.get_or_try_init(open).await.map(AsRef::as_ref)
    }
}
