//! What was asked for in the busiest second: admitted and refused together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Time;

/// The greatest load of any second, by the seconds of service time. Lock-free.
///
/// It is exact when requests come one after another. Of requests that pass from one second to the
/// next at the same moment, some may be counted in the wrong one of the two, or not at all.
#[derive(Debug, Default)]
pub struct Offered {
    second: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    records_max: AtomicU64,
    bytes_max: AtomicU64,
}

/// The load of the busiest second; records and bytes each of their own.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct Peak {
    /// Records, or calls, in a second.
    pub records: u64,
    /// Data and partition keys in a second.
    pub bytes: u64,
}

impl Offered {
    /// So much was asked for, and perhaps refused.
    pub fn note(&self, now: Time, records: u64, bytes: u64) {
        let second = now.seconds();
        let last = self.second.load(Relaxed);
        // A reader of the clock that was overtaken is counted in the second that has begun.
        if last < second && self.second.compare_exchange(last, second, Relaxed, Relaxed).is_ok() {
            self.records.store(0, Relaxed);
            self.bytes.store(0, Relaxed);
        }
        rise(&self.records_max, self.records.fetch_add(records, Relaxed) + records);
        rise(&self.bytes_max, self.bytes.fetch_add(bytes, Relaxed) + bytes);
    }

    /// The busiest second so far, the current one included.
    #[must_use]
    pub fn peak(&self) -> Peak {
        Peak { records: self.records_max.load(Relaxed), bytes: self.bytes_max.load(Relaxed) }
    }

    /// Forgets all but the second that is under way.
    pub fn clear(&self) {
        self.records_max.store(0, Relaxed);
        self.bytes_max.store(0, Relaxed);
    }
}

fn rise(max: &AtomicU64, value: u64) {
    if value > max.load(Relaxed) {
        max.fetch_max(value, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const START: Time = Time::from_seconds(1_700_000_000);

    #[test]
    fn the_busiest_second_is_remembered() {
        let offered = Offered::default();
        for (millis, records, bytes) in
            [(0, 3, 30), (999, 2, 5), (1_000, 4, 90), (5_500, 1, 7), (5_999, 0, 0)]
        {
            offered.note(START + Duration::from_millis(millis), records, bytes);
        }
        assert_eq!(offered.peak(), Peak { records: 5, bytes: 90 });
    }

    #[test]
    fn what_was_cleared_is_forgotten() {
        let offered = Offered::default();
        offered.note(START, 9, 9);
        offered.clear();
        assert_eq!(offered.peak(), Peak::default());
        offered.note(START + Duration::from_secs(1), 2, 3);
        assert_eq!(offered.peak(), Peak { records: 2, bytes: 3 });
    }

    #[test]
    fn threads_within_a_second_lose_nothing() {
        let offered = Offered::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| offered.note(START, 1, 2)));
            }
        });
        assert_eq!(offered.peak(), Peak { records: 40_000, bytes: 80_000 });
    }
}
