//! Forks and truncations over a real engine: what is read where, and what storage holds.

use std::{sync::Arc, time::Duration};

use millpond_api::types::{Blob, HashKey, ShardId, Timestamp};
use millpond_quotas::{Clock, Time};

use super::*;
use crate::{
    batch::RecordBatch,
    domain::tests::open,
    engine::{Offset, memory::MemoryEngine},
    shard::{Appended, Limit, Shard},
    state::{EncryptionCommand, NewMode, NewStream},
};

const ALL: Limit = Limit::new(usize::MAX, usize::MAX);

pub(crate) fn arn(name: &str) -> StreamArn {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}").parse().unwrap()
}

pub(crate) struct Case {
    pub(crate) engine: MemoryEngine,
    pub(crate) clock: Clock,
    pub(crate) domain: Domain,
}

impl Case {
    /// A server with a stream "base" of so many shards.
    pub(crate) async fn new(shards: u32) -> Self {
        Self::over(MemoryEngine::new(), shards).await
    }

    /// The same over storage that holds something.
    pub(crate) async fn over(engine: MemoryEngine, shards: u32) -> Self {
        let clock = Clock::manual(Time::from_seconds(1_000));
        let domain = open(&engine, &clock).await;
        let now = domain.now();
        let new = NewStream {
            arn: arn("base"),
            mode: NewMode::Provisioned { shards },
            max_record_kib: 1024,
            tags: Vec::new(),
            now,
            due: now,
        };
        domain.control().submit(Command::CreateStream(new)).await.unwrap();
        Self { engine, clock, domain }
    }

    pub(crate) async fn crashed(self) -> Self {
        let engine = self.engine.crash(0);
        let domain = open(&engine, &self.clock).await;
        Self { engine, clock: self.clock, domain }
    }

    pub(crate) fn stream(&self, name: &str) -> Arc<Stream> {
        self.domain.directory().stream(&Namespace::of(&arn(name)), &arn(name).name).unwrap()
    }

    fn shard(&self, name: &str) -> Arc<Shard> {
        Arc::clone(self.stream(name).shard(ShardId::new(0)).unwrap())
    }

    pub(crate) async fn put(&self, name: &str, text: &str) -> Appended {
        let stream = self.stream(name);
        let mut sealing = self.domain.crypt().sealing(&stream, 1).await.unwrap();
        let mut batch = RecordBatch::default();
        let data = Blob::Bytes(text.as_bytes().into());
        batch.push_sealed(Some("key"), None, &data, sealing.as_mut());
        self.shard(name).append(batch).await.unwrap()
    }

    async fn read_from(&self, name: &str, from: Offset, limit: Limit) -> (Vec<String>, Offset) {
        let (stream, shard) = (self.stream(name), self.shard(name));
        let horizon = stream.state().horizon(self.domain.now());
        let mut reading = shard.read(from, horizon, limit).await.unwrap();
        self.domain.crypt().unlock(&stream, &mut reading).await.unwrap();
        let text = |record| String::from_utf8(reading.data(&record).unwrap().to_vec()).unwrap();
        (reading.records().map(text).collect(), reading.next())
    }

    /// Everything, read by pages of one record.
    pub(crate) async fn read(&self, name: &str) -> String {
        let (mut all, mut from) = (String::new(), Offset::ZERO);
        let end = self.shard(name).end().await.unwrap();
        while from < end {
            let one = Limit { records: 1, ..ALL };
            let (texts, next) = self.read_from(name, from, one).await;
            all.extend(texts);
            from = next;
        }
        all
    }

    pub(crate) async fn delete(&self, name: &str) {
        let (stream, due) = (arn(name), self.domain.now());
        let delete = Command::DeleteStream { stream, enforce_consumer_deletion: true, due };
        self.domain.control().submit(delete).await.unwrap();
    }

    /// Chunks that storage holds, in all logs.
    pub(crate) fn chunks(&self) -> usize {
        self.engine.logs().into_iter().map(|(_, chunks)| chunks).sum()
    }

    pub(crate) async fn fork(&self, from: &str, to: &str) {
        self.domain.fork(&arn(from), &arn(to)).await.unwrap();
    }

