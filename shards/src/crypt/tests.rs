//! Records under keys: sealed, opened, exchanged, refused.

use std::{collections::BTreeSet, pin::pin};

use futures::{FutureExt as _, join, poll};
use millpond_api::types::{Blob, HashKey, StreamArn};
use millpond_quotas::{Clock, Time};
use proptest::{collection::vec, option, prelude::*};

use super::{
    testing::{TestKeys, UNWRAPPING},
    *,
};
use crate::{
    Domain, Options,
    batch::RecordBatch,
    engine::{EngineError, Offset, StoredChunk, memory::MemoryEngine},
    record::RecordView,
    shard::Limit,
    state::{NewMode, NewStream, ShardLimit},
    stream::{Namespace, StreamNumber, encryption::LEASES_MAX},
    token::KEY_BYTES,
};

const ALL: Limit = Limit::new(10_000, 10 << 20);

const NEVER: Time = Time::from_seconds(u32::MAX as u64);

fn cipher(stream: u32, number: u32, key: u8) -> Arc<Cipher> {
    let (stream, number) = (StreamNumber(stream), DataKeyNumber(number));
    Arc::new(Cipher::new(stream, number, &PlainKey::new([key; 32]), NEVER))
}

fn sealing(cipher: &Arc<Cipher>, records: usize) -> Sealing {
    Sealing::new(cipher, &Arc::new(Lease::new(0)), records).unwrap()
}

fn stored(batch: RecordBatch) -> Vec<StoredChunk> {
    let mut first = Offset::ZERO;
    let mut chunks = Vec::new();
    for chunk in batch.stamp(Timestamp::from_millis(5)) {
        chunks.push(StoredChunk { first, bytes: chunk.bytes().clone() });
        first = first.plus(chunk.records().into());
    }
    chunks
}

/// One record of this key and data, sealed.
fn one(cipher: &Arc<Cipher>, key: &str, data: &[u8]) -> StoredChunk {
    let mut batch = RecordBatch::default();
    let mut sealing = sealing(cipher, 1);
    batch.push_sealed(key, None, &Blob::Bytes(data.into()), Some(&mut sealing));
    stored(batch).remove(0)
}

fn opened(cipher: &Cipher, record: &RecordView<'_>) -> Result<Vec<u8>, EngineError> {
    cipher.open(record, &record.seal.expect("it is sealed"))
}

proptest! {
    #[test]
    fn what_was_sealed_opens_and_what_was_not_stays_as_it_is(
        entries in vec(
            (
                option::of(".{1,40}"),
                option::of(any::<u128>()),
                vec(any::<u8>(), 0..300),
                any::<bool>(),
            ),
            1..40,
        ),
    ) {
        let cipher = cipher(7, 3, 9);
        let mut sealing = sealing(&cipher, entries.len());
        let mut batch = RecordBatch::default();
        for (key, explicit, data, is_sealed) in &entries {
            let sealing = is_sealed.then_some(&mut sealing);
            let explicit = explicit.map(HashKey::new);
            batch.push_sealed(key.as_deref(), explicit, &Blob::Bytes(data.into()), sealing);
        }
        let bytes = |key: &Option<String>, data: &[u8]| {
            key.as_ref().map_or(0, String::len) + data.len()
        };
        let payload: usize = entries.iter().map(|(key, _, data, _)| bytes(key, data)).sum();
        prop_assert_eq!(batch.payload_bytes(), payload as u64, "plain bytes count");
        let chunks = stored(batch);
        let records = chunks.iter().flat_map(|chunk| chunk.records().unwrap());
        let mut nonces = BTreeSet::new();
        for (record, (key, explicit, data, is_sealed)) in records.zip(&entries) {
            let record = record.unwrap();
            prop_assert_eq!(record.partition_key, key.as_deref());
            prop_assert_eq!(record.explicit, explicit.map(HashKey::new));
            prop_assert_eq!(record.payload_bytes(), bytes(key, data));
            prop_assert_eq!(record.seal.is_some(), *is_sealed);
            match &record.seal {
                None => prop_assert_eq!(record.data, data),
                Some(seal) => {
                    prop_assert!(nonces.insert(*seal.nonce), "a nonce came twice");
                    prop_assert_eq!(seal.data_key, DataKeyNumber(3));
                    prop_assert_eq!(&cipher.open(&record, seal).unwrap(), data);
                    prop_assert!(data.len() < 8 || record.data != data.as_slice());
                }
            }
        }
    }

    #[test]
    fn a_bit_that_changed_is_found(
        data in vec(any::<u8>(), 0..100),
        at: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let cipher = cipher(1, 1, 1);
        let chunk = one(&cipher, "key", &data);
        let mut bytes = chunk.bytes.to_vec();
        // Behind the header and the flags, which say how to read the rest.
        let at = 17 + at.index(bytes.len() - 17);
        bytes[at] ^= 1_u8 << bit;
        let damaged = StoredChunk { first: Offset::ZERO, bytes: bytes.into() };
        let read = damaged.records().unwrap().next().unwrap();
        let opened = read.and_then(|record| match &record.seal {
            Some(seal) if seal.data_key == cipher.number() => cipher.open(&record, seal),
            _ => Err(EngineError::Corrupt("not under this key".into())),
        });
        prop_assert!(opened.is_err(), "{opened:?}");
    }
}

