//! Streams under steady traffic, planned for until nothing is left to do.

use millpond_api::types::RecordDistributionStrategy;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    state::tests::{reshard_at_once, stream_of},
    stream::{
        on_demand::{OnDemand, capacity_mib},
        reshard,
    },
};

const MIB: u64 = 1 << 20;

/// What producers send, every second: so much with evenly spread keys, and so much with each of
/// these.
#[derive(Debug, Clone)]
struct Producers {
    even: u64,
    keys: Vec<(u128, u64)>,
}

impl Producers {
    /// What a shard gets of it, and takes.
    fn load(&self, range: HashKeyRange) -> Load {
        let width = (range.end().value() - range.start().value()) >> 96;
        let even = (u128::from(self.even) * width) >> 32;
        let keys = self
            .keys
            .iter()
            .filter(|(key, _)| range.contains(millpond_api::types::HashKey::new(*key)));
        let sent = even as u64 + keys.map(|(_, bytes)| bytes).sum::<u64>();
        Load(sent.min(limits::SHARD_WRITE_BYTES_PER_SECOND.into()))
    }

    /// The trends of all open shards when it has gone on for a day.
    fn trends(&self, stream: &StreamState) -> BTreeMap<ShardId, Trend> {
        let trend = |range| {
            let load = self.load(range);
            let is_quiet = load.0 <= limits::ON_DEMAND_MERGE_BYTES_PER_SECOND;
            Trend { sustained: Some(load), is_quiet }
        };
        stream.open_shards().map(|shard| (shard.id, trend(shard.range))).collect()
    }
}

fn on_demand(shards: u32) -> StreamState {
    let mut stream = stream_of(shards);
    let strategy = RecordDistributionStrategy::UserPartitionKey;
    stream.on_demand = Some(OnDemand::new(strategy, None));
    stream
}

fn carry_out(stream: &StreamState, plan: &Plan) -> StreamState {
    let changes = reshard::adapt(stream, &plan.splits, &plan.merges);
    reshard_at_once(stream, changes.expect("a plan can be carried out"))
}

fn bounds_of(trends: &BTreeMap<ShardId, Trend>, warm: u64, open_max: u64) -> Bounds {
    let load = Load(trends.values().filter_map(|trend| trend.sustained).map(|load| load.0).sum());
    Bounds { needed: load.shards_needed().max(warm).min(open_max), open_max }
}

/// Plans until there is nothing to do.
fn settle(mut stream: StreamState, sent: &Producers, warm: u64, open_max: u64) -> StreamState {
    let mut merged = false;
    for _ in 0..100 {
        let trends = sent.trends(&stream);
        let bounds = bounds_of(&trends, warm, open_max);
        let Some(plan) = plan(&stream, &trends, bounds) else { return stream };
        assert!(plan.splits.is_empty() != plan.merges.is_empty(), "{plan:?}");
        let before = stream.open_shards().count() as u64;
        // Where there is no room, merges make it, for splits to follow.
        merged |= !plan.merges.is_empty() && before < open_max;
        assert!(!merged || plan.splits.is_empty(), "what was merged is split again: {plan:?}");
        stream = carry_out(&stream, &plan);
        let open = stream.open_shards().count() as u64;
        assert!(open <= open_max.max(before), "{open} shards");
        let least = bounds.needed.max(limits::ON_DEMAND_SHARDS_MIN.into());
        assert!(plan.merges.is_empty() || open >= least, "{open} shards are too few");
    }
    panic!("plans have no end: {sent:?}");
}

