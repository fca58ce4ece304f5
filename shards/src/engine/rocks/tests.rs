//! What only the inside can bring about: failures of writes, and threads that went away.

use std::sync::Arc;

use millpond_api::types::{Blob, Timestamp};

use super::{Location, RocksEngine, RocksOptions};
use crate::{
    batch::{Chunk, RecordBatch},
    engine::{Engine, EngineError, LogId, MetadataChange, Offset, ReadLimit, ShardLog},
};

const LOG: LogId = LogId::new(1);

fn engine() -> RocksEngine {
    RocksEngine::open(&RocksOptions::new(Location::Memory { limit_bytes: 1 << 30 })).unwrap()
}

async fn open_log(engine: &RocksEngine, id: LogId) -> Arc<dyn ShardLog> {
    engine.open_log(id, Offset::ZERO).await.unwrap()
}

fn chunk() -> Vec<Chunk> {
    let mut batch = RecordBatch::default();
    batch.push("key", None, &Blob::Bytes(vec![0; 10].into()));
    batch.stamp(Timestamp::from_millis(1))
}

/// Makes the log fail as the committer does after a write that failed.
fn fail(engine: &RocksEngine, id: LogId, reason: &str) {
    super::lock(&engine.core.logs)[&id].fail(EngineError::failed(reason));
}

#[tokio::test]
async fn a_failed_log_takes_nothing_until_it_is_opened_anew() {
    let engine = engine();
    let log = open_log(&engine, LOG).await;
    let same = open_log(&engine, LOG).await;
    log.append(chunk()).await.unwrap();
    fail(&engine, LOG, "first");
    fail(&engine, LOG, "second");
    for handle in [&log, &same, &log] {
        assert_eq!(handle.append(chunk()).await, Err(EngineError::failed("first")));
        assert_eq!(handle.trim(Offset::new(1)).await, Err(EngineError::failed("first")));
    }
    let limit = ReadLimit { records: 10, bytes: 1000 };
    assert_eq!(same.read(Offset::ZERO, limit).await.unwrap().len(), 1);
    let anew = open_log(&engine, LOG).await;
    assert_eq!(anew.append(chunk()).await, Ok(Offset::new(1)));
    assert_eq!(anew.bounds(), Offset::ZERO..Offset::new(2));
    assert_eq!(log.append(chunk()).await, Err(EngineError::failed("first")));
}

#[tokio::test]
async fn a_failed_log_leaves_others_alone_and_can_be_dropped() {
    let engine = engine();
    let (log, other) = (open_log(&engine, LOG).await, open_log(&engine, LogId::new(2)).await);
    log.append(chunk()).await.unwrap();
    fail(&engine, LOG, "it failed");
    other.append(chunk()).await.unwrap();
    engine.drop_logs(vec![LOG]).await.unwrap();
    let limit = ReadLimit { records: 10, bytes: 1000 };
    assert_eq!(log.read(Offset::ZERO, limit).await, Err(EngineError::Closed));
    assert_eq!(log.seek(Timestamp::default()).await, Err(EngineError::Closed));
    assert_eq!(open_log(&engine, LOG).await.bounds(), Offset::ZERO..Offset::ZERO);
    assert_eq!(other.bounds(), Offset::ZERO..Offset::new(1));
}

#[tokio::test]
async fn a_failed_write_makes_the_engine_unwritable_until_one_succeeds() {
    let engine = engine();
    let failure = EngineError::failed("the disk is gone");
    engine.core.health.note(&Err(failure.clone()));
    assert_eq!(engine.writable(), Err(failure.clone()));
    engine.commit_metadata(Vec::new()).await.unwrap();
    assert_eq!(engine.writable(), Err(failure), "nothing was written");
    open_log(&engine, LOG).await.append(chunk()).await.unwrap();
    assert_eq!(engine.writable(), Ok(()));
    engine.close().await.unwrap();
    assert_eq!(engine.writable(), Err(EngineError::Closed));
}

#[tokio::test]
async fn finding_out_whether_a_full_disk_has_space_again_changes_nothing() {
    let engine = engine();
    let row = MetadataChange::Put { key: Vec::new(), value: b"kept".to_vec() };
    engine.commit_metadata(vec![row]).await.unwrap();
    let full = EngineError::Full("no space".into());
    engine.core.health.note(&Err(full.clone()));
    assert_eq!(engine.writable(), Err(full));
    // What it tries has been written when this is answered.
    engine.commit_metadata(Vec::new()).await.unwrap();
    assert_eq!(engine.writable(), Ok(()));
    assert_eq!(engine.load_metadata().await, Ok(vec![(Vec::new(), b"kept".to_vec())]));
}

#[tokio::test]
async fn figures_count_what_was_committed() {
    let engine = engine();
    let log = open_log(&engine, LOG).await;
    for _ in 0..3 {
        log.append(chunk()).await.unwrap();
    }
    // The count follows the answer: once the next change is taken it is there.
    engine.commit_metadata(Vec::new()).await.unwrap();
    let stats = engine.stats();
    assert_eq!((stats.records, stats.queued_bytes, stats.wal_bytes), (3, 0, 0));
    assert!(stats.commits >= 3 && stats.used_bytes > 0 && !stats.last_commit.is_zero());
}
