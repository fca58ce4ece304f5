//! What a stream in on-demand mode has beside its shards: how records are spread over them, what it
//! is kept warm for, and what it had to take lately. Plain data; `state::apply` changes it.

use std::collections::BTreeMap;

use millpond_api::types::{HashKeyRange, RecordDistributionStrategy, Timestamp};
use millpond_quotas::{Time, limits};

use super::DAY_MILLIS;

/// Keys by which ranges that are equal but for rounding may differ, and more.
const ROUNDING: u128 = 1 << 40;

/// The on-demand mode of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDemand {
    /// Who picks a record's shard: its partition key, or the service.
    pub distribution: RecordDistributionStrategy,
    /// The MiB a second that it shall be able to take at any time, in an account that is committed
    /// to a minimum throughput; `None` when that was never asked for.
    pub warm_mib: Option<u32>,
    /// The greatest write traffic of each of the last days.
    pub peaks: Peaks,
}

impl OnDemand {
    /// As a stream begins that nobody has written to.
    #[must_use]
    pub fn new(distribution: RecordDistributionStrategy, warm_mib: Option<u32>) -> Self {
        Self { distribution, warm_mib, peaks: Peaks::default() }
    }

    /// Open shards that the stream has at least, and begins with.
    #[must_use]
    pub fn shards_min(&self) -> u32 {
        self.warm_mib.unwrap_or_default().max(limits::ON_DEMAND_SHARDS_MIN)
    }
}

/// Write traffic, in bytes a second. A record counts as a thousandth of what a shard takes, if it
/// is smaller than that: as many shards as MiB take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Load(pub u64);

impl Load {
    /// Of so many bytes and records in so many milliseconds; none in no time.
    #[must_use]
    pub fn of(bytes: u64, records: u64, millis: u64) -> Self {
        let shard_bytes = u64::from(limits::SHARD_WRITE_BYTES_PER_SECOND);
        let shard_records = u64::from(limits::SHARD_WRITE_RECORDS_PER_SECOND);
        let of_records = records.saturating_mul(shard_bytes) / shard_records;
        let in_seconds = bytes.max(of_records).saturating_mul(1000).checked_div(millis);
        Self(in_seconds.unwrap_or_default())
    }

    /// The shards that take this and as much again.
    #[must_use]
    pub fn shards_needed(self) -> u64 {
        let double = self.0.saturating_mul(limits::ON_DEMAND_HEADROOM);
        double.div_ceil(limits::SHARD_WRITE_BYTES_PER_SECOND.into())
    }
}

/// The greatest load of each day, as far back as it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peaks(BTreeMap<i64, Load>);

impl Peaks {
    /// Peaks by their days since the epoch, as they were stored.
    pub(crate) fn of_days(days: impl IntoIterator<Item = (i64, Load)>) -> Self {
        Self(days.into_iter().collect())
    }

    /// Days since the epoch, and their peaks.
    pub(crate) fn days(&self) -> impl Iterator<Item = (i64, Load)> {
        self.0.iter().map(|(day, load)| (*day, *load))
    }

    /// The greatest load that counts at `now`.
    #[must_use]
    pub fn greatest(&self, now: Timestamp) -> Load {
        let counting = self.0.range(first_day(now)..).map(|(_, load)| *load);
        counting.max().unwrap_or_default()
    }

    /// The greatest load of the day of `now`, so far.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> Load {
        self.0.get(&day(now)).copied().unwrap_or_default()
    }

    /// When another load may be the greatest that counts, if nothing more is noted.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Time> {
        let next_day = Time::from_millis((day(now) + 1) * DAY_MILLIS);
        (!self.0.is_empty()).then_some(next_day)
    }

    /// There was this load at `now`.
    pub(crate) fn note(&mut self, load: Load, now: Timestamp) {
        let first = first_day(now);
        self.0.retain(|day, _| *day >= first);
        let today = self.0.entry(day(now)).or_default();
        *today = load.max(*today);
    }
}

fn day(at: Timestamp) -> i64 {
    at.millis().div_euclid(DAY_MILLIS)
}

fn first_day(now: Timestamp) -> i64 {
    day(now) - limits::ON_DEMAND_PEAK_DAYS
}

/// Whether a shard of this range has more of the key space than each of `parts` equal ones; a
/// difference by rounding alone doesn't count.
#[must_use]
pub fn is_wider(range: HashKeyRange, parts: u64) -> bool {
    let span = range.end().value() - range.start().value();
    span > (u128::MAX / u128::from(parts.max(1))).saturating_add(ROUNDING)
}

/// MiB a second that shards of these ranges take if partition keys are evenly spread.
#[must_use]
pub fn capacity_mib(ranges: impl Iterator<Item = HashKeyRange>) -> u32 {
    let span = |range: HashKeyRange| range.end().value() - range.start().value();
    let Some(widest) = ranges.map(span).max() else { return 0 };
    let parts = u128::MAX / widest.saturating_sub(ROUNDING).max(1);
    u32::try_from(parts).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(days: i64) -> Timestamp {
        Timestamp::from_millis(days * DAY_MILLIS + 1)
    }

    #[test]
    fn small_records_count_as_a_thousandth_of_a_shard() {
        assert_eq!(Load::of(6 << 20, 6, 1000), Load(6 << 20));
        assert_eq!(Load::of(1, 500, 1000), Load(1 << 19));
        assert_eq!(Load::of(1 << 20, 1000, 2000), Load(1 << 19));
        assert_eq!(Load::of(1, 1, 0), Load(0));
    }

    #[test]
    fn capacity_is_double_the_peak() {
        assert_eq!(Load(0).shards_needed(), 0);
        assert_eq!(Load(1 << 20).shards_needed(), 2);
        assert_eq!(Load((1 << 20) + 1).shards_needed(), 3);
        assert_eq!(Load(u64::MAX).shards_needed(), u64::MAX.div_ceil(1 << 20));
    }

    #[test]
    fn a_peak_counts_for_thirty_days() {
        let mut peaks = Peaks::default();
        peaks.note(Load(7), at(100));
        peaks.note(Load(3), at(100));
        peaks.note(Load(5), at(101));
        assert_eq!(peaks.greatest(at(130)), Load(7));
        assert_eq!(peaks.greatest(at(131)), Load(5));
        assert_eq!((peaks.today(at(100)), peaks.today(at(102))), (Load(7), Load(0)));
        peaks.note(Load(1), at(140));
        assert_eq!(peaks.days().collect::<Vec<_>>(), [(140, Load(1))]);
    }

    proptest! {
        #[test]
        fn equal_shards_take_as_much_as_they_are(parts in 1..5_000_u32) {
            let ranges = || HashKeyRange::uniform(parts);
            prop_assert!(ranges().all(|range| !is_wider(range, parts.into())));
            prop_assert!(ranges().any(|range| is_wider(range, u64::from(parts) + 1)));
            prop_assert_eq!(capacity_mib(ranges()), parts);
        }
    }
}
