//! Records as the answers of GetRecords and the events of SubscribeToShard tell them.

use std::borrow::Cow;

use millpond_api::{
    shapes::Record,
    types::{Blob, EncryptionType, Timestamp},
};
use millpond_shards::{
    directory::Stream,
    engine::{EngineError, Offset},
    record::RecordView,
    shard::{Charged, Reading, Shard},
    stream::StreamState,
};

/// What a record takes in an answer, beside data and partition key.
const RECORD_BYTES: usize = 200;

/// What an answer takes beside its records.
const FRAME_BYTES: usize = 1024;

/// About what an answer takes: base64 is the longer form.
pub(super) fn bytes(payload_bytes: usize, records: usize) -> usize {
    payload_bytes * 4 / 3 + records * RECORD_BYTES + FRAME_BYTES
}

/// About what records take that have to be opened before they are told.
pub(super) fn opened_bytes(stream: &StreamState, payload_bytes: usize) -> usize {
    if stream.encryption.data_keys.is_empty() { 0 } else { payload_bytes }
}

/// The records of a reading, opened where they are sealed.
pub(super) fn all<'a>(shard: &Shard, reading: &'a Reading) -> Result<Vec<Record<'a>>, EngineError> {
    let mut records = Vec::with_capacity(reading.len());
    // From within: asked for one by one, chunks and records would be gone through twice as slowly.
    reading.records().try_for_each(|view| {
        records.push(record(shard, reading, view)?);
        Ok(())
    })?;
    Ok(records)
}

fn record<'a>(
    shard: &Shard,
    reading: &Reading,
    view: RecordView<'a>,
) -> Result<Record<'a>, EngineError> {
    Ok(Record {
        sequence_number: shard.sequence_number(view.offset, view.arrival),
        approximate_arrival_timestamp: Some(view.arrival),
        data: Blob::Bytes(reading.data(&view)?),
        partition_key: view.partition_key.map(Cow::Borrowed),
        encryption_type: view.seal.map(|_| EncryptionType::Kms),
    })
}

/// Counts records that are told to who reads by GetRecords, in an answer that was `charged` so far.
pub(super) fn charge(
    stream: &Stream,
    shard: &Shard,
    charged: Option<Charged>,
    reading: &Reading,
) -> Charged {
    if let Some(meters) = stream.meters() {
        meters.note_read(reading.payload_bytes());
    }
    shard.charge(charged, reading)
}

/// How far the reader is from the tip, who reads on at `next` in a shard that was `created` then: 0
/// there, else the age of the last record that it got. That is no time while the clock stands, but
/// who is told 0 stops reading.
pub(super) fn millis_behind(
    reading: &Reading,
    next: Offset,
    created: Timestamp,
    now: Timestamp,
) -> i64 {
    if reading.at_end() && next >= reading.next() {
        return 0;
    }
    let reached = reading.newest().unwrap_or(created);
    (now.millis() - reached.millis()).max(1)
}
