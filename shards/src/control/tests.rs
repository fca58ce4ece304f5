//! Transitions over storage that fails between any two of their steps.

use std::time::Duration;

use millpond_api::types::{Blob, HashKey, StreamArn, StreamStatus, Timestamp};
use millpond_quotas::{Clock, MoveError};

use super::*;
use crate::{
    Domain,
    batch::RecordBatch,
    directory::Stream,
    domain::tests::{open, writes_of},
    engine::{
        Offset,
        memory::{Fault, Faults, MemoryEngine},
    },
    shard::AppendError,
    state::{NewMode, NewStream, replace::Restored},
    stream::Namespace,
    token::{KEY_BYTES, Purpose},
};

/// How long a test that fails waits for what doesn't happen.
const PATIENCE: Duration = Duration::from_secs(5);

struct Case {
    engine: MemoryEngine,
    clock: Clock,
    domain: Domain,
    arn: StreamArn,
}

impl Case {
    /// A server with an ACTIVE stream of one shard.
    async fn new() -> Self {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(Time::from_seconds(1000)));
        let domain = open(&engine, &clock).await;
        let arn: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().unwrap();
        let case = Self { engine, clock, domain, arn };
        case.create(&case.arn, 1).await;
        case
    }

    /// Creates a stream of so many shards.
    async fn create(&self, arn: &StreamArn, shards: u32) {
        let (arn, tags, now) = (arn.clone(), Vec::new(), self.domain.now());
        let mode = NewMode::Provisioned { shards };
        let new = NewStream { arn, mode, max_record_kib: 1024, tags, now, due: now };
        self.domain.control().submit(Command::CreateStream(new)).await.unwrap();
    }

    fn stream(&self) -> Arc<Stream> {
        self.stream_of(&self.arn)
    }

    fn stream_of(&self, arn: &StreamArn) -> Arc<Stream> {
        self.domain.directory().stream(&Namespace::of(arn), &arn.name).unwrap()
    }

    /// Waits until the stream isn't what it was.
    async fn change(&self, before: &Stream) {
        let changed = self.domain.directory().changed(before);
        tokio::time::timeout(PATIENCE, changed).await.expect("the stream changes");
    }

    fn split(&self) -> Command {
        self.split_due(Duration::ZERO)
    }

    /// A split that takes effect after so long.
    fn split_due(&self, after: Duration) -> Command {
        let due = Timestamp::from_millis(self.domain.now().millis() + after.as_millis() as i64);
        let stream = self.arn.clone();
        let (shard, at) = (ShardId::new(0), HashKey::new(1 << 100));
        Command::SplitShard { stream, shard, at, due }
    }

    /// Splits the stream's shard, while settling the split meets `fault`.
    async fn split_with(&self, fault: Fault) {
        let faults = self.engine.faults();
        faults.hold();
        let storage = async {
            step(&faults).await;
            faults.next(fault);
            step(&faults).await;
            faults.release();
        };
        let (answer, ()) = tokio::join!(self.domain.control().submit(self.split()), storage);
        assert_eq!(answer, Ok(()));
    }
}

/// Waits for a write, and lets it happen.
async fn step(faults: &Faults) {
    while !faults.step() {
        tokio::task::yield_now().await;
    }
}

async fn append(stream: &Stream) -> Result<Offset, AppendError> {
    let mut batch = RecordBatch::default();
    batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
    let appended = stream.shard(ShardId::new(0)).unwrap().append(batch).await;
    appended.map(|appended| appended.first)
}

#[tokio::test]
async fn a_shard_stays_sealed_while_its_closing_may_be_durable() {
    let case = Case::new().await;
    case.split_with(Fault::Failed { stored: true }).await;
    let updating = case.stream();
    assert_eq!(append(&updating).await, Err(AppendError::Sealed));
    case.clock.advance(RETRY_AFTER);
    case.change(&updating).await;
    assert_eq!(case.stream().state().open_shards().count(), 2);
}

#[tokio::test]
async fn a_shard_takes_records_while_its_closing_is_refused() {
    let case = Case::new().await;
    case.split_with(Fault::Full).await;
    let updating = case.stream();
    assert_eq!(append(&updating).await, Ok(Offset::ZERO));
    case.clock.advance(RETRY_AFTER);
    case.change(&updating).await;
    let settled = case.stream();
    let closing = settled.state().shard(ShardId::new(0)).unwrap().closed.unwrap();
    assert_eq!(closing.end, Offset::new(1));
}

#[tokio::test]
async fn closing_waits_for_the_transition_that_is_under_way() {
    let case = Case::new().await;
    let faults = case.engine.faults();
    faults.hold();
    let queued = async {
        while faults.queued() == 0 {
            tokio::task::yield_now().await;
        }
    };
    // Who asked doesn't wait for the answer.
    tokio::select! {
        biased;
        answer = case.domain.control().submit(case.split()) => panic!("{answer:?}"),
        () = queued => {}
    }
    let release = async {
        tokio::task::yield_now().await;
        faults.release();
    };
    let close = tokio::time::timeout(PATIENCE, case.domain.close());
    let (closed, ()) = tokio::join!(close, release);
    assert_eq!(closed.expect("it ends"), Ok(()));
    let (engine, clock) = (case.engine.crash(0), &case.clock);
    let case = Case { domain: open(&engine, clock).await, ..case };
    assert_eq!(case.stream().state().open_shards().count(), 2);
}

