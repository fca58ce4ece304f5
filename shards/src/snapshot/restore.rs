//! Taking over a snapshot: its records are copied to new logs, then one commit replaces everything.
//! A crash at any step leaves either what was there or the snapshot, and nothing else.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use millpond_api::types::Timestamp;
use millpond_quotas::Time;

use super::{Retries, Writer};
use crate::{
    Error,
    domain::{LAST_SEEN, TOKEN_KEY},
    engine::{Commit, EngineError, LogId, MetadataChange, Offset, RetentionTier, ShardLog},
    snapshot::{Archive, Contents, SnapshotError, StoredLog},
    state::{
        Command, Restored, State, apply,
        restore::{Copied, relocated},
        rows,
    },
    stream::{StreamNumber, StreamState, retention},
    token::KEY_BYTES,
};

/// Bytes of records on their way into storage at a time: well within what the engine queues.
const COPYING_BYTES_MAX: usize = 16 << 20;

/// The key of tokens that a snapshot brought along.
pub(crate) type TokenKey = [u8; KEY_BYTES];

impl Writer {
    /// Replaces everything by what `archive` holds.
    pub(super) async fn restore(
        &mut self,
        archive: &Archive,
    ) -> Result<(Contents, Option<TokenKey>), SnapshotError> {
        let keeping = Arc::clone(&self.services.keeping);
        // The logs that are being filled count as unused: nobody may drop them now.
        let _keeping = keeping.write().await;
        let loaded = rows::load(&archive.rows, self.state.shard_limit)?;
        let number = self.state.next_stream;
        let copies = copies(number, archive);
        let logs: Vec<_> = copies.values().flatten().map(|copy| copy.log).collect();
        self.commit(&Command::Stage { logs }).await?;
        let contents = self.copy(archive, &copies, &tiers(&loaded)).await?;
        self.replace(archive, relocated(&loaded, &copies)).await?;
        let contents = Contents { streams: loaded.streams().count(), ..contents };
        Ok((contents, row(archive, TOKEN_KEY).and_then(|key| key.try_into().ok())))
    }

    /// Copies all records.
    async fn copy(
        &self,
        archive: &Archive,
        copies: &BTreeMap<LogId, Vec<Copied>>,
        tiers: &BTreeMap<LogId, RetentionTier>,
    ) -> Result<Contents, SnapshotError> {
        let mut contents = Contents::default();
        let mut copying = Copying::default();
        let mut opened: Option<(LogId, Arc<dyn ShardLog>)> = None;
        let mut parts = archive.records();
        while let Some(entries) = parts.recv().await {
            for entry in entries? {
                let of_log = copies.get(&entry.log).into_iter().flatten();
                let Some(copy) = of_log.rev().find(|copy| copy.first <= entry.first) else {
                    continue;
                };
                let log = match &opened {
                    Some((log, handle)) if *log == copy.log => Arc::clone(handle),
                    _ => {
                        let handle = self.services.engine.open_log(copy.log, copy.first).await?;
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
        Ok(contents)
    }

    /// Makes the restored state that of the server.
    async fn replace(&mut self, archive: &Archive, restored: Restored) -> Result<(), Error> {
        let before = self.services.engine.load_metadata().await?;
        // Requests that were routed before must not bring back a log that was dropped.
        let sealed = self.seal_all().await;
        if let Some(then) = row(archive, LAST_SEEN).and_then(|bytes| bytes.try_into().ok()) {
            self.services.clock.not_before(Time::from_nanos(u64::from_be_bytes(then)));
        }
        let key = row(archive, TOKEN_KEY);
        let key =
            key.map(|value| MetadataChange::Put { key: TOKEN_KEY.into(), value: value.into() });
        let command = Command::Restore(Box::new(restored));
        let next = apply(&self.state, &command)?;
        let replaced = self.make(next, key.into_iter().collect()).await;
        match &replaced {
            Err(Error::Engine(EngineError::Full(_))) => self.unseal_all(&sealed).await,
            Err(_) => {
                let key = before.into_iter().filter(|(key, _)| key == TOKEN_KEY);
                self.amends.extend(key.map(|(key, value)| MetadataChange::Put { key, value }));
            }
            Ok(()) => {}
        }
        replaced?;
        self.retries = Retries::default();
        // A stream of the same number is another one: no handle is kept.
        self.directory.publish_anew(&self.state);
        self.attendant.acted();
        Ok(())
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

/// A log of this server for each run of records of the snapshot, and one for each log that has
/// none.
fn copies(number: StreamNumber, archive: &Archive) -> BTreeMap<LogId, Vec<Copied>> {
    let mut logs = (0..).map(|index| LogId::new(u64::from(number.0) << 32 | index));
    let mut copy = |first, end, after| Copied {
        log: logs.next().expect("there are more numbers than logs"),
        first,
        end,
        after,
    };
    let copies_of = |(log, stored): (&LogId, &StoredLog)| {
        let mut after = Timestamp::default();
        let mut of_log = Vec::new();
        for run in &stored.runs {
            of_log.push(copy(run.first, run.end, after));
            after = run.last_arrival;
        }
        if of_log.is_empty() {
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

fn row<'a>(archive: &'a Archive, key: &[u8]) -> Option<&'a [u8]> {
    archive.rows.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_slice())
}