fn producers() -> impl Strategy<Value = Producers> {
    let keys = vec((any::<u128>(), 0..2 * MIB), 0..5);
    (0..30 * MIB, keys).prop_map(|(even, keys)| Producers { even, keys })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn steady_traffic_finds_its_shards_and_keeps_them(
        shards in 4..40_u32,
        sent in producers(),
        warm in 0..30_u64,
        open_max in 40..400_u64,
    ) {
        let stream = settle(on_demand(shards), &sent, warm, open_max);
        let trends = sent.trends(&stream);
        let bounds = bounds_of(&trends, warm, open_max);
        let parts = bounds.needed.max(4);
        if (stream.open_shards().count() as u64) < open_max {
            let capacity = capacity_mib(stream.open_shards().map(|shard| shard.range));
            prop_assert!(u64::from(capacity) >= bounds.needed, "{capacity} for {bounds:?}");
            for shard in stream.open_shards() {
                let load = trends[&shard.id].sustained.unwrap();
                let is_narrow = !is_wider(shard.range, parts * NARROWER_MAX);
                prop_assert!(is_narrow || load.0 <= MIB / 2, "{load:?} on {:?}", shard.id);
            }
        }
    }

    #[test]
    fn whatever_comes_shards_are_bounded_and_cover_the_space(
        shards in 4..40_u32,
        days in vec((producers(), 0..30_u64), 1..6),
        open_max in 40..120_u64,
    ) {
        let mut stream = on_demand(shards);
        for (sent, warm) in days {
            stream = settle(stream, &sent, warm, open_max);
            let mut open: Vec<_> = stream.open_shards().map(|shard| shard.range).collect();
            open.sort_by_key(|range| range.start());
            let whole = open.into_iter().reduce(|lower, upper| lower.merge(upper).unwrap());
            prop_assert_eq!(whole, Some(HashKeyRange::FULL));
        }
        let nobody = Producers { even: 0, keys: Vec::new() };
        let quiet = settle(stream, &nobody, 0, open_max);
        prop_assert!(quiet.open_shards().count() >= 4);
    }
}

#[test]
fn a_busy_stream_doubles() {
    let sent = Producers { even: 4 * MIB, keys: Vec::new() };
    let stream = on_demand(4);
    let trends = sent.trends(&stream);
    let plan = plan(&stream, &trends, bounds_of(&trends, 0, 200)).unwrap();
    assert_eq!((plan.splits.len(), plan.merges.len()), (4, 0));
    assert_eq!(carry_out(&stream, &plan).open_shards().count(), 8);
}

#[test]
fn the_busiest_shards_are_split_where_there_is_room_for_a_few() {
    let hot = |key, bytes| (key, bytes);
    let keys = vec![hot(0, MIB * 2 / 3), hot(u128::MAX, MIB)];
    let sent = Producers { even: 0, keys };
    let stream = on_demand(4);
    let trends = sent.trends(&stream);
    let split = |open_max| {
        let bounds = Bounds { needed: 4, open_max };
        plan(&stream, &trends, bounds).map(|plan| plan.splits)
    };
    assert_eq!(split(5), Some(vec![ShardId::new(3)]));
    assert_eq!(split(200), Some(vec![ShardId::new(3), ShardId::new(0)]));
    assert_eq!(split(4), None);
}

#[test]
fn one_key_is_not_split_for_without_end() {
    let sent = Producers { even: 0, keys: vec![(1 << 100, MIB)] };
    let stream = settle(on_demand(4), &sent, 0, 10_000);
    assert!(stream.shards.len() < 40, "{} shards", stream.shards.len());
    assert!(stream.open_shards().count() < 15, "{} open", stream.open_shards().count());
}

#[test]
fn quiet_shards_are_merged_until_four_are_left() {
    let nobody = Producers { even: 0, keys: Vec::new() };
    for (shards, left) in [(4, 4), (5, 5), (8, 4), (64, 4)] {
        let stream = settle(on_demand(shards), &nobody, 0, 200);
        assert_eq!(stream.open_shards().count(), left, "of {shards}");
    }
    assert_eq!(settle(on_demand(64), &nobody, 16, 200).open_shards().count(), 16);
}

#[test]
fn shards_that_were_not_watched_for_long_are_left_alone() {
    let stream = on_demand(64);
    let unknown = Trend { sustained: None, is_quiet: false };
    let trends = stream.open_shards().map(|shard| (shard.id, unknown)).collect();
    assert_eq!(plan(&stream, &trends, Bounds { needed: 4, open_max: 200 }), None);
}
