//! Modes, what they cost, and what on-demand streams are kept warm for.

use millpond_api::types::HashKeyRange;

use super::*;
use crate::{
    state::{
        Command, NewMode, NewStream, ShardLimit, apply as apply_command,
        tests::{arn, at, settle, with_stream},
    },
    stream::ShardState,
};

const DAY: i64 = DAY_MILLIS / 1000;

fn make(state: &State, command: CapacityCommand) -> Result<State, Error> {
    apply_command(state, &Command::Capacity(command))
}

fn clicks() -> StreamArn {
    arn("clicks")
}

fn switch(state: &State, mode: StreamMode, now: i64) -> Result<State, Error> {
    let (now, due) = (at(now), at(now));
    make(state, CapacityCommand::UpdateMode { stream: clicks(), mode, warm_mib: None, now, due })
}

fn warm(state: &State, mib: u32, now: i64) -> Result<State, Error> {
    let (now, due) = (at(now), at(now));
    make(state, CapacityCommand::UpdateWarmThroughput { stream: clicks(), mib, now, due })
}

/// Of the stream's own number, due at 200.
fn scale(state: &State, splits: &[ShardId], merges: &[(ShardId, ShardId)]) -> Result<State, Error> {
    let (stream, log_number, due) = (clicks(), stream(state).log_number, at(200));
    let (splits, merges) = (splits.to_vec(), merges.to_vec());
    make(state, CapacityCommand::Scale { stream, log_number, splits, merges, due })
}

fn committed(state: &State, now: i64) -> State {
    let (namespace, now) = (Namespace::of(&clicks()), at(now));
    let settings = Command::UpdateAccountSettings { namespace, enabled: true, now };
    apply_command(state, &settings).unwrap()
}

/// A new on-demand stream, ACTIVE.
pub(crate) fn with_on_demand(name: &str) -> State {
    let state = State::new(ShardLimit::Fixed(100_000));
    settle(&create_on_demand(&state, name, None).unwrap(), name, at(100))
}

fn create_on_demand(state: &State, name: &str, warm_mib: Option<u32>) -> Result<State, Error> {
    let on_demand = OnDemand::new(RecordDistributionStrategy::UserPartitionKey, warm_mib);
    let new = NewStream {
        arn: arn(name),
        mode: NewMode::OnDemand(on_demand),
        max_record_kib: 1024,
        tags: Vec::new(),
        now: at(100),
        due: at(100),
    };
    apply_command(state, &Command::CreateStream(new))
}

/// A stream that was switched, is warm, spreads its records, and has had traffic.
pub(crate) fn some_of_everything() -> State {
    let state = committed(&with_stream("clicks", 3), 50);
    let state = settle(&switch(&state, StreamMode::OnDemand, 200).unwrap(), "clicks", at(200));
    let state = settle(&warm(&state, 9, 201).unwrap(), "clicks", at(201));
    let (stream, strategy) = (clicks(), RecordDistributionStrategy::Auto);
    let spread = CapacityCommand::UpdateDistribution { stream, strategy };
    let mut state = make(&state, spread).unwrap();
    for (load, now) in [(Load(7), at(300)), (Load(5), at(300 + DAY))] {
        let (stream, log_number) = (clicks(), state.stream(&clicks()).unwrap().log_number);
        let note = CapacityCommand::NoteLoad { stream, log_number, load, now };
        state = make(&state, note).unwrap();
    }
    state
}

fn stream(state: &State) -> &StreamState {
    state.stream(&clicks()).unwrap()
}

fn open(state: &State) -> usize {
    stream(state).open_shards().count()
}

#[test]
fn a_stream_that_turns_on_demand_has_four_shards_at_least() {
    for (shards, expected) in [(1, 4), (3, 4), (4, 4), (7, 7)] {
        let before = with_stream("clicks", shards);
        let updating = switch(&before, StreamMode::OnDemand, 200).unwrap();
        assert_eq!(stream(&updating).status, StreamStatus::Updating);
        assert_eq!(stream(&updating).mode(), StreamMode::OnDemand, "at once");
        let active = settle(&updating, "clicks", at(200));
        assert_eq!(open(&active), expected, "of {shards}");
        let back =
            settle(&switch(&active, StreamMode::Provisioned, 201).unwrap(), "clicks", at(201));
        assert_eq!((stream(&back).mode(), open(&back)), (StreamMode::Provisioned, expected));
    }
}

