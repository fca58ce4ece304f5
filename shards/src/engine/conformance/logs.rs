//! Logs beside each other, dropping them, and closing the engine.

use std::sync::Arc;

use millpond_api::types::Timestamp;

use super::{
    Fixture, case,
    kit::{EVERYTHING, bounds, chunk, offsets, open, page, put, seek, texts, trim},
};
use crate::engine::{EngineError, LogId, MetadataChange, Offset, ShardLog};

/// Names that are neighbours as numbers, or nearly alike as bytes.
const NEIGHBOURS: [u64; 12] = [
    0,
    1,
    2,
    0xfe,
    0xff,
    0x100,
    0x101,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("neighbours keep apart", neighbours_keep_apart(f)).await;
    case("opening twice gives the same log", opening_twice_gives_the_same_log(f)).await;
    case("a dropped log is gone", a_dropped_log_is_gone(f)).await;
    case("many logs go at once", many_logs_go_at_once(f)).await;
    case("dropping is idempotent", dropping_is_idempotent(f)).await;
    case("handles of a dropped log fail", handles_of_a_dropped_log_fail(f)).await;
    case("closing lets commits finish", closing_lets_commits_finish(f)).await;
    case("a closed engine says so", a_closed_engine_says_so(f)).await;
    case("two thousand logs reopen", two_thousand_logs_reopen(f)).await;
}

/// Reading, searching, trimming and dropping one log doesn't touch its neighbours.
pub async fn neighbours_keep_apart(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    for id in NEIGHBOURS {
        let log = open(&engine, id).await;
        for at in 0..3 {
            put(&log, at * 60_000, &[format!("{id:x}/{at}")]).await;
        }
    }
    for (i, id) in NEIGHBOURS.into_iter().enumerate() {
        let log = open(&engine, id).await;
        let last = *offsets(&log).await.last().expect("three are stored");
        match i % 3 {
            0 => trim(&log, last).await,
            1 => engine.drop_logs(vec![LogId::new(id)]).await.expect("a log can be dropped"),
            _ => {}
        }
    }
    for round in 0..3 {
        for (i, id) in NEIGHBOURS.into_iter().enumerate().filter(|(i, _)| i % 3 != 1) {
            let log = open(&engine, id).await;
            let gone = if i % 3 == 0 { 2 } else { 0 };
            let expected: Vec<_> = (gone..3).map(|at| format!("{id:x}/{at}")).collect();
            assert_eq!(texts(&log, 0).await, expected);
            assert_eq!(seek(&log, i64::MIN).await, bounds(&log).0);
            assert_eq!(seek(&log, i64::MAX).await, bounds(&log).1);
        }
        engine = if round == 0 { f.crash_and_reopen(engine).await } else { f.reopen(engine).await };
    }
}

/// What goes in through one handle is seen through the other.
pub async fn opening_twice_gives_the_same_log(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let (one, other) = (open(&engine, 7).await, open(&engine, 7).await);
    let first = put(&one, 1, &["a"]).await;
    let second = put(&other, 2, &["b"]).await;
    assert!(second > first);
    assert_eq!(texts(&one, 0).await, ["a", "b"]);
    assert_eq!((bounds(&one), one.last_arrival()), (bounds(&other), other.last_arrival()));
    trim(&one, second).await;
    assert_eq!(bounds(&other).0, second);
}

/// Nothing of a dropped log comes back, not even after a crash.
pub async fn a_dropped_log_is_gone(f: &mut dyn Fixture) {
    let engine = f.open().await;
    put(&open(&engine, 7).await, 1, &["x"; 100]).await;
    put(&open(&engine, 8).await, 1, &["stays"]).await;
    engine.drop_logs(vec![LogId::new(7)]).await.expect("a log can be dropped");
    let engine = f.crash_and_reopen(engine).await;
    let log = open(&engine, 7).await;
    assert_eq!(page(&log, 0, EVERYTHING).await, []);
    assert_eq!(seek(&log, 0).await, bounds(&log).1);
    assert!(log.bounds().is_empty());
    assert_eq!(texts(&open(&engine, 8).await, 0).await, ["stays"]);
}

