//! Subscriptions over the engine in memory, with a clock that the tests move.

use std::time::Duration;

use futures::FutureExt as _;
use millpond_api::types::{Blob, HashKey, ShardId, StreamArn};
use millpond_quotas::Clock;

use super::*;
use crate::{
    Domain,
    batch::RecordBatch,
    domain::tests::open,
    engine::memory::MemoryEngine,
    state::{Command, ConsumerCommand, NewMode, NewStream},
};

struct Setting {
    domain: Domain,
    clock: Clock,
}

impl Setting {
    /// A stream of one shard.
    async fn new() -> Self {
        let clock = Clock::manual(Time::from_millis(1_700_000_000_000));
        let domain = open(&MemoryEngine::new(), &clock).await;
        let (now, due, tags) = (domain.now(), domain.now(), Vec::new());
        let new = NewStream {
            arn: arn(),
            mode: NewMode::Provisioned { shards: 1 },
            max_record_kib: 1024,
            tags,
            now,
            due,
        };
        domain.control().submit(Command::CreateStream(new)).await.unwrap();
        let (stream, name, tags) = (arn(), "app".to_owned(), Vec::new());
        let register = ConsumerCommand::Register { stream, name, tags, now, due };
        domain.control().submit(Command::Consumer(register)).await.unwrap();
        Self { domain, clock }
    }

    fn stream(&self) -> Arc<Stream> {
        self.domain.directory().stream(&crate::stream::Namespace::of(&arn()), &arn().name).unwrap()
    }

    async fn put(&self, shard: i32, data: &str) {
        let mut batch = RecordBatch::default();
        batch.push("key", None, &Blob::Bytes(data.as_bytes().into()));
        let stream = self.stream();
        stream.shard(ShardId::new(shard)).unwrap().append(batch).await.unwrap();
    }

    fn subscribe(&self, shard: i32) -> Subscription {
        let stream = self.stream();
        let consumer = stream.state().consumers.values().next().unwrap().arn();
        self.domain.subscribe(&stream, consumer, ShardId::new(shard), Offset::ZERO).unwrap()
    }

