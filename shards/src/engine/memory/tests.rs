//! Each fault does what it says, and nothing else.

use std::num::NonZeroU64;

use futures::FutureExt;
use millpond_api::types::{Blob, Timestamp};

use super::*;
use crate::batch::RecordBatch;

const EVERYTHING: ReadLimit = ReadLimit { records: usize::MAX, bytes: usize::MAX };

fn chunk(text: &str) -> Vec<Chunk> {
    let mut batch = RecordBatch::default();
    batch.push("key", None, &Blob::Bytes(text.as_bytes().into()));
    batch.stamp(Timestamp::from_millis(5))
}

fn row(key: &str, value: &str) -> Vec<MetadataChange> {
    vec![MetadataChange::Put { key: key.into(), value: value.into() }]
}

/// Nothing of this engine ever waits, unless it is held.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("this engine answers at once")
}

fn open(engine: &MemoryEngine) -> Arc<dyn ShardLog> {
    now(engine.open_log(LogId::new(7), Offset::ZERO)).unwrap()
}

fn texts(log: &Arc<dyn ShardLog>) -> Vec<String> {
    let page = now(log.read(Offset::ZERO, EVERYTHING)).unwrap();
    let records = page.iter().flat_map(|chunk| chunk.records().unwrap());
    records.map(|record| String::from_utf8(record.unwrap().data.to_vec()).unwrap()).collect()
}

fn is_full<T: std::fmt::Debug>(outcome: &Result<T, EngineError>) -> bool {
    matches!(outcome, Err(EngineError::Full(_)))
}

#[test]
fn a_step_resolves_one_commit_in_order() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    faults.hold();
    let mut commits: Vec<_> = ["a", "b", "c"].map(|text| log.append(chunk(text))).into();
    let mut row = engine.commit_metadata(row("k", "v"));
    assert!((&mut row).now_or_never().is_none());
    assert_eq!(faults.queued(), 4);
    for done in 0..3 {
        assert_eq!(log.bounds().end, Offset::new(done));
        assert!(commits.iter_mut().all(|commit| commit.now_or_never().is_none()));
        assert!(faults.step());
        assert_eq!(now(commits.remove(0)), Ok(Offset::new(done)));
    }
    assert!((&mut row).now_or_never().is_none());
    assert!(faults.step());
    assert_eq!(now(row), Ok(()));
    assert!(!faults.step());
    assert_eq!(texts(&log), ["a", "b", "c"]);
}

#[test]
fn a_release_lets_all_go() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    faults.hold();
    let held = log.append(chunk("a"));
    faults.release();
    assert_eq!(now(held), Ok(Offset::ZERO));
    assert_eq!(now(log.append(chunk("b"))), Ok(Offset::new(1)));
}

#[test]
fn closing_lets_held_writes_finish() {
    let engine = MemoryEngine::new();
    let log = open(&engine);
    engine.faults().hold();
    let held = log.append(chunk("a"));
    assert_eq!(now(engine.close()), Ok(()));
    assert_eq!(now(held), Ok(Offset::ZERO));
    assert_eq!(texts(&open(&engine.crash(0))), ["a"]);
}

#[test]
fn a_crash_keeps_as_many_waiting_writes_as_the_seed_says() {
    for seed in 0..8 {
        let engine = MemoryEngine::new();
        let (log, faults) = (open(&engine), engine.faults());
        now(log.append(chunk("acknowledged"))).unwrap();
        faults.hold();
        let commits = ["a", "b", "c"].map(|text| log.append(chunk(text)));
        let reopened = engine.crash(seed);
        for commit in commits {
            assert_eq!(now(commit), Err(EngineError::Closed));
        }
        assert_eq!(now(log.read(Offset::ZERO, EVERYTHING)), Err(EngineError::Closed));
        assert_eq!(engine.writable(), Err(EngineError::Closed));
        let kept = 1 + (seed % 4) as usize;
        assert_eq!(texts(&open(&reopened)), ["acknowledged", "a", "b", "c"][..kept]);
    }
}

#[test]
fn a_fault_is_met_once_and_in_turn() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    faults.hold();
    faults.next(Fault::Full);
    let [refused, stored] = ["a", "b"].map(|text| log.append(chunk(text)));
    faults.release();
    assert!(is_full(&now(refused)));
    assert_eq!(now(stored), Ok(Offset::ZERO));
}

