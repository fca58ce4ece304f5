//! Forks share what was there, and nothing that comes later; logs go when the last sharer does.

use millpond_api::types::{HashKey, ShardId};
use millpond_quotas::Counts;

use super::*;
use crate::{
    engine::Offset,
    state::{
        Command, ConsumerCommand, EncryptionCommand, ShardLimit, apply,
        replace::{Restored, emptied, restored},
        rows,
        tests::{arn, at, rows_of, settle, with_stream},
    },
    stream::Segment,
};

fn ends(stream: &StreamState, end: u64) -> Vec<ShardEnd> {
    let ends = |shard: &ShardState| ShardEnd {
        shard: shard.id,
        end: Offset::new(end),
        last_arrival: at(99),
    };
    stream.open_shards().map(ends).collect()
}

fn fork_of(state: &State, from: &str, to: &str, end: u64) -> Fork {
    let stream = state.stream(&arn(from)).unwrap();
    let key = stream.encryption.key_id.clone();
    let key = key.map(|key_id| ForkKey { key_id, wrapped: vec![9] });
    let (from, to, log_number) = (arn(from), arn(to), stream.log_number);
    Fork { from, log_number, to, ends: ends(stream, end), key }
}

fn fork(state: &State, from: &str, to: &str, end: u64) -> Result<State, Error> {
    apply(state, &Command::Fork { forks: vec![fork_of(state, from, to, end)], now: at(120) })
}

fn truncate(state: &State, name: &str, end: u64) -> State {
    let stream = state.stream(&arn(name)).unwrap();
    let (ends, log_number) = (ends(stream, end), stream.log_number);
    apply(state, &Command::Truncate { stream: arn(name), log_number, ends }).unwrap()
}

fn delete(state: &State, name: &str) -> State {
    let stream = arn(name);
    let delete = Command::DeleteStream { stream, enforce_consumer_deletion: true, due: at(130) };
    settle(&apply(state, &delete).unwrap(), name, at(130))
}

fn segments(state: &State, name: &str) -> Vec<(u64, u64)> {
    let shard = state.stream(&arn(name)).unwrap().shards[&ShardId::new(0)].clone();
    shard.segments.iter().map(|s| (s.log.value() >> 32, s.from.value())).collect()
}

#[test]
fn a_fork_shares_what_was_there_and_writes_a_log_of_its_own() {
    let state = fork(&with_stream("a", 2), "a", "b", 7).unwrap();
    let (base, fork) = (state.stream(&arn("a")).unwrap(), state.stream(&arn("b")).unwrap());
    assert_eq!((fork.status, fork.number), (StreamStatus::Active, StreamNumber(2)));
    assert_eq!((&fork.tags, fork.created), (&base.tags, base.created));
    assert_eq!(
        (segments(&state, "a"), segments(&state, "b")),
        (vec![(1, 0)], vec![(1, 0), (2, 7)])
    );
    for (shard, of_base) in fork.shards.values().zip(base.shards.values()) {
        assert_eq!((shard.id, shard.range), (of_base.id, of_base.range));
        assert_eq!(shard.starting_sequence_number(), of_base.starting_sequence_number());
    }
}

#[test]
fn a_fork_needs_a_name_and_room_of_its_own() {
    let state = with_stream("a", 2);
    assert_eq!(fork(&state, "a", "a", 7), Err(Error::StreamExists { stream: arn("a") }));
    let mut narrow = state.clone();
    narrow.shard_limit = ShardLimit::Fixed(3);
    assert!(matches!(fork(&narrow, "a", "b", 7), Err(Error::ShardLimit { .. })));
    let mut of_another = fork_of(&state, "a", "b", 7);
    of_another.log_number = StreamNumber(9);
    let refused = apply(&state, &Command::Fork { forks: vec![of_another], now: at(120) });
    assert_eq!(refused, Err(Error::StreamNotFound { stream: arn("a") }));
    let two = vec![fork_of(&state, "a", "b", 7), fork_of(&state, "a", "b", 7)];
    let refused = apply(&state, &Command::Fork { forks: two, now: at(120) });
    assert_eq!(refused, Err(Error::StreamExists { stream: arn("b") }), "all of them or none");
}