#[test]
fn two_switches_a_day_are_enough() {
    use StreamMode::{OnDemand, Provisioned};
    let mut state = with_stream("clicks", 1);
    assert_eq!(switch(&state, Provisioned, 100).unwrap(), state, "it is so already");
    for (mode, now) in [(OnDemand, 200), (Provisioned, 300)] {
        state = settle(&switch(&state, mode, now).unwrap(), "clicks", at(now));
        assert_eq!(switch(&state, mode, now).unwrap(), state, "it is so already");
    }
    let refusal = Error::ModeSwitchedTooOften { stream: clicks(), limit: 2 };
    assert_eq!(switch(&state, OnDemand, 200 + DAY - 1), Err(refusal.clone()));
    let third = settle(&switch(&state, OnDemand, 200 + DAY).unwrap(), "clicks", at(200 + DAY));
    assert_eq!(switch(&third, Provisioned, 300 + DAY - 1), Err(refusal));
    assert!(switch(&third, Provisioned, 300 + DAY).is_ok());
}

#[test]
fn shards_of_on_demand_streams_are_not_for_their_owners_to_change() {
    let state = with_on_demand("clicks");
    let (stream, now, due) = (clicks(), at(200), at(200));
    let shard = ShardId::new(0);
    for command in [
        Command::SplitShard {
            stream: stream.clone(),
            shard,
            at: millpond_api::types::HashKey::new(9),
            due,
        },
        Command::MergeShards { stream: stream.clone(), lower: shard, upper: ShardId::new(1), due },
        Command::UpdateShardCount { stream, target: 5, now, due },
    ] {
        let refusal = apply_command(&state, &command);
        assert_eq!(refusal, Err(Error::OnDemand { stream: clicks() }), "{command:?}");
    }
}

#[test]
fn fifty_streams_are_on_demand() {
    let mut state = with_stream("clicks", 1);
    for n in 0..50 {
        let name = format!("stream-{n}");
        state = settle(&create_on_demand(&state, &name, None).unwrap(), &name, at(100));
    }
    let namespace = Namespace::of(&clicks());
    let refusal = Err(Error::TooManyOnDemandStreams { namespace, current: 50, limit: 50 });
    assert_eq!(create_on_demand(&state, "one-more", None), refusal);
    assert_eq!(switch(&state, StreamMode::OnDemand, 200), refusal);
}

#[test]
fn each_mode_has_the_shard_limit_for_itself() {
    let state = State::new(ShardLimit::Fixed(10));
    let state = settle(&create_on_demand(&state, "views", None).unwrap(), "views", at(100));
    let namespace = Namespace::of(&clicks());
    let create = |state: &State, name: &str, shards| {
        let new = NewStream {
            arn: arn(name),
            mode: NewMode::Provisioned { shards },
            max_record_kib: 1024,
            tags: Vec::new(),
            now: at(100),
            due: at(100),
        };
        apply_command(state, &Command::CreateStream(new))
    };
    let state = settle(&create(&state, "clicks", 7).unwrap(), "clicks", at(100));
    let refusal = |current, additional| {
        let (namespace, limit) = (namespace.clone(), 10);
        Err(Error::ShardLimit { namespace, current, limit, additional })
    };
    assert_eq!(create(&state, "third", 4), refusal(7, 4));
    assert_eq!(switch(&state, StreamMode::OnDemand, 200), refusal(4, 7));
    assert!(create(&state, "third", 3).is_ok());
    assert!(create_on_demand(&state, "fourth", None).is_ok());
}

#[test]
fn warmth_needs_a_commitment_and_has_a_limit() {
    let state = with_on_demand("clicks");
    let namespace = Namespace::of(&clicks());
    let uncommitted = Err(Error::NotCommitted { namespace });
    assert_eq!(warm(&state, 8, 200), uncommitted);
    assert_eq!(create_on_demand(&state, "views", Some(8)), uncommitted);
    let state = committed(&state, 50);
    let limit = limits::on_demand_write_mib_max("us-east-1");
    let too_warm = Err(Error::TooWarm { stream: clicks(), mib: limit + 1, limit });
    assert_eq!(warm(&state, limit + 1, 200), too_warm);
    assert!(create_on_demand(&state, "views", Some(8)).is_ok());
    let provisioned = committed(&with_stream("clicks", 1), 50);
    assert_eq!(warm(&provisioned, 8, 200), Err(Error::NotOnDemand { stream: clicks() }));
}

