//! Splits, merges and uniform scaling: which shards close, which open. Pure; `Control` makes it so.

use std::collections::{BTreeSet, VecDeque};

use millpond_api::types::{HashKey, HashKeyRange, ShardId};

use super::{Parents, ShardState, StreamState};
use crate::Error;

/// Which shards close and which open, all at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReshardPlan {
    /// Open shards that take no more records.
    pub closes: Vec<ShardId>,
    /// New shards, in order of their ids.
    pub opens: Vec<NewShard>,
}

/// A shard that a plan opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewShard {
    /// Its id.
    pub id: ShardId,
    /// The hash keys that it owns.
    pub range: HashKeyRange,
    /// The shards that it takes over from.
    pub parents: Parents,
    /// How many seconds after the plan's closing the shard is created: one more than its youngest
    /// parent, so that its sequence numbers lie above theirs.
    pub generation: u32,
    /// Whether a later step of the same plan closes it again, before it ever took a record.
    pub passing: bool,
}

/// Cuts `shard` in two at `at`, the first key of the upper half.
///
/// # Errors
/// When the shard isn't there, isn't open, or `at` doesn't lie within it as AWS demands: above its
/// second key and below its last.
pub fn split(stream: &StreamState, shard: ShardId, at: HashKey) -> Result<ReshardPlan, Error> {
    let shard = open_shard(stream, shard)?;
    let range = shard.range;
    let inside = at.value() > range.start().value().saturating_add(1) && at < range.end();
    if !inside {
        let stream = stream.arn.clone();
        return Err(Error::HashKeyOutsideShard { stream, shard: shard.id, key: at, range });
    }
    let mut plan = Planner::new(stream);
    plan.split(&planned(shard), at);
    Ok(plan.finish())
}

/// Joins `lower` with `upper`, the shard directly above it.
///
/// # Errors
/// When either isn't there or isn't open, or `upper` doesn't begin where `lower` ends.
pub fn merge(stream: &StreamState, lower: ShardId, upper: ShardId) -> Result<ReshardPlan, Error> {
    let (below, above) = (open_shard(stream, lower)?, open_shard(stream, upper)?);
    if below.range.merge(above.range).is_none() {
        return Err(Error::NotAdjacent { stream: stream.arn.clone(), lower, upper });
    }
    let mut plan = Planner::new(stream);
    plan.merge(&planned(below), &planned(above));
    Ok(plan.finish())
}

/// Brings the stream to `target` shards of equal width, as AWS was seen to do it: from the lowest
/// hash key on, the shard that crosses a new boundary is split there, then what lies below the
/// boundary is merged from the left.
///
/// # Panics
/// When `target` is zero.
#[must_use]
pub fn uniform(stream: &StreamState, target: u32) -> ReshardPlan {
    let mut plan = Planner::new(stream);
    let mut open = in_order(stream);
    for boundary in boundaries(target) {
        let boundary = nearest_start(&open, boundary, target).unwrap_or(boundary);
        let below = open.partition_point(|shard| shard.range.start() < boundary);
        let mut below: Vec<_> = open.drain(..below).collect();
        if let Some(crossing) = below.pop_if(|last| last.range.contains(boundary)) {
            let [lower, upper] = plan.split(&crossing, boundary);
            below.push(lower);
            open.push_front(upper);
        }
        plan.merge_all(below);
    }
    plan.merge_all(open);
    plan.finish()
}

/// Brings the stream to `target` shards of equal width in few generations, so that none is created
/// much later than another: each shard is halved again and again at the new boundaries within it,
/// then what lies between two of them is merged.
///
/// # Panics
/// When `target` is zero.
#[must_use]
pub fn even(stream: &StreamState, target: u32) -> ReshardPlan {
    let mut plan = Planner::new(stream);
    let open = in_order(stream);
    let at = |boundary| nearest_start(&open, boundary, target).unwrap_or(boundary);
    let boundaries: Vec<_> = boundaries(target).map(at).collect();
    let mut pieces = Vec::new();
    for shard in &open {
        let first = boundaries.partition_point(|at| *at <= shard.range.start());
        let end = boundaries.partition_point(|at| *at <= shard.range.end());
        plan.cut(shard, boundaries.get(first..end).unwrap_or_default(), &mut pieces);
    }
    let is_within =
        |_: &NewShard, next: &NewShard| boundaries.binary_search(&next.range.start()).is_err();
    for pieces in pieces.chunk_by(is_within) {
        // What was cut is at the edges, and may be of late generations: it is merged last.
        if let [first, middle @ .., last] = pieces {
            let middle = plan.merge_halves(middle);
            plan.merge_all([*first].into_iter().chain(middle).chain([*last]));
        }
    }
    plan.finish()
}

/// Cuts each of `splits` in two equal halves, and joins each pair of `merges`. `None` when one of
/// the shards isn't there or isn't open, is too narrow, or is named twice, when a pair isn't one of
/// neighbours, or when there is nothing to do.
#[must_use]
pub fn adapt(
    stream: &StreamState,
    splits: &[ShardId],
    merges: &[(ShardId, ShardId)],
) -> Option<ReshardPlan> {
    let mut plan = Planner::new(stream);
    let mut named = BTreeSet::new();
    for id in splits {
        let shard = open_shard(stream, *id).ok().filter(|shard| named.insert(shard.id))?;
        plan.split(&planned(shard), middle(shard.range)?);
    }
    for (lower, upper) in merges {
        let (below, above) = (open_shard(stream, *lower).ok()?, open_shard(stream, *upper).ok()?);
        below.range.merge(above.range)?;
        (named.insert(*lower) && named.insert(*upper)).then_some(())?;
        plan.merge(&planned(below), &planned(above));
    }
    (!named.is_empty()).then(|| plan.finish())
}

