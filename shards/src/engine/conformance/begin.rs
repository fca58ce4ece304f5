//! Where logs begin: a log can take over from another, whose positions it continues.

use super::{
    Fixture, case,
    kit::{bounds, offsets, open_at, put, seek, texts, trim},
};
use crate::engine::LogId;

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("a log begins where it is told to", a_log_begins_where_it_is_told_to(f)).await;
    case("a log that holds nothing begins anew", a_log_that_holds_nothing_begins_anew(f)).await;
    case("where a log began isn't asked again", where_a_log_began_is_not_asked_again(f)).await;
    case("a log that began late is trimmed", a_log_that_began_late_is_trimmed(f)).await;
}

/// The first record gets the position that was asked for, and is found there.
pub async fn a_log_begins_where_it_is_told_to(f: &mut dyn Fixture) {
    for first in [0, 1, 700, 1 << 40] {
        let engine = f.open().await;
        let log = open_at(&engine, 7, first).await;
        assert_eq!(bounds(&log), (first, first));
        assert_eq!((texts(&log, 0).await, seek(&log, 0).await), (Vec::new(), first));
        assert_eq!(put(&log, 1, &["a", "b"]).await, first);
        let third = put(&log, 61_000, &["c"]).await;
        assert!(third >= first + 2);
        assert_eq!(bounds(&log), (first, third + 1));
        for from in [0, first] {
            assert_eq!(texts(&log, from).await, ["a", "b", "c"]);
        }
        for (at, found) in [(0, first), (1, first), (2, third), (61_000, third)] {
            assert_eq!(seek(&log, at).await, found, "at {at}");
        }
        assert_eq!(seek(&log, 61_001).await, third + 1);
    }
}

/// Nothing is stored before the first append, so the next one to open the log says where it begins.
pub async fn a_log_that_holds_nothing_begins_anew(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open_at(&engine, 7, 700).await;
    trim(&log, 700).await;
    trim(&log, 1000).await;
    assert_eq!(bounds(&log), (700, 700));
    drop(log);
    engine.drop_logs(vec![LogId::new(7)]).await.expect("a log can be dropped");
    let log = open_at(&engine, 7, 900).await;
    assert_eq!(bounds(&log), (900, 900));
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    let log = open_at(&engine, 7, 900).await;
    assert_eq!(put(&log, 1, &["a"]).await, 900);
}

/// A log that was written to begins where it began, whatever is asked for.
pub async fn where_a_log_began_is_not_asked_again(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    put(&open_at(&engine, 7, 700).await, 1, &["a"]).await;
    for (round, other) in [0, 5, 900].into_iter().enumerate() {
        engine = match round {
            0 => engine,
            1 => f.reopen(engine).await,
            _ => f.crash_and_reopen(engine).await,
        };
        let log = open_at(&engine, 7, other).await;
        assert_eq!((bounds(&log), offsets(&log).await), ((700, 701), vec![700]));
    }
}

/// Its records go, and its numbers don't come back.
pub async fn a_log_that_began_late_is_trimmed(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open_at(&engine, 7, 700).await;
    put(&log, 1, &["a"]).await;
    let second = put(&log, 2, &["b"]).await;
    trim(&log, 5).await;
    assert_eq!(texts(&log, 0).await, ["a", "b"]);
    trim(&log, second).await;
    assert_eq!((bounds(&log), texts(&log, 0).await), ((second, second + 1), vec!["b".to_owned()]));
    let end = bounds(&log).1;
    trim(&log, end).await;
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    let log = open_at(&engine, 7, 3).await;
    assert_eq!(bounds(&log), (end, end));
    let next = put(&log, 2, &["c"]).await;
    assert!(next >= end);
    assert_eq!((texts(&log, 0).await, seek(&log, 0).await), (vec!["c".to_owned()], next));
}
