//! How long records live: the horizon of a stream, and the tier that its data is stored in. Pure.

use millpond_api::types::Timestamp;
use millpond_quotas::limits;

use crate::engine::RetentionTier;

const MILLIS_PER_HOUR: i64 = 3_600_000;

/// The time before which records are no longer visible.
#[must_use]
pub fn horizon(retention_hours: u32, trim_floor: Timestamp, now: Timestamp) -> Timestamp {
    let oldest = now.millis() - i64::from(retention_hours) * MILLIS_PER_HOUR;
    Timestamp::from_millis(oldest).max(trim_floor)
}

/// When what arrived at `at` is no longer visible, at the latest.
#[must_use]
pub fn expiry(at: Timestamp, retention_hours: u32) -> Timestamp {
    let retention = i64::from(retention_hours) * MILLIS_PER_HOUR;
    Timestamp::from_millis(at.millis().saturating_add(retention))
}

/// The tier of a retention period.
#[must_use]
pub fn tier(retention_hours: u32) -> RetentionTier {
    if retention_hours <= limits::RETENTION_MIN_HOURS {
        RetentionTier::Standard
    } else if retention_hours <= limits::RETENTION_EXTENDED_MAX_HOURS {
        RetentionTier::Extended
    } else {
        RetentionTier::LongTerm
    }
}

/// How much must be due before a shard is trimmed: a 24th of its retention period, so that trimming
/// costs the same number of steps in every tier.
#[must_use]
pub fn trim_step_millis(retention_hours: u32) -> i64 {
    i64::from(retention_hours) * MILLIS_PER_HOUR / 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_the_retention_period_brings_nothing_back() {
        let at = |hours: i64| Timestamp::from_millis(hours * MILLIS_PER_HOUR);
        assert_eq!(horizon(24, at(0), at(100)), at(76));
        let floor = horizon(24, at(0), at(100));
        assert_eq!(horizon(168, floor, at(100)), at(76));
        assert_eq!(horizon(168, floor, at(76 + 168 + 1)), at(77));
    }

    #[test]
    fn tiers_end_where_aws_bills_them() {
        assert_eq!(tier(24), RetentionTier::Standard);
        assert_eq!(tier(25), RetentionTier::Extended);
        assert_eq!(tier(168), RetentionTier::Extended);
        assert_eq!(tier(169), RetentionTier::LongTerm);
        assert_eq!(tier(8760), RetentionTier::LongTerm);
    }
}
