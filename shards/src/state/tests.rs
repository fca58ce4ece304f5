//! Commands and their preconditions; the metadata reads back as it was written.

use millpond_api::types::{HashKey, MetricsName, ShardId};

use super::*;
use crate::{
    engine::{MetadataChange, MetadataRows, Offset},
    stream::{Intent, Transition, reshard::ReshardPlan},
};

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

pub(super) fn arn(name: &str) -> StreamArn {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}").parse().unwrap()
}

fn create(name: &str, shards: u32) -> Command {
    Command::CreateStream(NewStream {
        arn: arn(name),
        mode: NewMode::Provisioned { shards },
        max_record_kib: 1024,
        tags: vec![("team".into(), "ponds".into())],
        now: at(100),
        due: at(100),
    })
}

fn delete(name: &str, due: Timestamp) -> Command {
    Command::DeleteStream { stream: arn(name), enforce_consumer_deletion: false, due }
}

pub(super) fn settle(state: &State, name: &str, now: Timestamp) -> State {
    let stream = state.stream(&arn(name)).unwrap();
    let closes = match &stream.transition {
        Some(Transition { intent: Intent::Reshard(plan), .. }) => plan.closes.clone(),
        _ => vec![],
    };
    let end = |shard| ShardEnd { shard, end: Offset::new(5), last_arrival: at(99) };
    let command = Command::Settle {
        stream: arn(name),
        log_number: stream.log_number,
        ends: closes.into_iter().map(end).collect(),
        now,
    };
    apply(state, &command).unwrap()
}

pub(super) fn with_stream(name: &str, shards: u32) -> State {
    let state = apply(&State::new(ShardLimit::Fixed(100_000)), &create(name, shards)).unwrap();
    settle(&state, name, at(100))
}

/// An ACTIVE stream of this many shards.
pub(crate) fn stream_of(shards: u32) -> StreamState {
    StreamState::clone(with_stream("clicks", shards).stream(&arn("clicks")).unwrap())
}

/// The stream after the plan took effect.
pub(crate) fn reshard_at_once(stream: &StreamState, plan: ReshardPlan) -> StreamState {
    let mut state = State::new(ShardLimit::Fixed(100_000));
    let mut stream = stream.clone();
    stream.transition = Some(Transition { due: at(100), intent: Intent::Reshard(plan) });
    state.put(stream);
    StreamState::clone(settle(&state, "clicks", at(200)).stream(&arn("clicks")).unwrap())
}

pub(super) fn rows_of(state: &State) -> MetadataRows {
    let mut rows = MetadataRows::new();
    for change in rows::changes(&State::new(ShardLimit::Fixed(100_000)), state) {
        match change {
            MetadataChange::Put { key, value } => rows.push((key, value)),
            MetadataChange::Delete { .. } => panic!("nothing to delete from an empty store"),
        }
    }
    rows
}

#[test]
fn a_stream_is_created_once() {
    let state = with_stream("clicks", 2);
    let again = apply(&state, &create("clicks", 7));
    assert_eq!(again, Err(Error::StreamExists { stream: arn("clicks") }));
}

#[test]
fn the_first_shards_are_as_old_as_their_stream() {
    let creating = apply(&State::new(ShardLimit::Aws), &create("clicks", 2)).unwrap();
    let active = settle(&creating, "clicks", at(107));
    let stream = active.stream(&arn("clicks")).unwrap();
    assert_eq!(stream.shards.len(), 2);
    assert!(stream.shards.values().all(|shard| shard.created == stream.created));
}

#[test]
fn a_split_closes_the_parent_and_opens_two_children_a_second_later() {
    let state = with_stream("clicks", 1);
    let split = Command::SplitShard {
        stream: arn("clicks"),
        shard: ShardId::new(0),
        at: HashKey::new(1 << 127),
        due: at(110),
    };
    let updating = apply(&state, &split).unwrap();
    let stream = updating.stream(&arn("clicks")).unwrap();
    assert_eq!(stream.status, StreamStatus::Updating);
    assert_eq!(stream.open_shards().count(), 1);
    assert!(matches!(apply(&updating, &split), Err(Error::StreamNotActive { .. })));
    let state = settle(&updating, "clicks", at(110));
    let stream = state.stream(&arn("clicks")).unwrap();
    assert_eq!(stream.status, StreamStatus::Active);
    let parent = stream.shard(ShardId::new(0)).unwrap();
    assert_eq!(parent.closed.unwrap().at, at(110));
    assert_eq!(parent.closed.unwrap().end, Offset::new(5));
    for child in stream.children(ShardId::new(0)) {
        assert_eq!(child.created, at(111));
        assert_eq!(child.parents.parent, Some(ShardId::new(0)));
        assert_eq!(child.parents.adjacent, None);
    }
    assert_eq!(stream.open_shards().count(), 2);
}