/// Logs that are dropped together go together, whether they were opened, written to or neither.
pub async fn many_logs_go_at_once(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let kept = open(&engine, 500).await;
    put(&kept, 1, &["stays"]).await;
    let written: Vec<_> = futures::future::join_all((0..10).map(|id| open(&engine, id))).await;
    for log in &written {
        put(log, 1, &["goes"]).await;
    }
    let opened = open(&engine, 10).await;
    engine
        .drop_logs((0..1000).filter(|id| *id != 500).map(LogId::new).collect())
        .await
        .expect("logs can be dropped");
    for log in written.iter().chain([&opened]) {
        assert_closed(log).await;
    }
    drop((kept, written, opened));
    let engine = f.crash_and_reopen(engine).await;
    for id in 0..10 {
        assert_eq!(texts(&open(&engine, id).await, 0).await, [""; 0]);
    }
    assert_eq!(texts(&open(&engine, 500).await, 0).await, ["stays"]);
}

/// Dropping again, or what never was, is no error.
pub async fn dropping_is_idempotent(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    put(&open(&engine, 7).await, 1, &["x"]).await;
    drop(open(&engine, 9).await);
    for _ in 0..2 {
        for id in [7, 8, 9, 7] {
            engine.drop_logs(vec![LogId::new(id)]).await.expect("dropping is idempotent");
        }
        engine = f.reopen(engine).await;
    }
}

/// From the drop on, handles fail.
pub async fn handles_of_a_dropped_log_fail(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["x"]).await;
    engine.drop_logs(vec![LogId::new(7)]).await.expect("a log can be dropped");
    assert_closed(&log).await;
}

async fn assert_closed(log: &Arc<dyn ShardLog>) {
    let append = log.append(vec![chunk(2, &["y"])]).await;
    assert_eq!(append, Err(EngineError::Closed));
    assert_eq!(log.read(Offset::ZERO, EVERYTHING).await, Err(EngineError::Closed));
    assert_eq!(log.seek(Timestamp::default()).await, Err(EngineError::Closed));
    assert_eq!(log.trim(Offset::ZERO).await, Err(EngineError::Closed));
}

/// Appends that were called before the engine is closed succeed, and are there afterwards.
pub async fn closing_lets_commits_finish(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let commits: Vec<_> = (0..50).map(|i| log.append(vec![chunk(i, &["a", "b"])])).collect();
    engine.close().await.expect("an engine can be closed");
    for commit in commits {
        commit.await.expect("it was called before");
    }
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    assert_eq!(texts(&open(&engine, 7).await, 0).await.len(), 100);
}

/// Everything fails with `Closed` after closing.
pub async fn a_closed_engine_says_so(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["x"]).await;
    assert_eq!(engine.writable(), Ok(()));
    engine.close().await.expect("an engine can be closed");
    assert_closed(&log).await;
    let opened = engine.open_log(LogId::new(8), Offset::ZERO).await;
    assert!(matches!(opened, Err(EngineError::Closed)));
    let change = MetadataChange::Put { key: b"k".into(), value: b"v".into() };
    assert_eq!(engine.commit_metadata(vec![change]).await, Err(EngineError::Closed));
    assert_eq!(engine.load_metadata().await, Err(EngineError::Closed));
    assert_eq!(engine.drop_logs(vec![LogId::new(7)]).await, Err(EngineError::Closed));
    assert_eq!(engine.writable(), Err(EngineError::Closed));
}

/// Many shards, most of them idle.
pub async fn two_thousand_logs_reopen(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let logs = futures::future::join_all((0..2000).map(|id| open(&engine, id))).await;
    let busy = logs.iter().step_by(10).enumerate();
    let commits = busy.map(|(i, log)| log.append(vec![chunk(1, &[i.to_string()])]));
    for commit in futures::future::join_all(commits.collect::<Vec<_>>()).await {
        commit.expect("an append succeeds");
    }
    drop(logs);
    let engine = f.crash_and_reopen(engine).await;
    for id in 0..2000 {
        let log = open(&engine, id).await;
        let expected = (id % 10 == 0).then(|| (id / 10).to_string());
        assert_eq!(texts(&log, 0).await, Vec::from_iter(expected));
    }
}
