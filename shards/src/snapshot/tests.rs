//! Snapshots that no server has written: whatever is in them, nothing comes of it.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::{
    Domain,
    domain::{
        forks::tests::{Case, arn},
        tests::open,
    },
    engine::Engine as _,
    state::{ShardLimit, rows},
    stream::Namespace,
};

/// The snapshot of a server with a base and a fork that was written to.
async fn snapshot() -> (TempDir, PathBuf) {
    let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
    let path = directory.path().join("snapshot");
    case.put("base", "a").await;
    case.fork("base", "fork").await;
    case.put("fork", "b").await;
    case.domain.snapshot(&path).await.unwrap();
    (directory, path)
}

/// Changes the metadata of a snapshot, and its sums with it.
fn forge(path: &Path, change: impl FnOnce(&mut MetadataPart)) {
    let (file, sums) = (path.join(METADATA), path.join(SUMS));
    let before = fs::read(&file).unwrap();
    let mut part: MetadataPart = minicbor::decode(&before).unwrap();
    change(&mut part);
    let after = minicbor::to_vec(part).unwrap();
    let [old, new] = [&before, &after].map(|content| parts::sum(METADATA, content));
    let text = fs::read_to_string(&sums).unwrap().replace(&old, &new);
    fs::write(sums, text).unwrap();
    fs::write(file, after).unwrap();
}

fn value<'a>(part: &'a mut MetadataPart, key: &[u8]) -> &'a mut Vec<u8> {
    let row = part.rows.iter_mut().find(|(k, _)| k.as_slice() == key).unwrap();
    &mut row.1
}

/// What is refused, and leaves the server as it was: also when it is started again.
async fn refused(path: &Path) -> String {
    let mut case = Case::new(1).await;
    case.put("base", "mine").await;
    let before = case.engine.load_metadata().await.unwrap();
    let refused = case.domain.restore(path).await.unwrap_err();
    assert!(matches!(refused, SnapshotError::Damaged { .. }), "{refused:?}");
    for _ in 0..2 {
        assert_eq!(case.read("base").await, "mine");
        assert_eq!(case.engine.load_metadata().await.unwrap(), before, "nothing was staged");
        case = case.crashed().await;
    }
    refused.to_string()
}

#[tokio::test]
async fn a_snapshot_without_a_log_that_a_stream_refers_to_is_refused() {
    for gone in 0..2 {
        let (_directory, path) = snapshot().await;
        forge(&path, |part| {
            part.logs.remove(gone);
        });
        let sentence = refused(&path).await;
        assert!(sentence.contains("records that aren't there"), "{sentence}");
    }
}

#[tokio::test]
async fn numbers_and_times_that_cannot_be_are_refused() {
    type Change = fn(&mut MetadataPart);
    let changes: [(&str, Change); 6] = [
        ("number of streams", |part| *value(part, b"n") = vec![0xff; 4]),
        ("its number", |part| *value(part, b"n") = vec![0, 0, 0, 1]),
        ("time at which it was made", |part| *value(part, b"t") = vec![0x7f; 8]),
        ("time at which it was made", |part| *value(part, b"t") = vec![0; 3]),
        ("key of tokens", |part| *value(part, b"k") = vec![7; 31]),
        ("a log ends", |part| part.logs[0].end = u64::MAX),
    ];
    for (what, change) in changes {
        let (_directory, path) = snapshot().await;
        forge(&path, change);
        let sentence = refused(&path).await;
        assert!(sentence.contains(what), "{what}: {sentence}");
    }
}

/// Whichever byte of a row is another, a server can go on with what it has then.
#[tokio::test]
async fn no_row_stops_a_server() {
    let (_directory, path) = snapshot().await;
    let whole = fs::read(path.join(METADATA)).unwrap();
    let sums = fs::read(path.join(SUMS)).unwrap();
    let rows = minicbor::decode::<MetadataPart>(&whole).unwrap().rows;
    let places = rows.iter().enumerate();
    let places = places.flat_map(|(row, (_, value))| (0..value.len()).map(move |at| (row, at)));
    let mut outcomes = [0, 0];
    // Another number, another kind of CBOR, or neither.
    let others = [0x01, 0x1b, 0xff].into_iter().cycle();
    for ((row, at), other) in places.zip(others) {
        forge(&path, |part| part.rows[row].1[at] ^= other);
        let case = Case::new(1).await;
        let restored = case.domain.restore(&path).await;
        outcomes[usize::from(restored.is_ok())] += 1;
        live(&open(&case.engine.crash(0), &case.clock).await).await;
        fs::write(path.join(METADATA), &whole).unwrap();
        fs::write(path.join(SUMS), &sums).unwrap();
    }
    assert!(outcomes.iter().all(|count| *count > 10), "{outcomes:?}");
}

