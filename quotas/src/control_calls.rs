//! Calls a second of the control plane, by account or stream.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    CallRates, Limit, Quotas, Refusal, Time,
    bucket::{Bucket, Shortage},
};

/// Callers remembered at once. A caller is forgotten a second after its last call at the latest,
/// so this many must be active in one second before any is refused for want of room.
const CALLERS_MAX: usize = 16_384;

/// The call rates of all control operations. One short lock a call: the data plane is not counted
/// here.
#[derive(Debug)]
pub struct CallQuota {
    rates: CallRates,
    callers: Callers,
}

#[derive(Debug)]
struct Callers {
    hasher: RandomState,
    /// By keyed hash of scope and operation: two that share one, once in 2⁶⁴, share a quota.
    buckets: Mutex<HashMap<u64, Bucket>>,
}

impl CallQuota {
    /// Quotas of callers who have not called yet.
    #[must_use]
    pub fn new(quotas: &Quotas) -> Self {
        let callers = Callers { hasher: RandomState::new(), buckets: Mutex::default() };
        Self { rates: quotas.calls.clone(), callers }
    }

    /// As if nobody had called yet.
    pub fn refill(&self) {
        self.callers.buckets().clear();
    }

    /// May `operation`, by its Kinesis name, be called? Spends one call if so. `scope` names those
    /// who share the quota: account and region, or the stream, as
    /// [`control_calls`](crate::limits::control_calls) says for the operation. Operations that it
    /// does not know are admitted.
    ///
    /// # Errors
    ///
    /// [`Limit::ControlCalls`]; nothing is spent then.
    pub fn admit(&self, now: Time, scope: &str, operation: &str) -> Result<(), Refusal> {
        let Some(rate) = self.rates.of(operation).get() else { return Ok(()) };
        let key = self.callers.hasher.hash_one((scope, operation));
        let taken = self.callers.take(now, key, rate);
        taken.map_err(|shortage| Refusal::new(Limit::ControlCalls, shortage))
    }
}

impl Callers {
    fn buckets(&self) -> MutexGuard<'_, HashMap<u64, Bucket>> {
        // Buckets are whole between any two statements, so a panic elsewhere spoils nothing.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, now: Time, key: u64, rate: u32) -> Result<(), Shortage> {
        let mut buckets = self.buckets();
        if buckets.len() >= CALLERS_MAX && !buckets.contains_key(&key) {
            // A full bucket is as good as none.
            buckets.retain(|_, bucket| !bucket.is_full(now));
            if buckets.len() >= CALLERS_MAX {
                return Err(Shortage { excess: 1, retry_after: Duration::from_secs(1) });
            }
        }
        buckets.entry(key).or_insert_with(|| Bucket::new(rate, rate.into())).try_take(now, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_700_000_000);
    const ACCOUNT: &str = "000000000000/us-east-1";

    #[test]
    fn an_operation_is_admitted_at_its_rate() {
        let quota = CallQuota::new(&Quotas::strict());
        for _ in 0..5 {
            assert_eq!(quota.admit(NOW, ACCOUNT, "CreateStream"), Ok(()));
        }
        let refusal = quota.admit(NOW, ACCOUNT, "CreateStream").unwrap_err();
        let retry_after = Duration::from_millis(200);
        assert_eq!(refusal, Refusal { limit: Limit::ControlCalls, excess: 1, retry_after });
        assert_eq!(quota.admit(NOW + retry_after, ACCOUNT, "CreateStream"), Ok(()));
    }

    #[test]
    fn once_refilled_it_is_as_new() {
        let quota = CallQuota::new(&Quotas::strict());
        assert!(quota.admit(NOW, ACCOUNT, "DescribeLimits").is_ok());
        assert!(quota.admit(NOW, ACCOUNT, "DescribeLimits").is_err());
        quota.refill();
        assert!(quota.admit(NOW, ACCOUNT, "DescribeLimits").is_ok());
        assert!(quota.admit(NOW, ACCOUNT, "DescribeLimits").is_err());
    }

    #[test]
    fn scopes_and_operations_are_apart() {
        let quota = CallQuota::new(&Quotas::strict());
        assert!(quota.admit(NOW, ACCOUNT, "DescribeLimits").is_ok());
        assert!(quota.admit(NOW, ACCOUNT, "DescribeLimits").is_err());
        assert!(quota.admit(NOW, "000000000000/eu-west-1", "DescribeLimits").is_ok());
        assert!(quota.admit(NOW, ACCOUNT, "DescribeStreamSummary").is_ok());
    }

    #[test]
    fn the_data_plane_and_a_server_without_quotas_are_not_counted() {
        let quota = CallQuota::new(&Quotas::strict());
        let off = CallQuota::new(&Quotas::off());
        for _ in 0..10_000 {
            assert_eq!(quota.admit(NOW, ACCOUNT, "PutRecords"), Ok(()));
            assert_eq!(off.admit(NOW, ACCOUNT, "DescribeLimits"), Ok(()));
        }
    }

    #[test]
    fn idle_callers_are_forgotten_when_room_is_needed() {
        let quota = CallQuota::new(&Quotas::strict());
        for caller in 0..CALLERS_MAX {
            assert!(quota.admit(NOW, &caller.to_string(), "DescribeLimits").is_ok());
        }
        assert!(quota.admit(NOW, "one more", "DescribeLimits").is_err());
        assert!(quota.admit(NOW, "0", "DescribeLimits").is_err(), "the known are still counted");
        let later = NOW + Duration::from_secs(1);
        assert!(quota.admit(later, "one more", "DescribeLimits").is_ok());
        assert_eq!(quota.callers.buckets.into_inner().expect("no panic before").len(), 1);
    }
}
