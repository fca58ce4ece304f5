//! Writes that fail for good: nothing false is said, and what was acknowledged is kept.
//!
//! The failing process is this test binary itself, under a limit on the size of its files, which
//! the write-ahead log soon meets.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use millpond_shards::engine::{Durability, Engine, EngineError, MetadataChange};
use tempfile::TempDir;

use super::fixture::{chunks, open, open_log, records};

const DIRECTORY: &str = "ROCKS_FAILURE_DIRECTORY";
/// In the shell's unit of 512 bytes: 4 MiB.
const FILE_BLOCKS_MAX: u32 = 8192;

#[tokio::test]
async fn a_failed_write_poisons_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    for round in 1..=3 {
        assert!(fail(directory.path()), "see the output above");
        let engine = open(directory.path(), Durability::Os);
        let acknowledged = engine.load_metadata().await.unwrap();
        let [(_, appends)] = acknowledged.as_slice() else { panic!("one row counts them") };
        let appends = u64::from_le_bytes(appends.as_slice().try_into().unwrap());
        let stored = records(&open_log(&engine, 1).await, 0).await;
        // The append that failed may have reached the file all the same.
        assert!([appends, appends + 1].contains(&(stored.len() as u64)), "round {round}");
        assert!(stored.iter().map(|(offset, _)| *offset).eq(0..stored.len() as u64));
    }
}

fn fail(directory: &Path) -> bool {
    let mut shell = Command::new("sh");
    // With the signal ignored, a write beyond the limit is an error and not the end.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {FILE_BLOCKS_MAX}; exec \"$@\"")]);
    shell.arg("sh").arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "failure::appends_until_a_write_fails", "--ignored"]);
    shell.env(DIRECTORY, directory).status().unwrap().success()
}

#[tokio::test]
#[ignore = "run by the test above, under a limit on the size of files"]
async fn appends_until_a_write_fails() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("run by another test"));
    let engine = open(&directory, Durability::Os);
    let (log, other) = (open_log(&engine, 1).await, open_log(&engine, 2).await);
    let failure = loop {
        let count = log.bounds().end.value().to_le_bytes().to_vec();
        let count = MetadataChange::Put { key: Vec::new(), value: count };
        if let Err(error) = engine.commit_metadata(vec![count]).await {
            break error;
        }
        if let Err(error) = log.append(chunks(&[vec![1; 10_000]])).await {
            break error;
        }
    };
    assert!(matches!(failure, EngineError::Failed(_)), "{failure:?}");
    let end = log.bounds().end.value();
    assert!(engine.writable().is_err());
    let first = log.append(chunks(&[vec![2; 10]])).await.expect_err("writes fail");
    for _ in 0..3 {
        assert_eq!(log.append(chunks(&[vec![2; 10]])).await, Err(first.clone()));
        assert!(other.append(chunks(&[vec![2; 10]])).await.is_err());
    }
    assert_eq!(records(&log, 0).await.len() as u64, end, "reading goes on");
    assert_eq!(log.bounds().end.value(), end);
    drop(engine);
}
