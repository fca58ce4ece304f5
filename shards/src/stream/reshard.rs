//! Splits, merges and uniform scaling: which shards close, which open. Pure; `Control` makes it so.

use millpond_api::types::{HashKey, HashKeyRange, ShardId};

use super::{Parents, StreamState};
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
    let range = open_shard(stream, shard)?;
    let inside = at.value() > range.start().value().saturating_add(1) && at < range.end();
    if !inside {
        let stream = stream.arn.clone();
        return Err(Error::HashKeyOutsideShard { stream, shard, key: at, range });
    }
    let mut plan = Planner::new(stream);
    plan.split(shard, at);
    Ok(plan.finish())
}

/// Joins `lower` with `upper`, the shard directly above it.
///
/// # Errors
/// When either isn't there or isn't open, or `upper` doesn't begin where `lower` ends.
pub fn merge(stream: &StreamState, lower: ShardId, upper: ShardId) -> Result<ReshardPlan, Error> {
    let (lower_range, upper_range) = (open_shard(stream, lower)?, open_shard(stream, upper)?);
    if lower_range.merge(upper_range).is_none() {
        return Err(Error::NotAdjacent { stream: stream.arn.clone(), lower, upper });
    }
    let mut plan = Planner::new(stream);
    plan.merge(lower, upper);
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
    for (k, boundary) in boundaries(target).enumerate() {
        let boundary = plan.nearest_start(boundary, target).unwrap_or(boundary);
        if let Some(crossing) = plan.shard_across(boundary) {
            plan.split(crossing, boundary);
        }
        plan.merge_below(k, boundary.value().checked_sub(1).map(HashKey::new));
    }
    plan.merge_below(target as usize - 1, Some(HashKey::MAX));
    plan.finish()
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

fn open_shard(stream: &StreamState, id: ShardId) -> Result<HashKeyRange, Error> {
    let shard = stream.shard(id)?;
    if shard.is_open() {
        Ok(shard.range)
    } else {
        Err(Error::ShardClosed { stream: stream.arn.clone(), shard: id })
    }
}

/// The open shards as a plan changes them, in order of their hash keys.
struct Planner {
    open: Vec<NewShard>,
    opens: Vec<NewShard>,
    closes: Vec<ShardId>,
    next: i32,
}

impl Planner {
    fn new(stream: &StreamState) -> Self {
        let existing = |shard: &super::ShardState| NewShard {
            id: shard.id,
            range: shard.range,
            parents: shard.parents,
            generation: 0,
            passing: false,
        };
        let mut open: Vec<_> = stream.open_shards().map(existing).collect();
        open.sort_unstable_by_key(|shard| shard.range.start());
        Self { open, opens: Vec::new(), closes: Vec::new(), next: stream.next_shard }
    }

    fn split(&mut self, shard: ShardId, at: HashKey) {
        let index = self.index(shard);
        let parent = self.close(index);
        let (lower, upper) = parent.range.split_at(at).expect("the key lies within the shard");
        let parents = Parents { parent: Some(shard), adjacent: None };
        let children =
            [lower, upper].map(|range| self.new_shard(range, parents, parent.generation));
        self.open.splice(index..index, children);
    }

    fn merge(&mut self, lower_id: ShardId, upper_id: ShardId) {
        let index = self.index(lower_id);
        let (lower, upper) = (self.close(index), self.close(index));
        assert_eq!(upper.id, upper_id, "the upper shard follows the lower");
        let range = lower.range.merge(upper.range).expect("the shards are adjacent");
        let parents = Parents { parent: Some(lower.id), adjacent: Some(upper.id) };
        let child = self.new_shard(range, parents, lower.generation.max(upper.generation));
        self.open.insert(index, child);
    }

    /// Merges shard `index` with those above it, as far as they end at or below `end`.
    fn merge_below(&mut self, index: usize, end: Option<HashKey>) {
        while let Some([lower, upper]) = self.open.get(index..index + 2)
            && end.is_some_and(|end| upper.range.end() <= end)
        {
            let (lower, upper) = (lower.id, upper.id);
            self.merge(lower, upper);
        }
    }

    /// A shard that begins within `tolerance` keys of `boundary`: a boundary that differs by
    /// rounding alone is kept.
    fn nearest_start(&self, boundary: HashKey, tolerance: u32) -> Option<HashKey> {
        let starts = self.open.iter().map(|shard| shard.range.start());
        starts
            .filter(|start| start.value().abs_diff(boundary.value()) <= tolerance.into())
            .min_by_key(|start| start.value().abs_diff(boundary.value()))
    }

    /// The shard that `boundary` lies within, other than at its start.
    fn shard_across(&self, boundary: HashKey) -> Option<ShardId> {
        let across = |s: &&NewShard| s.range.contains(boundary) && s.range.start() != boundary;
        self.open.iter().find(across).map(|shard| shard.id)
    }

    fn index(&self, shard: ShardId) -> usize {
        self.open.iter().position(|open| open.id == shard).expect("the shard is open")
    }

    fn close(&mut self, index: usize) -> NewShard {
        let shard = self.open.remove(index);
        match self.opens.iter_mut().find(|new| new.id == shard.id) {
            Some(new) => new.passing = true,
            None => self.closes.push(shard.id),
        }
        shard
    }

    fn new_shard(&mut self, range: HashKeyRange, parents: Parents, generation: u32) -> NewShard {
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
