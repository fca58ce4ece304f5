//! What an account commits itself to in a region: to a minimum throughput, which AWS bills in any
//! case. Pure; `state::apply` stores it.

use millpond_api::types::Timestamp;
use millpond_quotas::limits;

const MIN_MILLIS: i64 = limits::COMMITMENT_MIN.as_millis() as i64;

/// An account's commitment, in force or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    /// When it began.
    pub started: Timestamp,
    /// When it ends or ended; `None` before anybody has asked for its end.
    pub ends: Option<Timestamp>,
}

impl Commitment {
    /// The commitment after UpdateAccountSettings. One in force goes on, and one that is to end is
    /// not to end any more; or it ends, at the earliest when it may.
    pub(crate) fn updated(before: Option<Self>, enabled: bool, now: Timestamp) -> Option<Self> {
        if enabled {
            let in_force = before.filter(|commitment| commitment.in_force(now));
            let started = in_force.map_or(now, |commitment| commitment.started);
            return Some(Self { started, ends: None });
        }
        let ended = |commitment: Self| commitment.earliest_end().max(now);
        before.map(|commitment| {
            let ends = commitment.ends.unwrap_or_else(|| ended(commitment));
            Self { ends: Some(ends), ..commitment }
        })
    }

    /// Before this it can't end.
    #[must_use]
    pub fn earliest_end(self) -> Timestamp {
        Timestamp::from_millis(self.started.millis() + MIN_MILLIS)
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn in_force(self, now: Timestamp) -> bool {
        self.ends.is_none_or(|at| now < at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(hours * HOUR)
    }

    fn after(updates: &[(bool, i64)]) -> Option<Commitment> {
        let update = |before, (enabled, hours): &(bool, i64)| {
            Commitment::updated(before, *enabled, at(*hours))
        };
        updates.iter().fold(None, update)
    }

    fn commitment(started: i64, ends: Option<i64>) -> Commitment {
        Commitment { started: at(started), ends: ends.map(at) }
    }

    #[test]
    fn it_lasts_a_day_at_least() {
        assert_eq!(after(&[(false, 1)]), None);
        assert_eq!(after(&[(true, 1)]), Some(commitment(1, None)));
        assert_eq!(after(&[(true, 1), (true, 2)]), Some(commitment(1, None)));
        assert_eq!(after(&[(true, 1), (false, 2)]), Some(commitment(1, Some(25))));
        assert_eq!(after(&[(true, 1), (false, 2), (false, 30)]), Some(commitment(1, Some(25))));
        assert_eq!(after(&[(true, 1), (false, 100)]), Some(commitment(1, Some(100))));
    }

    #[test]
    fn it_goes_on_or_begins_anew() {
        assert_eq!(after(&[(true, 1), (false, 2), (true, 24)]), Some(commitment(1, None)));
        assert_eq!(after(&[(true, 1), (false, 2), (true, 25)]), Some(commitment(25, None)));
    }

    #[test]
    fn it_is_in_force_until_it_ends() {
        let pending = after(&[(true, 1), (false, 2)]).unwrap();
        assert!(pending.in_force(at(24)) && !pending.in_force(at(25)));
    }
}
