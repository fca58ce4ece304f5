//! What a registered consumer may do with one shard: subscriptions, and bytes pushed.

use std::time::Duration;

use crate::{
    Limit, Quotas, Refusal, Time,
    bucket::Bucket,
    calls::Calls,
    limits::{
        CONSUMER_READ_BYTES_PER_SECOND, SUBSCRIBE_CALLS_PER_SECOND, SUBSCRIPTION_TAKEOVER_MIN,
    },
};

/// The quotas of one consumer with one shard, apart from those of all other readers. Lock-free;
/// nothing is kept when quotas are off.
#[derive(Debug)]
pub struct ConsumerQuota(Option<Strict>);

#[derive(Debug)]
struct Strict {
    calls: Calls,
    bytes: Bucket,
}

impl ConsumerQuota {
    /// Full quotas.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        let strict = || Strict {
            calls: Calls::per_second(Limit::SubscribeCalls, SUBSCRIBE_CALLS_PER_SECOND),
            bytes: Bucket::new(
                CONSUMER_READ_BYTES_PER_SECOND,
                CONSUMER_READ_BYTES_PER_SECOND.into(),
            ),
        };
        Self((quotas == Quotas::Strict).then(strict))
    }

    /// May `SubscribeToShard` be answered? Spends one call if so.
    ///
    /// # Errors
    ///
    /// The limit; nothing is spent then.
    pub fn admit_subscribe_call(&self, now: Time) -> Result<(), Refusal> {
        self.0.as_ref().map_or(Ok(()), |strict| strict.calls.admit(now))
    }

    /// How long a subscription is safe from the next one.
    #[must_use]
    pub fn takeover_min(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |_| SUBSCRIPTION_TAKEOVER_MIN)
    }

    /// How long to wait before anything more is pushed.
    #[must_use]
    pub fn wait(&self, now: Time) -> Duration {
        let check = self.0.as_ref().map_or(Ok(()), |strict| strict.bytes.check(now, 0));
        check.err().map_or(Duration::ZERO, |shortage| shortage.retry_after)
    }

    /// An event with `bytes` of data was pushed, whether the second had as many left or not.
    pub fn charge(&self, now: Time, bytes: u64) {
        if let Some(strict) = &self.0 {
            strict.bytes.charge(now, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_millis(1_700_000_000_000);

    #[test]
    fn a_consumer_gets_two_mebibytes_a_second() {
        let quota = ConsumerQuota::new(Quotas::Strict);
        let (mut now, mut pushed) = (START, 0_u64);
        while now < START + Duration::from_secs(10) {
            now = now + quota.wait(now);
            quota.charge(now, 256 << 10);
            pushed += 256 << 10;
        }
        // A second's bytes at once, then by the second, and the last event goes over it.
        assert_eq!(pushed, (10 + 1) * (2 << 20) + (256 << 10));
    }

    #[test]
    fn one_call_a_second() {
        let quota = ConsumerQuota::new(Quotas::Strict);
        assert!(quota.admit_subscribe_call(START).is_ok());
        let refusal = quota.admit_subscribe_call(START + Duration::from_millis(999)).unwrap_err();
        assert_eq!(refusal.limit, Limit::SubscribeCalls);
        assert!(quota.admit_subscribe_call(START + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn nothing_is_kept_when_off() {
        let quota = ConsumerQuota::new(Quotas::Off);
        quota.charge(START, 1 << 40);
        assert_eq!(quota.wait(START), Duration::ZERO);
        assert_eq!(quota.takeover_min(), Duration::ZERO);
        assert!((0..9).all(|_| quota.admit_subscribe_call(START).is_ok()));
    }
}