#[test]
fn a_stream_is_warm_when_its_shards_are_there() {
    let state = committed(&with_on_demand("clicks"), 50);
    let updating = warm(&state, 9, 200).unwrap();
    assert_eq!((stream(&updating).status, open(&updating)), (StreamStatus::Updating, 4));
    let active = settle(&updating, "clicks", at(200));
    let ranges = stream(&active).open_shards().map(|shard| shard.range);
    assert_eq!((open(&active), capacity_mib(ranges)), (9, 9));
    assert_eq!(warm(&active, 9, 201).unwrap(), active, "it is so already");
    let lower = settle(&warm(&active, 0, 202).unwrap(), "clicks", at(202));
    assert_eq!(stream(&lower).on_demand.as_ref().unwrap().warm_mib, Some(0));
    assert_eq!(open(&lower), 9, "they are merged when they have been quiet for a while");
}

#[test]
fn a_stream_is_warm_within_seconds() {
    for (shards, mib) in [(4, 1_000), (4, 10_240), (7, 9_999), (1, 1_024)] {
        let state = committed(&with_stream("clicks", shards), 50);
        let state = settle(&switch(&state, StreamMode::OnDemand, 200).unwrap(), "clicks", at(200));
        let state = settle(&warm(&state, mib, 300).unwrap(), "clicks", at(300));
        let soon = at(300 + 16);
        let is_there = |shard: &&ShardState| {
            shard.created <= soon && shard.closed.is_none_or(|closing| closing.at > soon)
        };
        let ranges = || stream(&state).shards.values().filter(is_there).map(|shard| shard.range);
        assert_eq!((ranges().count(), capacity_mib(ranges())), (mib as usize, mib), "of {shards}");
    }
}

#[test]
fn many_shards_are_not_warm_unless_they_are_even() {
    let mut state = committed(&with_on_demand("clicks"), 50);
    for _ in 0..6 {
        let last = stream(&state).open_shards().last().unwrap().id;
        state = settle(&scale(&state, &[last], &[]).unwrap(), "clicks", at(200));
    }
    assert_eq!(open(&state), 10);
    let warm = settle(&warm(&state, 9, 300).unwrap(), "clicks", at(300));
    let ranges = stream(&warm).open_shards().map(|shard| shard.range);
    assert_eq!((open(&warm), capacity_mib(ranges)), (10, 10));
}

#[test]
fn above_the_shard_limit_a_stream_may_have_fewer_shards_but_not_more() {
    let state = committed(&with_on_demand("clicks"), 50);
    let mut state = settle(&warm(&state, 9, 200).unwrap(), "clicks", at(200));
    state.shard_limit = ShardLimit::Fixed(5);
    let refusal = |additional| {
        let namespace = Namespace::of(&clicks());
        Err(Error::ShardLimit { namespace, current: 9, limit: 5, additional })
    };
    let mut shards: Vec<_> = stream(&state).open_shards().collect();
    shards.sort_by_key(|shard| shard.range.start());
    let ids: Vec<_> = shards.iter().map(|shard| shard.id).collect();
    assert_eq!(scale(&state, &ids[..1], &[]), refusal(1));
    let fewer = scale(&state, &[], &[(ids[0], ids[1])]).unwrap();
    assert_eq!(open(&settle(&fewer, "clicks", at(200))), 8);
    assert_eq!(warm(&state, 10, 300), refusal(1));
    let cooler = warm(&state, 8, 300).unwrap();
    assert_eq!(stream(&cooler).on_demand.as_ref().unwrap().warm_mib, Some(8));
    assert_eq!(create_on_demand(&state, "views", None), refusal(4));
    let provisioned = with_stream("clicks", 9);
    let provisioned = State { shard_limit: ShardLimit::Fixed(5), ..provisioned };
    let on_demand = switch(&provisioned, StreamMode::OnDemand, 200);
    let namespace = Namespace::of(&clicks());
    let too_many = Error::ShardLimit { namespace, current: 0, limit: 5, additional: 9 };
    assert_eq!(on_demand, Err(too_many));
}