/// Where the one ended says nothing of the other, even if both have the same number.
#[test]
fn what_was_made_of_a_look_before_a_restore_is_refused_after_it() {
    let state = with_stream("a", 1);
    let stream = StreamState::clone(state.stream(&arn("a")).unwrap());
    let (log_number, next_stream) = (stream.log_number, state.next_stream);
    let ends = ends(&stream, 7);
    let data_key = crate::stream::encryption::DataKeyNumber(1);
    let commands = [
        Command::Fork { forks: vec![fork_of(&state, "a", "b", 7)], now: at(120) },
        Command::Truncate { stream: arn("a"), log_number, ends },
        Command::Encryption(EncryptionCommand::Lease {
            stream: arn("a"),
            log_number,
            data_key,
            lease: 0,
        }),
    ];
    let commitments = BTreeMap::new();
    let restored = restored(&state, Restored { streams: vec![stream], commitments, next_stream });
    for command in commands {
        let refused = apply(&restored, &command);
        assert_eq!(refused, Err(Error::StreamNotFound { stream: arn("a") }), "{command:?}");
    }
    assert_eq!(segments(&truncate(&restored, "a", 3), "a").len(), 1, "it is asked anew");
}

#[test]
fn logs_are_dropped_when_the_last_sharer_is_gone() {
    let state = fork(&with_stream("a", 1), "a", "b", 7).unwrap();
    let state = fork(&state, "b", "c", 9).unwrap();
    assert_eq!(segments(&state, "c"), [(1, 0), (2, 7), (3, 9)]);
    let gone =
        |state: &State| state.unused_logs.iter().map(|l| l.value() >> 32).collect::<Vec<_>>();
    let state = delete(&state, "a");
    assert_eq!(gone(&state), [0; 0]);
    let state = delete(&state, "b");
    assert_eq!(gone(&state), [0; 0]);
    assert_eq!(gone(&delete(&state, "c")), [1, 2, 3]);
    let truncated = truncate(&state, "c", 8);
    assert_eq!((segments(&truncated, "c"), gone(&truncated)), (vec![(2, 8), (3, 9)], vec![1]));
    let truncated = truncate(&truncated, "c", 12);
    assert_eq!((segments(&truncated, "c"), gone(&truncated)), (vec![(3, 12)], vec![1, 2]));
}

#[test]
fn a_truncation_never_goes_back_and_spares_what_came_later() {
    let state = truncate(&with_stream("a", 1), "a", 7);
    assert_eq!(segments(&state, "a"), [(1, 7)]);
    assert_eq!(segments(&truncate(&state, "a", 3), "a"), [(1, 7)]);
    let forked = fork(&state, "a", "b", 3).unwrap();
    assert_eq!(segments(&forked, "b"), [(2, 7)], "the end was looked up before");
}

#[test]
fn shards_that_closed_meanwhile_are_shared_whole() {
    let state = with_stream("a", 1);
    let early = fork_of(&state, "a", "b", 3);
    let (stream, shard, at_key) = (arn("a"), ShardId::new(0), HashKey::new(1 << 127));
    let split = Command::SplitShard { stream, shard, at: at_key, due: at(110) };
    let state = settle(&apply(&state, &split).unwrap(), "a", at(110));
    let state = apply(&state, &Command::Fork { forks: vec![early], now: at(120) }).unwrap();
    let fork = state.stream(&arn("b")).unwrap();
    assert_eq!(fork.shards[&shard].closed, state.stream(&arn("a")).unwrap().shards[&shard].closed);
    assert_eq!(fork.shards[&shard].segments.len(), 1);
    for child in fork.open_shards() {
        let own = Segment::first(fork.number.log(child.id));
        assert_eq!(child.segments, [own], "nothing had been written to it");
    }
}

