//! A shard over storage that fails.

use millpond_api::types::Blob;
use millpond_quotas::{Clock, Quotas, Time};
use tokio::sync::Semaphore;

use super::*;
use crate::{
    engine::memory::{Fault, MemoryEngine},
    state::tests::stream_of,
    tasks::Tasks,
};

fn shard(engine: &MemoryEngine) -> Shard {
    let services = Services {
        engine: Arc::new(engine.clone()),
        clock: Clock::manual(Time::from_seconds(1000)),
        tail_budget: TailBudget::new(1 << 20),
        tasks: Tasks::default(),
        keeping: Arc::default(),
        waiting_kib: Arc::new(Semaphore::new(WAITING_KIB_MAX)),
    };
    let stream = stream_of(1);
    let state = stream.open_shards().next().unwrap();
    Shard::new(
        stream.arn.clone(),
        state,
        RetentionTier::Standard,
        ShardQuota::new(&Quotas::off(), 0),
        services,
    )
}

fn record() -> RecordBatch {
    let mut batch = RecordBatch::default();
    batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
    batch
}

#[tokio::test]
async fn nobody_knows_where_a_shard_ends_whose_log_has_failed() {
    let engine = MemoryEngine::new();
    let failing = shard(&engine);
    engine.faults().next(Fault::Failed { stored: true });
    let error = failing.append(record()).await.unwrap_err();
    let AppendError::Engine(failed) = error else { panic!("{error:?}") };
    assert_eq!(failing.seal().await, Err(Error::Engine(failed)));
    let reopened = shard(&engine.crash(0));
    assert_eq!(reopened.seal().await.unwrap().end, Offset::new(1));
}

#[tokio::test]
async fn a_reading_holds_no_chunk_that_it_tells_nothing_of() {
    let engine = MemoryEngine::new();
    let shard = shard(&engine);
    let mut large = RecordBatch::default();
    large.push("key", None, &Blob::Bytes(vec![0; 1 << 20].into()));
    for batch in [record(), large, record()] {
        shard.append(batch).await.unwrap();
    }
    let limit = Limit::new(10, 1_000);
    let read = async |from| {
        let from = Offset::new(from);
        shard.read(from, Timestamp::from_millis(0), limit).await.unwrap()
    };
    let small = read(0).await;
    assert_eq!((small.len(), small.next()), (1, Offset::new(1)));
    assert!(small.held_bytes() < 100, "{}", small.held_bytes());
    let large = read(1).await;
    assert_eq!((large.len(), large.next()), (1, Offset::new(2)));
    assert!((1 << 20..1_100_000).contains(&large.held_bytes()), "{}", large.held_bytes());
}

#[tokio::test]
async fn a_shard_is_sealed_where_it_was_when_storage_was_full() {
    let engine = MemoryEngine::new();
    let shard = shard(&engine);
    engine.faults().next(Fault::Full);
    assert!(matches!(shard.append(record()).await, Err(AppendError::Engine(EngineError::Full(_)))));
    assert_eq!(shard.seal().await.unwrap().end, Offset::ZERO);
    assert_eq!(shard.append(record()).await, Err(AppendError::Sealed));
    shard.unseal().await;
    assert_eq!(shard.append(record()).await.unwrap().first, Offset::ZERO);
}

#[tokio::test]
async fn records_that_nobody_waits_for_take_room_until_they_are_stored() {
    let engine = MemoryEngine::new();
    let shard = shard(&engine);
    let faults = engine.faults();
    faults.hold();
    let queued = async {
        while faults.queued() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        stored = shard.append(record()) => panic!("{stored:?}"),
        () = queued => {}
    }
    assert_eq!(shard.services.waiting_kib.available_permits(), WAITING_KIB_MAX - 1);
    faults.release();
    assert_eq!(shard.seal().await.unwrap().end, Offset::new(1));
    assert_eq!(shard.services.waiting_kib.available_permits(), WAITING_KIB_MAX);
    assert_eq!(shard.meter().snapshot().incoming_records, 1);
}

#[tokio::test]
async fn a_limit_of_zero_is_one_record() {
    let engine = MemoryEngine::new();
    let shard = shard(&engine);
    for _ in 0..3 {
        shard.append(record()).await.unwrap();
    }
    for (records, payload_bytes) in [(0, 0), (0, usize::MAX), (usize::MAX, 0)] {
        let limit = Limit::new(records, payload_bytes);
        let reading = shard.read(Offset::ZERO, Timestamp::default(), limit).await.unwrap();
        assert_eq!((reading.len(), reading.next()), (1, Offset::new(1)), "{limit:?}");
    }
}
