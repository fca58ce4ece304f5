//! SubscribeToShard.

use std::sync::Arc;

use bytes::Bytes;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use millpond_api::{
    Codec, ErrorKind, event_stream,
    operations::{SubscribeToShard, SubscribeToShardEvent, SubscribeToShardInput},
    types::{ConsumerArn, ConsumerStatus, StreamArn},
};
use millpond_quotas::limits;
use millpond_shards::{
    Error as Fact,
    shard::Limit,
    subscription::{Event, Subscription},
};

use super::{
    Cx, Reply, Serve, address, consumers, describe, dry_run,
    injected::{Injected, OnFeed, Told},
    records,
    starting_position::Start,
};
use crate::{
    answers::{AnswerRoom, EventRooms},
    error::{Error, Result, does_not_exist, unreadable},
    faults::Cut,
    policy::Tagging,
};

/// The name of the events that carry records, in the model's words.
const EVENT: &str = "SubscribeToShardEvent";

/// Records in one event at most, as in one answer of GetRecords.
const LARGE: Limit =
    Limit::new(limits::GET_RECORDS_RECORDS_MAX, limits::SUBSCRIPTION_EVENT_BYTES_MAX as usize);

/// The same while there is no room for more. One record may be larger.
const SMALL: Limit = Limit::new(24, 4 << 10);

impl Serve for SubscribeToShard {
    async fn serve<'a>(cx: &'a Cx<'a>, input: SubscribeToShardInput<'a>) -> Result<Reply> {
        let consumer = consumers::parse_arn(&input.consumer_arn)?;
        let found = cx.permitted_consumer(&consumer, Tagging::Nothing)?;
        let arn = &consumer.stream;
        let id = address::shard(arn, &input.shard_id)?;
        let gone = || Fact::ConsumerNotFound { consumer: consumer.clone() };
        let stream = found.ok_or_else(gone)?;
        let state = stream.state();
        if state.consumer(&consumer)?.status != ConsumerStatus::Active {
            return Err(not_active(&consumer));
        }
        let listed = state.listed_shards(cx.now()).any(|shard| shard.id == id);
        let shard = stream.shard(id).filter(|_| listed);
        let shard = shard.ok_or_else(|| does_not_exist(arn, id))?;
        let start = Start::of(cx, arn, shard, &input.starting_position)?;
        dry_run::check(input.dry_run)?;
        let position = start.position(shard).await.map_err(|e| unreadable(e, arn, id))?;
        let ends = cx.after(cx.quotas().lives.subscription);
        let subscription = cx.domain().subscribe(&stream, consumer.clone(), id, position);
        let subscription = subscription.inspect_err(|fact| cx.note_fact(fact))?;
        let faults = cx.injected().map(Injected::on_feed);
        let feed = Feed { subscription, codec: cx.codec(), rooms: cx.event_rooms(), faults };
        Ok(Reply::Events { frames: feed.frames(), ends })
    }
}

/// Other operations say the same with other prepositions.
fn not_active(consumer: &ConsumerArn) -> Error {
    let ConsumerArn { stream: StreamArn { name: stream, account, .. }, name, created } = consumer;
    Error(ErrorKind::ResourceInUse.with(format!(
        "Consumer {name} with creation timestamp {created} under stream: {stream} , account \
         {account} is not in ACTIVE status."
    )))
}

/// A subscription on its way to its consumer.
struct Feed {
    subscription: Subscription,
    codec: Codec,
    rooms: EventRooms,
    faults: Option<OnFeed>,
}

impl Feed {
    fn frames(mut self) -> BoxStream<'static, Result<Bytes, Cut>> {
        let opening = Bytes::from(event_stream::initial_response(self.codec));
        let opening = match &mut self.faults {
            Some(faults) => faults.opening(opening),
            None => opening,
        };
        let events = stream::unfold(self, async |mut feed| {
            let frame = feed.next().await?;
            Some((frame, feed))
        });
        stream::once(async { Ok(opening) }).chain(events).boxed()
    }

    /// The next frame: an event, or the exception that ends the stream.
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let told = match &mut self.faults {
            Some(faults) => faults.next().await,
            None => None,
        };
        let frame = match told {
            None => match self.event().await? {
                Ok((event, room)) => self.frame(&event, room),
                Err(fact) => Err(fact.into()),
            },
            Some(Told::Again(frame)) => Ok(frame),
            Some(Told::Exception(error)) => Err(error),
            Some(Told::Cut) => return Some(Err(Cut)),
            Some(Told::End) => return None,
        };
        let exception = |error: Error| event_stream::exception(&error.0, self.codec);
        frame.or_else(|error| exception(error).map(Bytes::from)).ok().map(Ok)
    }

    /// The next event, with room for its frame.
    ///
    /// Who waits for room holds no records: they are read again. And few consumers wait: while
    /// others stall and hold the room of large events, they are told little at a time.
    async fn event(&mut self) -> Option<Result<(Event, AnswerRoom), Fact>> {
        let (mut limit, mut room) = (LARGE, None);
        loop {
            let event = match self.subscription.next(limit).await? {
                Ok(event) => event,
                Err(fact) => return Some(Err(fact)),
            };
            let bytes = frame_bytes(&event);
            let room_of = self.rooms.of(event.reading.len(), limit == SMALL);
            if let Some(room) = room.take().or_else(|| room_of.room_now(bytes)) {
                self.subscription.told(&event);
                return Some(Ok((event, room)));
            }
            drop(event);
            if limit == SMALL {
                room = room_of.room(bytes).await;
            }
            limit = SMALL;
        }
    }

    /// The event's frame, which holds its room until it is sent.
    fn frame(&mut self, event: &Event, room: AnswerRoom) -> Result<Bytes> {
        let Event { reading, shard, stream, is_last } = event;
        let state = stream.state().shard(shard.id())?;
        let now = self.subscription.now();
        let number = || {
            let arrival = reading.newest().unwrap_or(now);
            shard.number_before(reading.next(), arrival)
        };
        let children = || stream.state().children(state.id).map(describe::child_shard).collect();
        let records = records::all(shard, reading);
        let output = SubscribeToShardEvent {
            records: records.map_err(|e| unreadable(e, &stream.state().arn, shard.id()))?,
            continuation_sequence_number: (!is_last).then(number),
            millis_behind_latest: records::millis_behind(
                reading,
                reading.next(),
                state.created,
                now,
            ),
            child_shards: is_last.then(children),
        };
        let frame = event_stream::event(EVENT, self.codec, &output, frame_bytes(event));
        let frame = frame.expect("a record is smaller than what SDKs accept");
        let frame = Arc::new(room.shrunk_to(frame.capacity())).hold(frame);
        Ok(match &mut self.faults {
            Some(faults) => faults.event(frame, reading),
            None => frame,
        })
    }
}

/// About what the event's frame takes.
fn frame_bytes(event: &Event) -> usize {
    let Event { reading, stream, .. } = event;
    let payload_bytes = reading.payload_bytes() as usize;
    records::bytes(payload_bytes, reading.len())
        + records::opened_bytes(stream.state(), payload_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::SMALL_ANSWER_BYTES_MAX;

    #[test]
    fn a_small_event_needs_no_room() {
        // Also if all of it has to be opened.
        let bytes = records::bytes(SMALL.payload_bytes, SMALL.records) + SMALL.payload_bytes;
        assert!(bytes <= SMALL_ANSWER_BYTES_MAX, "{bytes}");
    }
}
