//! What a registered consumer may do with one shard: subscriptions, and bytes pushed.

use std::time::Duration;

use crate::{Limit, Quotas, Refusal, Time, bucket::Bucket, calls::Calls};

/// The quotas of one consumer with one shard, apart from those of all other readers. Lock-free.
#[derive(Debug)]
pub struct ConsumerQuota {
    calls: Option<Calls>,
    bytes: Option<Bucket>,
    takeover_min: Duration,
}

impl ConsumerQuota {
    /// Full quotas.
    #[must_use]
    pub fn new(quotas: &Quotas) -> Self {
        Self {
            calls: quotas.rates.subscribe_calls.calls(Limit::SubscribeCalls),
            bytes: quotas.rates.consumer_bytes.bucket(),
            takeover_min: quotas.lives.takeover_min,
        }
    }

    /// May `SubscribeToShard` be answered? Spends one call if so.
    ///
    /// # Errors
    ///
    /// The limit; nothing is spent then.
    pub fn admit_subscribe_call(&self, now: Time) -> Result<(), Refusal> {
        self.calls.as_ref().map_or(Ok(()), |calls| calls.admit(now))
    }

    /// How long a subscription is safe from the next one.
    #[must_use]
    pub fn takeover_min(&self) -> Duration {
        self.takeover_min
    }

    /// How long to wait before anything more is pushed.
    #[must_use]
    pub fn wait(&self, now: Time) -> Duration {
        let check = self.bytes.as_ref().map_or(Ok(()), |bytes| bytes.check(now, 0));
        check.err().map_or(Duration::ZERO, |shortage| shortage.retry_after)
    }

    /// An event with `bytes` of data was pushed, whether the second had as many left or not.
    pub fn charge(&self, now: Time, bytes: u64) {
        if let Some(bucket) = &self.bytes {
            bucket.charge(now, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_millis(1_700_000_000_000);

    #[test]
    fn a_consumer_gets_two_mebibytes_a_second() {
        let quota = ConsumerQuota::new(&Quotas::strict());
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
        let quota = ConsumerQuota::new(&Quotas::strict());
        assert!(quota.admit_subscribe_call(START).is_ok());
        let refusal = quota.admit_subscribe_call(START + Duration::from_millis(999)).unwrap_err();
        assert_eq!(refusal.limit, Limit::SubscribeCalls);
        assert!(quota.admit_subscribe_call(START + Duration::from_secs(1)).is_ok());
    }

    #[test]
    fn nothing_is_kept_when_off() {
        let quota = ConsumerQuota::new(&Quotas::off());
        quota.charge(START, 1 << 40);
        assert_eq!(quota.wait(START), Duration::ZERO);
        assert_eq!(quota.takeover_min(), Duration::ZERO);
        assert!((0..9).all(|_| quota.admit_subscribe_call(START).is_ok()));
    }
}