#[test]
#[should_panic(expected = "where it ends")]
fn no_shard_opens_before_it_is_known_where_its_parents_end() {
    let (arn, at) = (arn("clicks"), at(110));
    let shard = ShardId::new(0);
    let split =
        Command::SplitShard { stream: arn.clone(), shard, at: HashKey::new(1 << 127), due: at };
    let updating = apply(&with_stream("clicks", 1), &split).unwrap();
    let log_number = updating.stream(&arn).unwrap().log_number;
    let ends = Vec::new();
    let _ = apply(&updating, &Command::Settle { stream: arn, log_number, ends, now: at });
}

#[test]
fn the_shard_limit_counts_shards_to_be() {
    let state = State::new(ShardLimit::Fixed(5));
    let state = apply(&state, &create("a", 3)).unwrap();
    assert!(matches!(
        apply(&state, &create("b", 3)),
        Err(Error::ShardLimit { current: 3, limit: 5, additional: 3, .. })
    ));
    assert!(apply(&state, &create("b", 2)).is_ok());
}

#[test]
fn scaling_is_bounded_by_half_and_double() {
    let state = with_stream("clicks", 5);
    let scale = |target| {
        let (now, due) = (at(100), at(100));
        apply(&state, &Command::UpdateShardCount { stream: arn("clicks"), target, now, due })
    };
    assert!(scale(10).is_ok());
    assert_eq!(scale(11), Err(Error::ScaleUpTooFar { current: 5, target: 11, factor: 2 }));
    assert!(scale(3).is_ok());
    assert_eq!(scale(2), Err(Error::ScaleDownTooFar { current: 5, target: 2, factor: 2 }));
}

#[test]
fn ten_scalings_a_day_are_enough() {
    let mut state = with_stream("clicks", 1);
    let scale = |state: &State, now| {
        let command = Command::UpdateShardCount { stream: arn("clicks"), target: 1, now, due: now };
        apply(state, &command)
    };
    for i in 0..10 {
        state = settle(&scale(&state, at(100 + i)).unwrap(), "clicks", at(100 + i));
    }
    assert!(matches!(scale(&state, at(200)), Err(Error::ShardCountUpdatedTooOften { .. })));
    assert!(scale(&state, at(100 + 86_400)).is_ok());
}

#[test]
fn retention_moves_only_the_way_it_is_told() {
    let state = with_stream("clicks", 1);
    let hours = |hours| Command::IncreaseRetention {
        stream: arn("clicks"),
        hours,
        now: at(1_000_000),
        due: at(1_000_000),
    };
    let same = apply(&state, &hours(24)).unwrap();
    assert_eq!(same.stream(&arn("clicks")).unwrap().status, StreamStatus::Active);
    let longer = settle(&apply(&state, &hours(48)).unwrap(), "clicks", at(1_000_000));
    assert!(matches!(apply(&longer, &hours(47)), Err(Error::RetentionNotLonger { .. })));
    let stream = longer.stream(&arn("clicks")).unwrap();
    assert_eq!(stream.horizon(at(1_000_001)), at(1_000_000 - 86_400));
    let longer_still = Command::DecreaseRetention {
        stream: arn("clicks"),
        hours: 49,
        now: at(1_000_000),
        due: at(1_000_000),
    };
    assert!(matches!(apply(&longer, &longer_still), Err(Error::RetentionNotShorter { .. })));
}

#[test]
fn the_record_size_counts_at_once_and_the_stream_is_updating_if_it_is_another() {
    let state = with_stream("clicks", 1);
    let update = |kib| Command::UpdateMaxRecordSize { stream: arn("clicks"), kib, due: at(110) };
    assert_eq!(apply(&state, &update(1024)).unwrap(), state);
    let updating = apply(&state, &update(2048)).unwrap();
    let stream = updating.stream(&arn("clicks")).unwrap();
    assert_eq!((stream.max_record_kib, stream.status), (2048, StreamStatus::Updating));
    assert!(matches!(apply(&updating, &update(2048)), Err(Error::StreamNotActive { .. })));
    let active = settle(&updating, "clicks", at(110));
    let stream = active.stream(&arn("clicks")).unwrap();
    assert_eq!((stream.max_record_kib, stream.status), (2048, StreamStatus::Active));
}