#[tokio::test]
async fn a_late_request_brings_no_deleted_stream_back() {
    let case = Case::new().await;
    let late = case.stream();
    let delete = Command::DeleteStream {
        stream: case.arn.clone(),
        enforce_consumer_deletion: false,
        due: case.domain.now(),
    };
    case.domain.control().submit(delete).await.unwrap();
    assert_eq!(append(&late).await, Err(AppendError::Sealed));
    assert_eq!(case.engine.logs(), []);
}

#[tokio::test]
async fn deleting_takes_as_many_writes_for_many_shards_as_for_one() {
    let case = Case::new().await;
    let many: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/b".parse().unwrap();
    case.create(&many, 50).await;
    let faults = case.engine.faults();
    faults.hold();
    for stream in [case.arn.clone(), many] {
        let delete = Command::DeleteStream {
            stream,
            enforce_consumer_deletion: false,
            due: case.domain.now(),
        };
        let deleted = writes_of(&faults, case.domain.control().submit(delete)).await;
        // That it is DELETING, that it is gone, its logs, and that these are gone.
        assert_eq!(deleted, (Ok(()), 4));
    }
}

#[tokio::test]
async fn a_transition_that_fails_holds_up_no_other() {
    let case = Case::new().await;
    case.engine.faults().next(Fault::Failed { stored: false });
    append(&case.stream()).await.unwrap_err();
    case.domain.control().submit(case.split()).await.unwrap();
    assert_eq!(case.stream().state().status, StreamStatus::Updating);
    let other: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/b".parse().unwrap();
    case.create(&other, 1).await;
    assert_eq!(case.stream_of(&other).state().status, StreamStatus::Active);
    assert_eq!(case.stream().state().status, StreamStatus::Updating);
}

#[tokio::test]
async fn a_move_goes_past_a_transition_that_storage_refuses_and_says_so() {
    let case = Case::new().await;
    let split = case.split_due(Duration::from_secs(10));
    case.domain.control().submit(split).await.unwrap();
    case.engine.faults().set_full(true);
    let end = case.clock.now() + Duration::from_hours(365 * 24);
    let moved = case.clock.step_to(end).await;
    assert_eq!(moved, Err(MoveError::NotDone { who: "control", now: end }));
    assert_eq!(case.stream().state().status, StreamStatus::Updating);
    append(&case.stream()).await.unwrap_err();
    case.engine.faults().set_full(false);
    assert_eq!(case.clock.step_to(end + RETRY_AFTER).await, Ok(end + RETRY_AFTER));
    assert_eq!(case.stream().state().open_shards().count(), 2);
}

#[tokio::test]
async fn what_is_due_is_done_in_time_while_storage_refuses_something_else() {
    let case = Case::new().await;
    case.domain.control().submit(case.split_due(Duration::from_secs(10))).await.unwrap();
    let other: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/b".parse().unwrap();
    let (tags, now) = (Vec::new(), case.domain.now());
    let due = Timestamp::from_millis(now.millis() + 60_500);
    let mode = NewMode::Provisioned { shards: 1 };
    let new = NewStream { arn: other.clone(), mode, max_record_kib: 1024, tags, now, due };
    case.domain.control().submit(Command::CreateStream(new)).await.unwrap();
    // The shard that is to be split can't be sealed any more.
    case.engine.faults().next(Fault::Failed { stored: false });
    append(&case.stream()).await.unwrap_err();
    let moved = case.clock.step_by(Duration::from_millis(60_500)).await;
    assert!(matches!(moved, Err(MoveError::NotDone { .. })), "{moved:?}");
    assert_eq!(case.stream().state().status, StreamStatus::Updating);
    assert_eq!(case.stream_of(&other).state().status, StreamStatus::Active);
}

#[tokio::test]
async fn logs_that_could_not_be_dropped_wait_for_no_transition() {
    let case = Case::new().await;
    append(&case.stream()).await.unwrap();
    let other: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/b".parse().unwrap();
    let (tags, now) = (Vec::new(), case.domain.now());
    let due = Timestamp::from_millis(now.millis() + 3_600_000);
    let mode = NewMode::Provisioned { shards: 1 };
    let new = NewStream { arn: other, mode, max_record_kib: 1024, tags, now, due };
    case.domain.control().submit(Command::CreateStream(new)).await.unwrap();
    let faults = case.engine.faults();
    faults.hold();
    let storage = async {
        step(&faults).await;
        step(&faults).await;
        faults.next(Fault::Failed { stored: false });
        step(&faults).await;
        faults.release();
    };
    let delete = Command::DeleteStream {
        stream: case.arn.clone(),
        enforce_consumer_deletion: false,
        due: now,
    };
    let (deleted, ()) = tokio::join!(case.domain.control().submit(delete), storage);
    assert_eq!(deleted, Ok(()));
    assert_eq!(case.engine.logs().len(), 1);
    case.clock.advance(RETRY_AFTER);
    let dropped = async {
        while !case.engine.logs().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, dropped).await.expect("it is dropped in the end");
}

