//! Snapshots give back what they were given, and a restore is whole or nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use millpond_api::types::{Blob, HashKey, ShardId};
use millpond_quotas::{Clock, Time};
use tempfile::TempDir;

use super::*;
use crate::{
    batch::RecordBatch,
    domain::{
        NOTE_TIME_EVERY, TOKEN_KEY,
        forks::tests::{Case, arn},
        tests::open,
    },
    engine::{
        Engine as _, MetadataChange,
        memory::{Fault, MemoryEngine},
    },
    state::Command,
    token::{KEY_BYTES, Purpose},
};

/// A server with a base, forks, a split, a truncation and encrypted records.
async fn furnished(gap: u64) -> Case {
    let case = Case::new(1).await;
    case.engine.faults().leave_gaps(gap);
    for text in ["a", "b"] {
        case.put("base", text).await;
    }
    case.fork("base", "fork").await;
    case.put("fork", "c").await;
    case.put("base", "d").await;
    case.fork("fork", "idle").await;
    case.fork("fork", "cut").await;
    case.domain.truncate(&arn("cut")).await.unwrap();
    case.fork("cut", "again").await;
    case.put("again", "e").await;
    let (stream, now) = (case.stream("again"), case.domain.now());
    case.domain.crypt().start(&stream, "alias/a", now, now).await.unwrap();
    case.put("again", "f").await;
    let (stream, shard, at) = (arn("again"), ShardId::new(0), HashKey::new(1 << 127));
    let split = Command::SplitShard { stream, shard, at, due: now };
    case.domain.control().submit(split).await.unwrap();
    case
}

async fn texts(case: &Case) -> Vec<String> {
    let mut texts = Vec::new();
    for name in ["base", "fork", "idle", "cut", "again"] {
        texts.push(case.read(name).await);
    }
    texts
}

const TEXTS: [&str; 5] = ["abd", "abc", "abc", "", "ef"];

fn path(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

/// Another server, with things of its own.
async fn other() -> Case {
    let case = Case::new(3).await;
    case.put("base", "other").await;
    case.fork("base", "mine").await;
    case
}

#[tokio::test]
async fn a_snapshot_gives_back_everything_in_another_server() {
    for (name, gap) in [("snapshot", 0), ("snapshot.tar", 0), ("gaps", 3), ("gaps.tar", 3)] {
        let (directory, case) = (TempDir::new().unwrap(), furnished(gap).await);
        let path = path(&directory, name);
        let taken = case.domain.snapshot(&path).await.unwrap();
        assert_eq!((taken.streams, taken.records), (5, 6));
        let other = other().await;
        assert_eq!(other.domain.restore(&path).await.unwrap(), taken, "{name}");
        assert_eq!(texts(&other).await, TEXTS, "{name}");
        assert_eq!(other.stream("again").state().shards.len(), 3);
        // Life goes on where it was.
        for (name, more) in [("fork", "x"), ("idle", "y"), ("cut", "z")] {
            other.put(name, more).await;
        }
        let other = other.crashed().await;
        assert_eq!(texts(&other).await, ["abd", "abcx", "abcy", "z", "ef"]);
        assert_eq!(other.domain.directory().snapshot().streams().count(), 5);
        for name in ["base", "fork", "idle", "cut", "again"] {
            other.delete(name).await;
        }
        assert_eq!(other.engine.logs(), [], "nothing is left of either life");
    }
}

#[tokio::test]
async fn what_comes_after_a_snapshot_is_gone_after_its_restore() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let path = path(&directory, "snapshot");
    case.domain.snapshot(&path).await.unwrap();
    for round in 0..3 {
        case.put("base", "later").await;
        case.fork("base", "later").await;
        let split = Command::SplitShard {
            stream: arn("base"),
            shard: ShardId::new(0),
            at: HashKey::new(1 << 127),
            due: case.domain.now(),
        };
        case.domain.control().submit(split).await.unwrap();
        let late = case.stream("base");
        case.domain.restore(&path).await.unwrap();
        assert_eq!(texts(&case).await, TEXTS, "round {round}");
        let mut batch = RecordBatch::default();
        batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
        let late = late.shard(ShardId::new(0)).unwrap().append(batch).await;
        assert!(late.is_err(), "a request of before brings nothing back");
        assert_eq!(case.domain.directory().snapshot().streams().count(), 5);
    }
}

#[tokio::test]
async fn time_goes_on_from_the_later_one() {
    let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
    case.clock.advance(Duration::from_hours(100));
    let (path, then) = (path(&directory, "snapshot"), case.domain.now());
    case.domain.snapshot(&path).await.unwrap();
    let other = other().await;
    other.domain.restore(&path).await.unwrap();
    assert_eq!(other.domain.now(), then);
    other.clock.advance(Duration::from_hours(1));
    let later = other.domain.now();
    other.domain.restore(&path).await.unwrap();
    assert_eq!(other.domain.now(), later, "it never goes back");
}

