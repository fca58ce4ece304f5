//! Seeking by time, and the last arrival.

use std::sync::Arc;

use super::{
    Fixture, case,
    kit::{bounds, chunk, open, put, seek, trim},
};
use crate::engine::ShardLog;

const MINUTE: i64 = 60_000;

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("a new log has no times", a_new_log_has_no_times(f)).await;
    case("seeking is exact to the millisecond", seeking_is_exact_to_the_millisecond(f)).await;
    case("the first of equal arrivals is found", the_first_of_equal_arrivals_is_found(f)).await;
    case("seeking over many minutes", seeking_over_many_minutes(f)).await;
    case("seeking outside all times", seeking_outside_all_times(f)).await;
    case("seeking after trimming", seeking_after_trimming(f)).await;
    case("seeking after trimming everything", seeking_after_trimming_everything(f)).await;
    case("seeking after a crash", seeking_after_a_crash(f)).await;
    case("the last arrival is remembered", the_last_arrival_is_remembered(f)).await;
}

/// Appends one record at each time; the times with their positions.
async fn fill(log: &Arc<dyn ShardLog>, times: &[i64]) -> Vec<(i64, u64)> {
    let mut stored = Vec::new();
    for at in times {
        stored.push((*at, put(log, *at, &["x"]).await));
    }
    stored
}

/// Compares each seek near one of the times with what `stored` says.
async fn check(log: &Arc<dyn ShardLog>, stored: &[(i64, u64)]) {
    let end = bounds(log).1;
    for near in stored.iter().flat_map(|(at, _)| [at - MINUTE, at - 1, *at, at + 1, at + MINUTE]) {
        let first = stored.iter().find(|(at, _)| *at >= near);
        let expected = first.map_or(end, |(_, offset)| *offset);
        assert_eq!(seek(log, near).await, expected, "at {near}");
    }
}

/// Every time is after the last of nothing.
pub async fn a_new_log_has_no_times(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for at in [i64::MIN, -1, 0, 1, MINUTE, i64::MAX] {
        assert_eq!(seek(&log, at).await, 0);
    }
}

/// One millisecond earlier or later makes the difference, also at the edge of a minute.
pub async fn seeking_is_exact_to_the_millisecond(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let times = [0, 1, 500, 59_998, 59_999, 60_000, 60_001, 119_999, 120_000, 600_000, 600_007];
    let stored = fill(&log, &times).await;
    check(&log, &stored).await;
}

/// Several appends of one millisecond, and several chunks of one append.
pub async fn the_first_of_equal_arrivals_is_found(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let stored = fill(&log, &[10, 20, 20, 20, 30]).await;
    check(&log, &stored).await;
    let chunks = vec![chunk(40, &["x"]), chunk(40, &["y", "z"])];
    let first = log.append(chunks).await.expect("an append succeeds").value();
    assert_eq!(seek(&log, 31).await, first);
    assert_eq!(seek(&log, 40).await, first);
}

/// Times of today, hundreds of minutes, busy ones and ones without a record.
pub async fn seeking_over_many_minutes(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let start = 1_700_000_000_000;
    let times: Vec<_> = (0..600).map(|i| start + i * i * 211 % (i + 1) + i * 17_321).collect();
    assert!(times.is_sorted());
    let stored = fill(&log, &times).await;
    check(&log, &stored).await;
}

/// Times before the first record and after the last.
pub async fn seeking_outside_all_times(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    fill(&log, &[5 * MINUTE, 9 * MINUTE]).await;
    let end = bounds(&log).1;
    for at in [i64::MIN, -1, 0, 1, 4 * MINUTE, 5 * MINUTE] {
        assert_eq!(seek(&log, at).await, 0);
    }
    for at in [9 * MINUTE + 1, 100 * MINUTE, i64::MAX] {
        assert_eq!(seek(&log, at).await, end);
    }
}

/// What was given up is not found; what is left is, also in the minute that was cut.
pub async fn seeking_after_trimming(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let times: Vec<_> = (0..60).map(|i| i * 7_001).collect();
    let mut stored = fill(&open(&engine, 7).await, &times).await;
    for gone in [1, 3, 9, 9, 1] {
        stored.drain(..gone);
        let log = open(&engine, 7).await;
        let (_, first) = *stored.first().expect("some are left");
        trim(&log, first).await;
        check(&log, &stored).await;
        assert_eq!(seek(&log, i64::MIN).await, first);
        drop(log);
        engine = f.reopen(engine).await;
        check(&open(&engine, 7).await, &stored).await;
    }
}

/// In a log without records every time is at its end, until something arrives.
pub async fn seeking_after_trimming_everything(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    fill(&log, &[0, 10, MINUTE, 3 * MINUTE]).await;
    let end = bounds(&log).1;
    trim(&log, end).await;
    for at in [0, 10, MINUTE, 3 * MINUTE, i64::MAX] {
        assert_eq!(seek(&log, at).await, end);
    }
    // The minute of the last record, whose beginning is gone.
    let stored = fill(&log, &[3 * MINUTE, 3 * MINUTE + 1, 4 * MINUTE]).await;
    check(&log, &stored).await;
}

/// Times are as durable as records.
pub async fn seeking_after_a_crash(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let mut stored = Vec::new();
    for round in 0..6 {
        let log = open(&engine, 7).await;
        let times = [round * 20_000, round * 20_000 + 9_999];
        stored.extend(fill(&log, &times).await);
        drop(log);
        engine = f.crash_and_reopen(engine).await;
        check(&open(&engine, 7).await, &stored).await;
    }
}

/// The last arrival survives trimming, reopening and crashing.
pub async fn the_last_arrival_is_remembered(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    fill(&log, &[5, 1_700_000_000_001]).await;
    assert_eq!(log.last_arrival().millis(), 1_700_000_000_001);
    trim(&log, u64::MAX).await;
    assert_eq!(log.last_arrival().millis(), 1_700_000_000_001);
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    assert_eq!(open(&engine, 7).await.last_arrival().millis(), 1_700_000_000_001);
    let engine = f.reopen(engine).await;
    assert_eq!(open(&engine, 7).await.last_arrival().millis(), 1_700_000_000_001);
}
