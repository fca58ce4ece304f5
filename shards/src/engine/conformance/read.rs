//! Reading: where a page begins, and where it ends.

use millpond_api::types::{Blob, HashKey, Timestamp};

use super::{
    Fixture, case,
    kit::{EVERYTHING, bounds, chunk, entries, offsets, open, page, put, seek, texts},
};
use crate::{
    batch::RecordBatch,
    engine::{Offset, ReadLimit},
};

/// Runs the cases of this module.
pub async fn run(f: &mut dyn Fixture) {
    case("an empty log reads as nothing", an_empty_log_reads_as_nothing(f)).await;
    case("records read back unchanged", records_read_back_unchanged(f)).await;
    case("reading from within a chunk", reading_from_within_a_chunk(f)).await;
    case("reading beyond the end", reading_beyond_the_end(f)).await;
    case("a page ends at its limit of records", a_page_ends_at_its_limit_of_records(f)).await;
    case("records in front don't count", records_in_front_do_not_count(f)).await;
    case("a page ends at its limit of bytes", a_page_ends_at_its_limit_of_bytes(f)).await;
    case("a page has at least one chunk", a_page_has_at_least_one_chunk(f)).await;
    case("pages follow each other", pages_follow_each_other(f)).await;
    case("what is acknowledged is visible", what_is_acknowledged_is_visible(f)).await;
}

/// A log to which nothing was appended, also after reopening.
pub async fn an_empty_log_reads_as_nothing(f: &mut dyn Fixture) {
    let mut engine = f.open().await;
    for _ in 0..2 {
        let log = open(&engine, 7).await;
        assert_eq!(bounds(&log), (0, 0));
        assert_eq!(log.last_arrival(), Timestamp::default());
        assert_eq!(page(&log, 0, EVERYTHING).await, []);
        assert_eq!(seek(&log, 0).await, 0);
        drop(log);
        engine = f.reopen(engine).await;
    }
}

/// Keys, explicit hash keys, data and arrival come back as they were given.
pub async fn records_read_back_unchanged(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let mut batch = RecordBatch::default();
    batch.push("ключ", Some(HashKey::new(u128::MAX)), &Blob::Bytes((&[0, 255, 0][..]).into()));
    batch.push("k", Some(HashKey::new(0)), &Blob::Bytes((&[][..]).into()));
    batch.push("k", None, &Blob::Bytes(vec![7; 100_000].into()));
    let chunks = batch.stamp(Timestamp::from_millis(1_700_000_000_123));
    let bytes: Vec<_> = chunks.iter().map(|chunk| chunk.bytes().clone()).collect();
    log.append(chunks).await.expect("an append succeeds");
    let stored = page(&log, 0, EVERYTHING).await;
    assert_eq!(stored.into_iter().map(|chunk| chunk.bytes).collect::<Vec<_>>(), bytes);
    assert_eq!(log.last_arrival().millis(), 1_700_000_000_123);
}

/// A chunk is never cut: it is given whole, from whichever of its positions one reads.
pub async fn reading_from_within_a_chunk(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let first = put(&log, 1, &["a", "b", "c"]).await;
    let second = put(&log, 2, &["d", "e"]).await;
    for from in first..first + 3 {
        assert_eq!(texts(&log, from).await, ["a", "b", "c", "d", "e"]);
    }
    for from in first + 3..second + 2 {
        assert_eq!(texts(&log, from).await, ["d", "e"], "from {from}");
    }
}

/// Positions that were never given out aren't errors.
pub async fn reading_beyond_the_end(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    put(&log, 1, &["a", "b"]).await;
    let end = bounds(&log).1;
    for from in [end, end + 1, end + 1_000_000, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        assert_eq!(page(&log, from, EVERYTHING).await, []);
    }
    put(&log, 1, &["c"]).await;
    assert_eq!(texts(&log, end).await, ["c"]);
}

/// With one record a chunk, the limit is met exactly.
pub async fn a_page_ends_at_its_limit_of_records(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for i in 0..20 {
        put(&log, i, &["x"]).await;
    }
    let stored = offsets(&log).await;
    for records in 1..=21 {
        let read = page(&log, 0, ReadLimit { records, ..EVERYTHING }).await;
        let expected = stored.iter().copied().take(records);
        assert!(entries(&read).into_iter().map(|e| e.offset).eq(expected));
    }
}

/// Records of the first chunk that lie before the position don't use up the limit.
pub async fn records_in_front_do_not_count(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let first = put(&log, 1, &["x"; 10]).await;
    let second = put(&log, 2, &["y"; 10]).await;
    put(&log, 3, &["z"; 10]).await;
    let read = page(&log, first + 9, ReadLimit { records: 2, ..EVERYTHING }).await;
    let firsts: Vec<_> = read.iter().map(|chunk| chunk.first.value()).collect();
    assert_eq!(firsts, [first, second]);
}

/// Pages hold at most one chunk more than the bytes that were asked for.
pub async fn a_page_ends_at_its_limit_of_bytes(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let size = chunk(0, &[[0; 5000]]).bytes().len();
    for i in 0..20 {
        put(&log, i, &[[0; 5000]]).await;
    }
    for chunks in 1..=20 {
        let exact = page(&log, 0, ReadLimit { bytes: chunks * size, ..EVERYTHING }).await;
        assert_eq!(exact.len(), chunks);
        let short = page(&log, 0, ReadLimit { bytes: chunks * size - 1, ..EVERYTHING }).await;
        assert!((chunks - 1..=chunks).contains(&short.len()), "{} chunks", short.len());
        assert!(!short.is_empty());
    }
}

/// A chunk larger than the limit, or a limit of nothing, still gives one chunk.
pub async fn a_page_has_at_least_one_chunk(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    let first = put(&log, 1, &[vec![b'x'; 1_000_000]]).await;
    put(&log, 2, &["y"]).await;
    for limit in [ReadLimit { records: 1, bytes: 1 }, ReadLimit { records: 0, bytes: 0 }] {
        let read = page(&log, 0, limit).await;
        assert_eq!(read.len(), 1);
        assert_eq!(read.first().map(|chunk| chunk.first), Some(Offset::new(first)));
    }
}

/// Who reads on from the end of each page sees every record once.
pub async fn pages_follow_each_other(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for i in 0..200_usize {
        put(&log, 1, &vec![format!("{i}-{}", "x".repeat(i * 10)); i % 7 + 1]).await;
    }
    let everything = entries(&page(&log, 0, EVERYTHING).await);
    assert_eq!(everything.len(), (0..200).map(|i| i % 7 + 1).sum::<usize>());
    for limit in [(1, 1), (10, 1 << 20), (1000, 4096)] {
        let limit = ReadLimit { records: limit.0, bytes: limit.1 };
        let (mut read, mut from) = (Vec::new(), 0);
        while let Some(last) = entries(&page(&log, from, limit).await).last() {
            let mut next = entries(&page(&log, from, limit).await);
            next.retain(|entry| entry.offset >= from);
            from = last.offset + 1;
            read.extend(next);
        }
        assert_eq!(read, everything);
    }
}

/// As soon as a commit resolves, bounds, arrival and reads show its records.
pub async fn what_is_acknowledged_is_visible(f: &mut dyn Fixture) {
    let engine = f.open().await;
    let log = open(&engine, 7).await;
    for i in 0..100 {
        let first = put(&log, i, &["a", "b"]).await;
        assert_eq!(bounds(&log).1, first + 2);
        assert_eq!(log.last_arrival().millis(), i);
        assert_eq!(texts(&log, first).await, ["a", "b"]);
    }
}