#[test]
fn a_record_opens_only_where_it_was_sealed() {
    let chunk = one(&cipher(1, 1, 1), "key", b"data");
    let record = chunk.records().unwrap().next().unwrap().unwrap();
    assert_eq!(opened(&cipher(1, 1, 1), &record).unwrap(), b"data");
    let foreign = [cipher(2, 1, 1), cipher(1, 2, 1), cipher(1, 1, 2)];
    for (cipher, what) in foreign.iter().zip(["stream", "number of the key", "key"]) {
        assert!(opened(cipher, &record).is_err(), "another {what}");
    }
    for partition_key in [Some("yek"), Some(""), None] {
        let moved = RecordView { partition_key, ..record };
        assert!(opened(&cipher(1, 1, 1), &moved).is_err(), "{partition_key:?} is another");
    }
    let moved = RecordView { explicit: Some(HashKey::MIN), ..record };
    assert!(opened(&cipher(1, 1, 1), &moved).is_err(), "it had no explicit hash key");
}

#[test]
fn no_nonce_comes_twice() {
    let lease = Arc::new(Lease::new(3));
    let (cipher, mut nonces) = (cipher(1, 1, 1), BTreeSet::new());
    let shares: Vec<_> = std::thread::scope(|scope| {
        let share = || (0..100).map(|_| Sealing::new(&cipher, &lease, 10).unwrap());
        let threads: Vec<_> =
            (0..4).map(|_| scope.spawn(move || share().collect::<Vec<_>>())).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for mut share in shares {
        (0..10).for_each(|_| assert!(nonces.insert(share.next_nonce())));
    }
    for number in [2, 4] {
        let mut share = Sealing::new(&cipher, &Arc::new(Lease::new(number)), 10).unwrap();
        (0..10).for_each(|_| assert!(nonces.insert(share.next_nonce())));
    }
    let again = Lease::new(3);
    assert_ne!(again.nonce(0), lease.nonce(0), "a copy of the directory draws other bytes");
}

#[test]
fn a_lease_ends() {
    let lease = Lease::new(0);
    let whole = 1 << 24;
    assert_eq!(lease.take(whole - 1), Some(0));
    assert_eq!(lease.take(2), None);
    assert_eq!(lease.take(1), Some(whole as u32 - 1));
    assert_eq!((lease.take(1), lease.take(usize::MAX)), (None, None));
    assert_eq!(lease.nonce(whole as u32 - 1)[9..], [255; 3]);
}

struct Case {
    engine: MemoryEngine,
    clock: Clock,
    keys: TestKeys,
    domain: Domain,
    arn: StreamArn,
}

impl Case {
    /// A stream of one shard that is encrypted with the key `a`.
    async fn new() -> Self {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(Time::from_seconds(1000)));
        let keys = TestKeys::default();
        let domain = open(&engine, &clock, &keys).await;
        let arn: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().unwrap();
        let (tags, now) = (Vec::new(), domain.now());
        let (arn_of, mode) = (arn.clone(), NewMode::Provisioned { shards: 1 });
        let new = NewStream { arn: arn_of, mode, max_record_kib: 1024, tags, now, due: now };
        domain.control().submit(Command::CreateStream(new)).await.unwrap();
        let case = Self { engine, clock, keys, domain, arn };
        case.start("a").await.unwrap();
        case
    }

    async fn restart(&mut self) {
        self.engine = self.engine.crash(0);
        self.domain = open(&self.engine, &self.clock, &self.keys).await;
    }

    fn stream(&self) -> Arc<Stream> {
        self.domain.directory().stream(&Namespace::of(&self.arn), &self.arn.name).unwrap()
    }

    async fn start(&self, key_id: &str) -> Result<(), Error> {
        let now = self.domain.now();
        self.domain.crypt().start(&self.stream(), key_id, now, now).await
    }

    async fn stop(&self) {
        let (stream, now) = (self.arn.clone(), self.domain.now());
        let stop = EncryptionCommand::Stop { stream, now, due: now };
        self.domain.control().submit(Command::Encryption(stop)).await.unwrap();
    }

    /// Stores a record as the stream wants it; whether it was sealed.
    async fn put(&self, data: &str) -> Result<bool, Error> {
        let stream = self.stream();
        let mut sealing = self.domain.crypt().sealing(&stream, 1).await?;
        let mut batch = RecordBatch::default();
        batch.push_sealed("k", None, &Blob::Bytes(data.as_bytes().into()), sealing.as_mut());
        stream.routing().shards()[0].append(batch).await.unwrap();
        Ok(sealing.is_some())
    }

    async fn read(&self) -> Result<Vec<String>, Error> {
        let stream = self.stream();
        let shard = &stream.routing().shards()[0];
        let mut reading = shard.read(Offset::ZERO, Timestamp::default(), ALL).await?;
        self.domain.crypt().unlock(&stream, &mut reading).await?;
        let text = |record: RecordView<'_>| {
            let data = reading.data(&record)?;
            Ok(String::from_utf8(data.into_owned()).expect("texts were put"))
        };
        let texts: Result<Vec<_>, Error> = reading.records().map(text).collect();
        let payload = texts.iter().flatten().map(|text| text.len() as u64 + 1).sum::<u64>();
        assert_eq!(reading.payload_bytes(), payload);
        assert_eq!(reading.next(), Offset::new(reading.len() as u64));
        texts
    }

    fn data_keys(&self) -> Vec<(u32, u16)> {
        let stream = self.stream();
        let keys = &stream.state().encryption.data_keys;
        keys.iter().map(|(number, key)| (number.0, key.leases)).collect()
    }
}