    async fn maintained(&self) {
        self.clock.advance(Duration::from_mins(1));
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn records_before_the_fork_are_in_both_and_later_ones_in_one() {
    let case = Case::new(1).await;
    for text in ["a", "b", "c"] {
        case.put("base", text).await;
    }
    case.fork("base", "fork").await;
    case.put("base", "d").await;
    let own = case.put("fork", "x").await;
    assert_eq!(own.first, Offset::new(3), "its numbers go on where the base was");
    case.fork("fork", "again").await;
    case.put("fork", "y").await;
    case.put("again", "z").await;
    for case in [case.crashed().await] {
        assert_eq!(case.read("base").await, "abcd");
        assert_eq!(case.read("fork").await, "abcxy");
        assert_eq!(case.read("again").await, "abcxz");
        let (all, next) = case.read_from("again", Offset::new(1), ALL).await;
        assert_eq!((all.concat(), next), ("bc".to_owned(), Offset::new(3)));
    }
}

#[tokio::test]
async fn a_base_can_go_while_its_forks_live() {
    let case = Case::new(1).await;
    case.put("base", "a").await;
    case.fork("base", "fork").await;
    case.delete("base").await;
    case.put("fork", "b").await;
    assert_eq!((case.read("fork").await.as_str(), case.chunks()), ("ab", 2));
    case.delete("fork").await;
    assert_eq!(case.chunks(), 0);
    assert!(case.engine.logs().is_empty());
}

#[tokio::test]
async fn a_truncation_gives_back_what_no_fork_needs() {
    let case = Case::new(1).await;
    let old = case.put("base", "a").await;
    case.fork("base", "fork").await;
    case.put("base", "b").await;
    case.domain.truncate(&arn("base")).await.unwrap();
    assert_eq!((case.read("base").await.as_str(), case.chunks()), ("", 2), "a fork needs one");
    let next = case.put("base", "c").await;
    assert_eq!(next.first, Offset::new(2));
    assert_eq!(
        case.read_from("base", old.first, ALL).await,
        (vec!["c".to_owned()], Offset::new(3))
    );
    assert_eq!(case.read("fork").await, "a");
    case.domain.truncate(&arn("fork")).await.unwrap();
    assert_eq!((case.read("fork").await.as_str(), case.read("base").await.as_str()), ("", "c"));
    case.maintained().await;
    assert_eq!(case.chunks(), 1, "the base's log was held by the fork alone");
    assert_eq!(case.put("fork", "d").await.first, Offset::new(1));
    let case = case.crashed().await;
    assert_eq!((case.read("fork").await.as_str(), case.read("base").await.as_str()), ("d", "c"));
}

#[tokio::test]
async fn each_sharer_has_its_own_horizon() {
    let case = Case::new(1).await;
    case.put("base", "a").await;
    case.fork("base", "fork").await;
    let (stream, now) = (arn("fork"), case.domain.now());
    let longer = Command::IncreaseRetention { stream, hours: 48, now, due: now };
    case.domain.control().submit(longer).await.unwrap();
    case.clock.advance(Duration::from_hours(23));
    case.put("base", "b").await;
    case.put("fork", "c").await;
    case.clock.advance(Duration::from_hours(2));
    case.maintained().await;
    assert_eq!((case.read("base").await.as_str(), case.read("fork").await.as_str()), ("b", "ac"));
    assert_eq!(case.shard("fork").seek(case.domain.now()).await.unwrap(), Offset::new(2));
    case.clock.advance(Duration::from_hours(24));
    case.maintained().await;
    assert_eq!((case.read("base").await.as_str(), case.read("fork").await.as_str()), ("", "c"));
    assert_eq!(case.stream("fork").state().shards[&ShardId::new(0)].segments.len(), 1);
    assert_eq!(case.chunks(), 1);
}

#[tokio::test]
async fn times_lead_to_records_in_every_segment() {
    let case = Case::new(1).await;
    let mut times = Vec::new();
    for (i, text) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let name = format!("fork-{i}");
        let before = if i == 0 { "base".to_owned() } else { format!("fork-{}", i - 1) };
        times.push(case.put(&before, text).await.arrival);
        case.fork(&before, &name).await;
        case.clock.advance(Duration::from_secs(40));
    }
    let shard = case.shard("fork-3");
    for (i, at) in (0..).zip(times) {
        assert_eq!(shard.seek(at).await.unwrap(), Offset::new(i));
        let later = Timestamp::from_millis(at.millis() + 1);
        assert_eq!(shard.seek(later).await.unwrap(), Offset::new(i + 1));
    }
    assert_eq!(case.read("fork-3").await, "abcd");
}

#[tokio::test]
async fn encrypted_records_are_read_through_forks_of_forks() {
    let case = Case::new(1).await;
    let stream = case.stream("base");
    let now = case.domain.now();
    case.domain.crypt().start(&stream, "alias/a", now, now).await.unwrap();
    case.put("base", "a").await;
    case.fork("base", "fork").await;
    case.put("fork", "b").await;
    case.fork("fork", "again").await;
    case.put("again", "c").await;
    case.delete("base").await;
    let case = case.crashed().await;
    assert_eq!(
        (case.read("fork").await.as_str(), case.read("again").await.as_str()),
        ("ab", "abc")
    );
    let (stream, now) = (arn("fork"), case.domain.now());
    let stop = EncryptionCommand::Stop { stream, now, due: now };
    case.domain.control().submit(Command::Encryption(stop)).await.unwrap();
    case.fork("fork", "plain").await;
    case.put("plain", "d").await;
    assert_eq!(case.read("plain").await, "abd");
}

#[tokio::test]
async fn a_fork_is_resharded_by_itself() {
    let case = Case::new(1).await;
    case.put("base", "a").await;
    case.fork("base", "fork").await;
    let (stream, due, at) = (arn("fork"), case.domain.now(), HashKey::new(1 << 127));
    let split = Command::SplitShard { stream, shard: ShardId::new(0), at, due };
    case.domain.control().submit(split).await.unwrap();
    assert_eq!(case.stream("fork").state().open_shards().count(), 2);
    assert_eq!(case.stream("base").state().open_shards().count(), 1);
    assert_eq!(case.read("fork").await, "a");
    case.domain.truncate(&arn("fork")).await.unwrap();
    assert_eq!((case.read("fork").await.as_str(), case.read("base").await.as_str()), ("", "a"));
    assert_eq!(case.stream("fork").state().shards.len(), 3, "closed shards stay listed");
}

#[tokio::test]
async fn an_account_is_forked_as_a_whole() {
    let case = Case::new(3).await;
    case.put("base", "a").await;
    case.fork("base", "other").await;
    let (from, to) = (arn("base").account, "000000000017".parse().unwrap());
    let forks = case.domain.fork_account(from, to, None).await.unwrap();
    assert_eq!(forks.len(), 2);
    assert!(forks.iter().all(|arn| arn.account == to));
    let again = case.domain.fork_account(from, to, None).await;
    assert!(matches!(again, Err(Error::StreamExists { .. })), "{again:?}");
    let elsewhere = "eu-west-1".parse().unwrap();
    let none = case.domain.fork_account(from, to, Some(&elsewhere)).await;
    assert_eq!(none, Ok(Vec::new()));
}

#[tokio::test]
async fn after_a_reset_there_is_nothing() {
    let case = Case::new(2).await;
    let late = case.shard("base");
    case.put("base", "a").await;
    case.fork("base", "fork").await;
    case.domain.reset().await.unwrap();
    assert_eq!(case.domain.directory().snapshot().streams().count(), 0);
    let mut batch = RecordBatch::default();
    batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
    assert!(late.append(batch).await.is_err());
    assert!(case.engine.logs().is_empty());
    let case = case.crashed().await;
    assert_eq!(case.domain.directory().snapshot().streams().count(), 0);
}

#[tokio::test]
async fn a_stream_that_is_deleted_meanwhile_is_left_out_of_the_accounts_fork() {
    let case = Case::new(1).await;
    case.fork("base", "other").await;
    let (from, to) = (arn("base").account, "000000000017".parse().unwrap());
    let faults = case.engine.faults();
    faults.hold();
    let deletion = case.delete("base");
    let storage = async {
        while faults.queued() == 0 {
            tokio::task::yield_now().await;
        }
        // The fork is asked for while the stream still is there.
        let forks = case.domain.fork_account(from, to, None);
        let release = async {
            tokio::task::yield_now().await;
            faults.release();
        };
        tokio::join!(forks, release).0
    };
    let ((), forks) = tokio::join!(deletion, storage);
    let names: Vec<_> = forks.unwrap().into_iter().map(|arn| arn.name.to_string()).collect();
    assert_eq!(names, ["other"]);
}

#[tokio::test]
async fn a_truncation_waits_for_no_snapshot() {
    let case = Case::new(1).await;
    case.put("base", "a").await;
    let _keeping = case.domain.services.keeping.write().await;
    case.domain.truncate(&arn("base")).await.unwrap();
    assert_eq!(case.read("base").await, "");
    assert_eq!(case.chunks(), 1, "its space is given back later");
}
