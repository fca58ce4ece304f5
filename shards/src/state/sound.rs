//! Whether what the rows of a snapshot tell of can be, before anything relies on it: whoever made
//! them may not have been a server. Pure.

use std::collections::BTreeSet;

use millpond_api::types::{HashKeyRange, StreamStatus, Timestamp};
use millpond_quotas::Clock;

use super::State;
use crate::{
    engine::Offset,
    stream::{
        DAY_MILLIS, Intent, ShardState, StreamState, reshard::ReshardPlan, routing::covers_space,
    },
};

/// Streams and data keys have numbers up to here: twice as many can be given out.
const NUMBER_MAX: u32 = u32::MAX / 2;

/// Shards have indices up to here, likewise.
const INDEX_MAX: i32 = i32::MAX / 2;

/// More shards aren't opened at once.
const SHARDS_MAX: u32 = 1 << 20;

/// The latest time that is told of: that of something due which was asked for when time ended.
const LATEST_MILLIS: i64 = Clock::END.millis() + 366 * DAY_MILLIS;

/// What in `state` can't be; `None` when all of it can.
pub(crate) fn flaw(state: &State) -> Option<String> {
    let mut numbers = BTreeSet::new();
    for stream in state.streams() {
        let is_counted = stream.number < state.next_stream && numbers.insert(stream.number);
        let flaw = if is_counted { flaw_of(stream) } else { Some("its number") };
        if let Some(flaw) = flaw {
            return Some(format!("stream {}: {flaw} can't be", stream.arn));
        }
    }
    let commitments = state.commitments.values();
    let times =
        commitments.flat_map(|commitment| commitment.ends.into_iter().chain([commitment.started]));
    if state.next_stream.0 > NUMBER_MAX || !times.into_iter().all(is_time) {
        return Some("the number of streams, or when an account was settled, can't be".to_owned());
    }
    None
}

fn flaw_of(stream: &StreamState) -> Option<&'static str> {
    let shards = stream.shards.values();
    let checks = [
        (times(stream).into_iter().all(is_time), "one of its times"),
        (stream.trim_floor.millis() <= LATEST_MILLIS, "where it is trimmed"),
        (stream.trim_floor.millis() >= -LATEST_MILLIS, "where it is trimmed"),
        ((0..=INDEX_MAX).contains(&stream.next_shard), "its number of shards"),
        (shards.clone().all(|shard| is_sound(stream, shard)), "one of its shards"),
        (covers(stream.open_shards().map(|shard| shard.range)), "the ranges of its shards"),
        (has_sound_transition(stream), "what it is going through"),
        (has_sound_keys(stream), "its data keys"),
        (stream.on_demand.iter().all(|mode| mode.shards_min() <= SHARDS_MAX), "its throughput"),
    ];
    checks.into_iter().find_map(|(holds, what)| (!holds).then_some(what))
}

fn times(stream: &StreamState) -> Vec<Timestamp> {
    let mut times = vec![stream.created];
    times.extend(stream.due());
    times.extend(stream.transition.iter().map(|transition| transition.due));
    times.extend(stream.shard_count_updates.iter().chain(&stream.mode_switches));
    for consumer in stream.consumers.values() {
        times.extend([consumer.created].into_iter().chain(consumer.due));
    }
    let encryption = &stream.encryption;
    times.extend(encryption.starts.iter().chain(&encryption.stops));
    times.extend(encryption.data_keys.values().filter_map(|key| key.retired));
    times
}

/// Whether service time can have been so.
pub(crate) fn is_time(at: Timestamp) -> bool {
    (0..=LATEST_MILLIS).contains(&at.millis())
}

fn is_sound(stream: &StreamState, shard: &ShardState) -> bool {
    let last = shard.segment();
    let closing = shard.closed.iter();
    (0..stream.next_shard).contains(&shard.id.index())
        && is_time(shard.created)
        && last.from <= Offset::MAX
        && shard.segments.iter().all(|segment| is_time(segment.after))
        && closing.clone().all(|closing| is_time(closing.at))
        && closing.clone().all(|closing| (last.from..=Offset::MAX).contains(&closing.end))
}

fn covers(open: impl Iterator<Item = HashKeyRange>) -> bool {
    let mut ranges: Vec<_> = open.collect();
    ranges.sort_unstable_by_key(|range| range.start());
    covers_space(ranges.into_iter())
}

fn has_sound_transition(stream: &StreamState) -> bool {
    let intent = stream.transition.as_ref().map(|transition| &transition.intent);
    match (stream.status, intent) {
        (StreamStatus::Creating, Some(Intent::Create { shards })) => {
            stream.shards.is_empty() && (1..=SHARDS_MAX).contains(shards)
        }
        (StreamStatus::Updating, Some(Intent::Reshard(plan))) => is_sound_plan(stream, plan),
        (StreamStatus::Deleting, Some(Intent::Delete)) => true,
        (StreamStatus::Updating, Some(Intent::Settle)) | (StreamStatus::Active, None) => {
            stream.open_shards().next().is_some()
        }
        _ => false,
    }
}