async fn open(engine: &MemoryEngine, clock: &Clock, keys: &TestKeys) -> Domain {
    let options = Options {
        quotas: millpond_quotas::Quotas::off(),
        shard_limit: ShardLimit::Aws,
        tail_bytes_max: 1 << 20,
        token_key: [7; KEY_BYTES],
        keys: Arc::new(keys.clone()),
    };
    Domain::open(Arc::new(engine.clone()), clock.clone(), options).await.unwrap()
}

fn fault<T: std::fmt::Debug>(outcome: Result<T, Error>) -> KmsFault {
    match outcome {
        Err(Error::Kms(error)) => error.fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn records_before_between_and_after_keys_are_read() {
    let mut case = Case::new().await;
    assert!(case.put("1").await.unwrap());
    case.start("b").await.unwrap();
    assert!(case.put("2").await.unwrap());
    case.stop().await;
    assert!(!case.put("3").await.unwrap());
    case.start("a").await.unwrap();
    assert!(case.put("4").await.unwrap());
    assert_eq!(case.read().await.unwrap(), ["1", "2", "3", "4"]);
    assert_eq!(case.data_keys(), [(0, 1), (1, 1), (2, 1)]);
    case.restart().await;
    assert_eq!(case.read().await.unwrap(), ["1", "2", "3", "4"]);
    assert!(case.put("5").await.unwrap());
    assert_eq!(case.data_keys(), [(0, 1), (1, 1), (2, 2)], "each process has its own lease");
    assert_eq!(case.read().await.unwrap(), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_data_key_without_nonces_is_followed_by_another() {
    let case = Case::new().await;
    let stream = case.stream();
    for n in 0..u32::from(LEASES_MAX) {
        let sealing = case.domain.crypt().sealing(&stream, 1 << 24).await.unwrap();
        assert_eq!(sealing.unwrap().data_key(), DataKeyNumber(0), "{n}");
    }
    assert_eq!(case.data_keys(), [(0, 256)]);
    assert!(case.put("1").await.unwrap());
    assert_eq!(case.data_keys(), [(0, 256), (1, 1)]);
    assert_eq!(case.stream().state().encryption.key_id.as_deref(), Some("a"));
    assert_eq!(case.keys.generated(), 2);
    assert_eq!(case.read().await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_key_that_was_disabled_is_used_no_longer_than_five_minutes() {
    let case = Case::new().await;
    case.put("1").await.unwrap();
    case.keys.set("a", Some(KmsFault::Disabled));
    case.put("2").await.unwrap();
    assert_eq!(case.read().await.unwrap(), ["1", "2"]);
    assert_eq!(case.keys.decrypted(), 2, "when it was applied, and when it was used");
    case.clock.advance(limits::DATA_KEY_LIFE);
    assert_eq!(fault(case.put("3").await), KmsFault::Disabled);
    assert_eq!(fault(case.read().await), KmsFault::Disabled);
    assert_eq!(case.keys.decrypted(), 3, "who asks at once gets the same answer");
    case.keys.set("a", None);
    case.clock.advance(std::time::Duration::from_secs(1));
    case.put("4").await.unwrap();
    assert_eq!(case.read().await.unwrap(), ["1", "2", "4"]);
    assert_eq!(case.data_keys(), [(0, 1)], "the lease goes on");
}

#[tokio::test]
async fn what_comes_before_a_record_that_cant_be_opened_is_read() {
    let mut case = Case::new().await;
    case.stop().await;
    case.put("1").await.unwrap();
    case.start("a").await.unwrap();
    case.put("2").await.unwrap();
    case.start("b").await.unwrap();
    case.put("3").await.unwrap();
    case.restart().await;
    case.keys.set("b", Some(KmsFault::NotFound));
    assert_eq!(case.read().await.unwrap(), ["1", "2"]);
    case.keys.set("a", Some(KmsFault::AccessDenied));
    case.clock.advance(limits::DATA_KEY_LIFE);
    assert_eq!(case.read().await.unwrap(), ["1"]);
    assert_eq!(fault(case.put("4").await), KmsFault::NotFound);
}

#[tokio::test]
async fn a_key_that_cant_be_used_is_not_accepted() {
    let case = Case::new().await;
    case.keys.set("b", Some(KmsFault::Throttling));
    assert_eq!(fault(case.start("b").await), KmsFault::Throttling);
    assert_eq!(case.stream().state().encryption.key_id.as_deref(), Some("a"));
}

/// Nobody takes a lease that another one has, and no nonce is used whose lease may be lost.
#[tokio::test]
async fn a_lease_that_isnt_stored_is_not_used() {
    use crate::engine::memory::Fault;
    let mut case = Case::new().await;
    case.engine.faults().next(Fault::Full);
    assert!(matches!(case.put("1").await, Err(Error::Engine(EngineError::Full(_)))));
    assert_eq!(case.data_keys(), [(0, 0)]);
    case.put("2").await.unwrap();
    assert_eq!(case.data_keys(), [(0, 1)]);
    case.restart().await;
    assert_eq!(case.data_keys(), [(0, 1)]);
    assert_eq!(case.read().await.unwrap(), ["2"]);
}

/// Time passes by itself while nothing else happens: the test would hang if nobody gave up.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_a_lease() {
    let case = Case::new().await;
    case.engine.faults().hold();
    assert!(matches!(case.put("1").await, Err(Error::KeysNotReady { .. })));
    case.engine.faults().release();
    case.put("2").await.unwrap();
    assert_eq!(case.data_keys(), [(0, 2)], "the first lease is lost");
    assert_eq!(case.read().await.unwrap(), ["2"]);
}

#[tokio::test]
async fn idle_keys_leave_memory() {
    let case = Case::new().await;
    case.put("1").await.unwrap();
    case.read().await.unwrap();
    let stream = case.stream();
    let vault = stream.vault().unwrap();
    vault.forget_expired(case.clock.now());
    assert!(vault.cipher(DataKeyNumber(0), Time::default()).is_some() && !vault.is_idle());
    case.clock.advance(limits::DATA_KEY_LIFE);
    vault.forget_expired(case.clock.now());
    assert!(vault.is_idle(), "nothing is left to expire");
}

/// Lets tasks do what they can without time.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn nobody_waits_for_the_key_of_others() {
    let mut case = Case::new().await;
    case.put("1").await.unwrap();
    case.start("b").await.unwrap();
    case.restart().await;
    case.keys.hold("a");
    let mut reader = pin!(case.read());
    assert!(poll!(&mut reader).is_pending());
    case.put("2").await.unwrap();
    assert!(poll!(&mut reader).is_pending());
    case.keys.release("a");
    assert_eq!(reader.await.unwrap(), ["1"], "as it was when it was read");
}

#[tokio::test]
async fn who_needs_a_key_together_asks_for_it_once() {
    let mut case = Case::new().await;
    case.put("1").await.unwrap();
    case.restart().await;
    let before = case.keys.decrypted();
    case.keys.hold("a");
    let mut requests = pin!(async { join!(case.put("2"), case.put("3"), case.read()) });
    assert!(poll!(&mut requests).is_pending());
    settle().await;
    case.keys.release("a");
    let (second, third, read) = requests.await;
    assert!(second.unwrap() && third.unwrap());
    assert_eq!(read.unwrap()[0], "1");
    assert_eq!(case.keys.decrypted(), before + 1);
}

#[tokio::test]
async fn a_question_outlives_the_request_that_asked_it() {
    let mut case = Case::new().await;
    case.restart().await;
    case.keys.hold("a");
    let mut first = Box::pin(case.put("1"));
    assert!(poll!(&mut first).is_pending());
    drop(first);
    let before = case.keys.decrypted();
    case.keys.release("a");
    settle().await;
    case.put("2").await.unwrap();
    assert_eq!(case.keys.decrypted(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_one_request_asks_and_the_others_go() {
    let mut case = Case::new().await;
    case.put("1").await.unwrap();
    case.restart().await;
    case.keys.hold("a");
    let began = tokio::time::Instant::now();
    assert!(matches!(case.put("2").await, Err(Error::KeysNotReady { .. })));
    assert_eq!(began.elapsed(), READY_DEADLINE);
    settle().await;
    assert!(matches!(case.read().await, Err(Error::KeysNotReady { .. })));
    case.clock.advance(RETRY_AFTER);
    let mut first = pin!(case.put("3"));
    assert!(poll!(&mut first).is_pending());
    assert!(matches!(case.put("4").await, Err(Error::KeysNotReady { .. })));
    assert_eq!(began.elapsed(), READY_DEADLINE, "neither of them waited");
    case.keys.release("a");
    assert!(first.await.unwrap());
    case.put("5").await.unwrap();
}

/// Also records that can be opened are told when the key of those after them isn't ready.
#[tokio::test(start_paused = true)]
async fn what_comes_before_a_record_whose_key_is_late_is_read() {
    let mut case = Case::new().await;
    case.stop().await;
    case.put("1").await.unwrap();
    case.start("b").await.unwrap();
    case.put("2").await.unwrap();
    case.restart().await;
    case.keys.hold("b");
    assert_eq!(case.read().await.unwrap(), ["1"]);
    assert_eq!(case.read().await.unwrap(), ["1"]);
}

#[tokio::test]
async fn a_key_in_use_is_asked_for_before_it_expires() {
    let case = Case::new().await;
    case.put("1").await.unwrap();
    case.clock.advance(limits::DATA_KEY_LIFE * 4 / 5);
    let before = case.keys.decrypted();
    case.put("2").await.unwrap();
    case.read().await.unwrap();
    settle().await;
    assert_eq!(case.keys.decrypted(), before + 1);
    case.keys.hold("a");
    case.clock.advance(limits::DATA_KEY_LIFE / 5);
    let stream = case.stream();
    let sealing = case.domain.crypt().sealing(&stream, 1).now_or_never();
    assert!(sealing.expect("the new one is there").unwrap().is_some());
    // Nobody uses it: it isn't asked for.
    case.clock.advance(limits::DATA_KEY_LIFE);
    settle().await;
    assert_eq!(case.keys.decrypted(), before + 1);
}

/// In its last minute it is asked for once a second, and used meanwhile.
#[tokio::test]
async fn a_key_that_isnt_renewed_is_used_until_it_expires() {
    let case = Case::new().await;
    case.put("1").await.unwrap();
    case.clock.advance(limits::DATA_KEY_LIFE * 4 / 5);
    case.keys.set("a", Some(KmsFault::Throttling));
    let before = case.keys.decrypted();
    for asked in [1, 2] {
        case.put("2").await.unwrap();
        settle().await;
        case.put("3").await.unwrap();
        settle().await;
        assert_eq!(case.keys.decrypted(), before + asked);
        case.clock.advance(RETRY_AFTER);
    }
    case.clock.advance(limits::DATA_KEY_LIFE / 5);
    assert_eq!(fault(case.put("4").await), KmsFault::Throttling);
}

#[tokio::test]
async fn a_key_that_only_wraps_is_not_accepted() {
    let case = Case::new().await;
    case.keys.set(&format!("{UNWRAPPING}b"), Some(KmsFault::AccessDenied));
    assert_eq!(fault(case.start("b").await), KmsFault::AccessDenied);
    assert_eq!(case.stream().state().encryption.key_id.as_deref(), Some("a"));
    case.put("1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_late_is_not_accepted() {
    let case = Case::new().await;
    case.keys.hold("b");
    assert!(matches!(case.start("b").await, Err(Error::KeysNotReady { .. })));
    assert_eq!(case.stream().state().encryption.key_id.as_deref(), Some("a"));
}

/// All leases but the last are used up, and of that one nearly nothing.
async fn on_its_last_lease() -> Case {
    let case = Case::new().await;
    let stream = case.stream();
    for _ in 1..LEASES_MAX {
        case.domain.crypt().sealing(&stream, 1 << 24).await.unwrap();
    }
    assert_eq!(case.data_keys(), [(0, 255)]);
    case
}

#[tokio::test]
async fn the_next_data_key_is_made_while_there_are_nonces() {
    let case = on_its_last_lease().await;
    case.put("1").await.unwrap();
    settle().await;
    assert_eq!(case.data_keys(), [(0, 256), (1, 0)]);
    case.put("2").await.unwrap();
    assert_eq!(case.data_keys(), [(0, 256), (1, 1)]);
    assert_eq!(case.read().await.unwrap(), ["1", "2"]);
}

#[tokio::test]
async fn a_data_key_that_isnt_followed_is_used_to_its_end() {
    let case = on_its_last_lease().await;
    case.keys.hold("a");
    case.put("1").await.unwrap();
    case.keys.set("a", Some(KmsFault::Throttling));
    case.keys.release("a");
    settle().await;
    let (stream, generated) = (case.stream(), case.keys.generated());
    let rest = (1 << 24) - 1;
    assert!(case.domain.crypt().sealing(&stream, rest).await.unwrap().is_some());
    for _ in 0..3 {
        assert_eq!(fault(case.put("2").await), KmsFault::Throttling);
    }
    case.keys.set("a", None);
    assert_eq!(fault(case.put("2").await), KmsFault::Throttling, "as it was a moment ago");
    case.clock.advance(RETRY_AFTER);
    case.put("2").await.unwrap();
    assert_eq!(case.keys.generated(), generated + 1);
    assert_eq!(case.data_keys(), [(0, 256), (1, 1)]);
}

#[test]
fn keys_do_not_show() {
    assert_eq!(format!("{:?}", PlainKey::new([65; 32])), "(key)");
    assert!(!format!("{:?}", cipher(1, 1, 65)).contains("65"));
}
