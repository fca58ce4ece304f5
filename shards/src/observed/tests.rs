//! What is billed goes by the state that a stream is in, and by what passes.

use std::{sync::Arc, time::Duration};

use millpond_api::types::Timestamp;
use millpond_quotas::Quotas;

use super::*;
use crate::{
    Domain, Options,
    crypt::testing::TestKeys,
    engine::memory::MemoryEngine,
    state::{Command, ConsumerCommand, NewMode, NewStream, ShardLimit},
};

const START: Time = Time::from_seconds(1_700_000_000);
const HOUR: Duration = Duration::from_hours(1);
const HOUR_MILLIS: u64 = 3_600_000;

struct World {
    domain: Domain,
    clock: Clock,
}

impl World {
    async fn new(quotas: Quotas) -> Self {
        let clock = Clock::manual(START);
        let options = Options {
            quotas,
            shard_limit: ShardLimit::Aws,
            tail_bytes_max: 1 << 20,
            token_key: [7; 32],
            keys: Arc::new(TestKeys::default()),
        };
        let engine = Arc::new(MemoryEngine::new());
        Self { domain: Domain::open(engine, clock.clone(), options).await.unwrap(), clock }
    }

    async fn submit(&self, command: Command) {
        self.domain.control().submit(command).await.unwrap();
    }

    async fn create(&self, shards: u32) {
        let (now, mode) = (self.domain.now(), NewMode::Provisioned { shards });
        let (arn, tags) = (arn(), Vec::new());
        let new = NewStream { arn, mode, max_record_kib: 1_024, tags, now, due: now };
        self.submit(Command::CreateStream(new)).await;
    }

    fn observed(&self) -> Observed {
        let mut all = self.domain.directory().observed();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn stream(&self) -> Arc<Stream> {
        self.domain.directory().snapshot().streams().next().unwrap().clone()
    }
}

fn arn() -> StreamArn {
    "arn:aws:kinesis:us-east-1:000000000000:stream/clicks".parse().unwrap()
}

fn at(world: &World) -> Timestamp {
    world.domain.now()
}

#[tokio::test]
async fn shard_hours_go_by_the_shards_that_were_open() {
    let world = World::new(Quotas::strict()).await;
    world.create(2).await;
    world.clock.advance(HOUR);
    let (now, due) = (at(&world), at(&world));
    world.submit(Command::UpdateShardCount { stream: arn(), target: 4, now, due }).await;
    world.clock.advance(HOUR * 2);
    let (now, due) = (at(&world), at(&world));
    world.submit(Command::IncreaseRetention { stream: arn(), hours: 48, now, due }).await;
    let (now, due, name, tags) = (at(&world), at(&world), "app".to_owned(), Vec::new());
    let register = ConsumerCommand::Register { stream: arn(), name, tags, now, due };
    world.submit(Command::Consumer(register)).await;
    world.clock.advance(HOUR * 3);
    let billed = world.observed().billed;
    assert_eq!(billed.stream_millis, 6 * HOUR_MILLIS);
    assert_eq!(billed.shard_millis, (2 + 2 * 4 + 3 * 4) * HOUR_MILLIS);
    assert_eq!(billed.extended_shard_millis, 3 * 4 * HOUR_MILLIS);
    assert_eq!(billed.consumer_shard_millis, 3 * 4 * HOUR_MILLIS);
    assert_eq!(world.observed().billed, billed, "to ask costs nothing");
}

#[tokio::test]
async fn a_record_is_billed_by_begun_units() {
    let world = World::new(Quotas::strict()).await;
    world.create(1).await;
    let stream = world.stream();
    let meters = stream.meters().unwrap();
    meters.note_put(
        world.clock.now(),
        [0, 1, 1_024, 1_025, 25 << 10, (25 << 10) + 1, 1 << 20].into_iter(),
    );
    meters.note_read(700);
    meters.note_pushed(90);
    let billed = world.observed().billed;
    assert_eq!(billed.put_units, 1 + 1 + 1 + 1 + 1 + 2 + 41);
    assert_eq!(billed.in_kib, 1 + 1 + 1 + 2 + 25 + 26 + 1_024);
    assert_eq!((billed.out_bytes, billed.fan_out_bytes), (700, 90));
    world.clock.advance(HOUR * 30);
    assert_eq!(world.observed().billed.extended_kib_hours, 0, "kept for a day only");
}

#[tokio::test]
async fn what_is_kept_for_longer_is_billed_by_its_age() {
    let world = World::new(Quotas::strict()).await;
    world.create(1).await;
    let (now, due) = (at(&world), at(&world));
    world.submit(Command::IncreaseRetention { stream: arn(), hours: 200, now, due }).await;
    world.stream().meters().unwrap().note_put(world.clock.now(), [10 << 10].into_iter());
    world.clock.advance(HOUR * 30);
    world.stream().meters().unwrap().note_put(world.clock.now(), [1 << 10].into_iter());
    assert_eq!(world.observed().billed.extended_kib_hours, 10 * 6);
    world.clock.advance(HOUR * 220);
    let billed = world.observed().billed;
    assert_eq!(billed.extended_kib_hours, 10 * 144 + 144);
    assert_eq!(billed.long_term_kib_hours, 10 * 32 + 32);
}

#[tokio::test]
async fn a_stream_is_told_of_after_it_is_gone_until_all_is_forgotten() {
    let world = World::new(Quotas::strict()).await;
    world.create(2).await;
    let stream = world.stream();
    let shard = stream.shards().next().unwrap();
    assert!(shard.admit_write(world.clock.now(), 500).is_ok());
    stream.meters().unwrap().note_offered(world.clock.now(), 1, 500);
    world.clock.advance(HOUR);
    let due = at(&world);
    let (stream, enforce_consumer_deletion) = (arn(), false);
    world.submit(Command::DeleteStream { stream, enforce_consumer_deletion, due }).await;
    world.clock.advance(HOUR);
    let gone = world.observed();
    assert!(gone.is_gone);
    assert_eq!(gone.offered, Peak { records: 1, bytes: 500 });
    assert_eq!((gone.shards.len(), gone.shards[0].width_ppb), (1, 500_000_000));
    assert_eq!(gone.shards[0].peaks.writes, Peak { records: 1, bytes: 500 });
    assert_eq!(gone.billed.shard_millis, 2 * HOUR_MILLIS);
    world.domain.directory().forget_observed(|_| false);
    assert_eq!(world.observed(), gone);
    world.domain.directory().forget_observed(|arn| arn.name.as_str() == "clicks");
    assert!(world.domain.directory().observed().is_empty());
}

#[tokio::test]
async fn what_was_forgotten_begins_anew() {
    let world = World::new(Quotas::strict()).await;
    world.create(1).await;
    let stream = world.stream();
    stream.meters().unwrap().note_put(world.clock.now(), [9].into_iter());
    stream.meters().unwrap().note_offered(world.clock.now(), 1, 9);
    assert!(stream.shards().next().unwrap().admit_read().is_ok());
    world.clock.advance(HOUR);
    world.domain.directory().forget_observed(|_| true);
    let observed = world.observed();
    assert_eq!(observed.billed, Billed::default());
    assert_eq!((observed.offered, observed.shards.len()), (Peak::default(), 0));
    world.clock.advance(HOUR);
    assert_eq!(world.observed().billed.shard_millis, HOUR_MILLIS);
}

#[tokio::test]
async fn without_limits_nothing_is_counted() {
    let world = World::new(Quotas::off()).await;
    world.create(1).await;
    assert!(world.stream().meters().is_none());
    assert!(world.domain.directory().observed().is_empty());
}
