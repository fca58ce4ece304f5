//! Which shards of an on-demand stream are split, or merged. Pure.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use millpond_api::types::{HashKeyRange, ShardId};
use millpond_quotas::limits;

use super::traffic::Trend;
use crate::stream::{
    StreamState,
    on_demand::{Load, is_wider},
};

/// A busy shard is split until it is this many times narrower than its part of the key space: what
/// a few partition keys send to one shard can't be spread, however narrow it is.
const NARROWER_MAX: u64 = 256;

/// What the stream as a whole asks for, and may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Shards that take what it has had to take, with headroom, and what it is kept warm for.
    pub(super) needed: u64,
    /// Open shards that it may have.
    pub(super) open_max: u64,
}

/// What is to be done: splits, or merges.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Shards to be cut in two equal halves.
    pub(super) splits: Vec<ShardId>,
    /// Neighbours to be joined, lower first.
    pub(super) merges: Vec<(ShardId, ShardId)>,
}

/// What is to be done for the stream now, if anything.
///
/// A shard is split when it is busy, or has more of the key space than its part among as many as
/// are needed. Neighbours are merged when both have been quiet for a day and together are no wider
/// than that. What a merge makes is far from being busy, so without other traffic no plan takes
/// back another.
pub(super) fn plan(
    stream: &StreamState,
    trends: &BTreeMap<ShardId, Trend>,
    bounds: Bounds,
) -> Option<Plan> {
    let mut open: Vec<_> = stream.open_shards().map(|shard| (shard.id, shard.range)).collect();
    open.sort_unstable_by_key(|(_, range)| range.start());
    let splits = splits(&open, trends, bounds);
    let merges = if splits.is_empty() { merges(&open, trends, bounds) } else { Vec::new() };
    (!splits.is_empty() || !merges.is_empty()).then_some(Plan { splits, merges })
}

/// The shards to be split, the busiest first, as far as there is room for more.
fn splits(
    open: &[(ShardId, HashKeyRange)],
    trends: &BTreeMap<ShardId, Trend>,
    bounds: Bounds,
) -> Vec<ShardId> {
    let load = |id: ShardId| trends.get(&id).and_then(|trend| trend.sustained).unwrap_or_default();
    let parts = bounds.needed.max(limits::ON_DEMAND_SHARDS_MIN.into());
    let asks = |(id, range): &&(ShardId, HashKeyRange)| {
        let is_busy = load(*id) > Load(limits::ON_DEMAND_SPLIT_BYTES_PER_SECOND);
        is_busy && is_wider(*range, parts * NARROWER_MAX) || is_wider(*range, bounds.needed)
    };
    let mut asking: Vec<_> = open.iter().filter(asks).map(|(id, _)| *id).collect();
    asking.sort_by_key(|id| Reverse(load(*id)));
    let room = bounds.open_max.saturating_sub(open.len() as u64);
    asking.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    asking
}

/// The pairs to be merged, the narrowest first, as far as there are more shards than needed.
fn merges(
    open: &[(ShardId, HashKeyRange)],
    trends: &BTreeMap<ShardId, Trend>,
    bounds: Bounds,
) -> Vec<(ShardId, ShardId)> {
    let parts = bounds.needed.max(limits::ON_DEMAND_SHARDS_MIN.into());
    let is_quiet = |id: ShardId| trends.get(&id).is_some_and(|trend| trend.is_quiet);
    let mut pairs: Vec<_> = open
        .windows(2)
        .filter_map(|pair| {
            let [(lower, below), (upper, above)] = pair else { return None };
            let range = below.merge(*above).filter(|range| !is_wider(*range, parts))?;
            (is_quiet(*lower) && is_quiet(*upper)).then_some((range, *lower, *upper))
        })
        .collect();
    pairs.sort_by_key(|(range, ..)| range.end().value() - range.start().value());
    let mut taken = BTreeSet::new();
    let is_free = |(_, lower, upper): &(HashKeyRange, ShardId, ShardId)| {
        let free = !taken.contains(lower) && !taken.contains(upper);
        free && taken.insert(*lower) && taken.insert(*upper)
    };
    let spare = (open.len() as u64).saturating_sub(parts);
    let pairs = pairs.into_iter().filter(is_free);
    let spare = usize::try_from(spare).unwrap_or(usize::MAX);
    pairs.take(spare).map(|(_, lower, upper)| (lower, upper)).collect()
}

#[cfg(test)]
mod tests;
