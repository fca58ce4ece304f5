//! Making a snapshot: metadata at one moment, and every record that was acknowledged before it.

use std::{collections::BTreeMap, path::Path};

use millpond_api::types::Timestamp;
use minicbor::bytes::ByteVec;

use super::{
    Contents, FORMAT_VERSION, LogRow, METADATA, MetadataPart, RECORDS_BYTES, RECORDS_PREFIX,
    SnapshotError, VERSION, parts::Sink,
};
use crate::{
    domain::note_of_time,
    engine::{Engine, EngineError, LogId, MetadataChange, MetadataRows, Offset, ReadLimit},
    services::Services,
    state::{ShardLimit, State, rows},
    stream::{Segment, segments},
};

/// Reads of logs, for the snapshot.
const PAGE: ReadLimit = ReadLimit { records: usize::MAX, bytes: 2 << 20 };

/// What of a log a snapshot needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// Where that begins, or the log, if nothing was written to it yet.
    from: Offset,
    /// Records before this position are known to have been stored.
    to: Offset,
    /// Whether more may have been.
    is_open: bool,
}

/// Writes a snapshot of everything to `path`.
pub(crate) async fn write(services: &Services, path: &Path) -> Result<Contents, SnapshotError> {
    let path_of_sink = path.to_owned();
    let mut parts = Parts::new(blocking(move || Sink::create(&path_of_sink)).await?);
    // From now on nothing is trimmed or dropped.
    let _keeping = services.keeping.write().await;
    let engine = services.engine.as_ref();
    let known = ends(engine, &wanted(&load(&engine.load_metadata().await?)?)).await?;
    // Only now: whatever records before these ends were sealed under is among the rows.
    let rows = with_time(services, engine.load_metadata().await?);
    let (state, now) = (load(&rows)?, services.now());
    parts.contents.streams = state.streams().count();
    parts.store(VERSION.to_owned(), format!("{FORMAT_VERSION}\n").into_bytes()).await?;
    let mut logs = Vec::new();
    for (log, wanted) in wanted(&state) {
        let end = known.get(&log).filter(|_| wanted.is_open).copied();
        let end = end.unwrap_or_default().max(wanted.to);
        let last_arrival = parts.copy(engine, log, wanted.from, end).await?;
        // What arrived later isn't before that end.
        logs.push(LogRow::of(log, end, last_arrival.min(now)));
    }
    parts.flush().await?;
    let is_kept = |(key, _): &(Vec<u8>, Vec<u8>)| !rows::is_unused_log(key);
    let bytes = |(key, value)| (ByteVec::from(key), ByteVec::from(value));
    let rows = rows.into_iter().filter(is_kept).map(bytes).collect();
    let metadata = minicbor::to_vec(MetadataPart { rows, logs });
    let metadata = metadata.expect("encoding into memory doesn't fail");
    parts.store(METADATA.to_owned(), metadata).await?;
    parts.finish().await
}

fn load(rows: &MetadataRows) -> Result<State, EngineError> {
    rows::load(rows, ShardLimit::Aws)
}

/// Where the logs end that are written to.
async fn ends(
    engine: &dyn Engine,
    wanted: &BTreeMap<LogId, Wanted>,
) -> Result<BTreeMap<LogId, Offset>, EngineError> {
    let mut ends = BTreeMap::new();
    for (log, wanted) in wanted.iter().filter(|(_, wanted)| wanted.is_open) {
        ends.insert(*log, engine.open_log(*log, wanted.from).await?.bounds().end);
    }
    Ok(ends)
}

/// The rows, with the service time of now among them.
fn with_time(services: &Services, rows: MetadataRows) -> MetadataRows {
    let mut rows = BTreeMap::from_iter(rows);
    if let MetadataChange::Put { key, value } = note_of_time(services.clock.now()) {
        rows.insert(key, value);
    }
    rows.into_iter().collect()
}

/// What the snapshot needs of each log.
fn wanted(state: &State) -> BTreeMap<LogId, Wanted> {
    let mut logs: BTreeMap<LogId, Wanted> = BTreeMap::new();
    for shard in state.streams().flat_map(|stream| stream.shards.values()) {
        let older = segments::older(&shard.segments).map(|older| (older.segment, Some(older.to)));
        let own = (shard.segment(), shard.closed.map(|closing| closing.end));
        for (segment, to) in older.chain([own]) {
            let Segment { log, from, .. } = segment;
            let known = logs.entry(log).or_insert(Wanted { from, to: from, is_open: false });
            known.from = known.from.min(from);
            // A truncated shard begins where it ended.
            known.to = known.to.max(to.unwrap_or(from));
            known.is_open |= to.is_none();
        }
    }
    logs
}

/// The parts, as far as they are filled.
struct Parts {
    sink: Option<Sink>,
    records: Vec<u8>,
    files: usize,
    contents: Contents,
}

impl Parts {
    fn new(sink: Sink) -> Self {
        Self { sink: Some(sink), records: Vec::new(), files: 0, contents: Contents::default() }
    }

    /// Copies a part of a log; when the last record of the log arrived.
    async fn copy(
        &mut self,
        engine: &dyn Engine,
        log: LogId,
        mut from: Offset,
        end: Offset,
    ) -> Result<Timestamp, SnapshotError> {
        let opened = engine.open_log(log, from).await?;
        while from < end {
            let page = opened.read(from, PAGE).await?;
            let mut next = end;
            for chunk in page.iter().filter(|chunk| chunk.first < end) {
                let records = chunk.records()?.remaining();
                next = chunk.first.plus(records.into());
                self.add(log, chunk.first, &chunk.bytes, records);
            }
            from = next;
            if self.records.len() >= RECORDS_BYTES {
                self.flush().await?;
            }
        }
        Ok(opened.last_arrival())
    }

    fn add(&mut self, log: LogId, first: Offset, chunk: &[u8], records: u32) {
        self.records.extend(log.value().to_be_bytes());
        self.records.extend(first.value().to_be_bytes());
        self.records.extend((chunk.len() as u32).to_be_bytes());
        self.records.extend(chunk);
        self.contents.records += u64::from(records);
        self.contents.bytes += chunk.len() as u64;
    }

    /// Stores the records that were added since the last time.
    async fn flush(&mut self) -> Result<(), SnapshotError> {
        if self.records.is_empty() {
            return Ok(());
        }
        self.files += 1;
        let records = std::mem::take(&mut self.records);
        self.store(format!("{RECORDS_PREFIX}{:06}", self.files), records).await
    }

    async fn store(&mut self, name: String, content: Vec<u8>) -> Result<(), SnapshotError> {
        let mut sink = self.sink.take().expect("it is there but while a part is stored");
        let stored = blocking(move || {
            sink.put(&name, &content)?;
            Ok(sink)
        });
        self.sink = Some(stored.await?);
        Ok(())
    }

    async fn finish(self) -> Result<Contents, SnapshotError> {
        let sink = self.sink.expect("it is there but while a part is stored");
        blocking(move || sink.finish()).await?;
        Ok(self.contents)
    }
}

/// Does `work` where waiting for the disk holds up nobody.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(crate::engine::EngineError::failed(error).into()))
}
