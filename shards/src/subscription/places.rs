//! Who is subscribed: one subscription at a time for each consumer and shard.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use millpond_api::types::{ConsumerArn, ShardId};
use millpond_quotas::{ConsumerQuota, Quotas, Refusal, Time};
use tokio_util::sync::CancellationToken;

use crate::{Error, stream::StreamNumber};

/// Entries after which those that stand for nothing any more are first looked for.
const ENTRIES_MIN: usize = 64;

/// What there is one subscription for at most.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The consumer.
    pub consumer: ConsumerArn,
    /// The shard.
    pub shard: ShardId,
    /// The `log_number` of the stream: what a restore puts in its place isn't subscribed to.
    pub log_number: StreamNumber,
}

/// All subscriptions of a server.
#[derive(Debug)]
pub struct Subscriptions {
    // Held for a lookup, once a SubscribeToShard.
    entries: Mutex<Entries>,
    quotas: Quotas,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    /// How many there are when they are next looked through.
    sweep_at: usize,
}

#[derive(Debug)]
struct Entry {
    quota: Arc<ConsumerQuota>,
    latest: Option<Latest>,
}

#[derive(Debug)]
struct Latest {
    since: Time,
    ended: CancellationToken,
}

impl Subscriptions {
    /// None yet.
    #[must_use]
    pub fn new(quotas: Quotas) -> Self {
        let entries = Entries { by_key: HashMap::new(), sweep_at: ENTRIES_MIN };
        Self { entries: Mutex::new(entries), quotas, stop: CancellationToken::new() }
    }

    /// A place for one more; the subscription that had it ends.
    ///
    /// # Errors
    /// `SubscribedTooOften` and `SubscribedJustNow`, as the consumer's quotas say.
    pub(crate) fn enter(&self, key: Key, now: Time) -> Result<Place, Error> {
        let mut entries = self.entries();
        entries.sweep(now);
        let new = || Entry { quota: Arc::new(ConsumerQuota::new(&self.quotas)), latest: None };
        let entry = entries.by_key.entry(key.clone()).or_insert_with(new);
        if let Err(refusal) = entry.quota.admit_subscribe_call(now) {
            let Key { consumer, shard, .. } = key;
            let refusal = Box::new(refusal);
            return Err(Error::SubscribedTooOften { consumer, shard, refusal });
        }
        if let Some(latest) = &entry.latest {
            let safe_until = latest.since + entry.quota.takeover_min();
            if now < safe_until {
                let refusal = Box::new(Refusal::safe_until(safe_until, now));
                let Key { consumer, shard, .. } = key;
                return Err(Error::SubscribedJustNow { consumer, shard, refusal });
            }
            latest.ended.cancel();
        }
        // A token of its own: all places waiting for one token would share its lock.
        let ended = self.stop.child_token();
        entry.latest = Some(Latest { since: now, ended: ended.clone() });
        let quota = Arc::clone(&entry.quota);
        let life = self.quotas.lives.subscription;
        Ok(Place { key, quota, life, ended, stop: self.stop.clone() })
    }

    /// Ends every subscription, now and in future: the server is about to stop.
    pub(crate) fn end_all(&self) {
        self.stop.cancel();
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("nothing panics while it holds the entries")
    }
}

impl Entries {
    fn sweep(&mut self, now: Time) {
        if self.by_key.len() < self.sweep_at {
            return;
        }
        self.by_key.retain(|_, entry| entry.matters(now));
        self.sweep_at = ENTRIES_MIN.max(self.by_key.len() * 2);
    }
}

impl Entry {
    fn matters(&self, now: Time) -> bool {
        let safe_until = |latest: &Latest| latest.since + self.quota.takeover_min();
        let latest = self.latest.as_ref();
        latest.is_some_and(|latest| !latest.ended.is_cancelled() || now < safe_until(latest))
    }
}

/// The place of a live subscription; dropping it leaves.
#[derive(Debug)]
pub(crate) struct Place {
    key: Key,
    quota: Arc<ConsumerQuota>,
    life: Duration,
    ended: CancellationToken,
    stop: CancellationToken,
}

impl Place {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// How long the subscription is served.
    pub(super) fn life(&self) -> Duration {
        self.life
    }

    pub(super) fn quota(&self) -> &ConsumerQuota {
        &self.quota
    }

    /// Waits for the end that comes from outside: true when another subscription took the place,
    /// false when the server is about to stop.
    pub(super) fn ended(&self) -> impl Future<Output = bool> + use<> {
        let (ended, stop) = (self.ended.clone(), self.stop.clone());
        async move {
            ended.cancelled().await;
            !stop.is_cancelled()
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const NOW: Time = Time::from_millis(1_700_000_000_000);

    fn key(shard: i32) -> Key {
        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
        let consumer = format!("{stream}/consumer/app:1700000000").parse().unwrap();
        Key { consumer, shard: ShardId::new(shard), log_number: StreamNumber(1) }
    }

    fn enter(all: &Subscriptions, shard: i32, after_ms: u64) -> Result<Place, Error> {
        all.enter(key(shard), NOW + Duration::from_millis(after_ms))
    }

    #[test]
    fn a_subscription_is_safe_for_five_seconds_and_then_replaced() {
        let all = Subscriptions::new(Quotas::strict());
        let first = enter(&all, 0, 0).unwrap();
        assert!(matches!(enter(&all, 0, 999), Err(Error::SubscribedTooOften { .. })));
        assert!(matches!(enter(&all, 0, 4_999), Err(Error::SubscribedJustNow { .. })));
        assert!(enter(&all, 1, 10).is_ok(), "another shard is another matter");
        assert_eq!(first.ended().now_or_never(), None);
        let second = enter(&all, 0, 6_000).unwrap();
        assert_eq!(first.ended().now_or_never(), Some(true));
        drop(first);
        assert_eq!(second.ended().now_or_never(), None);
        all.end_all();
        assert_eq!(second.ended().now_or_never(), Some(false));
    }

    #[test]
    fn without_quotas_the_newest_wins_at_once() {
        let all = Subscriptions::new(Quotas::off());
        let first = enter(&all, 0, 0).unwrap();
        let second = enter(&all, 0, 0).unwrap();
        assert_eq!(first.ended().now_or_never(), Some(true));
        assert_eq!(second.ended().now_or_never(), None);
    }

    #[test]
    fn to_what_was_restored_a_subscription_is_the_first() {
        let all = Subscriptions::new(Quotas::strict());
        let before = enter(&all, 0, 0).unwrap();
        let restored = Key { log_number: StreamNumber(2), ..key(0) };
        let first = all.enter(restored.clone(), NOW).unwrap();
        assert_eq!(before.ended().now_or_never(), None, "it ends with its stream");
        drop(before);
        assert!(matches!(all.enter(restored, NOW), Err(Error::SubscribedTooOften { .. })));
        assert_eq!(first.ended().now_or_never(), None);
    }

    #[test]
    fn who_left_is_forgotten() {
        let all = Subscriptions::new(Quotas::strict());
        let stays = enter(&all, 0, 0).unwrap();
        for shard in 1..1_000 {
            drop(enter(&all, shard, u64::from(shard.cast_unsigned()) * 5_000));
        }
        assert!(all.entries().by_key.len() <= ENTRIES_MIN);
        assert!(all.entries().by_key.contains_key(&key(0)));
        drop(stays);
    }
}
