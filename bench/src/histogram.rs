//! Latencies in fixed memory: buckets whose width is under 1 % of what they hold.

use std::time::Duration;

/// Linear steps within each power of two; 128 keeps the error of a value below 1/128.
const STEPS_BITS: u32 = 7;
const STEPS: u64 = 1 << STEPS_BITS;
/// The largest latency told apart, 2^36 ns or 69 s; no run waits longer for an answer.
const NANOS_MAX: u64 = (1 << 36) - 1;
const BUCKETS: usize = bucket(NANOS_MAX) + 1;

/// Counts of latencies by size.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    /// Counts one latency; those over the largest that can be told apart count as that.
    pub(crate) fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(NANOS_MAX).min(NANOS_MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    /// Adds what another histogram counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The latency that `per_mille` of all stay at or below (nearest rank), zero of none.
    pub(crate) fn per_mille(&self, per_mille: u64) -> Duration {
        let rank = (per_mille * self.total).div_ceil(1_000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(middle(index));
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a latency: exact below `STEPS`, then `STEPS` buckets for each power of two.
const fn bucket(nanos: u64) -> usize {
    let shift = (nanos | (STEPS - 1)).ilog2() + 1 - STEPS_BITS;
    if shift == 0 {
        return nanos as usize;
    }
    // The leading one stands for the power, so only the bits after it tell the step.
    let step = (nanos >> (shift - 1)) - STEPS;
    (shift as u64 * STEPS + step) as usize
}

/// The middle of what a bucket holds, in nanoseconds.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let (shift, step) = (bucket / STEPS, bucket % STEPS);
    if shift == 0 {
        return step;
    }
    let width = 1 << (shift - 1);
    (STEPS + step) * width + width / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(nanos: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for &nanos in nanos {
            histogram.record(Duration::from_nanos(nanos));
        }
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_latency() {
        assert_eq!(Histogram::new().per_mille(500), Duration::ZERO);
    }

    #[test]
    fn small_values_are_exact_and_ranks_are_nearest() {
        let histogram = of(&[1, 2, 3, 4]);
        assert_eq!(histogram.per_mille(0), Duration::from_nanos(1));
        assert_eq!(histogram.per_mille(250), Duration::from_nanos(1));
        assert_eq!(histogram.per_mille(500), Duration::from_nanos(2));
        assert_eq!(histogram.per_mille(990), Duration::from_nanos(4));
    }

    #[test]
    fn a_rank_is_exact_where_a_fraction_would_round_up() {
        let nanos: Vec<u64> = (1..=75).collect();
        assert_eq!(of(&nanos).per_mille(280), Duration::from_nanos(21));
    }

    #[test]
    fn buckets_follow_each_other_without_a_hole() {
        let buckets: Vec<usize> = (0..4_096).map(bucket).collect();
        assert!(buckets.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1));
        assert_eq!(bucket(NANOS_MAX), BUCKETS - 1);
    }

    #[test]
    fn a_latency_beyond_the_largest_counts_as_the_largest() {
        let histogram = of(&[u64::MAX]);
        assert!(histogram.per_mille(500) > Duration::from_secs(68));
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(
            mut nanos in prop::collection::vec(1_u64..10_000_000_000, 1..300),
            per_mille in 1_u64..=1_000,
        ) {
            let (left, right) = nanos.split_at(nanos.len() / 2);
            let mut histogram = of(left);
            histogram.merge(&of(right));
            nanos.sort_unstable();
            let rank = (per_mille as usize * nanos.len()).div_ceil(1_000);
            let exact = nanos[rank - 1];
            let found = histogram.per_mille(per_mille).as_nanos() as u64;
            prop_assert!(found.abs_diff(exact) * 100 <= exact, "{found} for {exact}");
        }
    }
}
