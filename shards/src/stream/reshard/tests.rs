//! Resharding plans against what AWS was seen to do.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    state::tests::{reshard_at_once, stream_of},
    stream::on_demand::capacity_mib,
};

fn ids(plan: &ReshardPlan) -> Vec<(i32, Vec<i32>)> {
    let parents = |new: &NewShard| new.parents.iter().map(ShardId::index).collect();
    plan.opens.iter().map(|new| (new.id.index(), parents(new))).collect()
}

#[test]
fn four_shards_become_three_as_recorded() {
    let plan = uniform(&stream_of(4), 3);
    let expected = [
        (4, vec![1]),
        (5, vec![1]),
        (6, vec![0, 4]),
        (7, vec![2]),
        (8, vec![2]),
        (9, vec![5, 7]),
        (10, vec![8, 3]),
    ];
    assert_eq!(ids(&plan), expected);
    let active: Vec<_> = plan.opens.iter().filter(|s| !s.passing).map(|s| s.id.index()).collect();
    assert_eq!(active, [6, 9, 10]);
    assert_eq!(plan.closes.len(), 4);
}

#[test]
fn totals_are_those_recorded() {
    for (from, to, total) in [(2, 4, 6), (4, 5, 15), (4, 2, 6)] {
        let plan = uniform(&stream_of(from), to);
        assert_eq!(from as usize + plan.opens.len(), total, "{from} to {to}");
    }
}

#[test]
fn the_same_count_changes_nothing() {
    for shards in [1, 2, 3, 4, 7, 100] {
        let plan = uniform(&stream_of(shards), shards);
        assert_eq!(plan, ReshardPlan { closes: vec![], opens: vec![] }, "{shards} shards");
    }
}

#[test]
fn doubling_splits_each_shard_once_whatever_the_rounding() {
    for shards in [1, 2, 3, 5, 7, 100] {
        let plan = uniform(&stream_of(shards), shards * 2);
        assert_eq!(plan.opens.len(), shards as usize * 2, "{shards} shards");
    }
}

#[test]
fn the_smallest_split_is_at_two() {
    let stream = stream_of(1);
    let at = |key| split(&stream, ShardId::new(0), HashKey::new(key));
    for key in [0, 1, u128::MAX] {
        assert!(matches!(at(key), Err(Error::HashKeyOutsideShard { .. })), "{key}");
    }
    assert!(at(2).is_ok());
    assert!(at(u128::MAX - 1).is_ok());
}

#[test]
fn only_the_shard_directly_above_can_be_merged() {
    let stream = stream_of(3);
    let merge = |a, b| merge(&stream, ShardId::new(a), ShardId::new(b));
    assert!(merge(0, 1).is_ok());
    for (a, b) in [(1, 0), (0, 2), (0, 0)] {
        assert!(matches!(merge(a, b), Err(Error::NotAdjacent { .. })), "{a} and {b}");
    }
    assert!(matches!(merge(0, 3), Err(Error::ShardNotFound { .. })));
}

#[test]
fn a_closed_shard_is_not_resharded_again() {
    let stream = stream_of(2);
    let plan = merge(&stream, ShardId::new(0), ShardId::new(1)).unwrap();
    let stream = reshard_at_once(&stream, plan);
    let again = split(&stream, ShardId::new(0), HashKey::new(9));
    assert!(matches!(again, Err(Error::ShardClosed { .. })));
}

/// The stream after `splits` of its shards, each of the one that has this place among the open.
fn halved(stream: StreamState, splits: &[usize]) -> StreamState {
    splits.iter().fold(stream, |stream, place| {
        let open: Vec<_> = stream.open_shards().map(|shard| shard.id).collect();
        let split = open[place % open.len()];
        match adapt(&stream, &[split], &[]) {
            Some(plan) => reshard_at_once(&stream, plan),
            None => stream,
        }
    })
}

fn generations(plan: &ReshardPlan) -> u32 {
    plan.opens.iter().map(|new| new.generation).max().unwrap_or_default()
}

#[test]
fn many_even_shards_take_few_generations() {
    assert_eq!(generations(&even(&stream_of(4), 1_024)), 8);
    assert_eq!(generations(&even(&stream_of(4), 1_000)), 8);
    assert!(generations(&even(&stream_of(7), 10_240)) <= 12);
    // One half of the key space has one shard, the other has a thousand.
    let mut stream = stream_of(2);
    for _ in 0..10 {
        let lower = |shard: &&ShardState| shard.range.end().value() <= u128::MAX / 2;
        let lower: Vec<_> = stream.open_shards().filter(lower).map(|shard| shard.id).collect();
        stream = reshard_at_once(&stream, adapt(&stream, &lower, &[]).unwrap());
    }
    for target in [1_025, 1_300, 10_240] {
        let plan = even(&stream, target);
        assert!(generations(&plan) <= 16, "{target}: {}", generations(&plan));
    }
}

fn check_lineage(stream: &StreamState, open: u32) {
    assert_eq!(stream.open_shards().count(), open as usize);
    let mut ranges: Vec<_> = stream.open_shards().map(|shard| shard.range).collect();
    ranges.sort_by_key(|range| range.start());
    let whole = ranges[1..].iter().try_fold(ranges[0], |sum, next| sum.merge(*next));
    assert_eq!(whole, Some(HashKeyRange::FULL));
    for shard in stream.shards.values() {
        for parent in shard.parents.iter().filter_map(|id| stream.shards.get(&id)) {
            let end = parent.ending_sequence_number().unwrap();
            assert!(end < shard.starting_sequence_number());
        }
    }
}

proptest! {
    #[test]
    fn open_shards_always_cover_the_space(start in 1..20_u32, targets in vec(1..40_u32, 1..6)) {
        let mut stream = stream_of(start);
        for target in targets {
            stream = reshard_at_once(&stream, uniform(&stream, target));
            check_lineage(&stream, target);
        }
    }

    #[test]
    fn even_shards_cover_the_space(
        start in 1..20_u32,
        splits in vec(0..40_usize, 0..20),
        target in 1..200_u32,
    ) {
        let stream = halved(stream_of(start), &splits);
        let plan = even(&stream, target);
        prop_assert!(generations(&plan) <= 16);
        let stream = reshard_at_once(&stream, plan);
        check_lineage(&stream, target);
        let capacity = capacity_mib(stream.open_shards().map(|shard| shard.range));
        prop_assert_eq!(capacity, target);
    }
}