#[test]
fn every_nth_append_is_refused() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    faults.refuse_every(NonZeroU64::new(3));
    let outcomes: Vec<_> = (0..7).map(|_| is_full(&now(log.append(chunk("x"))))).collect();
    assert_eq!(outcomes, [false, false, true, false, false, true, false]);
    faults.refuse_every(None);
    assert!((0..9).all(|_| now(log.append(chunk("x"))).is_ok()));
}

#[test]
fn a_full_engine_can_still_be_emptied() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    now(log.append(chunk("a"))).unwrap();
    faults.set_full(true);
    assert!(is_full(&engine.writable()));
    assert!(is_full(&now(log.append(chunk("b")))));
    assert!(is_full(&now(engine.commit_metadata(row("k", "v")))));
    assert_eq!(now(log.trim(Offset::new(1))), Ok(()));
    assert_eq!(now(engine.drop_logs(vec![LogId::new(8)])), Ok(()));
    faults.set_full(false);
    assert_eq!(engine.writable(), Ok(()));
    assert_eq!(now(log.append(chunk("c"))), Ok(Offset::new(1)));
}

#[test]
fn a_failed_write_is_found_after_a_crash_only_if_it_was_stored() {
    for stored in [false, true] {
        let engine = MemoryEngine::new();
        let (log, faults) = (open(&engine), engine.faults());
        faults.next(Fault::Failed { stored });
        faults.next(Fault::Failed { stored });
        let first = now(log.append(chunk("a"))).unwrap_err();
        now(engine.commit_metadata(row("k", "failed"))).unwrap_err();
        assert_eq!(now(log.append(chunk("b"))), Err(first));
        assert_eq!((texts(&log), now(engine.load_metadata())), (vec![], Ok(vec![])));
        let reopened = engine.crash(0);
        assert_eq!(texts(&open(&reopened)).len(), usize::from(stored));
        assert_eq!(now(reopened.load_metadata()).unwrap().len(), usize::from(stored));
    }
}

#[test]
fn reads_fail_while_they_are_told_to() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    faults.fail_reads(true);
    assert!(now(log.read(Offset::ZERO, EVERYTHING)).is_err());
    assert!(now(log.seek(Timestamp::default())).is_err());
    assert!(now(engine.load_metadata()).is_err());
    assert_eq!(now(log.append(chunk("a"))), Ok(Offset::ZERO));
    faults.fail_reads(false);
    assert_eq!(texts(&log), ["a"]);
}

#[test]
fn cleared_faults_are_met_no_more() {
    let engine = MemoryEngine::new();
    let (log, faults) = (open(&engine), engine.faults());
    faults.hold();
    faults.next(Fault::Full);
    faults.set_full(true);
    faults.fail_reads(true);
    faults.clear();
    let held = log.append(chunk("a"));
    assert_eq!(faults.queued(), 1);
    faults.release();
    assert_eq!(now(held), Ok(Offset::ZERO));
    assert_eq!(texts(&log), ["a"]);
}

#[test]
fn logs_take_up_space_until_they_are_dropped() {
    let engine = MemoryEngine::new();
    let log = open(&engine);
    assert_eq!(engine.logs(), []);
    let chunks = chunk("a").into_iter().chain(chunk("b")).collect();
    now(log.append(chunks)).unwrap();
    assert_eq!(engine.logs(), [(LogId::new(7), 2)]);
    now(log.trim(Offset::new(2))).unwrap();
    assert_eq!(engine.logs(), [(LogId::new(7), 0)]);
    now(engine.drop_logs(vec![LogId::new(7)])).unwrap();
    assert_eq!(engine.logs(), []);
}

#[test]
fn gaps_lie_between_appends_only() {
    let engine = MemoryEngine::new();
    engine.faults().leave_gaps(10);
    let log = open(&engine);
    let pair = || chunk("a").into_iter().chain(chunk("b")).collect();
    assert_eq!(now(log.append(pair())), Ok(Offset::ZERO));
    assert_eq!(now(log.append(pair())), Ok(Offset::new(12)));
    assert_eq!(log.bounds(), Offset::ZERO..Offset::new(14));
}
