//! Counted calls a second, by governor, at times that the caller knows.
//!
//! governor is the limiter of choice for records and calls. Bytes need a
//! [`Bucket`](crate::bucket::Bucket): one that can be looked at without taking from it, and that an
//! answer can be charged to afterwards, into debt.

use std::{cell::Cell, num::NonZeroU32};

use governor::{
    Quota, RateLimiter, clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};

use crate::{Limit, Refusal, Time, bucket::Shortage};

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
    pub(crate) fn per_second(limit: Limit, rate: u32) -> Self {
        let rate = NonZeroU32::new(rate).expect("no rate in the table is zero");
        // governor counts from the time it is made at: the epoch, so that no given time is before.
        GIVEN.set(0);
        let quota = Quota::per_second(rate);
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