#[test]
fn a_stream_of_more_shards_than_may_be_on_demand_stays_provisioned() {
    let arn: StreamArn = "arn:aws:kinesis:eu-central-1:000000000000:stream/clicks".parse().unwrap();
    for (shards, is_taken) in [(200, true), (201, false)] {
        let new = NewStream {
            arn: arn.clone(),
            mode: NewMode::Provisioned { shards },
            max_record_kib: 1024,
            tags: Vec::new(),
            now: at(100),
            due: at(100),
        };
        let state = State::new(ShardLimit::Aws);
        let state = apply_command(&state, &Command::CreateStream(new)).unwrap();
        let log_number = state.stream(&arn).unwrap().log_number;
        let (stream, ends, now) = (arn.clone(), Vec::new(), at(100));
        let settle = Command::Settle { stream, log_number, ends, now };
        let state = apply_command(&state, &settle).unwrap();
        let (stream, mode, now) = (arn.clone(), StreamMode::OnDemand, at(200));
        let switch = CapacityCommand::UpdateMode { stream, mode, warm_mib: None, now, due: now };
        let refusal = Error::TooManyShards { current: 201, target: 201, limit: 200 };
        assert_eq!(make(&state, switch).err(), (!is_taken).then_some(refusal));
    }
}

#[test]
fn records_are_spread_on_demand_only() {
    use RecordDistributionStrategy::{Auto, UserPartitionKey};
    let distribute = |state: &State, strategy| {
        make(state, CapacityCommand::UpdateDistribution { stream: clicks(), strategy })
    };
    let provisioned = with_stream("clicks", 1);
    assert_eq!(distribute(&provisioned, Auto), Err(Error::NotOnDemand { stream: clicks() }));
    assert_eq!(distribute(&provisioned, UserPartitionKey).unwrap(), provisioned);
    let state = with_on_demand("clicks");
    let spread = distribute(&state, Auto).unwrap();
    assert!(stream(&spread).spreads_records());
    assert_eq!(stream(&spread).status, StreamStatus::Active);
    assert_eq!(distribute(&spread, Auto).unwrap(), spread);
    assert_eq!(distribute(&spread, UserPartitionKey).unwrap(), state);
}

#[test]
fn scaling_splits_evenly_and_merges_neighbours() {
    let state = with_on_demand("clicks");
    let number = stream(&state).log_number;
    let shard = ShardId::new;
    let scale = |splits: &[i32], merges: &[(i32, i32)], log_number| {
        let splits = splits.iter().map(|id| shard(*id)).collect();
        let merges = merges.iter().map(|(lower, upper)| (shard(*lower), shard(*upper))).collect();
        let (stream, due) = (clicks(), at(200));
        make(&state, CapacityCommand::Scale { stream, log_number, splits, merges, due }).unwrap()
    };
    let scaled = settle(&scale(&[0], &[(2, 3)], number), "clicks", at(200));
    let mut open: Vec<_> = stream(&scaled).open_shards().map(|shard| shard.range).collect();
    open.sort_by_key(|range| range.start());
    let eighths: Vec<_> = HashKeyRange::uniform(8).collect();
    assert_eq!(open[..2], eighths[..2]);
    assert_eq!(Some(open[3]), HashKeyRange::uniform(2).last());
    let other = StreamNumber(number.0 + 1);
    for (splits, merges, number) in [
        (&[0][..], &[][..], other),
        (&[7], &[], number),
        (&[0, 0], &[], number),
        (&[], &[(0, 2)], number),
        (&[], &[(1, 0)], number),
        (&[0], &[(0, 1)], number),
        (&[], &[], number),
    ] {
        assert_eq!(scale(splits, merges, number), state, "{splits:?} {merges:?} {number:?}");
    }
}

#[test]
fn loads_are_noted_on_demand_only() {
    let note = |state: &State| {
        let (stream, log_number) = (clicks(), stream(state).log_number);
        make(state, CapacityCommand::NoteLoad { stream, log_number, load: Load(7), now: at(300) })
    };
    let provisioned = with_stream("clicks", 1);
    assert_eq!(note(&provisioned).unwrap(), provisioned);
    let noted = note(&with_on_demand("clicks")).unwrap();
    assert_eq!(stream(&noted).on_demand.as_ref().unwrap().peaks.greatest(at(300)), Load(7));
}
