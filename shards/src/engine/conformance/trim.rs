//! Trimming: what goes, what stays, and that no number comes back.

use super::{
    Fixture, case,
    kit::{bounds, chunk, offsets, open, put, texts, trim},
};

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("trimmed records are gone", trimmed_records_are_gone(f)).await;
    case("a straddling chunk stays", a_straddling_chunk_stays(f)).await;
    case("trimming again changes nothing", trimming_again_changes_nothing(f)).await;
    case("trimming beyond the end", trimming_beyond_the_end(f)).await;
    case("trimming an empty log", trimming_an_empty_log(f)).await;
    case("a trim survives", a_trim_survives(f)).await;
    case("an idle log never reuses a number", an_idle_log_never_reuses_a_number(f)).await;
    case("a moving window", a_moving_window(f)).await;
    case("a trim leaves later appends alone", a_trim_leaves_later_appends_alone(f)).await;
}

/// Records before the position are gone, the others stay, and reading begins at the first of them.
pub async fn trimmed_records_are_gone(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["a", "b"]).await;
    let second = put(&log, 2, &["c"]).await;
    put(&log, 3, &["d"]).await;
    let end = bounds(&log).1;
    trim(&log, second).await;
    assert_eq!(bounds(&log), (second, end));
    for from in 0..=second {
        assert_eq!(texts(&log, from).await, ["c", "d"], "from {from}");
    }
}

/// A trim within a chunk gives up the chunks before it only.
pub async fn a_straddling_chunk_stays(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["a", "b"]).await;
    let first = put(&log, 2, &["c", "d", "e"]).await;
    put(&log, 3, &["f"]).await;
    let end = bounds(&log).1;
    trim(&log, first + 1).await;
    drop(log);
    for _ in 0..2 {
        let log = open(&engine, 7).await;
        assert_eq!(texts(&log, 0).await, ["c", "d", "e", "f"]);
        let (start, same_end) = bounds(&log);
        assert!((first..=first + 1).contains(&start), "{start}");
        assert_eq!(same_end, end);
        drop(log);
        engine = f.reopen(engine).await;
    }
    let log = open(&engine, 7).await;
    trim(&log, first + 3).await;
    assert_eq!(texts(&log, 0).await, ["f"]);
}

/// The trim point never goes back.
pub async fn trimming_again_changes_nothing(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for text in ["a", "b", "c", "d"] {
        put(&log, 1, &[text]).await;
    }
    let [_, second, third, _] = *offsets(&log).await else { panic!("four are stored") };
    trim(&log, third).await;
    let after = bounds(&log);
    for before in [third, second, 0, third] {
        trim(&log, before).await;
        assert_eq!(bounds(&log), after);
        assert_eq!(texts(&log, 0).await, ["c", "d"]);
    }
}

/// There is no more to give up than there is.
pub async fn trimming_beyond_the_end(f: &mut dyn Fixture) {
    for beyond in [0, 1, 1_000_000, u64::MAX - 2] {
        let engine = f.open().await;
        let log = open(&engine, 7).await;
        put(&log, 1, &["a", "b"]).await;
        trim(&log, 2 + beyond).await;
        assert_eq!(bounds(&log), (2, 2));
        assert_eq!(texts(&log, 0).await, [""; 0]);
        let first = put(&log, 2, &["c"]).await;
        assert!((2..100).contains(&first), "{first}");
        assert_eq!(texts(&log, 0).await, ["c"]);
    }
}

/// A log to which nothing was appended can be trimmed, and begins at zero all the same.
pub async fn trimming_an_empty_log(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    trim(&log, 0).await;
    trim(&log, 5).await;
    assert_eq!(bounds(&log), (0, 0));
    drop(log);
    let engine = f.crash_and_reopen(engine).await;
    let log = open(&engine, 7).await;
    assert_eq!(put(&log, 1, &["a"]).await, 0);
    assert_eq!(texts(&log, 0).await, ["a"]);
}

/// A trim that resolved holds after a crash and after a clean reopening.
pub async fn a_trim_survives(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let log = open(&engine, 7).await;
    for text in ["a", "b", "c", "d", "e"] {
        put(&log, 1, &[text, text]).await;
    }
    drop(log);
    for round in 1..5 {
        let log = open(&engine, 7).await;
        let before = *offsets(&log).await.get(2).expect("more than one chunk is left");
        trim(&log, before).await;
        let expected = (bounds(&log), texts(&log, 0).await);
        assert_eq!(expected.1.len(), 10 - round * 2);
        drop(log);
        engine =
            if round % 2 == 0 { f.reopen(engine).await } else { f.crash_and_reopen(engine).await };
        let log = open(&engine, 7).await;
        assert_eq!((bounds(&log), texts(&log, 0).await), expected);
    }
}

/// When everything was trimmed and nothing arrives, the numbers are remembered over any number of
/// reopenings.
pub async fn an_idle_log_never_reuses_a_number(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["x"; 1000]).await;
    put(&log, 2, &["y"; 234]).await;
    let end = bounds(&log).1;
    trim(&log, end).await;
    drop(log);
    for round in 0..6 {
        engine =
            if round % 3 == 0 { f.reopen(engine).await } else { f.crash_and_reopen(engine).await };
        let log = open(&engine, 7).await;
        assert_eq!(bounds(&log), (end, end));
        assert_eq!(texts(&log, 0).await, [""; 0]);
    }
    let log = open(&engine, 7).await;
    assert!(put(&log, 3, &["z"]).await >= end);
    assert_eq!(texts(&log, 0).await, ["z"]);
}

/// Append, trim and reopen, again and again: numbers only rise.
pub async fn a_moving_window(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    let mut next = 0;
    for round in 0..12 {
        let log = open(&engine, 7).await;
        assert_eq!(bounds(&log), (next, next));
        let first = put(&log, round, &["x"; 10]).await;
        assert!(first >= next);
        next = bounds(&log).1;
        assert_eq!(next, first + 10);
        trim(&log, next).await;
        drop(log);
        engine = match round % 3 {
            0 => engine,
            1 => f.reopen(engine).await,
            _ => f.crash_and_reopen(engine).await,
        };
    }
}

/// A trim that waits together with appends takes nothing of theirs.
pub async fn a_trim_leaves_later_appends_alone(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for round in 0..50 {
        put(&log, round, &["old"]).await;
        let end = bounds(&log).1;
        let append = log.append(vec![chunk(round, &["new"])]);
        let (first, ()) = futures::join!(append, trim(&log, end));
        first.expect("an append succeeds");
        assert_eq!(texts(&log, 0).await, ["new"]);
        trim(&log, u64::MAX).await;
    }
}
