//! Killed in the middle of appends: what was acknowledged is there, and numbers only rise.
//!
//! The process to be killed is this test binary itself, told by its environment to run one test,
//! which appends for ever and prints each acknowledgement.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use futures::{StreamExt, stream::FuturesUnordered};
use millpond_shards::engine::{Durability, Offset, ShardLog};
use tempfile::TempDir;

use super::fixture::{chunks, open_log, open_small, records};

const DIRECTORY: &str = "ROCKS_KILL_DIRECTORY";
const FSYNC: &str = "ROCKS_KILL_FSYNC";
const LOGS: u64 = 4;
/// All of this log is trimmed after each append.
const TRIMMED_LOG: u64 = 3;
const ROUNDS: usize = 6;
const APPENDS_WAITING: usize = 20;

/// First position and number of records of an acknowledged append, by log.
type Acknowledged = BTreeMap<u64, Vec<(u64, u64)>>;

#[tokio::test]
async fn acknowledged_records_survive_a_kill_without_fsync() {
    survive(Durability::Os, 3000).await;
}

#[tokio::test]
async fn acknowledged_records_survive_a_kill_with_fsync() {
    survive(Durability::Fsync, 300).await;
}

async fn survive(durability: Durability, acknowledgements: usize) {
    let directory = TempDir::new().unwrap();
    let mut acknowledged = Acknowledged::new();
    for round in 1..=ROUNDS {
        let killed = append_and_kill(directory.path(), durability, acknowledgements * round);
        for (log, mut appends) in killed {
            // They were printed as their tasks were woken.
            appends.sort_unstable();
            acknowledged.entry(log).or_default().extend(appends);
        }
        check(directory.path(), durability, &acknowledged).await;
    }
}

/// Kills a process after so many acknowledgements; all that it gave.
fn append_and_kill(directory: &Path, durability: Durability, after: usize) -> Acknowledged {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "kill::appends_until_killed", "--ignored", "--nocapture"]);
    process.env(DIRECTORY, directory).stdout(Stdio::piped());
    if durability == Durability::Fsync {
        process.env(FSYNC, "1");
    }
    let mut process = process.spawn().unwrap();
    let mut acknowledged = Acknowledged::new();
    let mut count = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // A line that the kill cut short was no acknowledgement.
        let Some(append) = line.strip_prefix("acknowledged ").and_then(|a| a.strip_suffix('.'))
        else {
            continue;
        };
        let numbers: Vec<u64> = append.split(' ').map(|n| n.parse().unwrap()).collect();
        acknowledged.entry(numbers[0]).or_default().push((numbers[1], numbers[2]));
        count += 1;
        if count == after {
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(count >= after, "the process ended by itself");
    acknowledged
}

async fn check(directory: &Path, durability: Durability, acknowledged: &Acknowledged) {
    let engine = open_small(directory, durability);
    for (id, appends) in acknowledged {
        assert!(appends.is_sorted_by(|a, b| a.0 + a.1 <= b.0), "a number came back");
        let (last, count) = *appends.last().unwrap();
        let log = open_log(&engine, *id).await;
        assert!(log.bounds().end.value() >= last + count);
        let stored: BTreeMap<_, _> = records(&log, 0).await.into_iter().collect();
        for (first, count) in appends.iter().filter(|_| *id != TRIMMED_LOG) {
            for i in 0..*count {
                assert_eq!(stored.get(&(first + i)), Some(&data(*id, i, *count)));
            }
        }
        assert!(whole(stored.values()), "an append was torn");
    }
}

/// Record `i` of `count` in an append: tells its place, so that a torn append shows.
fn data(log: u64, i: u64, count: u64) -> Vec<u8> {
    let size = if count.is_multiple_of(5) { 3000 } else { 10 };
    let mut data = vec![log as u8; size];
    data[0] = i as u8;
    data[1] = count as u8;
    data
}

fn whole<'a>(records: impl Iterator<Item = &'a Vec<u8>>) -> bool {
    let mut next = 0;
    for data in records {
        if data[0] != next {
            return false;
        }
        next = if data[0] + 1 == data[1] { 0 } else { next + 1 };
    }
    next == 0
}

#[tokio::test]
#[ignore = "appends for ever: run, and killed, by the tests above"]
async fn appends_until_killed() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("run by another test"));
    let fsync = std::env::var_os(FSYNC).is_some();
    let durability = if fsync { Durability::Fsync } else { Durability::Os };
    let engine = open_small(&directory, durability);
    let mut logs = Vec::new();
    for id in 0..LOGS {
        logs.push(open_log(&engine, id).await);
    }
    let mut waiting = FuturesUnordered::new();
    for i in 0_u64.. {
        let id = i % LOGS;
        waiting.push(append_one(id, i % 23 + 1, logs[id as usize].clone()));
        if waiting.len() == APPENDS_WAITING {
            waiting.next().await.unwrap();
        }
    }
}

async fn append_one(id: u64, count: u64, log: Arc<dyn ShardLog>) {
    let batch: Vec<_> = (0..count).map(|i| data(id, i, count)).collect();
    let first = log.append(chunks(&batch)).await.unwrap().value();
    let mut out = std::io::stdout().lock();
    writeln!(out, "acknowledged {id} {first} {count}.").unwrap();
    drop(out);
    if id == TRIMMED_LOG {
        log.trim(Offset::new(first + count)).await.unwrap();
    }
}
