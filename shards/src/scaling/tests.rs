//! The actor: what it does to a stream that is written to, as time passes.

use millpond_api::types::{Blob, RecordDistributionStrategy, StreamArn, Timestamp};
use millpond_quotas::{Clock, Time};

use super::*;
use crate::{
    batch::RecordBatch,
    domain::{
        Domain,
        tests::{open, open_with},
    },
    engine::memory::MemoryEngine,
    state::{NewMode, NewStream, ShardLimit},
};

const MIB: u64 = 1 << 20;

struct Case {
    engine: MemoryEngine,
    clock: Clock,
    domain: Domain,
}

impl Case {
    /// A server with a new on-demand stream.
    async fn new() -> Self {
        Self::with(ShardLimit::Aws).await
    }

    async fn with(shard_limit: ShardLimit) -> Self {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(Time::from_seconds(86_400)));
        let domain = open_with(&engine, &clock, shard_limit).await;
        let case = Self { engine, clock, domain };
        case.create(arn()).await;
        case
    }

    async fn create(&self, arn: StreamArn) {
        let strategy = RecordDistributionStrategy::UserPartitionKey;
        let new = NewStream {
            arn,
            mode: NewMode::OnDemand(OnDemand::new(strategy, None)),
            max_record_kib: 1024,
            tags: Vec::new(),
            now: self.now(),
            due: self.now(),
        };
        self.submit(Command::CreateStream(new)).await;
    }

    /// What is left after a crash.
    async fn crash(self) -> Self {
        let engine = self.engine.crash(0);
        // What crashed looks after nothing any more.
        self.domain.close().await.unwrap_err();
        let domain = open(&engine, &self.clock).await;
        Self { engine, clock: self.clock, domain }
    }

    async fn submit(&self, command: Command) {
        self.domain.control().submit(command).await.unwrap();
    }

    fn now(&self) -> Timestamp {
        self.domain.now()
    }

    fn stream(&self) -> Arc<Stream> {
        self.domain.directory().stream(&Namespace::of(&arn()), &arn().name).unwrap()
    }

    fn open(&self) -> usize {
        self.stream().state().open_shards().count()
    }

    /// Lets so many minutes pass, in each of which so many bytes a second are told of as stored in
    /// each stream, in equal parts of the key space.
    async fn pass(&self, minutes: u64, bytes_per_second: u64) {
        for _ in 0..minutes {
            for stream in self.domain.directory().snapshot().streams() {
                let open = stream.routing().shards();
                for shard in open {
                    shard.meter().count_incoming(1, bytes_per_second * 60 / open.len() as u64);
                }
            }
            self.clock.step_by(PERIOD).await.unwrap();
        }
    }

    async fn put(&self, key: &str) -> ShardId {
        let stream = self.stream();
        let key = crate::stream::routing::hash_key(key);
        let shard = stream.routing().shard_of(key).unwrap();
        let mut batch = RecordBatch::default();
        batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
        shard.append(batch).await.unwrap();
        shard.id()
    }
}

fn arn() -> StreamArn {
    "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().unwrap()
}

#[tokio::test]
async fn busy_shards_are_split_within_a_quarter_of_an_hour_and_take_records_on() {
    let case = Case::new().await;
    let parent = case.put("key").await;
    case.pass(5, 4 * MIB).await;
    assert_eq!(case.open(), 4, "it hasn't lasted for five minutes yet");
    case.pass(1, 4 * MIB).await;
    assert_eq!(case.open(), 8);
    let child = case.put("key").await;
    let stream = case.stream();
    assert_eq!(stream.state().shard(child).unwrap().parents.parent, Some(parent));
    case.pass(8, 8 * MIB).await;
    assert_eq!(case.open(), 16, "again and again, as long as there is more");
    case.pass(60, 8 * MIB).await;
    assert_eq!(case.open(), 16, "they are half full now");
}

#[tokio::test]
async fn streams_share_what_room_there_is_at_once() {
    let case = Case::with(ShardLimit::Fixed(14)).await;
    let other: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/b".parse().unwrap();
    case.create(other.clone()).await;
    case.pass(6, 4 * MIB).await;
    let other = case.domain.directory().stream(&Namespace::of(&other), &other.name).unwrap();
    assert_eq!((case.open(), other.state().open_shards().count()), (8, 6));
}

#[tokio::test]
async fn quiet_shards_are_merged_when_the_peak_is_thirty_days_old() {
    let case = Case::new().await;
    case.pass(16, 7 * MIB).await;
    assert_eq!(case.open(), 16);
    // A day of little, and a crash: the peak is remembered, and calls for 14 shards.
    let case = case.crash().await;
    for _ in 0..30 {
        case.clock.step_by(limits::DAY).await.unwrap();
        case.pass(10, 1).await;
        assert_eq!(case.open(), 16);
    }
    for left in [8, 4, 4] {
        case.clock.step_by(limits::DAY).await.unwrap();
        case.pass(10, 1).await;
        assert_eq!(case.open(), left);
    }
    let state = case.stream();
    assert!(state.state().open_shards().all(|shard| shard.parents.adjacent.is_some()));
}

#[tokio::test]
async fn peaks_are_stored_rarely() {
    let case = Case::new().await;
    case.pass(20, MIB).await;
    let peaks = || case.stream().state().on_demand.clone().unwrap().peaks;
    assert_eq!(peaks().greatest(case.now()), Load(0), "four shards take double that anyway");
    case.pass(10, 3 * MIB).await;
    let noted = peaks().greatest(case.now());
    assert!(noted > Load(2 * MIB), "{noted:?}");
    let before = case.stream();
    case.pass(100, 3 * MIB + 1000).await;
    assert!(Arc::ptr_eq(&before, &case.stream()), "no command was given");
}

#[tokio::test]
async fn warmth_counts_while_the_account_is_committed() {
    let case = Case::new().await;
    let (namespace, now) = (Namespace::of(&arn()), case.now());
    let settle = |enabled, now| {
        let namespace = namespace.clone();
        Command::UpdateAccountSettings { namespace, enabled, now }
    };
    case.submit(settle(true, now)).await;
    let warm = CapacityCommand::UpdateWarmThroughput { stream: arn(), mib: 16, now, due: now };
    case.submit(Command::Capacity(warm)).await;
    assert_eq!(case.open(), 16);
    case.pass(10, 0).await;
    case.clock.step_by(limits::DAY * 2).await.unwrap();
    case.pass(10, 0).await;
    assert_eq!(case.open(), 16);
    case.submit(settle(false, case.now())).await;
    for left in [8, 4] {
        case.pass(10, 0).await;
        assert_eq!(case.open(), left);
        case.clock.step_by(limits::DAY).await.unwrap();
    }
}

#[tokio::test]
async fn a_provisioned_stream_is_left_alone() {
    let case = Case::new().await;
    let (mode, now) = (StreamMode::Provisioned, case.now());
    let (stream, warm_mib) = (arn(), None);
    let switch = CapacityCommand::UpdateMode { stream, mode, warm_mib, now, due: now };
    case.submit(Command::Capacity(switch)).await;
    case.pass(30, 4 * MIB).await;
    assert_eq!(case.open(), 4);
}