#[test]
fn an_expired_segment_is_forgotten_with_its_log() {
    let state = fork(&with_stream("a", 1), "a", "b", 7).unwrap();
    let state = delete(&state, "a");
    let (stream, log_number) = (arn("b"), state.stream(&arn("b")).unwrap().log_number);
    let forget = |seconds: i64| {
        let now = at(99 + 86_400 + seconds);
        apply(&state, &Command::ForgetShards { stream: stream.clone(), log_number, now }).unwrap()
    };
    assert_eq!(segments(&forget(0), "b"), [(1, 0), (2, 7)]);
    assert_eq!((segments(&forget(1), "b"), forget(1).unused_logs.len()), (vec![(2, 7)], 1));
}

#[test]
fn a_fork_opens_what_it_shares_and_seals_under_a_key_of_its_own() {
    let (stream, key_id, wrapped) = (arn("a"), "alias/a".to_owned(), vec![1]);
    let start = EncryptionCommand::Start { stream, key_id, wrapped, now: at(100), due: at(100) };
    let state = apply(&with_stream("a", 1), &Command::Encryption(start)).unwrap();
    let state = settle(&state, "a", at(100));
    let mut unkeyed = fork_of(&state, "a", "b", 7);
    unkeyed.key = None;
    let refused = apply(&state, &Command::Fork { forks: vec![unkeyed], now: at(120) });
    assert_eq!(refused, Err(Error::DataKeyChanged { stream: arn("a") }));
    let state = fork(&fork(&state, "a", "b", 7).unwrap(), "b", "c", 9).unwrap();
    let keys = &state.stream(&arn("c")).unwrap().encryption.data_keys;
    let origins = keys.values().map(|key| key.origin.as_ref().map(|origin| origin.number.0));
    assert_eq!(origins.collect::<Vec<_>>(), [Some(1), Some(2), None]);
    let loaded = rows::load(&rows_of(&state), state.shard_limit).unwrap();
    assert_eq!(loaded, state);
}

#[test]
fn consumers_are_registered_with_the_fork_too() {
    let (stream, name, now) = (arn("a"), "app".to_owned(), at(105));
    let register = ConsumerCommand::Register { stream, name, tags: vec![], now, due: at(110) };
    let state = apply(&with_stream("a", 1), &Command::Consumer(register)).unwrap();
    let state = fork(&state, "a", "b", 7).unwrap();
    let consumer = state.stream(&arn("b")).unwrap().consumers["app"].clone();
    assert_eq!((consumer.status, consumer.due), (ConsumerStatus::Active, None));
    assert_eq!(consumer.arn().to_string(), format!("{}/consumer/app:105", arn("b")));
}

#[test]
fn forks_of_forks_have_a_bound() {
    let mut state = with_stream("a", 1);
    let mut deep = StreamState::clone(state.stream(&arn("a")).unwrap());
    let shard = deep.shards.get_mut(&ShardId::new(0)).unwrap();
    let segment = |i| Segment { log: LogId::new(i), from: Offset::new(i), after: at(9) };
    shard.segments = (0..SEGMENTS_MAX as u64).map(segment).collect();
    state.put(deep);
    assert!(fork(&state, "a", "b", 5000).is_err_and(|e| matches!(e, Error::TooManyForks { .. })));
    assert!(fork(&state, "a", "b", SEGMENTS_MAX as u64 - 1).is_ok());
}

#[test]
fn a_reset_leaves_nothing_but_numbers() {
    let state = fork(&with_stream("a", 2), "a", "b", 7).unwrap();
    let counts = Counts { tags: 7, ..state.counts };
    let state = state.limited_to(counts);
    let next = emptied(&state);
    assert_eq!(next.counts, state.counts, "limits are the server's");
    assert_eq!((next.streams().count(), next.next_stream), (0, state.next_stream));
    assert_eq!(next.unused_logs.len(), 4);
    let changes = rows::changes(&state, &next);
    assert_eq!(changes.len(), 2 + 4, "two rows go, and four logs are to go");
}
