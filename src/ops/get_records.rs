//! GetRecords.

mod long;

use millpond_api::{
    ErrorKind,
    operations::{GetRecords, GetRecordsInput, GetRecordsOutput},
    types::Timestamp,
};
use millpond_quotas::limits;
use millpond_shards::{
    directory::Stream,
    iterator::ShardIterator,
    shard::{Limit, Reading, Shard},
    stream::StreamState,
};

use self::long::{LongAnswer, Piece, goes_on};
use super::{Cx, Reply, Serve, address, describe, dry_run, permission::Subject, records};
use crate::{
    error::{Error, Result, does_not_exist, invalid, read_throttled, unreadable},
    faults::Delivery,
    policy::Tagging,
};

/// Bytes of chunks that are read at once: a longer answer is read on as it is sent. What is read,
/// and what is written of it, should fit into a processor's own cache.
const PIECE_BYTES: usize = 3 << 19;

impl Serve for GetRecords {
    async fn serve<'a>(cx: &'a Cx<'a>, input: GetRecordsInput<'a>) -> Result<Reply> {
        let iterator = opened(cx, &input.shard_iterator);
        let iterator = iterator.ok_or_else(|| invalid("Invalid ShardIterator."))?;
        let gone = || does_not_exist(&iterator.arn, iterator.shard);
        let snapshot = cx.domain().directory().snapshot();
        let stream = snapshot.stream_of_number(iterator.number);
        let found = stream.map(AsRef::as_ref);
        cx.permit(&Subject::stream(&iterator.arn, found), Tagging::Nothing)?;
        check(cx, &input, &iterator)?;
        let stream = stream.ok_or_else(gone)?;
        let shard = stream.shard(iterator.shard).ok_or_else(gone)?;
        dry_run::check(input.dry_run)?;
        shard.admit_read().map_err(|refusal| {
            cx.note_throttle(&iterator.arn, iterator.shard, refusal);
            read_throttled(&iterator.arn, iterator.shard)
        })?;
        let limit = limit(cx, &input);
        let piece = read(cx, stream, shard, &iterator, limit).await?;
        let (reading, _) = &piece;
        if cx.injected().is_none() && goes_on(reading, limit.less(reading)) {
            let frames = LongAnswer::frames(cx, (stream, shard), iterator, piece, limit)?;
            return Ok(Reply::Parts { frames });
        }
        let next = match cx.injected().and_then(|faults| faults.delivery(reading)) {
            None => reading.next(),
            Some(Delivery::Duplicate) => iterator.position,
            Some(Delivery::Empty) => return Ok(nothing_yet(cx, reading, iterator)),
        };
        let iterator = ShardIterator { issued: cx.now(), position: next, ..iterator };
        reply(cx, stream, shard, piece, &iterator)
    }
}

/// How much a page holds, and how much of it is read at once: all of it where a fault may be about
/// the page.
fn limit(cx: &Cx<'_>, input: &GetRecordsInput<'_>) -> Limit {
    let records = limits::page_size(input.limit, limits::GET_RECORDS_RECORDS_MAX);
    let limit = Limit::new(records, limits::GET_RECORDS_BYTES_MAX as usize);
    if cx.injected().is_some() { limit } else { Limit { chunk_bytes: PIECE_BYTES, ..limit } }
}

/// Room for a page itself, before it is read, and for what is told of it.
fn page_bytes(stream: &StreamState, limit: Limit) -> usize {
    limit.payload_bytes
        + records::opened_bytes(stream, limit.payload_bytes)
        + records::bytes(limit.payload_bytes, limit.records)
}

/// A page that can be opened, or the beginning of one, and room for it. Who waits, for room or for
/// data keys, holds nothing.
async fn read(
    cx: &Cx<'_>,
    stream: &Stream,
    shard: &Shard,
    iterator: &ShardIterator,
    limit: Limit,
) -> Result<Piece> {
    let mut opener = cx.domain().crypt().opener(stream);
    loop {
        let room = cx.room(page_bytes(stream.state(), limit)).await?;
        let horizon = stream.state().horizon(cx.now());
        let reading = shard.read(iterator.position, horizon, limit).await;
        let mut reading = reading.map_err(|e| unreadable(e, &iterator.arn, iterator.shard))?;
        let missing = opener.unlock(&mut reading)?;
        if missing.is_empty() {
            return Ok((reading, room));
        }
        drop((reading, room));
        opener.ready(missing).await;
    }
}

/// The iterator that a text stands for, unless it isn't ours, or is another region's.
pub(super) fn opened(cx: &Cx<'_>, text: &str) -> Option<ShardIterator> {
    // AWS accepts an iterator that is wrapped in quotes.
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    ShardIterator::open(cx.domain().tokens(), text)
        .filter(|iterator| iterator.arn.region == cx.namespace().region)
}

/// Checks that the iterator is of the stream that is named beside it, and not too old.
fn check(cx: &Cx<'_>, input: &GetRecordsInput<'_>, iterator: &ShardIterator) -> Result<()> {
    if input.stream_arn.is_some() && address::resolve(cx, input.stream())? != iterator.arn {
        cx.address(input.stream())?;
        return Err(invalid("StreamARN and ShardIterator belong to different streams."));
    }
    let (issued, now) = (iterator.issued, cx.now());
    let life = cx.quotas().lives.iterator.as_millis() as i64;
    let issued = cx.injected().map_or(issued, |faults| faults.issued(issued, now, life));
    if now.millis() - issued.millis() > life {
        return Err(Error(ErrorKind::ExpiredIterator.with(format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which \
             is further in the future than the tolerated delay of {life} milliseconds.",
            long_date(issued),
            long_date(now)
        ))));
    }
    Ok(())
}

/// The answer that tells none of the records, which the next one begins with.
fn nothing_yet(cx: &Cx<'_>, reading: &Reading, iterator: ShardIterator) -> Reply {
    let now = cx.now();
    let first = reading.records().next().map_or(now, |record| record.arrival);
    let iterator = ShardIterator { issued: now, ..iterator };
    cx.reply(&GetRecordsOutput {
        records: Vec::new(),
        next_shard_iterator: Some(iterator.seal(cx.domain().tokens()).into()),
        // 0 would say that there is nothing more.
        millis_behind_latest: Some((now.millis() - first.millis()).max(1)),
        child_shards: None,
    })
}

/// The answer that tells the records, and goes on with `next`.
fn reply(
    cx: &Cx<'_>,
    stream: &Stream,
    shard: &Shard,
    (reading, room): Piece,
    next: &ShardIterator,
) -> Result<Reply> {
    let reading = &reading;
    let now = cx.now();
    let state = stream.state().shard(shard.id())?;
    // Never with records: Telegraf and others drop what comes beside the end.
    let closed = state.closed.is_some_and(|closing| reading.next() >= closing.end);
    let ended = closed && reading.is_empty();
    let children = || stream.state().children(state.id).map(describe::child_shard).collect();
    let behind = records::millis_behind(reading, next.position, state.created, now);
    let next = || next.seal(cx.domain().tokens()).into();
    let records = records::all(shard, reading);
    let records = records.map_err(|e| unreadable(e, &stream.state().arn, shard.id()))?;
    records::charge(stream, shard, None, reading);
    let output = GetRecordsOutput {
        records,
        next_shard_iterator: (!ended).then(next),
        millis_behind_latest: Some(behind),
        child_shards: ended.then(children),
    };
    let bytes = records::bytes(reading.payload_bytes() as usize, reading.len());
    Ok(cx.reply_in(room, &output, bytes))
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
