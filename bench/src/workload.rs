//! What a connection asks again and again, and how it judges the answers.

use std::sync::Arc;

use anyhow::{Result, ensure};
use fastrand::Rng;

use crate::answer::{Counter, FULL_CHECK_EVERY, TAIL_BYTES, tail};
use crate::body::Body;
use crate::codec::{Codec, Entry};
use crate::http::keep;

/// Data in the bodies of one pool; more would only push the server's own out of the cache.
const POOL_BYTES: usize = 4 * 1024 * 1024;
const POOL_BODIES_MIN: usize = 8;
const POOL_BODIES_MAX: usize = 1_024;
/// Digits of a partition key; long enough that no two are alike by chance.
pub(crate) const PARTITION_KEY_CHARS: usize = 17;

/// A source of requests to one operation.
pub(crate) trait Workload: Send {
    /// The body to send next.
    fn request(&mut self) -> &Body;
    /// Looks at what has come of the answer to it; returns how many of these bytes, from the first,
    /// may be forgotten.
    fn see(&mut self, coming: &[u8]) -> usize {
        keep(coming)
    }
    /// Judges the answer, but for what was forgotten; returns how many records went either way.
    fn accept(&mut self, answer: &[u8]) -> Result<u64>;
    /// Whether there is no more to ask for.
    fn is_done(&self) -> bool {
        false
    }
}

/// What an answer must say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    /// Nothing: the bare server knows no Kinesis.
    Answered,
    PutRecord(Codec),
    PutRecords(Codec),
}

/// Sends the bodies of a pool in turn.
#[derive(Debug)]
pub(crate) struct Cycle {
    pool: Arc<[Body]>,
    next: usize,
    /// Records in each request.
    records: usize,
    check: Check,
    answers: u64,
}

impl Cycle {
    /// Starts at the `start`th body, so that connections do not send the same at the same time.
    pub(crate) fn new(pool: Arc<[Body]>, start: usize, records: usize, check: Check) -> Self {
        assert!(!pool.is_empty(), "a cycle needs something to send");
        Self { pool, next: start, records, check, answers: 0 }
    }
}

impl Workload for Cycle {
    fn request(&mut self) -> &Body {
        let index = self.next % self.pool.len();
        self.next += 1;
        self.pool.get(index).expect("the remainder is within the pool")
    }

    fn see(&mut self, coming: &[u8]) -> usize {
        match self.check {
            Check::Answered => coming.len(),
            Check::PutRecord(_) | Check::PutRecords(_) => 0,
        }
    }

    fn accept(&mut self, answer: &[u8]) -> Result<u64> {
        let full = self.answers.is_multiple_of(FULL_CHECK_EVERY);
        self.answers += 1;
        match self.check {
            Check::Answered => {}
            Check::PutRecord(codec) if full => codec.check_put_record(answer)?,
            Check::PutRecord(codec) => drop(codec.sequence_number(answer)?),
            Check::PutRecords(codec) if full => codec.check_put_records(answer, self.records)?,
            Check::PutRecords(codec) => codec.look_put_records(answer)?,
        }
        Ok(self.records as u64)
    }
}

/// Reads one shard, page after page.
#[derive(Debug)]
pub(crate) struct Reader {
    codec: Codec,
    data_bytes: usize,
    /// Where to begin again at the tail; `None` stays there and waits for more.
    again: Option<Body>,
    next: Body,
    counter: Counter,
    /// Whether what stands beside the records stands behind them.
    tail_tells: bool,
    answers: u64,
    at_tail: bool,
}

impl Reader {
    /// Reads from `shard_iterator` to the tail, over and over. Iterators can be used again.
    pub(crate) fn over_and_over(codec: Codec, shard_iterator: &str, data_bytes: usize) -> Self {
        let first = Body::new(codec.get_records(shard_iterator));
        Self { again: Some(first.clone()), ..Self::at(codec, first, data_bytes) }
    }

    /// Reads from `shard_iterator` on and follows the tail.
    pub(crate) fn following(codec: Codec, shard_iterator: &str, data_bytes: usize) -> Self {
        Self::at(codec, Body::new(codec.get_records(shard_iterator)), data_bytes)
    }

    fn at(codec: Codec, next: Body, data_bytes: usize) -> Self {
        let (counter, tail_tells, at_tail) = (codec.counter(), false, false);
        Self { codec, data_bytes, again: None, next, counter, tail_tells, answers: 0, at_tail }
    }

    /// Whether the next answer is decoded in full.
    fn is_to_check(&self) -> bool {
        self.answers.is_multiple_of(FULL_CHECK_EVERY)
    }

