//! Appending: positions, order, atomicity, durability.

use std::{collections::BTreeSet, sync::Arc, thread};

use futures::future::join_all;

use super::{
    Fixture, case, hold,
    kit::{EVERYTHING, bounds, chunk, entries, offsets, open, page, put, texts},
};
use crate::{
    batch::Chunk,
    engine::{Commit, Offset, ShardLog},
};

const RECORD_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("a new log begins at zero", a_new_log_begins_at_zero(f)).await;
    case("one append is contiguous", one_append_is_contiguous(f)).await;
    case("positions ascend", positions_ascend(f)).await;
    case("order of calls is order of records", order_of_calls_is_order_of_records(f)).await;
    case("a dropped commit is not undone", a_dropped_commit_is_not_undone(f)).await;
    case("acknowledged records survive", acknowledged_records_survive(f)).await;
    case("a crash leaves whole appends", a_crash_leaves_whole_appends(f)).await;
    case("a record of the largest size", a_record_of_the_largest_size(f)).await;
    case("an append of many chunks", an_append_of_many_chunks(f)).await;
    case("two hundred logs at once", two_hundred_logs_at_once(f)).await;
    case("many threads append to one log", many_threads_append_to_one_log(f)).await;
}

/// The first record of a log has position zero.
pub async fn a_new_log_begins_at_zero(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    assert_eq!(put(&log, 5, &["a"]).await, Offset::ZERO.value());
    assert_eq!(bounds(&log), (0, 1));
}

/// Chunks of one append follow each other without a gap.
pub async fn one_append_is_contiguous(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 5, &["before"]).await;
    let chunks = vec![chunk(6, &["a", "b"]), chunk(6, &["c"]), chunk(6, &["d", "e", "f"])];
    let first = log.append(chunks).await.expect("an append succeeds").value();
    let stored = entries(&page(&log, first, EVERYTHING).await);
    assert_eq!(stored.iter().map(|e| e.text.as_str()).collect::<String>(), "abcdef");
    assert!(stored.iter().map(|e| e.offset).eq(first..first + 6));
    assert_eq!(bounds(&log).1, first + 6);
}

/// Each append gets positions beyond those of the one before.
pub async fn positions_ascend(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let mut next = 0;
    for at in 0..100 {
        let first = put(&log, at, &["a", "b", "c"]).await;
        assert!(first >= next, "{first} was given out before");
        next = first + 3;
        assert_eq!(bounds(&log).1, next);
    }
}

/// Appends that wait together are stored in the order in which they were called.
pub async fn order_of_calls_is_order_of_records(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let names: Vec<_> = (0..300).map(|i| i.to_string()).collect();
    let commits: Vec<_> = names.iter().map(|name| log.append(vec![chunk(9, &[name])])).collect();
    // Who waits first has no say.
    let firsts = join_all(commits.into_iter().rev()).await;
    let firsts: Vec<_> = firsts.into_iter().rev().map(|first| first.expect("stored")).collect();
    assert!(firsts.is_sorted_by(|a, b| a < b));
    assert_eq!(texts(&log, 0).await, names);
}

/// An append is stored even when nobody waits for it.
pub async fn a_dropped_commit_is_not_undone(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    drop(log.append(vec![chunk(1, &["dropped"])]));
    put(&log, 2, &["awaited"]).await;
    assert_eq!(texts(&log, 0).await, ["dropped", "awaited"]);
}

/// What was acknowledged is there after a crash, and after a clean reopening, unchanged.
pub async fn acknowledged_records_survive(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let mut written = Vec::new();
    for round in 0..6_u32 {
        let log = open(&engine, 7).await;
        assert_eq!(entries(&page(&log, 0, EVERYTHING).await), written);
        put(&log, round.into(), &["a", "b"]).await;
        put(&log, round.into(), &[""]).await;
        written = entries(&page(&log, 0, EVERYTHING).await);
        assert_eq!(written.len(), (round as usize + 1) * 3);
        drop(log);
        engine =
            if round % 2 == 0 { f.crash_and_reopen(engine).await } else { f.reopen(engine).await };
    }
    assert_eq!(entries(&page(&open(&engine, 7).await, 0, EVERYTHING).await), written);
}

