//! Counted calls a second, by governor, at times that the caller knows.
//!
//! governor is the limiter of choice for records and calls. Bytes need a
//! [`Bucket`](crate::bucket::Bucket): one that can be looked at without taking from it, and that an
//! answer can be charged to afterwards, into debt.

use std::{cell::Cell, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter, clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

use crate::{Limit, Refusal, Time, bucket::Shortage};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// So many calls (or records) a second, and as many at once. Lock-free.
#[derive(Debug)]
pub(crate) struct Calls {
    limiter: RateLimiter<NotKeyed, InMemoryState, GivenTime, NoOpMiddleware<Nanos>>,
    limit: Limit,
}

/// governor asks a clock for the time at each decision, but a request reads the clock once and
/// decides about hundreds of records. So its clock here tells what its own thread was last given:
/// no state a shard, and no thread decides by another's time.
#[derive(Debug)]
struct GivenTime;

thread_local! {
    static GIVEN: Cell<u64> = const { Cell::new(0) };
}

impl clock::Clock for GivenTime {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(GIVEN.get())
    }
}

impl Calls {
    /// As many at once as in a second. governor counts whole nanoseconds from one to the next,
    /// rounded up here, so that the rate is never exceeded; up to
    /// [`Rate::COUNTED_MAX`](crate::Rate::COUNTED_MAX) it is met to a thousandth.
    pub(crate) fn per_second(limit: Limit, rate: NonZeroU32) -> Self {
        // governor counts from the time it is made at: the epoch, so that no given time is before.
        GIVEN.set(0);
        let apart = Duration::from_nanos(NANOS_PER_SECOND.div_ceil(u64::from(rate.get())));
        let quota = Quota::with_period(apart).expect("at least one nanosecond").allow_burst(rate);
        Self { limiter: RateLimiter::new(quota, InMemoryState::default(), GivenTime), limit }
    }

    pub(crate) fn admit(&self, now: Time) -> Result<(), Refusal> {
        GIVEN.set(now.nanos());
        self.limiter.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(Nanos::from(now.nanos()));
            Refusal::new(self.limit, Shortage { excess: 1, retry_after: wait })
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Rate, promise::assert_kept};

    const START: Time = Time::from_seconds(1_700_000_000);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_rate_is_met_to_a_thousandth_and_never_exceeded(
            // Of all magnitudes.
            rate in prop_oneof![1..20_u32, 1..2_000_u32, 1..=Rate::COUNTED_MAX],
        ) {
            let calls = Rate::per_second(rate).unwrap().calls(Limit::ReadCalls).unwrap();
            let mut admitted = Vec::new();
            let mut now = START;
            // The burst, and then whoever comes when it is time.
            for _ in 0..rate {
                prop_assert!(calls.admit(now).is_ok());
                admitted.push((now, 1));
            }
            for _ in 0..100 {
                let refusal = calls.admit(now).unwrap_err();
                prop_assert_eq!((refusal.limit, refusal.excess), (Limit::ReadCalls, 1));
                now = now + refusal.retry_after;
                prop_assert!(calls.admit(now).is_ok());
                admitted.push((now, 1));
            }
            assert_kept(&admitted, rate, rate.into());
            let fair = Duration::from_secs(100) / rate;
            let took = now.saturating_duration_since(START);
            prop_assert!(took <= fair.mul_f64(1.001) + Duration::from_nanos(100), "{took:?}");
        }
    }
}
