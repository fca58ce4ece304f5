//! What the shards have next, read within a bound and ready to be opened.

use std::sync::Arc;

use http::StatusCode;
use millpond_api::types::{ShardId, Timestamp};
use millpond_shards::{
    crypt::Opener,
    directory::Stream,
    engine::Offset,
    shard::{Limit, Reading, Shard},
    stream::encryption::DataKeyNumber,
};

use super::{
    Admin, Fault, Result,
    page::PAGE_BYTES_MAX,
    wanted::{RECORD_BYTES_MAX, Wanted},
};
use crate::answers::AnswerRoom;

/// Bytes of data that are read of one of many shards at a time, or one larger record.
const SHARD_BYTES_MIN: usize = 64 << 10;

/// Bytes that are held of all shards together, and as many as the largest record has beside them
/// while the next shard is read.
const READ_BYTES_MAX: usize = 16 << 20;

/// Bytes that a record takes in an answer beside its data: a guess.
const TOLD_BYTES: usize = 256;

/// A part of each shard, as far as there was room.
#[derive(Default)]
pub(super) struct Readings {
    pub(super) parts: Vec<(Arc<Shard>, Reading)>,
    /// The oldest record of the shards that there was no room for: nothing that comes after it can
    /// be told yet.
    pub(super) until: Option<(Timestamp, ShardId)>,
    bytes: usize,
}

impl Readings {
    /// About what all of it takes in an answer.
    pub(super) fn told_bytes(&self) -> usize {
        let readings = self.parts.iter().map(|(_, reading)| reading);
        readings.map(|r| r.payload_bytes() as usize + r.len() * TOLD_BYTES).sum()
    }
}

/// Reads on in each shard. Who waits for data keys holds nothing.
pub(super) async fn read(
    admin: &Admin,
    stream: &Stream,
    shards: &[(Arc<Shard>, Offset)],
    wanted: &Wanted,
) -> Result<(Readings, AnswerRoom)> {
    let bytes = wanted.answer_bytes_max() + READ_BYTES_MAX + RECORD_BYTES_MAX;
    let mut reader = Reader {
        stream,
        opener: admin.app.domain().crypt().opener(stream),
        horizon: stream.state().horizon(admin.app.domain().now()),
        limit: Limit::new(
            wanted.limit,
            (PAGE_BYTES_MAX / shards.len().max(1)).max(SHARD_BYTES_MIN),
        ),
        missing: Vec::new(),
    };
    loop {
        let room = admin.app.looks().room(bytes).await.ok_or_else(|| {
            let words = "no room for the answer now, as clients take others too slowly";
            Fault::unreadable(StatusCode::SERVICE_UNAVAILABLE, words)
        })?;
        let readings = reader.read(shards).await?;
        if reader.missing.is_empty() {
            return Ok((readings, room));
        }
        drop((readings, room));
        let mut missing = std::mem::take(&mut reader.missing);
        missing.sort_unstable();
        missing.dedup();
        reader.opener.ready(missing).await;
    }
}

struct Reader<'a> {
    stream: &'a Stream,
    opener: Opener<'a>,
    horizon: Timestamp,
    limit: Limit,
    /// Data keys that have to be made ready.
    missing: Vec<DataKeyNumber>,
}

impl Reader<'_> {
    async fn read(&mut self, shards: &[(Arc<Shard>, Offset)]) -> Result<Readings> {
        let mut readings = Readings::default();
        // The shards that there is no room for, each by its oldest record.
        let mut left_out = Vec::new();
        for place in shards {
            let reading = self.part(place).await?;
            let bytes = reading.held_bytes();
            if readings.bytes + bytes > READ_BYTES_MAX && !readings.parts.is_empty() {
                left_out.extend(oldest(&place.0, &reading).map(|oldest| (oldest, place)));
            } else {
                readings.bytes += bytes;
                readings.parts.push((Arc::clone(&place.0), reading));
            }
        }
        left_out.sort_unstable_by_key(|(oldest, _)| *oldest);
        let heads = readings.parts.iter().filter_map(|(shard, reading)| oldest(shard, reading));
        let head = heads.min();
        match left_out.as_slice() {
            [(first, place), rest @ ..] if head.is_none_or(|head| *first < head) => {
                // The record that is to be told first is of a shard that was left out.
                drop(readings);
                let parts = vec![(Arc::clone(&place.0), self.part(place).await?)];
                let until = rest.first().map(|(next, _)| *next).into_iter().chain(head).min();
                Ok(Readings { parts, until, bytes: 0 })
            }
            [(first, _), ..] => Ok(Readings { until: Some(*first), ..readings }),
            [] => Ok(readings),
        }
    }

    async fn part(&mut self, (shard, from): &(Arc<Shard>, Offset)) -> Result<Reading> {
        let reading = shard.read(*from, self.horizon, self.limit).await;
        let arn = &self.stream.state().arn;
        let unreadable = |error| crate::error::unreadable(error, arn, shard.id());
        let mut reading = reading.map_err(unreadable)?;
        self.missing.extend(self.opener.unlock(&mut reading)?);
        Ok(reading)
    }
}

/// When the first record arrived, and its shard, which tells apart what arrived together.
fn oldest(shard: &Shard, reading: &Reading) -> Option<(Timestamp, ShardId)> {
    reading.records().next().map(|record| (record.arrival, shard.id()))
}