#[tokio::test]
async fn what_failed_but_was_stored_is_taken_back_with_the_next_change() {
    let case = Case::new().await;
    let [lost, kept]: [StreamArn; 2] =
        ["lost", "kept"].map(|name| StreamArn { name: name.parse().unwrap(), ..case.arn.clone() });
    let now = case.domain.now();
    case.engine.faults().next(Fault::Failed { stored: true });
    let mode = NewMode::Provisioned { shards: 1 };
    let (arn, tags) = (lost, Vec::new());
    let new = NewStream { arn, mode, max_record_kib: 1024, tags, now, due: now };
    case.domain.control().submit(Command::CreateStream(new)).await.unwrap_err();
    case.create(&kept, 1).await;
    let (engine, clock) = (case.engine.crash(0), &case.clock);
    let case = Case { domain: open(&engine, clock).await, ..case };
    let snapshot = case.domain.directory().snapshot();
    let names: Vec<_> = snapshot.streams().map(|s| s.state().arn.name.to_string()).collect();
    assert_eq!(names, ["a", "kept"]);
}

#[tokio::test]
async fn shards_take_records_again_once_a_reset_that_failed_is_taken_back() {
    for stored in [false, true] {
        let case = Case::new().await;
        append(&case.stream()).await.unwrap();
        case.engine.faults().next(Fault::Failed { stored });
        case.domain.reset().await.unwrap_err();
        let stream = case.stream();
        assert_eq!(append(&stream).await, Err(AppendError::Sealed));
        // A refusal is no answer to whether it is durable.
        case.engine.faults().next(Fault::Full);
        case.domain.reset().await.unwrap_err();
        assert_eq!(append(&stream).await, Err(AppendError::Sealed));
        case.clock.advance(RETRY_AFTER);
        let appended = async {
            loop {
                match append(&stream).await {
                    Err(AppendError::Sealed) => tokio::task::yield_now().await,
                    appended => return appended,
                }
            }
        };
        let appended = tokio::time::timeout(PATIENCE, appended).await;
        assert_eq!(appended.expect("it takes records again"), Ok(Offset::new(1)));
        let (engine, clock) = (case.engine.crash(0), &case.clock);
        let case = Case { domain: open(&engine, clock).await, ..case };
        let end = case.stream().shard(ShardId::new(0)).unwrap().end().await;
        assert_eq!(end, Ok(Offset::new(2)), "no record is lost");
    }
}

#[tokio::test]
async fn taking_back_is_tried_once_a_second_while_storage_is_full() {
    let case = Case::new().await;
    let faults = case.engine.faults();
    faults.next(Fault::Failed { stored: true });
    case.domain.reset().await.unwrap_err();
    faults.hold();
    (0..100).for_each(|_| faults.next(Fault::Full));
    for _ in 0..3 {
        case.clock.advance(RETRY_AFTER);
        let turns = async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(writes_of(&faults, turns).await, ((), 1));
    }
    faults.clear();
    faults.release();
    let stream = case.stream();
    case.clock.advance(RETRY_AFTER);
    let appended = async {
        while append(&stream).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, appended).await.expect("it is taken back in the end");
}

#[tokio::test]
async fn the_key_of_tokens_stays_where_restores_have_failed() {
    let case = Case::new().await;
    let token = case.domain.tokens().seal(Purpose::ShardIterator, b"here");
    for key in [8, 9] {
        case.engine.faults().next(Fault::Failed { stored: true });
        let (streams, commitments, next_stream) = (vec![], BTreeMap::new(), StreamNumber(1));
        let restored = Restored { streams, commitments, next_stream };
        let (token_key, seen) = (Some([key; KEY_BYTES]), Time::EPOCH);
        let keeping = Arc::clone(&case.domain.services.keeping).write_owned().await;
        let by = Replacement { restored, token_key, seen, keeping };
        case.domain.control().restore(by).await.unwrap_err();
    }
    let other: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/b".parse().unwrap();
    case.create(&other, 1).await;
    let domain = open(&case.engine.crash(0), &case.clock).await;
    assert!(domain.tokens().open(Purpose::ShardIterator, &token).is_some());
}

#[tokio::test]
async fn a_shard_that_closes_meanwhile_stays_sealed() {
    let case = Case::new().await;
    case.engine.faults().next(Fault::Failed { stored: true });
    case.domain.reset().await.unwrap_err();
    let late = case.stream();
    case.domain.control().submit(case.split()).await.unwrap();
    assert_eq!(case.stream().state().open_shards().count(), 2);
    assert_eq!(append(&late).await, Err(AppendError::Sealed));
}