    /// Lets time pass in steps in which everybody gets their turn.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

fn arn() -> StreamArn {
    "arn:aws:kinesis:us-east-1:000000000000:stream/clicks".parse().unwrap()
}

fn texts(event: &Event) -> Vec<String> {
    let text = |data: &[u8]| String::from_utf8(data.to_vec()).unwrap();
    event.reading.records().map(|record| text(record.data)).collect()
}

const LIMIT: Limit = Limit::new(100, 1 << 10);

/// What is told next.
async fn next(subscription: &mut Subscription) -> Option<Result<Event, Error>> {
    let next = subscription.next(LIMIT).await;
    if let Some(Ok(event)) = &next {
        subscription.told(event);
    }
    next
}

/// The next event, which must be there without waiting for anything but other tasks.
async fn event(subscription: &mut Subscription) -> Event {
    next(subscription).await.unwrap().unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn what_was_not_told_comes_again_and_costs_nothing() {
    let setting = Setting::new().await;
    setting.put(0, "1").await;
    setting.put(0, "2").await;
    let mut subscription = setting.subscribe(0);
    for (records, expected) in [(2, vec!["1", "2"]), (1, vec!["1"]), (2, vec!["1", "2"])] {
        let limit = Limit { records, ..LIMIT };
        let event = subscription.next(limit).await.unwrap();
        assert_eq!(texts(&event.unwrap_or_else(|error| panic!("{error}"))), expected);
    }
    let limit = Limit { records: 1, ..LIMIT };
    let first = subscription.next(limit).await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    subscription.told(&first);
    assert_eq!(texts(&event(&mut subscription).await), ["2"]);
}

#[tokio::test]
async fn records_come_as_they_are_put() {
    let setting = Setting::new().await;
    setting.put(0, "1").await;
    setting.put(0, "2").await;
    let mut subscription = setting.subscribe(0);
    assert_eq!(texts(&event(&mut subscription).await), ["1", "2"]);
    let (third, ()) = tokio::join!(event(&mut subscription), setting.put(0, "3"));
    assert_eq!(texts(&third), ["3"]);
    assert!(!third.is_last);
}

#[tokio::test]
async fn silence_is_told_every_few_seconds_and_ends_after_five_minutes() {
    let setting = Setting::new().await;
    let mut subscription = setting.subscribe(0);
    let mut heartbeats = 0;
    loop {
        let (told, ()) =
            tokio::join!(next(&mut subscription), setting.pass(limits::SUBSCRIPTION_HEARTBEAT));
        let Some(event) = told else { break };
        assert_eq!(texts(&event.unwrap_or_else(|error| panic!("{error}"))), Vec::<String>::new());
        heartbeats += 1;
    }
    assert_eq!(heartbeats, 300 / 5 - 1);
    assert!(next(&mut subscription).await.is_none());
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_last_records() {
    let setting = Setting::new().await;
    let mut subscription = setting.subscribe(0);
    setting.put(0, "1").await;
    assert_eq!(texts(&event(&mut subscription).await), ["1"]);
    let (stream, at, due) = (arn(), HashKey::new(9), setting.domain.now());
    let split = Command::SplitShard { stream, shard: ShardId::new(0), at, due };
    let (last, split) =
        tokio::join!(event(&mut subscription), setting.domain.control().submit(split));
    split.unwrap();
    assert!(last.is_last && last.reading.is_empty());
    assert_eq!(last.stream.state().children(ShardId::new(0)).count(), 2);
    assert!(next(&mut subscription).await.is_none());
    // Who comes later is told the same.
    let mut late = setting.subscribe(0);
    let last = event(&mut late).await;
    assert_eq!((texts(&last), last.is_last), (vec!["1".to_owned()], true));
}

#[tokio::test]
async fn the_newer_subscription_takes_over() {
    let setting = Setting::new().await;
    let mut first = setting.subscribe(0);
    assert!(next(&mut first).now_or_never().is_none());
    let mut second = setting.subscribe(0);
    assert!(matches!(next(&mut first).await, Some(Err(Error::Superseded { .. }))));
    assert!(next(&mut first).await.is_none());
    let (told, ()) = tokio::join!(event(&mut second), setting.put(0, "1"));
    assert_eq!(texts(&told), ["1"]);
}

#[tokio::test]
async fn a_stream_that_is_deleted_ends_its_subscriptions() {
    let setting = Setting::new().await;
    let mut subscription = setting.subscribe(0);
    let (enforce_consumer_deletion, due) = (true, setting.domain.now());
    let delete = Command::DeleteStream { stream: arn(), enforce_consumer_deletion, due };
    let (told, deleted) =
        tokio::join!(next(&mut subscription), setting.domain.control().submit(delete));
    deleted.unwrap();
    // Its consumers go first.
    assert!(matches!(told, Some(Err(Error::ConsumerNotFound { .. }))));
    assert!(next(&mut subscription).await.is_none());
}

#[tokio::test]
async fn a_restore_ends_subscriptions_and_those_to_what_it_brings_stay() {
    let setting = Setting::new().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("snapshot.tar");
    setting.domain.snapshot(&path).await.unwrap();
    setting.put(0, "before").await;
    let mut subscription = setting.subscribe(0);
    assert_eq!(texts(&event(&mut subscription).await), ["before"]);
    let (told, restored) = tokio::join!(next(&mut subscription), setting.domain.restore(&path));
    restored.unwrap();
    assert!(matches!(told, Some(Err(Error::StreamNotFound { .. }))));
    assert!(next(&mut subscription).await.is_none());
    let mut after = setting.subscribe(0);
    setting.put(0, "after").await;
    assert_eq!(texts(&event(&mut after).await), ["after"]);
}

#[tokio::test]
async fn a_consumer_that_is_deregistered_is_told_nothing_more() {
    let setting = Setting::new().await;
    let mut subscription = setting.subscribe(0);
    let consumer = setting.stream().state().consumers.values().next().unwrap().arn();
    let deregister = ConsumerCommand::Deregister { consumer, due: setting.domain.now() };
    let control = setting.domain.control();
    let (told, deregistered) =
        tokio::join!(next(&mut subscription), control.submit(Command::Consumer(deregister)));
    deregistered.unwrap();
    assert!(matches!(told, Some(Err(Error::ConsumerNotFound { .. }))));
}

#[tokio::test]
async fn a_server_that_stops_ends_its_subscriptions() {
    let setting = Setting::new().await;
    let mut subscription = setting.subscribe(0);
    assert!(next(&mut subscription).now_or_never().is_none());
    setting.domain.end_subscriptions();
    assert!(next(&mut subscription).await.is_none());
    assert!(setting.subscribe(0).next(LIMIT).await.is_none());
}