/// Whenever the time is noted meanwhile, a crash doesn't take it back before the restored streams.
#[tokio::test]
async fn no_earlier_time_is_noted_over_that_of_a_restore() {
    let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
    case.clock.advance(Duration::from_hours(100));
    let (path, then) = (path(&directory, "snapshot"), case.domain.now());
    case.domain.snapshot(&path).await.unwrap();
    let (mut strike, mut writes) = (0, 0);
    while strike <= writes {
        let other = other().await;
        let faults = other.engine.faults();
        faults.hold();
        let restore = other.domain.restore(&path);
        tokio::pin!(restore);
        writes = 0;
        let restored = loop {
            tokio::select! {
                biased;
                done = &mut restore => break done.unwrap(),
                () = tokio::time::sleep(Duration::from_micros(100)) => {}
            }
            if writes == strike && faults.queued() > 0 {
                other.clock.advance(NOTE_TIME_EVERY);
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
            writes += usize::from(faults.step());
        };
        assert_eq!(restored.streams, 1);
        while faults.step() {}
        let clock = Clock::manual(Time::from_seconds(1_000));
        let reopened = open(&other.engine.crash(0), &clock).await;
        assert!(reopened.now() >= then, "noted at write {strike}");
        strike += 1;
    }
    assert!(writes > 2, "{writes}");
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
    fs::write(path(&directory, "thesis.txt"), "important").unwrap();
    fs::write(path(&directory, "old.tar"), "important").unwrap();
    for name in ["", "thesis.txt", "old.tar"] {
        let refused = case.domain.snapshot(&path(&directory, name)).await;
        assert!(matches!(refused, Err(SnapshotError::Exists(_))), "{name}: {refused:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    let parents = path(&directory, "a/b/c.tar");
    case.domain.snapshot(&parents).await.unwrap();
    let names: Vec<_> = fs::read_dir(parents.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn a_snapshot_that_fails_leaves_nothing_behind() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    case.engine.faults().fail_reads(true);
    for name in ["snapshot", "snapshot.tar"] {
        let failed = case.domain.snapshot(&path(&directory, name)).await;
        assert!(matches!(failed, Err(SnapshotError::Server(_))), "{failed:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// Every byte counts: whichever is changed, the snapshot is refused and the server as it was.
#[tokio::test]
async fn a_damaged_snapshot_is_refused() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let path = path(&directory, "snapshot");
    case.domain.snapshot(&path).await.unwrap();
    let other = other().await;
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for damaged in [Some(flipped), Some(whole[..middle].to_vec()), Some(Vec::new()), None] {
            match &damaged {
                Some(bytes) => fs::write(&file, bytes).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let refused = other.domain.restore(&path).await.unwrap_err();
            let sentence = refused.to_string();
            assert!(sentence.contains(&path.display().to_string()), "{sentence}");
            assert_eq!(other.read("mine").await, "other", "{sentence}");
        }
        fs::write(&file, whole).unwrap();
    }
    other.domain.restore(&path).await.unwrap();
    let version = path.join("VERSION");
    fs::write(&version, "2\n").unwrap();
    let newer = other.domain.restore(&path).await;
    assert!(matches!(newer, Err(SnapshotError::Newer { found: 2, .. })), "{newer:?}");
    let absent = other.domain.restore(&directory.path().join("absent")).await;
    assert!(matches!(absent, Err(SnapshotError::Io { .. })), "{absent:?}");
    let nothing = other.domain.restore(directory.path()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn an_archive_that_was_left_half_made_is_named() {
    let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
    let draft = path(&directory, "x.tar.part");
    fs::write(&draft, "half").unwrap();
    let refused = case.domain.snapshot(&path(&directory, "x.tar")).await.unwrap_err();
    assert!(refused.to_string().contains(&draft.display().to_string()), "{refused}");
    assert_eq!(fs::read_to_string(&draft).unwrap(), "half", "it may be another's");
    fs::remove_file(draft).unwrap();
    case.domain.snapshot(&path(&directory, "x.tar")).await.unwrap();
}

/// Whatever a stranger wrote into an archive, it is refused.
#[tokio::test]
async fn files_that_are_no_snapshots_are_refused() {
    let (directory, other) = (TempDir::new().unwrap(), other().await);
    let file = path(&directory, "x.tar");
    for content in [Vec::new(), b"text".to_vec(), vec![0; 4096], vec![0xff; 10_000]] {
        fs::write(&file, content).unwrap();
        let refused = other.domain.restore(&file).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(other.read("mine").await, "other");
}

/// A crash before any of its writes, or a fault at any of them, leaves the one or the other.
#[tokio::test]
async fn a_restore_is_whole_or_nothing_wherever_it_ends() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let path = path(&directory, "snapshot.tar");
    case.domain.snapshot(&path).await.unwrap();
    let before = ["other", "other"];
    let mut outcomes = [0, 0];
    for (kind, fault) in [
        (0, None),
        (1, Some(Fault::Full)),
        (2, Some(Fault::Failed { stored: false })),
        (3, Some(Fault::Failed { stored: true })),
    ] {
        for strike in 0.. {
            let other = other().await;
            let struck = restore_struck(&other, &path, strike, fault).await;
            let case = other.crashed().await;
            // The writer drops what was left as soon as it comes to it.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let is_new = case.domain.directory().snapshot().streams().count() == 5;
            outcomes[usize::from(is_new)] += 1;
            if is_new {
                assert_eq!(texts(&case).await, TEXTS, "kind {kind}, write {strike}");
            } else {
                let found = [case.read("base").await, case.read("mine").await];
                assert_eq!(found, before, "kind {kind}, write {strike}");
            }
            let snapshot = case.domain.directory().snapshot();
            let shards = snapshot.streams().flat_map(|stream| stream.state().shards.values());
            let used: Vec<_> =
                shards.flat_map(|shard| &shard.segments).map(|segment| segment.log).collect();
            for (log, _) in case.engine.logs() {
                assert!(used.contains(&log), "{log:?} is left behind by kind {kind}, {strike}");
            }
            if !struck {
                break;
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 4), "{outcomes:?}");
}

/// Restores, until the write of this number meets the fault, or nothing happens any more. Whether
/// it came to that.
async fn restore_struck(case: &Case, path: &Path, strike: usize, fault: Option<Fault>) -> bool {
    let faults = case.engine.faults();
    faults.hold();
    let restore = case.domain.restore(path);
    tokio::pin!(restore);
    let mut writes = 0;
    let mut struck = false;
    loop {
        tokio::select! {
            biased;
            done = &mut restore => {
                assert!(struck || done.is_ok(), "{done:?}");
                faults.release();
                return struck;
            }
            () = tokio::time::sleep(Duration::from_micros(100)) => {}
        }
        if faults.queued() == 0 {
            continue;
        }
        if writes == strike {
            struck = true;
            let Some(fault) = fault else { return true };
            faults.next(fault);
        }
        writes += usize::from(faults.step());
    }
}

#[tokio::test]
async fn requests_go_on_while_a_snapshot_is_made() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let path = path(&directory, "snapshot");
    let snapshot = case.domain.snapshot(&path);
    let busy = async {
        for _ in 0..20 {
            case.put("base", "+").await;
            tokio::task::yield_now().await;
        }
        // The first part is written when it is settled what belongs to the snapshot.
        while !path.join("VERSION").exists() {
            tokio::task::yield_now().await;
        }
        case.delete("cut").await;
    };
    let (taken, ()) = tokio::join!(snapshot, busy);
    assert_eq!(taken.unwrap().streams, 5);
    let other = other().await;
    other.domain.restore(&path).await.unwrap();
    let read = other.read("base").await;
    assert!(read.starts_with("abd"), "{read}");
    assert_eq!(other.read("cut").await, "");
    // What was kept for the snapshot goes a moment later.
    case.clock.advance(Duration::from_secs(2));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let used = case.engine.logs().len();
    assert!(used <= 6, "{used}");
}

#[tokio::test]
async fn an_empty_server_has_a_snapshot_too() {
    let directory = TempDir::new().unwrap();
    let clock = Clock::manual(Time::from_seconds(1_000));
    let domain = open(&MemoryEngine::new(), &clock).await;
    let path = path(&directory, "empty.tar");
    assert_eq!(domain.snapshot(&path).await.unwrap(), Contents::default());
    let other = other().await;
    other.domain.restore(&path).await.unwrap();
    assert_eq!(other.domain.directory().snapshot().streams().count(), 0);
    assert_eq!(other.engine.logs(), []);
}

/// Runs `meanwhile` while the first record that a snapshot needs is being read.
async fn snapshot_during(case: &Case, path: &Path, meanwhile: impl Future<Output = ()>) {
    let faults = case.engine.faults();
    faults.hold_reads(true);
    let meanwhile = async {
        while faults.waiting_reads() == 0 {
            tokio::task::yield_now().await;
        }
        meanwhile.await;
        faults.hold_reads(false);
    };
    let (taken, ()) = tokio::join!(case.domain.snapshot(path), meanwhile);
    taken.unwrap();
}

#[tokio::test]
async fn what_is_sealed_while_a_snapshot_is_made_does_not_bar_its_streams() {
    let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
    let path = path(&directory, "snapshot");
    case.put("base", "a").await;
    case.fork("base", "later").await;
    case.put("later", "b").await;
    snapshot_during(&case, &path, async {
        let (stream, now) = (case.stream("later"), case.domain.now());
        case.domain.crypt().start(&stream, "alias/a", now, now).await.unwrap();
        case.put("later", "sealed").await;
        case.fork("later", "newest").await;
        case.put("newest", "c").await;
    })
    .await;
    let other = other().await;
    other.domain.restore(&path).await.unwrap();
    other.put("later", "d").await;
    assert_eq!(other.read("base").await, "a");
    assert_eq!(other.read("later").await, "abd");
    assert_eq!(other.domain.directory().snapshot().streams().count(), 2);
}

#[tokio::test]
async fn a_restore_that_waits_for_a_snapshot_holds_up_nobody() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let old = path(&directory, "old");
    case.domain.snapshot(&old).await.unwrap();
    let restore = case.domain.restore(&old);
    tokio::pin!(restore);
    snapshot_during(&case, &path(&directory, "new"), async {
        for round in 0..20 {
            let given_up = tokio::time::timeout(Duration::from_millis(1), &mut restore).await;
            assert!(given_up.is_err(), "the snapshot is under way");
            case.fork("base", &format!("fork-{round}")).await;
        }
    })
    .await;
    restore.await.unwrap();
    assert_eq!(case.domain.directory().snapshot().streams().count(), 5);
}

/// Who asked for a restore may go away at any moment: then it is done whole, or not at all.
#[tokio::test]
async fn a_restore_that_nobody_waits_for_is_whole_or_nothing() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let path = path(&directory, "snapshot.tar");
    case.domain.snapshot(&path).await.unwrap();
    let mut outcomes = [0, 0];
    for strike in 0.. {
        let other = other_with_key().await;
        let struck = restore_struck(&other, &path, strike, None).await;
        // The writer does one thing after another.
        other.engine.faults().release();
        let nothing = Command::ForgetLogs { logs: Vec::new() };
        other.domain.control().submit(nothing).await.unwrap();
        let is_new = other.domain.directory().snapshot().streams().count() == 5;
        outcomes[usize::from(is_new)] += 1;
        let token = other.domain.tokens().seal(Purpose::ShardIterator, b"here");
        let knows =
            |case: &Case| case.domain.tokens().open(Purpose::ShardIterator, &token).is_some();
        assert_eq!(knows(&case), is_new, "write {strike}");
        let other = other.crashed().await;
        assert!(knows(&other), "the key is the stored one, write {strike}");
        let streams = other.domain.directory().snapshot().streams().count();
        assert_eq!(streams, if is_new { 5 } else { 1 }, "write {strike}");
        if !struck {
            break;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

/// A server whose tokens are under a key of its own.
async fn other_with_key() -> Case {
    let engine = MemoryEngine::new();
    let key = MetadataChange::Put { key: TOKEN_KEY.into(), value: vec![8; KEY_BYTES] };
    engine.commit_metadata(vec![key]).await.unwrap();
    Case::over(engine, 1).await
}

#[tokio::test]
async fn time_moves_only_with_a_restore_that_succeeds() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    case.clock.advance(Duration::from_hours(100));
    case.put("base", "late").await;
    let (path, then) = (path(&directory, "snapshot"), case.domain.now());
    case.domain.snapshot(&path).await.unwrap();
    let mut failures = 0;
    for strike in 0.. {
        let other = other().await;
        let before = other.domain.now();
        restore_struck(&other, &path, strike, Some(Fault::Full)).await;
        if other.domain.directory().snapshot().streams().count() == 5 {
            assert_eq!(other.domain.now(), then);
            break;
        }
        failures += 1;
        assert_eq!(other.domain.now(), before, "write {strike}");
    }
    assert!(failures > 2, "{failures}");
}

#[tokio::test]
async fn a_server_that_stops_gives_up_a_restore() {
    let (directory, case) = (TempDir::new().unwrap(), furnished(0).await);
    let path = path(&directory, "snapshot");
    case.domain.snapshot(&path).await.unwrap();
    let other = other().await;
    let faults = other.engine.faults();
    faults.hold();
    let stop = async {
        // Beside the rows of the logs, the first records.
        for _ in 0..2 {
            while faults.queued() == 0 {
                tokio::task::yield_now().await;
            }
            faults.step();
        }
        faults.release();
        other.domain.close().await.unwrap();
    };
    let (restored, ()) = tokio::join!(other.domain.restore(&path), stop);
    assert!(matches!(restored, Err(SnapshotError::Server(_))), "{restored:?}");
    let other = other.crashed().await;
    assert_eq!(other.read("mine").await, "other");
}