/// Looks at every stream, and forks it.
async fn live(domain: &Domain) {
    let rows = domain.services.engine.load_metadata().await.unwrap();
    rows::load(&rows, ShardLimit::Aws).unwrap();
    for stream in domain.directory().snapshot().streams() {
        for shard in stream.shards() {
            shard.end().await.unwrap();
        }
        let from = &stream.state().arn;
        let to = Namespace::of(from).arn("another".parse().unwrap());
        // Whether it may is another matter.
        drop(domain.fork(from, &to).await);
    }
    drop(domain.truncate(&arn("base")).await);
}

#[tokio::test]
async fn what_is_changed_after_it_was_looked_at_is_noticed() {
    let (_directory, path) = snapshot().await;
    let archive = Archive::open(&path).await.unwrap();
    let file = path.join("records-000001");
    let mut records = fs::read(&file).unwrap();
    // A byte of data: it reads as well as it did.
    *records.last_mut().unwrap() ^= 1;
    fs::write(&file, records).unwrap();
    let read = archive.records().recv().await.unwrap();
    assert!(matches!(read, Err(SnapshotError::Damaged { .. })), "{read:?}");
}

#[tokio::test]
async fn what_is_gone_after_it_was_looked_at_is_missed() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 2] = [
        ("snapshot", |path| fs::remove_file(path.join("records-000001")).unwrap()),
        // Where VERSION ends, an archive may end, too.
        ("snapshot.tar", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(1024).unwrap();
        }),
    ];
    for (name, spoil) in spoils {
        let (directory, case) = (TempDir::new().unwrap(), Case::new(1).await);
        case.put("base", "theirs").await;
        let path = directory.path().join(name);
        case.domain.snapshot(&path).await.unwrap();
        let archive = Archive::open(&path).await.unwrap();
        spoil(&path);
        let case = Case::new(1).await;
        case.put("base", "mine").await;
        let (services, control) = (&case.domain.services, case.domain.control());
        let refused = restore::take_over(services, control, archive).await.unwrap_err();
        assert!(matches!(refused, SnapshotError::Damaged { .. }), "{name}: {refused:?}");
        assert_eq!(case.read("base").await, "mine", "{name}");
    }
}

#[tokio::test]
async fn a_part_that_would_fill_memory_is_refused() {
    let (_directory, path) = snapshot().await;
    let file = fs::OpenOptions::new().write(true).open(path.join("records-000001")).unwrap();
    file.set_len(RECORDS_BYTES_MAX as u64 + 1).unwrap();
    let sentence = refused(&path).await;
    assert!(sentence.contains("records-000001 is too large"), "{sentence}");
}

/// Why what is there is no snapshot.
async fn refusal_of(path: &Path) -> String {
    Case::new(1).await.domain.restore(path).await.unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_neither_a_file_nor_a_directory_is_not_opened() {
    let (directory, path) = snapshot().await;
    let pipe = directory.path().join("pipe");
    make_pipe(&pipe);
    let sentence = refusal_of(&pipe).await;
    let expected = "isn't a snapshot: it is neither a directory nor a regular file";
    assert_eq!(sentence, format!("{} {expected}", pipe.display()));
    make_pipe(&path.join("records-000002"));
    let sentence = refusal_of(&path).await;
    assert!(sentence.ends_with("damaged: records-000002 isn't a regular file"), "{sentence}");
}

fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[tokio::test]
async fn what_was_never_a_snapshot_is_called_that_and_not_quoted() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("diary");
    for length in [0, 100, 512, 5_000] {
        fs::write(&path, "a secret ".repeat(600).get(..length).unwrap()).unwrap();
        let sentence = refusal_of(&path).await;
        assert!(sentence.contains("isn't a snapshot: "), "{sentence}");
        assert!(!sentence.contains("secret"), "{sentence}");
    }
    fs::create_dir(directory.path().join("another")).unwrap();
    let sentence = refusal_of(directory.path()).await;
    assert!(sentence.contains("isn't a snapshot: it has no SHA256SUMS"), "{sentence}");
}