#[test]
fn metrics_are_enabled_and_disabled_beside_others() {
    use MetricsName::{IncomingBytes, IncomingRecords, OutgoingBytes};
    let metrics = |names: &[MetricsName]| names.iter().copied().collect::<BTreeSet<_>>();
    let enable = |names: &[MetricsName]| Command::EnableMonitoring {
        stream: arn("clicks"),
        metrics: metrics(names),
        due: at(110),
    };
    let disable = |names: &[MetricsName]| Command::DisableMonitoring {
        stream: arn("clicks"),
        metrics: metrics(names),
        due: at(110),
    };
    let enabled = |state: &State| state.stream(&arn("clicks")).unwrap().shard_level_metrics.clone();
    let mut state = with_stream("clicks", 1);
    for (command, expected) in [
        (enable(&[OutgoingBytes, IncomingBytes]), vec![IncomingBytes, OutgoingBytes]),
        (enable(&[IncomingRecords]), vec![IncomingBytes, IncomingRecords, OutgoingBytes]),
        (disable(&[OutgoingBytes, IncomingBytes]), vec![IncomingRecords]),
    ] {
        let updating = apply(&state, &command).unwrap();
        assert_eq!(enabled(&updating), metrics(&expected));
        assert!(matches!(apply(&updating, &command), Err(Error::StreamNotActive { .. })));
        state = settle(&updating, "clicks", at(110));
        assert_eq!(apply(&state, &command).unwrap(), state, "a second time changes nothing");
    }
}

#[test]
fn a_deleted_stream_leaves_its_logs_to_be_dropped() {
    let state = with_stream("clicks", 3);
    let delete = delete("clicks", at(100));
    let deleting = apply(&state, &delete).unwrap();
    assert_eq!(deleting.stream(&arn("clicks")).unwrap().status, StreamStatus::Deleting);
    let state = settle(&deleting, "clicks", at(100));
    assert!(state.stream(&arn("clicks")).is_err());
    assert_eq!(state.unused_logs.len(), 3);
    let again = settle(&apply(&state, &create("clicks", 1)).unwrap(), "clicks", at(101));
    let logs: Vec<_> =
        again.streams().flat_map(|s| s.shards.values()).map(|s| s.segment().log).collect();
    assert!(logs.iter().all(|log| !again.unused_logs.contains(log)));
}

#[test]
fn an_expired_closed_shard_is_forgotten() {
    let state = with_stream("clicks", 2);
    let merge = Command::MergeShards {
        stream: arn("clicks"),
        lower: ShardId::new(0),
        upper: ShardId::new(1),
        due: at(110),
    };
    let state = settle(&apply(&state, &merge).unwrap(), "clicks", at(110));
    let stream = state.stream(&arn("clicks")).unwrap();
    let forget = |state: &State, now| {
        let log_number = stream.log_number;
        apply(state, &Command::ForgetShards { stream: arn("clicks"), log_number, now }).unwrap()
    };
    let day_later = at(110 + 86_400);
    assert_eq!(forget(&state, day_later).stream(&arn("clicks")).unwrap().shards.len(), 3);
    let later = forget(&state, at(111 + 86_400));
    assert_eq!(later.stream(&arn("clicks")).unwrap().shards.len(), 1);
    assert_eq!(later.unused_logs.len(), 2);
    assert_eq!(stream.listed_shards(at(111 + 86_400)).count(), 1);
}

#[test]
fn fifty_tags_fit() {
    let state = with_stream("clicks", 1);
    let tags = |n: usize| Command::AddTags {
        stream: arn("clicks"),
        tags: (0..n).map(|i| (format!("key{i}"), String::new())).collect(),
    };
    assert!(apply(&state, &tags(49)).is_ok());
    assert!(matches!(apply(&state, &tags(50)), Err(Error::TooManyTags { .. })));
}

