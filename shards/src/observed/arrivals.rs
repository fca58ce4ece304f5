//! How much arrived in which hour, for what is billed by how long it is kept.

use std::collections::BTreeMap;

/// Hours that are remembered one by one: a year of them. What is older counts as that old.
const HOURS_MAX: usize = 8_784;

/// KiB by the hour since the epoch in which they arrived; the hour under way is not in it.
#[derive(Debug)]
pub(super) struct Arrivals {
    by_hour: BTreeMap<u64, u64>,
    /// What arrived in all these hours.
    closed: u64,
    /// The hour that is under way.
    hour: u64,
}

impl Arrivals {
    /// Nothing arrived yet, and this hour is under way.
    pub(super) fn since(hour: u64) -> Self {
        Self { by_hour: BTreeMap::new(), closed: 0, hour }
    }

    /// `hour` begins, and `total` had arrived before it: all that is new, in the hour before.
    pub(super) fn close_hour(&mut self, hour: u64, total: u64) {
        let arrived = total.saturating_sub(self.closed);
        if arrived > 0 {
            *self.by_hour.entry(self.hour).or_default() += arrived;
        }
        (self.closed, self.hour) = (total, hour);
        while self.by_hour.len() > HOURS_MAX {
            let Some((_, oldest)) = self.by_hour.pop_first() else { break };
            if let Some(mut next) = self.by_hour.first_entry() {
                *next.get_mut() += oldest;
            }
        }
    }

    /// For how many hours how much was kept at an age from `from` to `to` hours, until the hour
    /// `now`, when `total` had arrived.
    pub(super) fn kib_hours(&self, total: u64, now: u64, from: u64, to: u64) -> u64 {
        let under_way = (self.hour, total.saturating_sub(self.closed));
        let hours = self.by_hour.iter().map(|(hour, kib)| (*hour, *kib)).chain([under_way]);
        let kept = hours.map(|(hour, kib)| {
            let age = now.saturating_sub(hour);
            kib.saturating_mul(age.min(to).saturating_sub(from))
        });
        kept.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_longer_counts_by_its_age() {
        let mut arrivals = Arrivals::since(1_000);
        arrivals.close_hour(1_001, 10);
        arrivals.close_hour(1_005, 30);
        // 10 KiB of the hour 1000, 20 of 1001, and 5 that came in 1005.
        let kept = |now, from, to| arrivals.kib_hours(35, now, from, to);
        assert_eq!(kept(1_005, 24, 168), 0);
        assert_eq!(kept(1_025, 24, 168), 10);
        assert_eq!(kept(1_030, 24, 168), 10 * 6 + 20 * 5 + 5);
        assert_eq!(kept(2_000, 24, 48), 35 * 24, "and no longer than it is retained");
        assert_eq!(kept(1_169, 168, 8_760), 10);
    }

    #[test]
    fn a_year_is_remembered_and_nothing_is_lost() {
        let mut arrivals = Arrivals::since(0);
        for hour in 1..20_000 {
            arrivals.close_hour(hour, hour);
        }
        assert_eq!(arrivals.by_hour.len(), HOURS_MAX);
        assert_eq!(arrivals.by_hour.values().sum::<u64>(), 19_999);
    }
}