fn is_sound_plan(stream: &StreamState, plan: &ReshardPlan) -> bool {
    let closes: BTreeSet<_> = plan.closes.iter().copied().collect();
    let is_open = |id| stream.shard(id).is_ok_and(ShardState::is_open);
    let new = plan.opens.iter();
    let ids: BTreeSet<_> = new.clone().map(|new| new.id.index()).collect();
    let stays = stream.open_shards().filter(|shard| !closes.contains(&shard.id));
    let opens = new.clone().filter(|new| !new.passing).map(|new| new.range);
    let after: Vec<_> = stays.map(|shard| shard.range).chain(opens).collect();
    closes.len() == plan.closes.len()
        && ids.len() == plan.opens.len()
        && closes.iter().all(|id| is_open(*id))
        && ids.iter().all(|id| (stream.next_shard..INDEX_MAX).contains(id))
        && new.clone().all(|new| new.generation <= SHARDS_MAX)
        && !after.is_empty()
        && covers(after.into_iter())
}

fn has_sound_keys(stream: &StreamState) -> bool {
    let encryption = &stream.encryption;
    let has_one = encryption.key_id.is_none() || !encryption.data_keys.is_empty();
    let next = encryption.next_data_key;
    has_one && next <= NUMBER_MAX && encryption.data_keys.keys().all(|number| number.0 < next)
}

#[cfg(test)]
mod tests {
    use millpond_api::types::{HashKeyRange, ShardId};

    use super::*;
    use crate::{
        engine::LogId,
        state::tests::{arn, with_stream},
        stream::{Closing, Segment, StreamNumber, Transition, reshard},
    };

    fn flaw_with(change: impl FnOnce(&mut StreamState)) -> Option<String> {
        let mut state = with_stream("a", 2);
        let mut stream = StreamState::clone(state.stream(&arn("a")).unwrap());
        change(&mut stream);
        state.put(stream);
        flaw(&state)
    }

    fn first(stream: &mut StreamState) -> &mut ShardState {
        stream.shards.get_mut(&ShardId::new(0)).unwrap()
    }

    #[test]
    fn what_a_server_has_written_is_sound() {
        assert_eq!(flaw_with(|_| {}), None);
        for shards in 1..5 {
            let plan = |stream: &mut StreamState| resharded_to(stream, shards, |_| {});
            assert_eq!(flaw_with(plan), None, "2 shards become {shards}");
        }
    }

    fn resharded(stream: &mut StreamState, change: impl FnOnce(&mut ReshardPlan)) {
        resharded_to(stream, 3, change);
    }

    fn resharded_to(stream: &mut StreamState, shards: u32, change: impl FnOnce(&mut ReshardPlan)) {
        let mut plan = reshard::uniform(stream, shards);
        change(&mut plan);
        let due = stream.created;
        stream.status = StreamStatus::Updating;
        stream.transition = Some(Transition { due, intent: Intent::Reshard(plan) });
    }

    #[test]
    fn what_none_has_written_is_named() {
        type Change<'a> = &'a dyn Fn(&mut StreamState);
        let late = Timestamp::from_millis(LATEST_MILLIS + 1);
        let changes: [(&str, Change<'_>); 14] = [
            ("its number", &|stream| stream.number = StreamNumber(9)),
            ("one of its times", &|stream| stream.created = late),
            ("where it is trimmed", &|stream| stream.trim_floor = late),
            ("its number of shards", &|stream| stream.next_shard = i32::MAX),
            ("one of its shards", &|stream| stream.next_shard = 1),
            ("one of its shards", &|stream| first(stream).created = late),
            ("one of its shards", &|stream| first(stream).segments[0].after = late),
            ("one of its shards", &|stream| {
                let from = Offset::MAX.plus(1);
                first(stream).segments = vec![Segment { from, ..Segment::first(LogId::new(1)) }];
            }),
            ("one of its shards", &|stream| {
                let (at, end) = (stream.created, Offset::MAX.plus(1));
                first(stream).closed = Some(Closing { at, end });
            }),
            ("the ranges of its shards", &|stream| first(stream).range = HashKeyRange::FULL),
            ("what it is going through", &|stream| stream.status = StreamStatus::Updating),
            ("what it is going through", &|stream| resharded(stream, |p| p.closes.clear())),
            ("what it is going through", &|stream| resharded(stream, |p| p.opens.clear())),
            ("its data keys", &|stream| stream.encryption.key_id = Some("alias/a".into())),
        ];
        for (what, change) in changes {
            let flaw = flaw_with(change).expect(what);
            assert!(flaw.ends_with(&format!(": {what} can't be")), "{what}: {flaw}");
        }
        assert!(
            flaw(&State { next_stream: StreamNumber(u32::MAX), ..with_stream("a", 1) }).is_some()
        );
    }

    #[test]
    fn a_stream_opens_some_shards_but_not_more_than_memory_has() {
        for (shards, is_sound) in [(0, false), (1, true), (SHARDS_MAX, true), (u32::MAX, false)] {
            let flaw = flaw_with(|stream| {
                stream.shards.clear();
                stream.status = StreamStatus::Creating;
                let (due, intent) = (stream.created, Intent::Create { shards });
                stream.transition = Some(Transition { due, intent });
            });
            assert_eq!(flaw.is_none(), is_sound, "{shards}");
        }
    }
}
