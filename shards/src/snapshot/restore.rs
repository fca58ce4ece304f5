//! Taking over a snapshot: its records are copied to new logs, then one commit replaces everything.
//! A crash at any step, or who gives up, leaves what was there or the snapshot, and nothing else.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use millpond_api::types::Timestamp;

use super::{Archive, Contents, SnapshotError, StoredLog, archive::Entry};
use crate::{
    control::{Control, Replacement},
    engine::{Commit, Engine, EngineError, LogId, Offset, RetentionTier, ShardLog},
    services::Services,
    state::{
        State,
        replace::{Copied, relocated},
    },
    stream::{StreamState, retention},
};

/// Bytes of records on their way into storage at a time: well within what the engine queues.
const COPYING_BYTES_MAX: usize = 16 << 20;

/// What is wrong with a snapshot that isn't what it was a moment ago.
const CHANGED: &str = "records have gone from it, or changed, since it was read through";

/// What of each log of the snapshot goes where.
type Copies = BTreeMap<LogId, Vec<Copied>>;

/// Replaces everything by what the snapshot at `path` holds.
pub(crate) async fn restore(
    services: &Services,
    control: &Control,
    path: &Path,
) -> Result<Contents, SnapshotError> {
    take_over(services, control, Archive::open(path).await?).await
}

/// Replaces everything by what is in a snapshot that was read through.
pub(super) async fn take_over(
    services: &Services,
    control: &Control,
    archive: Archive,
) -> Result<Contents, SnapshotError> {
    let told = archive.told()?;
    let mut copies = copies(&archive);
    let damaged = || archive.damaged("a stream has records that aren't there");
    relocated(&told.state, &copies).ok_or_else(damaged)?;
    // The logs that are being filled count as unused: nobody may drop them now.
    let keeping = Arc::clone(&services.keeping).write_owned().await;
    let logs = control.stage(copies.values().map(Vec::len).sum()).await?;
    for (copy, log) in copies.values_mut().flatten().zip(logs) {
        copy.log = log;
    }
    let restored = relocated(&told.state, &copies).ok_or_else(damaged)?;
    let contents = copy(services.engine.as_ref(), &archive, &copies, &tiers(&told.state)).await?;
    let contents = Contents { streams: restored.streams.len(), ..contents };
    let (token_key, seen) = (told.token_key, told.seen);
    control.restore(Replacement { restored, token_key, seen, keeping }).await?;
    Ok(contents)
}

/// Copies all records, which must be those that were there when the snapshot was read through.
async fn copy(
    engine: &dyn Engine,
    archive: &Archive,
    copies: &Copies,
    tiers: &BTreeMap<LogId, RetentionTier>,
) -> Result<Contents, SnapshotError> {
    let mut contents = Contents::default();
    let mut copying = Copying::default();
    let mut opened: Option<(LogId, Arc<dyn ShardLog>)> = None;
    let mut left = Left::of(copies);
    let mut parts = archive.records();
    while let Some(entries) = parts.recv().await {
        for entry in entries? {
            let of_log = copies.get(&entry.log).into_iter().flatten();
            let Some(copy) = of_log.rev().find(|copy| copy.first <= entry.first) else {
                continue;
            };
            if !left.take(copy, &entry) {
                return Err(archive.damaged(CHANGED));
            }
            let log = match &opened {
                Some((log, handle)) if *log == copy.log => Arc::clone(handle),
                _ => {
                    let handle = engine.open_log(copy.log, copy.first).await?;
                    handle.place(tiers.get(&entry.log).copied().unwrap_or_default());
                    opened = Some((copy.log, Arc::clone(&handle)));
                    handle
                }
            };
            contents.records += u64::from(entry.chunk.records());
            let bytes = entry.chunk.bytes().len();
            contents.bytes += bytes as u64;
            copying.add(bytes, entry.first, log.append(vec![entry.chunk])).await?;
        }
    }
    copying.finish().await?;
    // Parts that are gone, or whose reader is, show by nothing else.
    if left.any() { Err(archive.damaged(CHANGED)) } else { Ok(contents) }
}

/// What is left to be copied: where, in each log that isn't complete, and where it will end.
struct Left(BTreeMap<LogId, (Offset, Offset)>);

impl Left {
    fn of(copies: &Copies) -> Self {
        let all = copies.values().flatten().filter(|copy| copy.first < copy.end);
        Self(all.map(|copy| (copy.log, (copy.first, copy.end))).collect())
    }

    /// Takes these records off; whether they are the next.
    fn take(&mut self, copy: &Copied, entry: &Entry) -> bool {
        let Some((next, end)) = self.0.get_mut(&copy.log) else { return false };
        if *next != entry.first {
            return false;
        }
        *next = entry.first.plus(entry.chunk.records().into());
        let (goes_on, is_complete) = (*next <= *end, *next == *end);
        if is_complete {
            self.0.remove(&copy.log);
        }
        goes_on
    }

    fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Appends that are under way.
#[derive(Default)]
struct Copying {
    commits: FuturesOrdered<BoxFuture<'static, Result<usize, EngineError>>>,
    bytes: usize,
}

impl Copying {
    async fn add(
        &mut self,
        bytes: usize,
        first: Offset,
        commit: Commit,
    ) -> Result<(), EngineError> {
        self.commits.push_back(Box::pin(async move {
            if commit.await? == first {
                return Ok(bytes);
            }
            Err(EngineError::Corrupt("records of a snapshot are at the wrong positions".into()))
        }));
        self.bytes += bytes;
        while self.bytes > COPYING_BYTES_MAX {
            self.next().await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(), EngineError> {
        while !self.commits.is_empty() {
            self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<(), EngineError> {
        if let Some(bytes) = self.commits.next().await {
            self.bytes -= bytes?;
        }
        Ok(())
    }
}

/// A copy of each run of records of the snapshot, and one of nothing where a log ends without one:
/// what is written next is at the same position as it would have been. They have no logs yet.
fn copies(archive: &Archive) -> Copies {
    let copy = |first, end, after| Copied { log: LogId::new(0), first, end, after };
    let copies_of = |(log, stored): (&LogId, &StoredLog)| {
        let mut after = Timestamp::default();
        let mut of_log = Vec::new();
        let mut end = None;
        for run in &stored.runs {
            of_log.push(copy(run.first, run.end, after));
            (after, end) = (run.last_arrival, Some(run.end));
        }
        if end.is_none_or(|end| end < stored.end) {
            of_log.push(copy(stored.end, stored.end, stored.last_arrival));
        }
        (*log, of_log)
    };
    archive.logs.iter().map(copies_of).collect()
}

/// How long the records of each log are expected to live.
fn tiers(state: &State) -> BTreeMap<LogId, RetentionTier> {
    let of_stream = |stream: &Arc<StreamState>| {
        let tier = retention::tier(stream.retention_hours);
        let segments = stream.shards.values().flat_map(|shard| &shard.segments);
        segments.map(|segment| (segment.log, tier)).collect::<Vec<_>>()
    };
    state.streams().flat_map(of_stream).collect()
}
