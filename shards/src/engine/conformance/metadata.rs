//! Metadata: rows, their order, and changes that are made together or not at all.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Fixture, case, hold,
    kit::{bounds, open, put, texts, trim},
};
use crate::engine::{Engine, LogId, MetadataChange, MetadataRows, RetentionTier};

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("there are no rows at first", there_are_no_rows_at_first(f)).await;
    case("rows are put, replaced and deleted", rows_are_put_replaced_and_deleted(f)).await;
    case("changes are made in their order", changes_are_made_in_their_order(f)).await;
    case("rows come in order of their keys", rows_come_in_order_of_their_keys(f)).await;
    case("changes survive", changes_survive(f)).await;
    case("a crash leaves whole changes", a_crash_leaves_whole_changes(f)).await;
    case("many rows and large ones", many_rows_and_large_ones(f)).await;
    case("logs and rows keep apart", logs_and_rows_keep_apart(f)).await;
}

fn row(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> MetadataChange {
    MetadataChange::Put { key: key.as_ref().to_vec(), value: value.as_ref().to_vec() }
}

fn delete(key: impl AsRef<[u8]>) -> MetadataChange {
    MetadataChange::Delete { key: key.as_ref().to_vec() }
}

async fn commit(engine: &Arc<dyn Engine>, changes: Vec<MetadataChange>) {
    engine.commit_metadata(changes).await.expect("metadata can be changed");
}

async fn rows(engine: &Arc<dyn Engine>) -> MetadataRows {
    engine.load_metadata().await.expect("metadata can be read")
}

fn expected(rows: &[(&str, &str)]) -> MetadataRows {
    rows.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Nothing, and committing nothing is no error.
pub async fn there_are_no_rows_at_first(f: &mut dyn Fixture) {
    let engine = f.open().await;
    assert_eq!(rows(&engine).await, []);
    commit(&engine, vec![]).await;
    commit(&engine, vec![delete("missing")]).await;
    assert_eq!(rows(&engine).await, []);
    let engine = f.reopen(engine).await;
    assert_eq!(rows(&engine).await, []);
}

/// A put replaces; a delete removes, or finds nothing to remove.
pub async fn rows_are_put_replaced_and_deleted(f: &mut dyn Fixture) {
    let engine = f.open().await;
    commit(&engine, vec![row("a", "1"), row("b", "2"), row("c", "")]).await;
    assert_eq!(rows(&engine).await, expected(&[("a", "1"), ("b", "2"), ("c", "")]));
    commit(&engine, vec![row("b", "changed"), delete("a"), delete("d")]).await;
    assert_eq!(rows(&engine).await, expected(&[("b", "changed"), ("c", "")]));
}

/// Of several changes of one row in one commit, the last counts.
pub async fn changes_are_made_in_their_order(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let changes = vec![
        row("put twice", "1"),
        row("put twice", "2"),
        row("put and deleted", "1"),
        delete("put and deleted"),
        delete("deleted and put"),
        row("deleted and put", "1"),
    ];
    commit(&engine, changes).await;
    let left = expected(&[("deleted and put", "1"), ("put twice", "2")]);
    assert_eq!(rows(&engine).await, left);
    let engine = f.crash_and_reopen(engine).await;
    assert_eq!(rows(&engine).await, left);
}

/// Keys are compared as bytes; a key may be empty, a prefix of another, or any bytes at all.
pub async fn rows_come_in_order_of_their_keys(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let mut keys: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    keys.extend((0..=255).map(|byte| vec![0xff, byte]));
    keys.extend([vec![], vec![0, 0], vec![0, 0, 0], vec![0xff; 8], vec![0xff; 9]]);
    commit(&engine, keys.iter().rev().map(|key| row(key, key)).collect()).await;
    keys.sort();
    let expected: MetadataRows = keys.into_iter().map(|key| (key.clone(), key)).collect();
    assert_eq!(rows(&engine).await, expected);
    let engine = f.reopen(engine).await;
    assert_eq!(rows(&engine).await, expected);
}

/// A resolved commit is there after a crash and after a clean reopening.
pub async fn changes_survive(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    for round in 0..6 {
        commit(&engine, vec![row("round", round.to_string()), delete(format!("{round}"))]).await;
        commit(&engine, vec![row(format!("{}", round + 1), "next")]).await;
        engine =
            if round % 2 == 0 { f.crash_and_reopen(engine).await } else { f.reopen(engine).await };
        let next = (round + 1).to_string();
        let round = round.to_string();
        assert_eq!(rows(&engine).await, expected(&[(&next, "next"), ("round", &round)]));
    }
}

/// Of a commit under way at a crash, all changes are there or none.
pub async fn a_crash_leaves_whole_changes(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    for round in 0..5 {
        let changes = (0..100).map(|i| row(format!("{i:03}"), format!("{round}")));
        let old = rows(&engine).await;
        hold(f);
        // Polled once, so that it is under way, and given up.
        let mut under_way = engine.commit_metadata(changes.collect());
        let _ = futures::poll!(&mut under_way);
        drop(under_way);
        engine = f.crash_and_reopen(engine).await;
        let new = rows(&engine).await;
        // An engine that doesn't crash may only now carry out an earlier round's.
        let values: BTreeSet<_> = new.iter().map(|(_, value)| value).collect();
        let is_whole = new.len() == 100 && values.len() == 1;
        assert!(new == old || is_whole, "changes of round {round} were torn");
    }
}

/// Ten thousand rows in one commit, and a row of 1 MiB.
pub async fn many_rows_and_large_ones(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let mut all: MetadataRows = (0..10_000_u32)
        .map(|i| (i.to_be_bytes().to_vec(), format!("row {i}").into_bytes()))
        .collect();
    all.push((b"large".to_vec(), vec![0xa5; 1024 * 1024]));
    commit(&engine, all.iter().map(|(key, value)| row(key, value)).collect()).await;
    assert!(rows(&engine).await == all);
    let engine = f.crash_and_reopen(engine).await;
    assert!(rows(&engine).await == all);
}

/// What an engine notes about its logs is none of the rows, and no row is taken for a note.
pub async fn logs_and_rows_keep_apart(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let keys = (0..=255_u8).flat_map(|byte| [vec![byte], [vec![byte], vec![0; 8]].concat()]);
    let changes: Vec<_> = keys.map(|key| row(key, "mine")).collect();
    commit(&engine, changes).await;
    let mine = rows(&engine).await;
    for id in [0, 1, u64::MAX] {
        let log = open(&engine, id).await;
        log.place(RetentionTier::LongTerm);
        put(&log, 1, &["a", "b"]).await;
        trim(&log, 2).await;
    }
    engine.drop_logs(vec![LogId::new(1)]).await.expect("a log can be dropped");
    assert!(rows(&engine).await == mine);
    let engine = f.reopen(engine).await;
    assert!(rows(&engine).await == mine);
    commit(&engine, mine.iter().map(|(key, _)| delete(key)).collect()).await;
    let engine = f.reopen(engine).await;
    assert_eq!(rows(&engine).await, []);
    let log = open(&engine, 0).await;
    assert_eq!((bounds(&log), texts(&log, 0).await.len()), ((2, 2), 0));
}
