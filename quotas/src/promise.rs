//! For tests: does a history of admissions keep `admitted ≤ rate · t + depth` in every window?

use crate::Time;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Checks all windows of a history of what was admitted when, in any order. A window from `a` to
/// `b` has both ends in it, and a time in nanoseconds lasts for one: it is `b − a + 1 ns` long.
pub(crate) fn assert_kept(history: &[(Time, u64)], rate: u32, depth: u64) {
    let mut history = history.to_vec();
    history.sort_unstable();
    // The worst window that ends at each admission: either it goes on from the worst before, or it
    // begins here. In tokens times nanoseconds, so that nothing is rounded.
    let (mut worst, mut last) = (0, Time::EPOCH);
    for (time, n) in history {
        let refilled = i128::from(time.nanos() - last.nanos()) * i128::from(rate);
        worst = (worst - refilled).max(0) + i128::from(n) * NANOS_PER_SECOND;
        last = time;
        let over = worst - i128::from(rate) - i128::from(depth) * NANOS_PER_SECOND;
        assert!(over <= 0, "{} too many at {time:?}", over / NANOS_PER_SECOND);
    }
}

#[test]
#[should_panic(expected = "1 too many")]
fn a_broken_promise_is_seen() {
    let second = Time::from_seconds;
    assert_kept(&[(second(2), 8), (second(1), 5), (second(9), 1)], 1, 10);
}