    fn keeps_all(&self) -> bool {
        self.is_to_check() || !self.tail_tells
    }
}

impl Workload for Reader {
    fn request(&mut self) -> &Body {
        &self.next
    }

    fn see(&mut self, coming: &[u8]) -> usize {
        self.counter.see(coming);
        let forgotten = if self.keeps_all() { 0 } else { coming.len().saturating_sub(TAIL_BYTES) };
        self.counter.forget(forgotten);
        forgotten
    }

    fn accept(&mut self, answer: &[u8]) -> Result<u64> {
        let page = self.codec.look_get_records(answer, self.counter.end(answer))?;
        if self.is_to_check() {
            self.codec.check_get_records(answer, &page, self.data_bytes)?;
            self.tail_tells = answer.len() > TAIL_BYTES
                && self.codec.look_get_records(tail(answer), page.records).is_ok();
        }
        self.answers += 1;
        self.at_tail = page.at_tail;
        self.next = match &self.again {
            Some(first) if page.at_tail => {
                ensure!(page.records > 0 || self.answers > 1, "the shard is empty");
                first.clone()
            }
            _ => Body::new(self.codec.get_records(page.next)),
        };
        Ok(page.records)
    }

    fn is_done(&self) -> bool {
        self.at_tail
    }
}

/// Puts records whose partition keys are numbers that tell when each was due.
#[derive(Debug)]
pub(crate) struct Numbered {
    stream: &'static str,
    next: u64,
    step: u64,
    entry: Entry,
    body: Body,
}

impl Numbered {
    /// The numbers from `first` on, `step` apart.
    pub(crate) fn new(stream: &'static str, first: u64, step: u64, data_bytes: usize) -> Self {
        let entry = entry(&mut Rng::with_seed(first), data_bytes);
        Self { stream, next: first, step, entry, body: Body::new("") }
    }
}

impl Workload for Numbered {
    fn request(&mut self) -> &Body {
        let number = self.next;
        self.next += self.step;
        self.entry.partition_key = format!("{number:0PARTITION_KEY_CHARS$}");
        self.body = Body::new(Codec::Json.put_record(self.stream, &self.entry));
        &self.body
    }

    fn accept(&mut self, answer: &[u8]) -> Result<u64> {
        Codec::Json.sequence_number(answer)?;
        Ok(1)
    }
}

/// Requests of `entries` records each, as PutRecords, with random keys and incompressible data.
pub(crate) fn put_records_pool(
    codec: Codec,
    stream: &str,
    entries: usize,
    data_bytes: usize,
) -> Arc<[Body]> {
    pool(entries * data_bytes, |rng| {
        let entries: Vec<Entry> = (0..entries).map(|_| entry(rng, data_bytes)).collect();
        codec.put_records(stream, &entries)
    })
}

/// Requests of one record each, as PutRecord.
pub(crate) fn put_record_pool(codec: Codec, stream: &str, data_bytes: usize) -> Arc<[Body]> {
    pool(data_bytes, |rng| codec.put_record(stream, &entry(rng, data_bytes)))
}

fn pool(bytes_each: usize, mut body: impl FnMut(&mut Rng) -> Vec<u8>) -> Arc<[Body]> {
    let bodies = (POOL_BYTES / bytes_each.max(1)).clamp(POOL_BODIES_MIN, POOL_BODIES_MAX);
    let mut rng = Rng::with_seed(0x6d69_6c6c);
    (0..bodies).map(|_| Body::new(body(&mut rng))).collect()
}

