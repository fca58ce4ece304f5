//! What must be readable, what may be, and what must not: told by what producers were told and by
//! what was read before.

use std::collections::{BTreeMap, BTreeSet};

use millpond_api::types::{SequenceNumber, ShardId, Timestamp};
use millpond_shards::{
    engine::Offset,
    stream::{Segment, ShardState, StreamNumber, StreamState, segments},
};

use crate::producer::{Entry, Fate};

const MILLIS_PER_HOUR: i64 = 3_600_000;

/// A shard among all that ever were.
pub(crate) type ShardKey = (StreamNumber, ShardId);

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) offset: Offset,
    pub(crate) arrival: Timestamp,
    pub(crate) number: SequenceNumber,
    pub(crate) key: Option<String>,
    pub(crate) data: Vec<u8>,
}

/// One read of a shard.
#[derive(Debug)]
pub(crate) struct Pages {
    pub(crate) shard: ShardKey,
    pub(crate) from: Offset,
    pub(crate) records: Vec<Seen>,
    pub(crate) next: Offset,
    pub(crate) at_end: bool,
}

/// A record that somebody tried to put.
#[derive(Debug)]
struct Attempt {
    entry: Entry,
    producer: usize,
    refused: bool,
    // Streams of this number and above came into being after the attempt had ended.
    streams_end: Option<StreamNumber>,
    place: Option<(ShardKey, Offset)>,
}

/// The time before which records of a stream have expired.
#[derive(Debug, Clone, Copy, Default)]
struct Expiry {
    /// By the latest time that ever was: nothing at or after it may be missing.
    ever: Timestamp,
    /// By the latest time since the server started: nothing before it may be seen.
    now: Timestamp,
}

/// Every record that was ever tried.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    attempts: BTreeMap<u64, Attempt>,
    /// Records that were acknowledged or read: they stay where they are until they expire.
    stored: BTreeMap<ShardKey, BTreeMap<Offset, (u64, Timestamp)>>,
    expiries: BTreeMap<StreamNumber, Expiry>,
    /// Where consumers were told that a closed shard ends.
    ended: BTreeMap<ShardKey, Offset>,
}

impl Ledger {
    pub(crate) fn tried(&mut self, producer: usize, entries: &[Entry]) {
        for entry in entries {
            let entry = entry.clone();
            let serial = entry.serial;
            let attempt =
                Attempt { entry, producer, refused: false, streams_end: None, place: None };
            self.attempts.insert(serial, attempt);
        }
    }

    /// The attempt has ended, before any stream of number `streams_end`.
    pub(crate) fn fated(&mut self, serial: u64, fate: Fate, streams_end: StreamNumber) {
        let attempt = self.attempts.get_mut(&serial).expect("only what was tried has a fate");
        attempt.streams_end = Some(streams_end);
        match fate {
            Fate::Stored { number, shard, offset, arrival } => {
                self.store((number, shard), offset, arrival, serial);
            }
            Fate::Refused => {
                assert!(attempt.place.is_none(), "record {serial} was refused, but read before");
                attempt.refused = true;
            }
            Fate::Unknown => {}
        }
    }

    /// The server starts anew; time may have gone back a little.
    pub(crate) fn restarted(&mut self) {
        for expiry in self.expiries.values_mut() {
            expiry.now = Timestamp::default();
        }
    }

    /// Time has passed, or the stream was changed.
    pub(crate) fn expire(&mut self, stream: &StreamState, now: Timestamp) {
        let oldest = oldest(stream, now);
        let expiry = self.expiries.entry(stream.number).or_default();
        expiry.now = expiry.now.max(oldest);
        expiry.ever = expiry.ever.max(expiry.now);
    }

    /// The retention period of `stream` was raised as of `asked`, which may be a while ago: what
    /// expired since then may be seen again.
    pub(crate) fn retain(&mut self, stream: &StreamState, asked: Timestamp) {
        let oldest = oldest(stream, asked);
        let expiry = self.expiries.entry(stream.number).or_default();
        expiry.now = expiry.now.min(oldest);
    }

