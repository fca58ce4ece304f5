//! Data directories that can't be used say why, and are left as they are.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use millpond_shards::engine::{Durability, Engine, rocks::OpenError};
use tempfile::TempDir;

use super::fixture::{chunks, open, open_log, open_small, records, try_open};

fn refusal(directory: &Path) -> (OpenError, String) {
    let error = try_open(directory, Durability::Os).expect_err("it can't be opened");
    let sentence = error.to_string();
    assert!(sentence.contains(&directory.display().to_string()), "{sentence}");
    (error, sentence)
}

#[tokio::test]
async fn a_directory_is_made_with_its_parents() {
    let directory = TempDir::new().unwrap();
    let inner = directory.path().join("a/b");
    open(&inner, Durability::Os).close().await.unwrap();
    assert_eq!(fs::read_to_string(inner.join("VERSION")).unwrap(), "2\n");
}

#[tokio::test]
async fn a_directory_serves_one_process() {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path(), Durability::Os);
    let (error, sentence) = refusal(directory.path());
    let us = std::process::id();
    assert!(matches!(error, OpenError::InUse { pid: Some(pid), .. } if pid == us));
    assert!(sentence.starts_with(&format!("another millpond (pid {us}) uses ")), "{sentence}");
    engine.close().await.unwrap();
    open(directory.path(), Durability::Os).close().await.unwrap();
}

#[tokio::test]
async fn dropping_the_engine_closes_it() {
    let directory = TempDir::new().unwrap();
    for round in 0..3 {
        let engine = open(directory.path(), Durability::Os);
        let log = open_log(&engine, 1).await;
        let unawaited = log.append(chunks(&[vec![round]]));
        drop(engine);
        assert_eq!(unawaited.await.unwrap().value(), u64::from(round));
        assert!(log.append(chunks(&[vec![9]])).await.is_err());
    }
    let engine = open(directory.path(), Durability::Os);
    let stored = records(&open_log(&engine, 1).await, 0).await;
    assert_eq!(stored, [(0, vec![0]), (1, vec![1]), (2, vec![2])]);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let directory = TempDir::new().unwrap();
    open(directory.path(), Durability::Os).close().await.unwrap();
    fs::write(directory.path().join("VERSION"), "3\n").unwrap();
    let (error, _) = refusal(directory.path());
    assert!(matches!(error, OpenError::Newer { found: 3, .. }));
}

#[tokio::test]
async fn a_damaged_version_is_refused() {
    let directory = TempDir::new().unwrap();
    open(directory.path(), Durability::Os).close().await.unwrap();
    for damaged in ["", "one", "0", "-1", "\u{0}\u{0}", "99999999999999999999"] {
        fs::write(directory.path().join("VERSION"), damaged).unwrap();
        let (error, _) = refusal(directory.path());
        assert!(matches!(error, OpenError::Version { .. }), "{damaged:?}: {error:?}");
    }
    fs::write(directory.path().join("VERSION"), "2\n").unwrap();
    open(directory.path(), Durability::Os).close().await.unwrap();
}

/// Nothing else changed: logs began at zero then, too, if none was told another beginning.
#[tokio::test]
async fn the_format_before_forks_is_read_and_becomes_this_one() {
    let directory = TempDir::new().unwrap();
    let engine = open(directory.path(), Durability::Os);
    open_log(&engine, 1).await.append(chunks(&[vec![7]])).await.unwrap();
    engine.close().await.unwrap();
    fs::write(directory.path().join("VERSION"), "1\n").unwrap();
    let engine = open(directory.path(), Durability::Os);
    assert_eq!(records(&open_log(&engine, 1).await, 0).await, [(0, vec![7])]);
    assert_eq!(fs::read_to_string(directory.path().join("VERSION")).unwrap(), "2\n");
}

#[test]
fn a_directory_of_others_is_left_alone() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("thesis.txt"), "important").unwrap();
    let (error, _) = refusal(directory.path());
    assert!(matches!(error, OpenError::NotOurs { .. }));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_repeated() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("LOCK"), "1234\n").unwrap();
    fs::write(directory.path().join("VERSION.new"), "").unwrap();
    open(directory.path(), Durability::Os).close().await.unwrap();
}

#[test]
fn a_path_that_cannot_be_a_directory_says_so() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let (error, sentence) = refusal(&path);
        assert!(matches!(error, OpenError::Unusable { .. }), "{error:?}");
        assert!(sentence.starts_with("can't use "), "{sentence}");
    }
}

#[test]
fn damaged_files_of_rocksdb_are_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(directory.path(), Durability::Os));
    fs::write(directory.path().join("rocksdb/CURRENT"), "MANIFEST-nonsense\n").unwrap();
    let error = try_open(directory.path(), Durability::Os).expect_err("it is damaged");
    assert!(matches!(error, OpenError::Storage(_)), "{error:?}");
}

/// The write-ahead logs in a data directory, by name.
fn write_ahead_logs(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory.join("rocksdb")).unwrap().map(|file| file.unwrap().path());
    let mut logs: Vec<_> = files.filter(|path| path.extension() == Some("log".as_ref())).collect();
    logs.sort();
    logs
}

#[tokio::test]
async fn a_write_ahead_log_that_is_done_with_is_written_over() {
    let directory = TempDir::new().unwrap();
    let engine = open_small(directory.path(), Durability::Os);
    let log = open_log(&engine, 1).await;
    let first = write_ahead_logs(directory.path()).remove(0);
    // Open, so that no other file gets its number.
    let file = File::open(&first).unwrap();
    let number = file.metadata().unwrap().ino();
    let is_again = |path: &PathBuf| {
        *path != first && fs::metadata(path).is_ok_and(|metadata| metadata.ino() == number)
    };
    for _ in 0..1000 {
        log.append(chunks(&[vec![1; 32 * 1024]])).await.unwrap();
        if write_ahead_logs(directory.path()).iter().any(is_again) {
            return;
        }
    }
    panic!("the first log was not written over");
}
