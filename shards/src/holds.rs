//! Which records of which logs are still of use, and giving up the others. A log may be shared:
//! what one stream needs is kept, whoever else does without it.

use std::collections::BTreeMap;

use millpond_api::types::Timestamp;

use crate::{
    engine::{Engine, EngineError, LogId, Offset},
    stream::{StreamState, segments},
};

/// What a log is needed for, by all shards that refer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Where the log begins if nothing was written to it yet.
    pub(crate) first: Offset,
    /// One for each shard.
    pub(crate) shares: Vec<Share>,
}

/// What one shard needs of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// Nothing before this position,
    pub(crate) from: Offset,
    /// and nothing that arrived before this time.
    pub(crate) horizon: Timestamp,
    /// Whether records before `from` were given up, rather than never in the log.
    pub(crate) is_truncated: bool,
    /// The stream's retention period.
    pub(crate) retention_hours: u32,
    /// When the shard was opened.
    pub(crate) created: Timestamp,
}

/// The holds on all logs of these streams. A log without one is about to be dropped.
pub(crate) fn holds<'a>(
    streams: impl Iterator<Item = &'a StreamState>,
    now: Timestamp,
) -> BTreeMap<LogId, Hold> {
    let mut holds = BTreeMap::new();
    for stream in streams {
        let horizon = stream.horizon(now);
        // One that has expired as a whole is forgotten instead.
        for shard in stream.shards.values().filter(|shard| !shard.is_expired(horizon)) {
            let expired = segments::expired(&shard.segments, horizon);
            for (i, segment) in shard.segments.iter().enumerate().skip(expired) {
                let first = segment.from;
                let hold = holds.entry(segment.log);
                let hold = hold.or_insert_with(|| Hold { first, shares: Vec::new() });
                hold.first = hold.first.min(first);
                hold.shares.push(Share {
                    from: segment.from,
                    horizon,
                    is_truncated: i == 0 && segment.from > Offset::ZERO,
                    retention_hours: stream.retention_hours,
                    created: shard.created,
                });
            }
        }
    }
    holds
}

impl Hold {
    /// The share that needs the oldest records.
    pub(crate) fn oldest(&self) -> Option<&Share> {
        self.shares.iter().min_by_key(|share| share.horizon)
    }

    /// No shard needs what is before this position, whatever its age, but it may be there.
    pub(crate) fn truncated_before(&self) -> Offset {
        let from = |share: &Share| if share.is_truncated { share.from } else { Offset::ZERO };
        self.shares.iter().map(from).min().unwrap_or_default()
    }

    /// Gives up what no shard needs.
    ///
    /// # Errors
    /// When storage fails.
    pub(crate) async fn trim(&self, engine: &dyn Engine, log: LogId) -> Result<(), EngineError> {
        let log = engine.open_log(log, self.first).await?;
        let bounds = log.bounds();
        if bounds.is_empty() {
            return Ok(());
        }
        let mut before = bounds.end;
        let mut found: BTreeMap<Timestamp, Offset> = BTreeMap::new();
        for share in &self.shares {
            let unexpired = match found.get(&share.horizon) {
                Some(known) => *known,
                None => log.seek(share.horizon).await?,
            };
            found.insert(share.horizon, unexpired);
            before = before.min(unexpired.max(share.from));
        }
        if before > bounds.start { log.trim(before).await } else { Ok(()) }
    }
}