/// Of appends under way at a crash, the first few are there, each whole.
pub async fn a_crash_leaves_whole_appends(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    for round in 0..5 {
        let log = open(&engine, round).await;
        put(&log, 1, &["acknowledged"]).await;
        hold(f);
        let append = |i: u32| log.append(vec![chunk(2, &vec![i.to_string(); 3]); 3]);
        let commits: Vec<_> = (0..20).map(append).collect();
        drop((commits, log));
        engine = f.crash_and_reopen(engine).await;
        let log = open(&engine, round).await;
        let stored = texts(&log, 0).await;
        let (acknowledged, rest) = stored.split_first().expect("it was acknowledged");
        assert_eq!(acknowledged, "acknowledged");
        assert_eq!(rest.len() % 9, 0, "an append was torn");
        for (i, text) in rest.iter().enumerate() {
            assert_eq!(*text, (i / 9).to_string(), "an append is missing in between");
        }
        let end = bounds(&log).1;
        assert!(offsets(&log).await.iter().all(|offset| *offset < end));
        assert!(put(&log, 3, &["after"]).await >= end);
    }
}

/// A record of 10 MiB, the most that Kinesis takes.
pub async fn a_record_of_the_largest_size(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let data: Vec<u8> = (0..RECORD_BYTES_MAX).map(|i| b'a' + (i % 23) as u8).collect();
    put(&log, 1, &["small"]).await;
    let first = put(&log, 1, &[&data]).await;
    put(&log, 1, &["small"]).await;
    assert_eq!(texts(&log, first).await.first().map(String::as_bytes), Some(data.as_slice()));
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    let log = open(&engine, 7).await;
    assert_eq!(texts(&log, first).await.first().map(String::as_bytes), Some(data.as_slice()));
}

/// One atomic append of many chunks, together 10 MiB.
pub async fn an_append_of_many_chunks(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let chunks: Vec<Chunk> =
        (0..50).map(|i| chunk(1, &[i.to_string(), "x".repeat(RECORD_BYTES_MAX / 50)])).collect();
    let first = log.append(chunks).await.expect("an append succeeds").value();
    let stored = entries(&page(&log, first, EVERYTHING).await);
    assert!(stored.iter().map(|e| e.offset).eq(first..first + 100));
    let numbers = stored.iter().step_by(2).map(|entry| entry.text.clone());
    assert!(numbers.eq((0..50).map(|i: u32| i.to_string())));
}

/// Appends on 200 logs, all under way together, are all stored, each in its log.
pub async fn two_hundred_logs_at_once(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let logs = join_all((0..200).map(|id| open(&engine, id))).await;
    let commits = (0..1000).map(|i| {
        let log = logs.get(i % 200).expect("there are 200 logs");
        log.append(vec![chunk(1, &[format!("{} {}", i % 200, i / 200)])])
    });
    for commit in join_all(commits.collect::<Vec<_>>()).await {
        commit.expect("an append succeeds");
    }
    drop(logs);
    for crash in [None, Some(())] {
        for id in 0..200 {
            let log = open(&engine, id).await;
            let expected: Vec<_> = (0..5).map(|i| format!("{id} {i}")).collect();
            assert_eq!(texts(&log, 0).await, expected);
        }
        if crash.is_none() {
            engine = f.crash_and_reopen(engine).await;
        }
    }
}

/// Appends of several threads get positions of their own, and each thread keeps its order.
pub async fn many_threads_append_to_one_log(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let commits: Vec<Commit> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|id| {
                scope.spawn({
                    let log = &log;
                    move || append_fifty(log, id)
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("appending")).collect()
    });
    let firsts = join_all(commits).await;
    let firsts: Vec<_> = firsts.into_iter().map(|first| first.expect("stored").value()).collect();
    let positions: BTreeSet<_> = firsts.iter().flat_map(|first| [*first, first + 1]).collect();
    assert_eq!(positions.len(), 800, "a position was given out twice");
    assert!(positions.iter().copied().eq(offsets(&log).await));
    for one_thread in firsts.chunks(50) {
        assert!(one_thread.is_sorted());
    }
}

fn append_fifty(log: &Arc<dyn ShardLog>, id: u32) -> Vec<Commit> {
    let append = |i: u32| log.append(vec![chunk(1, &[format!("{id}"), format!("{i}")])]);
    (0..50).map(append).collect()
}