#[test]
fn metadata_reads_back_as_it_was_written() {
    let state = with_stream("clicks", 3);
    let consumers = consumers::tests::some_in_each_status(&state);
    let scale =
        Command::UpdateShardCount { stream: arn("clicks"), target: 4, now: at(100), due: at(120) };
    let updating = apply(&state, &scale).unwrap();
    let settled = settle(&updating, "clicks", at(120));
    let metrics = MetricsName::ALL.iter().copied().collect();
    let monitor = Command::EnableMonitoring { stream: arn("clicks"), metrics, due: at(125) };
    let settled = settle(&apply(&settled, &monitor).unwrap(), "clicks", at(125));
    let creating = apply(&settled, &create("views", 2)).unwrap();
    let delete = delete("clicks", at(130));
    let deleting = apply(&creating, &delete).unwrap();
    let deleted = settle(&deleting, "clicks", at(130));
    let account = |enabled, now| {
        let namespace = Namespace::of(&arn("clicks"));
        Command::UpdateAccountSettings { namespace, enabled, now }
    };
    let committed = apply(&deleting, &account(true, at(131))).unwrap();
    let ending = apply(&committed, &account(false, at(132))).unwrap();
    let on_demand = capacity::tests::some_of_everything();
    let policy = |resource| {
        Command::Policy(PolicyCommand::Put { resource, policy: "{\"Statement\": []}".into() })
    };
    let active = consumers.stream(&arn("clicks")).unwrap().consumers["active"].arn();
    let shared = apply(&consumers, &policy(Resource::Stream(arn("clicks")))).unwrap();
    let shared = apply(&shared, &policy(Resource::Consumer(active))).unwrap();
    for state in [
        shared, committed, ending, state, consumers, updating, settled, creating, deleting,
        deleted, on_demand,
    ] {
        let loaded = rows::load(&rows_of(&state), ShardLimit::Fixed(100_000)).unwrap();
        assert_eq!(loaded, state);
    }
}

/// As the first version wrote it, when a stream ended with field 13.
#[test]
fn a_row_of_the_first_version_is_read() {
    let range = ((0_u64, 0_u64), (u64::MAX, u64::MAX));
    let (parents, closed) = ((None::<i32>, None::<i32>), None::<(i64, u64)>);
    let shard = (0, range, parents, 100_000_i64, [(1_u64 << 32, 0_u64)], closed);
    let (arn, active, tags) = (arn("clicks"), 2_u8, [("team", "ponds")]);
    let (account, region, name) = (arn.account.as_str(), arn.region.as_str(), arn.name.as_str());
    let (transition, updates) = (None::<()>, [0_i64; 0]);
    let row = (
        1,
        account,
        region,
        name,
        100_000_i64,
        active,
        24,
        0_i64,
        1024,
        tags,
        [shard],
        1,
        transition,
        updates,
    );
    let row = minicbor::to_vec(row).unwrap();
    let rows = vec![(b"s\0\0\0\x01".to_vec(), row), (b"n".to_vec(), vec![0, 0, 0, 2])];
    let loaded = rows::load(&rows, ShardLimit::Fixed(100_000)).unwrap();
    assert_eq!(loaded, with_stream("clicks", 1));
}

/// As it was written before there were policies, when a stream ended with field 30 and a consumer
/// with field 4.
#[test]
fn a_row_of_before_policies_is_read() {
    let state = consumers::tests::some_in_each_status(&with_stream("clicks", 1));
    let mut rows = rows_of(&state);
    let (_, row) = rows.iter_mut().find(|(key, _)| key[0] == b's').unwrap();
    let consumer = |_, row: &[u8]| first_fields(row, 5, |_, value| value.to_vec());
    *row = first_fields(row, 31, |field, value| match field {
        20 => first_fields(value, 3, consumer),
        _ => value.to_vec(),
    });
    let loaded = rows::load(&rows, ShardLimit::Fixed(100_000)).unwrap();
    assert_eq!(loaded, state);
}

/// The first `count` values of a CBOR array, each made what `older` makes of it.
fn first_fields(row: &[u8], count: u64, older: impl Fn(u64, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut fields = minicbor::Decoder::new(row);
    assert!(fields.array().unwrap().unwrap() >= count);
    let mut array = minicbor::Encoder::new(Vec::new());
    array.array(count).unwrap();
    let mut written = array.into_writer();
    for field in 0..count {
        let start = fields.position();
        fields.skip().unwrap();
        written.extend(older(field, &row[start..fields.position()]));
    }
    written
}