    /// `fork` shares the records of `base`: what has expired in the one has in the other.
    pub(crate) fn forked(&mut self, base: StreamNumber, fork: StreamNumber) {
        let expiry = self.expiries.get(&base).copied().unwrap_or_default();
        self.expiries.entry(fork).or_insert(expiry);
    }

    /// A shard that is forked has all its acknowledged records before `end`.
    pub(crate) fn check_fork_point(&self, shard: ShardKey, end: Offset) {
        let last = self.stored.get(&shard).and_then(BTreeMap::last_key_value);
        assert!(last.is_none_or(|(last, _)| *last < end), "{last:?} of {shard:?} is left out");
    }

    /// Records that are known to be in the parts of logs that the shard is made of, with the shard
    /// that they were put to.
    fn known<'a>(
        &'a self,
        state: &'a ShardState,
    ) -> impl Iterator<Item = (&'a Offset, &'a (u64, Timestamp))> {
        let older = segments::older(&state.segments).map(|older| (older.segment, Some(older.to)));
        older.chain([(state.segment(), None)]).flat_map(move |(segment, to)| {
            let stored = self.stored.get(&owner(segment, state.id)).into_iter().flatten();
            let within = move |offset: Offset| to.is_none_or(|to| offset < to);
            stored.filter(move |(offset, _)| **offset >= segment.from && within(**offset))
        })
    }

    /// Whether the stream's records that arrived at `at` have expired at some time.
    pub(crate) fn has_expired(&self, stream: StreamNumber, at: Timestamp) -> bool {
        self.expiries.get(&stream).is_some_and(|expiry| at < expiry.ever)
    }

    /// A consumer was told that the shard ends at `end`: no record may appear in it any more.
    pub(crate) fn ended(&mut self, shard: ShardKey, end: Offset) {
        self.ended.entry(shard).or_insert(end);
    }

    /// Where the record of this serial number is.
    fn store(&mut self, shard: ShardKey, offset: Offset, arrival: Timestamp, serial: u64) {
        let log = self.stored.entry(shard).or_default();
        if let Some(before) = log.get(&offset) {
            assert_eq!(*before, (serial, arrival), "position {offset:?} of {shard:?} was reused");
            return;
        }
        let ended = self.ended.get(&shard);
        assert!(ended.is_none(), "record {serial} appeared in {shard:?} after its end {ended:?}");
        let attempt = self.attempts.get_mut(&serial).expect("only what was tried is stored");
        assert_eq!(attempt.place, None, "record {serial} is at {offset:?} of {shard:?} too");
        let is_old = attempt.streams_end.is_some_and(|end| shard.0 >= end);
        assert!(!is_old, "record {serial} is older than stream {:?}", shard.0);
        attempt.place = Some((shard, offset));
        log.insert(offset, (serial, arrival));
    }

    /// A read keeps every promise: only records that may be there, all that must be, in order.
    pub(crate) fn check(&mut self, pages: &Pages, state: &ShardState) {
        let mut last = (None, state.starting_sequence_number(), Timestamp::default());
        for seen in &pages.records {
            assert!((pages.from..pages.next).contains(&seen.offset), "{seen:?} wasn't asked for");
            assert!(last.0 < Some(seen.offset), "{seen:?} is out of order");
            assert!(last.1 < seen.number, "{seen:?} has too small a sequence number");
            assert!(last.2 <= seen.arrival, "{seen:?} arrived before its predecessor");
            assert!(seen.offset >= state.begins(), "{seen:?} was truncated");
            let behind = state.closed.filter(|closing| seen.offset >= closing.end);
            assert_eq!(behind, None, "{seen:?} lies behind the end of {:?}", pages.shard);
            last = (Some(seen.offset), seen.number, seen.arrival);
            self.check_record(pages.shard, seen, state);
        }
        self.check_complete(pages, state);
    }

    fn check_record(&mut self, shard: ShardKey, seen: &Seen, state: &ShardState) {
        let (serial, _) = seen.data.split_first_chunk().expect("data begins with a serial number");
        let serial = u64::from_be_bytes(*serial);
        let attempt = self.attempts.get(&serial).expect("only what was tried is read");
        assert!(!attempt.refused, "record {serial} was refused");
        assert_eq!(attempt.entry.key, seen.key);
        assert_eq!(attempt.entry.data(), seen.data);
        let is_own = attempt.entry.was_spread() || state.range.contains(attempt.entry.hash_key());
        assert!(is_own, "record {serial} is in a foreign shard");
        let expiry = self.expiries.get(&shard.0).copied().unwrap_or_default();
        assert!(seen.arrival >= expiry.now, "record {serial} of {shard:?} has expired: {expiry:?}");
        let segment = state.segments.iter().rfind(|segment| segment.from <= seen.offset);
        let owner = owner(*segment.expect("it isn't truncated"), state.id);
        self.store(owner, seen.offset, seen.arrival, serial);
    }

    fn check_complete(&self, pages: &Pages, state: &ShardState) {
        let read: BTreeSet<_> = pages.records.iter().map(|seen| seen.offset).collect();
        let expiry = self.expiries.get(&pages.shard.0).copied().unwrap_or_default();
        for (offset, (serial, arrival)) in self.known(state) {
            let behind = pages.at_end || *offset < pages.next;
            let must = *offset >= pages.from && behind && *arrival >= expiry.ever;
            let place = (pages.shard, *offset);
            assert!(!must || read.contains(offset), "record {serial} is missing at {place:?}");
        }
    }

    /// A search by time leaves nothing behind that arrived later, and nothing ahead that didn't.
    pub(crate) fn check_seek(
        &self,
        stream: StreamNumber,
        state: &ShardState,
        at: Timestamp,
        found: Offset,
    ) {
        let shard = (stream, state.id);
        let expiry = self.expiries.get(&stream).copied().unwrap_or_default();
        for (offset, (serial, arrival)) in self.known(state) {
            let lost = *arrival >= at.max(expiry.ever) && *offset < found;
            assert!(
                !lost,
                "record {serial} of {shard:?} arrived at {arrival:?}, not before {at:?}"
            );
            let early = *arrival < at && *offset >= found;
            assert!(!early, "record {serial} of {shard:?} arrived at {arrival:?}, before {at:?}");
        }
    }

    /// What one producer put comes in the order of its puts: in each shard, and for each key from
    /// parents to children. Records that are spread have no order.
    pub(crate) fn check_order(&self, stream: StreamNumber) {
        let mut last_of_key = BTreeMap::new();
        let shards = self
            .stored
            .range((stream, ShardId::new(0))..(StreamNumber(stream.0 + 1), ShardId::new(0)));
        for (shard, records) in shards {
            let mut last_of_producer = BTreeMap::new();
            for (serial, _) in records.values() {
                let attempt = self.attempts.get(serial).expect("only what was tried is stored");
                if attempt.entry.was_spread() {
                    continue;
                }
                let before = last_of_producer.insert(attempt.producer, *serial);
                assert!(before < Some(*serial), "{before:?} precedes {serial} in {shard:?}");
                let key = (attempt.producer, attempt.entry.hash_key());
                let before = last_of_key.insert(key, *serial);
                assert!(before < Some(*serial), "{before:?} precedes {serial} of the same key");
            }
        }
    }
}

/// The shard that wrote this part of a log: nothing is restored here, so a log tells its stream.
fn owner(segment: Segment, shard: ShardId) -> ShardKey {
    (StreamNumber((segment.log.value() >> 32) as u32), shard)
}

/// The time before which records have expired, by the retention period alone.
fn oldest(stream: &StreamState, now: Timestamp) -> Timestamp {
    let retention = i64::from(stream.retention_hours) * MILLIS_PER_HOUR;
    Timestamp::from_millis(now.millis() - retention)
}
