//! Refusals and failures, for engines that can make them on demand.

use std::sync::Arc;

use super::{
    Fault, Fixture, case,
    kit::{EVERYTHING, bounds, chunk, open, page, put, seek, texts, trim},
};
use crate::engine::{EngineError, Offset, ShardLog};

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("a refusal stores nothing", a_refusal_stores_nothing(f)).await;
    case("a failure poisons the log", a_failure_poisons_the_log(f)).await;
    case("a poisoned log still reads", a_poisoned_log_still_reads(f)).await;
    case("reopening ends the poison", reopening_ends_the_poison(f)).await;
    case("what is not committed is not seen", what_is_not_committed_is_not_seen(f)).await;
    case("held appends are lost or whole", held_appends_are_lost_or_whole(f)).await;
}

fn inject(f: &mut dyn Fixture, fault: Fault) -> bool {
    let can = f.inject(fault);
    if !can {
        println!("conformance: skipped, as this engine has no {fault:?} on demand");
    }
    can
}

async fn fail_once(log: &Arc<dyn ShardLog>) -> EngineError {
    log.append(vec![chunk(2, &["failed"])]).await.expect_err("a failure was injected")
}

/// After `Full`, nothing of the append is there, and the next one succeeds.
pub async fn a_refusal_stores_nothing(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["before"]).await;
    let at_first = (bounds(&log), log.last_arrival());
    if !inject(f, Fault::RefuseNextAppend) {
        return;
    }
    let refused = log.append(vec![chunk(2, &["refused"]), chunk(2, &["too"])]).await;
    assert!(matches!(refused, Err(EngineError::Full(_))), "{refused:?}");
    assert_eq!((bounds(&log), log.last_arrival()), at_first);
    put(&log, 3, &["after"]).await;
    assert_eq!(texts(&log, 0).await, ["before", "after"]);
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    assert_eq!(texts(&open(&engine, 7).await, 0).await, ["before", "after"]);
}

/// After a failure, later appends fail with the first error, on every handle.
pub async fn a_failure_poisons_the_log(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    if !inject(f, Fault::FailNextAppend) {
        return;
    }
    let first = fail_once(&log).await;
    assert!(matches!(first, EngineError::Failed(_) | EngineError::Corrupt(_)), "{first:?}");
    for log in [&log, &open(&engine, 7).await, &log] {
        assert_eq!(fail_once(log).await, first);
    }
}

/// What was acknowledged before the failure can be read and searched; nothing else can.
pub async fn a_poisoned_log_still_reads(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["before"]).await;
    let at_first = (bounds(&log), log.last_arrival());
    if !inject(f, Fault::FailNextAppend) {
        return;
    }
    fail_once(&log).await;
    assert_eq!(texts(&log, 0).await, ["before"]);
    assert_eq!(seek(&log, 0).await, 0);
    assert_eq!((bounds(&log), log.last_arrival()), at_first);
}

/// After reopening, what was acknowledged is there, what failed may be, whole, and appends succeed.
pub async fn reopening_ends_the_poison(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["before"]).await;
    if !inject(f, Fault::FailNextAppend) {
        return;
    }
    fail_once(&log).await;
    fail_once(&log).await;
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    let log = open(&engine, 7).await;
    let end = bounds(&log).1;
    assert!(put(&log, 3, &["after"]).await >= end);
    let mut stored = texts(&log, 0).await;
    stored.retain(|text| text != "failed");
    assert_eq!(stored, ["before", "after"]);
}

/// An append under way isn't visible in any way until its commit resolves.
pub async fn what_is_not_committed_is_not_seen(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["committed"]).await;
    let before = (bounds(&log), log.last_arrival());
    if !inject(f, Fault::HoldCommits) {
        return;
    }
    let mut commit = log.append(vec![chunk(2, &["held"])]);
    assert!(futures::poll!(&mut commit).is_pending());
    assert_eq!((bounds(&log), log.last_arrival()), before);
    assert_eq!(texts(&log, 0).await, ["committed"]);
    assert_eq!(page(&log, bounds(&log).1, EVERYTHING).await, []);
    assert_eq!(seek(&log, 2).await, bounds(&log).1);
    assert!(inject(f, Fault::ReleaseCommits));
    let first = commit.await.expect("it was released");
    assert!(first >= Offset::new(before.0.1));
    assert_eq!(texts(&log, 0).await, ["committed", "held"]);
}

/// A crash while writes wait: what was trimmed and appended before stands.
pub async fn held_appends_are_lost_or_whole(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["trimmed"; 3]).await;
    trim(&log, 3).await;
    if !inject(f, Fault::HoldCommits) {
        return;
    }
    let commit = log.append(vec![chunk(2, &["a", "b"]), chunk(2, &["c"])]);
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    assert_eq!(commit.await, Err(EngineError::Closed));
    let log = open(&engine, 7).await;
    let stored = texts(&log, 0).await.concat();
    assert!(["", "abc"].contains(&stored.as_str()), "{stored}");
    assert!(put(&log, 3, &["d"]).await >= 3);
    assert_eq!(texts(&log, 0).await.concat(), stored + "d");
}
