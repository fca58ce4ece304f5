//! What would have sufficed for a stream: how many shards, and where no number of shards helps.
//!
//! It is worked out from the busiest second of each shard, what was admitted and what was refused
//! together, as if the keys of a shard were spread evenly over its part of the key space. A key
//! that alone is more than a shard takes stays in one shard however often that is split.

use std::collections::BTreeMap;

use millpond_quotas::{Peak, Rates};
use millpond_shards::observed::{Observed, ObservedShard};
use serde::Serialize;

use super::{
    keys::Count,
    ledger::{Kind, Row},
};

/// Parts of the key space that a width is counted in.
const WIDTH: u128 = 1_000_000_000;

/// What would have sufficed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Advice {
    /// Even shards that would have taken all writes, by UpdateShardCount; those that there are if
    /// no write was refused.
    pub shards: u64,
    /// The same by splitting only the shards that refused writes.
    pub splits: Vec<Split>,
    /// Keys that are each more than one shard takes.
    pub hot_keys: Vec<HotKey>,
    /// The same in sentences, in which no key is named.
    pub sentences: Vec<String>,
}

/// A shard that would have had to be several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The shard.
    pub shard: String,
    /// How many even parts of it would have sufficed.
    pub into: u64,
}

/// A key that is more than a shard takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HotKey {
    /// The partition key.
    pub partition_key: String,
    /// Where it is written.
    pub shard: String,
    /// About as many records in the busiest second.
    pub records_per_second: u64,
    /// About as many bytes.
    pub bytes_per_second: u64,
}

/// What would have sufficed for the stream, to which these calls and records were refused.
pub(super) fn advise(observed: &Observed, rows: &[(&Kind, &Row)], rates: &Rates) -> Advice {
    let mut advice = Advice { shards: observed.open_shards.into(), ..Advice::default() };
    for shard in &observed.shards {
        let of_shard = |row: &&(&Kind, &Row)| row.0.shard == Some(shard.id) && row.0.is_write();
        let rows: Vec<_> = rows.iter().filter(of_shard).map(|(_, row)| *row).collect();
        if !rows.is_empty() {
            advice.take_in(shard, &rows, rates);
        }
    }
    advice.say(observed, rows);
    advice
}

impl Advice {
    fn take_in(&mut self, shard: &ObservedShard, rows: &[&Row], rates: &Rates) {
        let hot = hot_keys(shard, rows, rates);
        let writes = shard.peaks.writes;
        let rest = Peak {
            records: writes.records.saturating_sub(sum(&hot, |key| key.records_per_second)),
            bytes: writes.bytes.saturating_sub(sum(&hot, |key| key.bytes_per_second)),
        };
        // One didn't suffice, even if its busiest second looks so: bursts are shorter than that.
        let least = if hot.is_empty() { 2 } else { 1 };
        // Rounded down where it comes from: a third of the keys must not pass for less than that.
        let width = u128::from(shard.width_ppb) + 1;
        let even = shards_for(rest, rates, WIDTH, width);
        let as_wide = u64::try_from(WIDTH.div_ceil(width)).unwrap_or(u64::MAX);
        let even = if even > as_wide { even } else { as_wide.saturating_mul(least) };
        self.shards = self.shards.max(even);
        if shard.is_open {
            let into = shards_for(rest, rates, 1, 1).max(least) + hot.len() as u64;
            self.splits.push(Split { shard: shard.id.to_string(), into });
        }
        self.hot_keys.extend(hot);
    }

    fn say(&mut self, observed: &Observed, rows: &[(&Kind, &Row)]) {
        let open = u64::from(observed.open_shards);
        let name = observed.arn.name.as_str();
        let was_refused = |kind: fn(&Kind) -> bool| rows.iter().any(|(row, _)| kind(row));
        if was_refused(Kind::is_write) {
            let peak = observed.offered;
            self.sentences.push(if self.shards > open {
                format!(
                    "{name} would have taken its busiest second ({} records, {} bytes) with {} \
                     even shards instead of {open}",
                    peak.records, peak.bytes, self.shards
                )
            } else if self.hot_keys.is_empty() {
                format!("{name} has as many shards by now as its busiest second needs: {open}")
            } else {
                format!("{name} has shards enough but for keys that are too much for one: {open}")
            });
        }
        for key in &self.hot_keys {
            // Not which: it is often a user's name, and the sentence gets into the log.
            self.sentences.push(format!(
                "a partition key of {} alone is about {} records and {} bytes in a second, more \
                 than a shard takes: no number of shards helps, only more keys",
                key.shard, key.records_per_second, key.bytes_per_second
            ));
        }
        if was_refused(|row| row.limit == "shard-read-calls-per-second") {
            self.sentences.push(
                "GetRecords was called too often: all readers of a shard share its calls, so poll \
                 less often, or give readers their own throughput by enhanced fan-out"
                    .to_owned(),
            );
        }
        if was_refused(|row| row.limit == "shard-read-bytes-per-second") {
            self.sentences.push(
                "readers wanted more than a shard gives: use more shards, or enhanced fan-out"
                    .to_owned(),
            );
        }
    }
}

impl Kind {
    fn is_write(&self) -> bool {
        matches!(self.limit, "shard-write-records-per-second" | "shard-write-bytes-per-second")
    }
}

/// Shards that take a load: `times / parts` times what it is.
fn shards_for(peak: Peak, rates: &Rates, times: u128, parts: u128) -> u64 {
    let shards = |load: u64, rate: Option<u32>| match rate {
        Some(rate) => (u128::from(load) * times).div_ceil(u128::from(rate) * parts),
        None => 0,
    };
    let records = shards(peak.records, rates.write_records.get());
    let bytes = shards(peak.bytes, rates.write_bytes.get());
    u64::try_from(records.max(bytes)).unwrap_or(u64::MAX)
}

/// The keys that are each more than the shard takes. What is refused is a fair sample of what is
/// asked for, as a shard without room doesn't look at keys.
fn hot_keys(shard: &ObservedShard, rows: &[&Row], rates: &Rates) -> Vec<HotKey> {
    let (refused, bytes) = (sum(rows, |row| row.refused), sum(rows, |row| row.bytes));
    let part_of = |part: u64, of: u64, whole: u64| {
        let product = u128::from(part) * u128::from(whole);
        u64::try_from(product.checked_div(of.into()).unwrap_or_default()).unwrap_or(u64::MAX)
    };
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    for (key, count) in rows.iter().flat_map(|row| row.keys.counts()) {
        counts.entry(key).or_default().add(count);
    }
    let estimate = |(key, count): (&str, Count)| HotKey {
        partition_key: key.to_owned(),
        shard: shard.id.to_string(),
        records_per_second: part_of(count.surely(), refused, shard.peaks.writes.records),
        bytes_per_second: part_of(count.bytes, bytes, shard.peaks.writes.bytes),
    };
    let is_hot = |key: &HotKey| {
        let over = |load: u64, rate: Option<u32>| rate.is_some_and(|rate| load > rate.into());
        over(key.records_per_second, rates.write_records.get())
            || over(key.bytes_per_second, rates.write_bytes.get())
    };
    counts.into_iter().map(estimate).filter(is_hot).collect()
}

fn sum<T>(all: &[T], of: impl Fn(&T) -> u64) -> u64 {
    all.iter().map(of).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests;