fn entry(rng: &mut Rng, data_bytes: usize) -> Entry {
    let partition_key = (0..PARTITION_KEY_CHARS).map(|_| rng.digit(10)).collect();
    let mut data = vec![0; data_bytes];
    rng.fill(&mut data);
    Entry { partition_key, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_the_size_of_real_requests_and_no_two_alike() {
        let pool = put_records_pool(Codec::Json, "bench", 500, 100);
        assert_eq!(pool.len(), POOL_BYTES / 50_000);
        assert_eq!(
            pool[0].bytes.len(),
            500 * 183 + r#"{"Records":[],"StreamName":"bench"}"#.len() - 1
        );
        assert_ne!(pool[0].sha256, pool[1].sha256);
        assert_eq!(put_record_pool(Codec::Cbor, "bench", 100).len(), POOL_BODIES_MAX);
    }

    #[test]
    fn a_cycle_goes_round_and_refuses_answers_that_do_not_count() {
        let pool: Arc<[Body]> = [Body::new("a"), Body::new("b")].into();
        let mut cycle = Cycle::new(pool, 1, 1, Check::PutRecord(Codec::Json));
        let sent = [0; 3].map(|_| cycle.request().bytes.clone());
        assert_eq!(sent, ["b", "a", "b"]);
        let good = br#"{"SequenceNumber":"1","ShardId":"shardId-0"}"#;
        assert_eq!(cycle.accept(good).unwrap(), 1);
        assert_eq!(cycle.accept(good).unwrap(), 1);
        assert!(cycle.accept(b"{}").is_err());
    }

    fn page(records: usize, next: &str, behind: u32) -> Vec<u8> {
        let record = r#"{"SequenceNumber":"1","Data":"","PartitionKey":"a"}"#;
        let records = vec![record; records].join(",");
        let rest = format!(r#""NextShardIterator":"{next}","MillisBehindLatest":{behind}"#);
        format!(r#"{{"Records":[{records}],{rest}}}"#).into_bytes()
    }

    #[test]
    fn a_reader_begins_again_at_the_tail() {
        let mut reader = Reader::over_and_over(Codec::Json, "first", 0);
        assert_eq!(reader.accept(&page(1, "second", 9)).unwrap(), 1);
        assert_eq!(reader.request().bytes, r#"{"ShardIterator":"second"}"#);
        assert_eq!(reader.accept(&page(2, "third", 0)).unwrap(), 2);
        assert_eq!(reader.request().bytes, r#"{"ShardIterator":"first"}"#);
    }

    #[test]
    fn a_reader_that_follows_stays_at_the_tail() {
        let mut reader = Reader::following(Codec::Json, "first", 0);
        assert_eq!(reader.accept(&page(0, "second", 0)).unwrap(), 0);
        assert_eq!(reader.request().bytes, r#"{"ShardIterator":"second"}"#);
    }

    #[test]
    fn a_reader_is_done_where_nothing_more_lies() {
        let mut reader = Reader::following(Codec::Json, "first", 0);
        reader.accept(&page(1, "second", 9)).unwrap();
        assert!(!reader.is_done());
        reader.accept(&page(1, "third", 0)).unwrap();
        assert!(reader.is_done());
    }

    #[test]
    fn what_is_forgotten_is_counted_all_the_same() {
        let mut reader = Reader::following(Codec::Json, "first", 0);
        for (next, is_kept) in [("second", true), ("third", false)] {
            let record = |n| format!(r#"{{"SequenceNumber":"{n}","Data":"","PartitionKey":"a"}}"#);
            let records: Vec<_> = (1_000..2_000).map(record).collect();
            let rest = format!(r#""NextShardIterator":"{next}","MillisBehindLatest":9"#);
            let page = format!(r#"{{"Records":[{}],{rest}}}"#, records.join(","));
            let mut buffer = Vec::new();
            for piece in page.as_bytes().chunks(777) {
                buffer.extend_from_slice(piece);
                let forgotten = reader.see(&buffer);
                buffer.drain(..forgotten);
            }
            assert_eq!(buffer.len() == page.len(), is_kept);
            assert_eq!(reader.accept(&buffer).unwrap(), 1_000);
            assert_eq!(reader.request().bytes, format!(r#"{{"ShardIterator":"{next}"}}"#));
        }
    }

    #[test]
    fn a_short_page_says_nothing_of_where_a_long_one_tells_what() {
        let page = |records: usize| {
            let record = r#"{"SequenceNumber":"1","Data":"","PartitionKey":"a"}"#;
            let records = vec![record; records].join(",");
            let rest = r#""MillisBehindLatest":9,"NextShardIterator":"next""#;
            format!(r#"{{{rest},"Records":[{records}]}}"#).into_bytes()
        };
        let mut reader = Reader::following(Codec::Json, "first", 0);
        reader.accept(&page(1)).unwrap();
        let long = page(1_000);
        assert_eq!(reader.see(&long), 0);
        assert_eq!(reader.accept(&long).unwrap(), 1_000);
    }

    #[test]
    fn numbered_records_carry_their_numbers() {
        let mut numbered = Numbered::new("s", 3, 64, 2);
        for number in ["00000000000000003", "00000000000000067"] {
            let body = std::str::from_utf8(&numbered.request().bytes).unwrap().to_owned();
            assert!(body.contains(&format!(r#""PartitionKey":"{number}""#)), "{body}");
        }
    }

    #[test]
    fn an_empty_shard_is_not_a_fast_one() {
        let mut reader = Reader::over_and_over(Codec::Json, "first", 0);
        assert!(reader.accept(&page(0, "second", 0)).is_err());
    }
}
