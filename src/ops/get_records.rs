//! GetRecords.

use std::borrow::Cow;

use millpond_api::{
    ErrorKind,
    operations::{GetRecords, GetRecordsInput, GetRecordsOutput},
    shapes::Record,
    types::{Blob, Timestamp},
};
use millpond_quotas::limits;
use millpond_shards::{
    directory::Stream,
    iterator::ShardIterator,
    record::RecordView,
    shard::{Limit, Reading, Shard},
    stream::{Namespace, ShardState},
};

use super::{Cx, Reply, Serve, describe, dry_run};
use crate::{
    answers::AnswerRoom,
    error::{Error, Result, does_not_exist, invalid, read_throttled, unreadable},
};

/// What a record takes in an answer, beside data and partition key.
const RECORD_BYTES: usize = 200;

/// What an answer takes beside its records.
const FRAME_BYTES: usize = 1024;

impl Serve for GetRecords {
    async fn serve<'a>(cx: &'a Cx<'a>, input: GetRecordsInput<'a>) -> Result<Reply> {
        let iterator = open(cx, &input)?;
        let gone = || does_not_exist(&iterator.arn, iterator.shard);
        let snapshot = cx.domain().directory().snapshot();
        let stream = snapshot.stream_of_number(iterator.number).ok_or_else(gone)?;
        let shard = stream.shard(iterator.shard).ok_or_else(gone)?;
        dry_run::check(input.dry_run)?;
        shard.admit_read().map_err(|_| read_throttled(&iterator.arn, iterator.shard))?;
        let limit = Limit {
            records: limits::page_size(input.limit, limits::GET_RECORDS_RECORDS_MAX),
            payload_bytes: limits::GET_RECORDS_BYTES_MAX as usize,
        };
        // Also for the page itself, before it is read: who waits for room holds nothing.
        let page_bytes = limit.payload_bytes + answer_bytes(limit.payload_bytes, limit.records);
        let room = cx.room(page_bytes).await?;
        let horizon = stream.state().horizon(cx.now());
        let reading = shard.read(iterator.position, horizon, limit).await;
        let reading = reading.map_err(|e| unreadable(e, &iterator.arn, iterator.shard))?;
        reply(cx, stream, shard, &reading, iterator, room)
    }
}

/// About what an answer takes: base64 is the longer form.
fn answer_bytes(payload_bytes: usize, records: usize) -> usize {
    payload_bytes * 4 / 3 + records * RECORD_BYTES + FRAME_BYTES
}

/// The iterator, unless it isn't ours, isn't the caller's, or is too old.
fn open(cx: &Cx<'_>, input: &GetRecordsInput<'_>) -> Result<ShardIterator> {
    let text = input.shard_iterator.as_ref();
    // AWS accepts an iterator that is wrapped in quotes.
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let iterator = ShardIterator::open(cx.domain().tokens(), text)
        .filter(|iterator| Namespace::of(&iterator.arn) == *cx.namespace())
        .ok_or_else(|| invalid("Invalid ShardIterator."))?;
    if input.stream_arn.is_some() && cx.address(input.stream())? != iterator.arn {
        return Err(invalid("StreamARN and ShardIterator belong to different streams."));
    }
    let (issued, now) = (iterator.issued, cx.now());
    let life = limits::SHARD_ITERATOR_LIFE.as_millis() as i64;
    if now.millis() - issued.millis() > life {
        return Err(Error(ErrorKind::ExpiredIterator.with(format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which \
             is further in the future than the tolerated delay of {life} milliseconds.",
            long_date(issued),
            long_date(now)
        ))));
    }
    Ok(iterator)
}

fn reply(
    cx: &Cx<'_>,
    stream: &Stream,
    shard: &Shard,
    reading: &Reading,
    iterator: ShardIterator,
    room: AnswerRoom,
) -> Result<Reply> {
    let now = cx.now();
    let state = stream.state().shard(shard.id())?;
    let ended = state.closed.is_some_and(|closing| reading.next() >= closing.end);
    let children = || stream.state().children(state.id).map(describe::child_shard).collect();
    let next = || {
        let iterator = ShardIterator { issued: now, position: reading.next(), ..iterator };
        iterator.seal(cx.domain().tokens()).into()
    };
    let output = GetRecordsOutput {
        records: reading.records().map(|view| record(shard, view)).collect(),
        next_shard_iterator: (!ended).then(next),
        millis_behind_latest: Some(millis_behind(reading, state, now)),
        child_shards: ended.then(children),
    };
    let bytes = answer_bytes(reading.payload_bytes() as usize, reading.len());
    Ok(cx.reply_in(room, &output, bytes))
}

fn record<'a>(shard: &Shard, view: RecordView<'a>) -> Record<'a> {
    Record {
        sequence_number: shard.sequence_number(view.offset, view.arrival).to_string().into(),
        approximate_arrival_timestamp: Some(view.arrival),
        data: Blob::Bytes(Cow::Borrowed(view.data)),
        partition_key: Some(Cow::Borrowed(view.partition_key)),
        encryption_type: None,
    }
}

/// How far the reader is from the tip: 0 there, else the age of the last record that it got.
fn millis_behind(reading: &Reading, state: &ShardState, now: Timestamp) -> i64 {
    if reading.at_end() {
        return 0;
    }
    let reached = reading.newest().unwrap_or(state.created);
    (now.millis() - reached.millis()).max(0)
}

/// As Java prints a date: `Tue Nov 14 22:13:20 UTC 2023`.
fn long_date(at: Timestamp) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(at.seconds());
    let date = date.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    let (weekday, month) = (date.weekday().to_string(), date.month().to_string());
    let (hour, minute, second) = date.to_hms();
    format!(
        "{weekday:.3} {month:.3} {:02} {hour:02}:{minute:02}:{second:02} UTC {}",
        date.day(),
        date.year()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_java_prints_them() {
        let at = Timestamp::from_millis(1_700_000_000_999);
        assert_eq!(long_date(at), "Tue Nov 14 22:13:20 UTC 2023");
    }
}