/// The first key of the upper half, as for SplitShard above the second key and below the last.
fn middle(range: HashKeyRange) -> Option<HashKey> {
    let half = (range.end().value() - range.start().value()) / 2;
    (half > 1).then(|| HashKey::new(range.start().value() + half + 1))
}

/// The inner boundaries of `parts` equal ranges: floor(k · 2¹²⁸ / parts) for each k from 1 on.
fn boundaries(parts: u32) -> impl Iterator<Item = HashKey> {
    assert!(parts > 0, "a stream is scaled to at least one shard");
    let parts = u128::from(parts);
    // 2^128 = width · parts + rest, without a 129-bit number.
    let width = u128::MAX / parts + u128::from(parts.is_power_of_two() && parts > 1);
    let rest = width.wrapping_mul(parts).wrapping_neg();
    (1..parts).map(move |k| HashKey::new(k * width + k * rest / parts))
}

/// The nearest start of a shard that lies within `tolerance` keys of `boundary`: a boundary that
/// differs by rounding alone is kept.
fn nearest_start(open: &VecDeque<NewShard>, boundary: HashKey, tolerance: u32) -> Option<HashKey> {
    let distance = |start: &HashKey| start.value().abs_diff(boundary.value());
    let lowest = HashKey::new(boundary.value().saturating_sub(tolerance.into()));
    let first = open.partition_point(|shard| shard.range.start() < lowest);
    let starts = open.range(first..).map(|shard| shard.range.start());
    starts.take_while(|start| distance(start) <= tolerance.into()).min_by_key(distance)
}

fn open_shard(stream: &StreamState, id: ShardId) -> Result<&ShardState, Error> {
    let shard = stream.shard(id)?;
    if shard.is_open() {
        Ok(shard)
    } else {
        Err(Error::ShardClosed { stream: stream.arn.clone(), shard: id })
    }
}

/// The open shards, as a plan begins with them, in order of their hash keys.
fn in_order(stream: &StreamState) -> VecDeque<NewShard> {
    let mut open: Vec<_> = stream.open_shards().map(planned).collect();
    open.sort_unstable_by_key(|shard| shard.range.start());
    open.into()
}

/// A shard of the stream as one that a plan begins with.
fn planned(shard: &ShardState) -> NewShard {
    let ShardState { id, range, parents, .. } = *shard;
    NewShard { id, range, parents, generation: 0, passing: false }
}

/// What closes and what opens, step by step.
struct Planner {
    opens: Vec<NewShard>,
    closes: Vec<ShardId>,
    /// The index of the first new shard.
    first: i32,
    /// The index of the next one.
    next: i32,
}

impl Planner {
    fn new(stream: &StreamState) -> Self {
        let first = stream.next_shard;
        Self { opens: Vec::new(), closes: Vec::new(), first, next: first }
    }

    fn split(&mut self, shard: &NewShard, at: HashKey) -> [NewShard; 2] {
        self.close(shard.id);
        let (lower, upper) = shard.range.split_at(at).expect("the key lies within the shard");
        let parents = Parents { parent: Some(shard.id), adjacent: None };
        [lower, upper].map(|range| self.open(range, parents, shard.generation))
    }

    fn merge(&mut self, lower: &NewShard, upper: &NewShard) -> NewShard {
        self.close(lower.id);
        self.close(upper.id);
        let range = lower.range.merge(upper.range).expect("the shards are adjacent");
        let parents = Parents { parent: Some(lower.id), adjacent: Some(upper.id) };
        self.open(range, parents, lower.generation.max(upper.generation))
    }

    /// Splits the shard at each of these keys; the pieces, in order.
    fn cut(&mut self, shard: &NewShard, at: &[HashKey], pieces: &mut Vec<NewShard>) {
        let (below, from) = at.split_at(at.len() / 2);
        let Some((middle, above)) = from.split_first() else { return pieces.push(*shard) };
        let [lower, upper] = self.split(shard, *middle);
        self.cut(&lower, below, pieces);
        self.cut(&upper, above, pieces);
    }

    /// Makes one shard of these neighbours, if there are any, in few generations.
    fn merge_halves(&mut self, shards: &[NewShard]) -> Option<NewShard> {
        if let [] | [_] = shards {
            return shards.first().copied();
        }
        let (lower, upper) = shards.split_at(shards.len() / 2);
        let (lower, upper) = (self.merge_halves(lower)?, self.merge_halves(upper)?);
        Some(self.merge(&lower, &upper))
    }

    /// Makes one shard of these neighbours, from the left.
    fn merge_all(&mut self, shards: impl IntoIterator<Item = NewShard>) {
        shards.into_iter().reduce(|lower, upper| self.merge(&lower, &upper));
    }

    fn close(&mut self, shard: ShardId) {
        let new = usize::try_from(shard.index() - self.first).ok();
        match new.and_then(|new| self.opens.get_mut(new)) {
            Some(new) => new.passing = true,
            None => self.closes.push(shard),
        }
    }

    fn open(&mut self, range: HashKeyRange, parents: Parents, generation: u32) -> NewShard {
        let id = ShardId::new(self.next);
        self.next += 1;
        let shard = NewShard { id, range, parents, generation: generation + 1, passing: false };
        self.opens.push(shard);
        shard
    }

    fn finish(self) -> ReshardPlan {
        ReshardPlan { closes: self.closes, opens: self.opens }
    }
}

#[cfg(test)]
mod tests;
