//! What the cases share: making, storing and reading records in few words.

use std::sync::Arc;

use millpond_api::types::{Blob, Timestamp};

use crate::{
    batch::{Chunk, RecordBatch},
    engine::{Engine, LogId, Offset, Page, ReadLimit, RetentionTier, ShardLog},
};

/// More than any case stores.
pub(super) const EVERYTHING: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };

/// A stored record, as the cases compare it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) arrival: i64,
    pub(super) text: String,
}

pub(super) async fn open(engine: &Arc<dyn Engine>, id: u64) -> Arc<dyn ShardLog> {
    open_in(engine, id, RetentionTier::Standard).await
}

pub(super) async fn open_in(
    engine: &Arc<dyn Engine>,
    id: u64,
    tier: RetentionTier,
) -> Arc<dyn ShardLog> {
    let log = engine.open_log(LogId::new(id), Offset::ZERO).await.expect("a log can be opened");
    log.place(tier);
    log
}

/// Opens a log whose first record gets position `first`.
pub(super) async fn open_at(engine: &Arc<dyn Engine>, id: u64, first: u64) -> Arc<dyn ShardLog> {
    engine.open_log(LogId::new(id), Offset::new(first)).await.expect("a log can be opened")
}

/// One chunk.
pub(super) fn chunk<T: AsRef<[u8]>>(arrival: i64, records: &[T]) -> Chunk {
    let mut batch = RecordBatch::default();
    for data in records {
        batch.push("key", None, &Blob::Bytes(data.as_ref().into()));
    }
    let mut chunks = batch.stamp(Timestamp::from_millis(arrival));
    assert_eq!(chunks.len(), 1, "the records of a case fit one chunk");
    chunks.remove(0)
}

/// Appends one chunk and waits; the position of its first record.
pub(super) async fn put<T: AsRef<[u8]>>(log: &Arc<dyn ShardLog>, at: i64, records: &[T]) -> u64 {
    let first = log.append(vec![chunk(at, records)]).await.expect("an append succeeds");
    first.value()
}

pub(super) async fn trim(log: &Arc<dyn ShardLog>, before: u64) {
    log.trim(Offset::new(before)).await.expect("a log can be trimmed");
}

pub(super) async fn seek(log: &Arc<dyn ShardLog>, at: i64) -> u64 {
    log.seek(Timestamp::from_millis(at)).await.expect("a log can be searched").value()
}

pub(super) async fn page(log: &Arc<dyn ShardLog>, from: u64, limit: ReadLimit) -> Page {
    log.read(Offset::new(from), limit).await.expect("a log can be read")
}

/// The texts of all records from the chunk that holds `from`.
pub(super) async fn texts(log: &Arc<dyn ShardLog>, from: u64) -> Vec<String> {
    entries(&page(log, from, EVERYTHING).await).into_iter().map(|entry| entry.text).collect()
}

/// The offsets of all records that are stored.
pub(super) async fn offsets(log: &Arc<dyn ShardLog>) -> Vec<u64> {
    let stored = page(log, 0, EVERYTHING).await;
    entries(&stored).into_iter().map(|entry| entry.offset).collect()
}

/// The records of a page.
pub(super) fn entries(page: &Page) -> Vec<Entry> {
    let records = page.iter().flat_map(|chunk| chunk.records().expect("a chunk has a header"));
    let records = records.map(|record| record.expect("a record reads back"));
    let entry = |record: crate::record::RecordView<'_>| Entry {
        offset: record.offset.value(),
        arrival: record.arrival.millis(),
        text: String::from_utf8_lossy(record.data).into_owned(),
    };
    records.map(entry).collect()
}

/// First and next position.
pub(super) fn bounds(log: &Arc<dyn ShardLog>) -> (u64, u64) {
    let bounds = log.bounds();
    (bounds.start.value(), bounds.end.value())
}

/// A sequence of numbers that looks random and depends on the seed alone.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}
