//! Records as the answers of GetRecords and the events of SubscribeToShard tell them.

use std::borrow::Cow;

use millpond_api::{
    shapes::Record,
    types::{Blob, Timestamp},
};
use millpond_shards::{
    record::RecordView,
    shard::{Reading, Shard},
    stream::ShardState,
};

/// What a record takes in an answer, beside data and partition key.
const RECORD_BYTES: usize = 200;

/// What an answer takes beside its records.
const FRAME_BYTES: usize = 1024;

/// About what an answer takes: base64 is the longer form.
pub(super) fn bytes(payload_bytes: usize, records: usize) -> usize {
    payload_bytes * 4 / 3 + records * RECORD_BYTES + FRAME_BYTES
}

pub(super) fn record<'a>(shard: &Shard, view: RecordView<'a>) -> Record<'a> {
    Record {
        sequence_number: shard.sequence_number(view.offset, view.arrival).to_string().into(),
        approximate_arrival_timestamp: Some(view.arrival),
        data: Blob::Bytes(Cow::Borrowed(view.data)),
        partition_key: view.partition_key.map(Cow::Borrowed),
        encryption_type: None,
    }
}

/// How far the reader is from the tip: 0 there, else the age of the last record that it got.
pub(super) fn millis_behind(reading: &Reading, state: &ShardState, now: Timestamp) -> i64 {
    if reading.at_end() {
        return 0;
    }
    let reached = reading.newest().unwrap_or(state.created);
    (now.millis() - reached.millis()).max(0)
}
