//! What one shard has had to take lately, told by its meter's counts. Pure; time is passed in.

use std::collections::VecDeque;

use millpond_quotas::{Time, Usage, limits};

use crate::stream::on_demand::Load;

/// The write traffic of a shard.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Counts, oldest first: one at least as old as "sustained" asks for, if there is one, and all
    /// since.
    counts: VecDeque<(Time, Usage)>,
    /// When the shard last had more than a quiet one has, as far as is known.
    busy: Time,
}

/// What is known of a shard's write traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trend {
    /// What it has taken for a while; `None` when it hasn't been watched for so long.
    pub(super) sustained: Option<Load>,
    /// Whether it has had little for a day.
    pub(super) is_quiet: bool,
}

impl Traffic {
    /// Of a shard that is watched from `now` on.
    pub(super) fn new(now: Time) -> Self {
        Self { counts: VecDeque::new(), busy: now }
    }

    /// The shard's counts are `usage` at `now`.
    pub(super) fn observe(&mut self, usage: Usage, now: Time) -> Trend {
        let age = |at: Time| now.saturating_duration_since(at);
        let is_old = |counts: &VecDeque<(Time, Usage)>, at: usize| {
            counts.get(at).is_some_and(|(at, _)| age(*at) >= limits::ON_DEMAND_SUSTAINED)
        };
        while is_old(&self.counts, 1) {
            self.counts.pop_front();
        }
        let oldest = self.counts.front().filter(|_| is_old(&self.counts, 0));
        let sustained = oldest.map(|(at, before)| {
            let millis = u64::try_from(age(*at).as_millis()).unwrap_or(u64::MAX);
            let bytes = usage.incoming_bytes.saturating_sub(before.incoming_bytes);
            let records = usage.incoming_records.saturating_sub(before.incoming_records);
            Load::of(bytes, records, millis)
        });
        self.counts.push_back((now, usage));
        if sustained.is_some_and(|load| load.0 > limits::ON_DEMAND_MERGE_BYTES_PER_SECOND) {
            self.busy = now;
        }
        Trend { sustained, is_quiet: age(self.busy) >= limits::ON_DEMAND_QUIET }
    }

    /// Whether nothing came for as long as "sustained" looks back.
    pub(super) fn is_settled(&self) -> bool {
        let (Some((first, before)), Some((last, after))) =
            (self.counts.front(), self.counts.back())
        else {
            return false;
        };
        before == after && last.saturating_duration_since(*first) >= limits::ON_DEMAND_SUSTAINED
    }

    /// When the shard will have been quiet for a day, if that is to come.
    pub(super) fn next_quiet(&self, now: Time) -> Option<Time> {
        Some(self.busy + limits::ON_DEMAND_QUIET).filter(|at| *at > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn minute(n: u64) -> Time {
        Time::from_seconds(n * 60)
    }

    fn bytes(incoming_bytes: u64) -> Usage {
        Usage { incoming_bytes, ..Usage::default() }
    }

    #[test]
    fn traffic_is_sustained_when_it_has_lasted_for_five_minutes() {
        let mut traffic = Traffic::new(minute(0));
        for n in 0..5 {
            assert_eq!(traffic.observe(bytes(n * 60 * MIB), minute(n)).sustained, None);
        }
        let sustained =
            |traffic: &mut Traffic, mib, n| traffic.observe(bytes(mib * MIB), minute(n)).sustained;
        assert_eq!(sustained(&mut traffic, 300, 5), Some(Load(MIB)));
        assert_eq!(sustained(&mut traffic, 300, 6), Some(Load(MIB * 4 / 5)));
        assert_eq!(sustained(&mut traffic, 300, 10), Some(Load(0)));
        assert!(traffic.counts.len() <= 6);
    }

    #[test]
    fn a_shard_is_quiet_after_a_day_of_little() {
        let mut traffic = Traffic::new(minute(0));
        let day = limits::ON_DEMAND_QUIET;
        let after = |length: Duration| minute(10) + length;
        traffic.observe(bytes(0), minute(0));
        assert!(!traffic.observe(bytes(0), minute(5)).is_quiet);
        assert!(!traffic.observe(bytes(300 * MIB), minute(10)).is_quiet);
        let almost = after(day.checked_sub(Duration::from_secs(1)).unwrap());
        assert!(!traffic.observe(bytes(300 * MIB), almost).is_quiet);
        assert!(traffic.observe(bytes(300 * MIB), after(day)).is_quiet);
    }
}
