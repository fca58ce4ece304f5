//! The ledger: refusals added up by what they have in common, and the latest ones as they came.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use millpond_api::types::{ConsumerArn, ShardId, StreamArn, Timestamp};
use millpond_quotas::Refusal;
use millpond_shards::{Error as Fact, stream::Namespace};

use super::{Filter, keys::Keys};

/// Rows that are added up; what would need more is counted as left out.
const ROWS_MAX: usize = 2_048;

/// The latest refusals that are told one by one.
const RECENT_MAX: usize = 100;

/// Keys that are told of one refused call.
const RECENT_KEYS_MAX: usize = 3;

/// Who was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A stream's callers.
    Stream(StreamArn),
    /// An account in a region.
    Account(Namespace),
}

/// A record or a call that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The shard that had no room.
    pub shard: Option<ShardId>,
    /// The limit's name.
    pub limit: &'static str,
    /// By how much it would have been exceeded.
    pub excess: u64,
    /// When the same would have been admitted, if time is what it takes.
    pub retry_after: Option<Duration>,
    /// Data and partition key.
    pub bytes: u64,
    /// The record's partition key.
    pub key: Option<&'a str>,
}

impl<'a> Refused<'a> {
    /// A record.
    #[must_use]
    pub fn record(shard: ShardId, refusal: Refusal, bytes: u64, key: Option<&'a str>) -> Self {
        Self { bytes, key, ..Self::call(Some(shard), refusal) }
    }

    pub(super) fn call(shard: Option<ShardId>, refusal: Refusal) -> Self {
        let Refusal { limit, excess, retry_after } = refusal;
        let retry_after = Some(retry_after);
        Self { shard, limit: limit.name(), excess, retry_after, bytes: 0, key: None }
    }

    fn count(limit: &'static str, excess: u64) -> Self {
        Self { shard: None, limit, excess, retry_after: None, bytes: 0, key: None }
    }
}

/// What refusals have in common that are added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) shard: Option<ShardId>,
    pub(super) operation: &'static str,
    pub(super) limit: &'static str,
}

/// Refusals added up.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) refused: u64,
    pub(super) bytes: u64,
    pub(super) excess_max: u64,
    pub(super) retry_after_max: Option<Duration>,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) keys: Keys,
}

/// What was refused to one call.
#[derive(Debug, Clone)]
pub(super) struct Recent {
    pub(super) at: Timestamp,
    pub(super) operation: &'static str,
    pub(super) whose: Whose,
    /// Records of the call, or the call itself.
    pub(super) refused: u64,
    /// Of the first of them.
    pub(super) shard: Option<ShardId>,
    pub(super) limit: &'static str,
    pub(super) excess: u64,
    pub(super) retry_after: Option<Duration>,
    pub(super) keys: Vec<Box<str>>,
}

/// All refusals since a moment.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) since: Timestamp,
    pub(super) rows: HashMap<Whose, BTreeMap<Kind, Row>>,
    pub(super) recent: VecDeque<Recent>,
    /// Refusals for which there was no row.
    pub(super) left_out: u64,
    rows_count: usize,
}

impl Ledger {
    pub(super) fn new(now: Timestamp) -> Self {
        let (rows, recent) = (HashMap::new(), VecDeque::new());
        Self { since: now, rows, recent, left_out: 0, rows_count: 0 }
    }

    /// Notes what was refused to one call.
    pub(super) fn note_all<'a>(
        &mut self,
        operation: &'static str,
        whose: &Whose,
        now: Timestamp,
        all: impl Iterator<Item = Refused<'a>>,
    ) {
        let mut call: Option<Recent> = None;
        for refused in all {
            self.note(operation, whose, now, &refused);
            let call = call.get_or_insert_with(|| Recent::new(operation, whose, now, &refused));
            call.refused += 1;
            if let Some(key) = refused.key
                && call.keys.len() < RECENT_KEYS_MAX
                && call.keys.iter().all(|known| **known != *key)
            {
                call.keys.push(key.into());
            }
        }
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.extend(call);
    }

    fn note(&mut self, operation: &'static str, whose: &Whose, now: Timestamp, new: &Refused<'_>) {
        let kind = Kind { shard: new.shard, operation, limit: new.limit };
        let known = self.rows.get(whose).is_some_and(|rows| rows.contains_key(&kind));
        if !known {
            if self.rows_count >= ROWS_MAX {
                self.left_out += 1;
                return;
            }
            self.rows_count += 1;
            let row = Row { first: now, ..Row::default() };
            self.rows.entry(whose.clone()).or_default().insert(kind, row);
        }
        let Some(row) = self.rows.get_mut(whose).and_then(|rows| rows.get_mut(&kind)) else {
            return;
        };
        row.refused += 1;
        row.bytes += new.bytes;
        row.excess_max = row.excess_max.max(new.excess);
        row.retry_after_max = row.retry_after_max.max(new.retry_after);
        row.last = now;
        if let Some(key) = new.key {
            row.keys.note(key, new.bytes);
        }
    }

    pub(super) fn clear(&mut self, filter: &Filter, now: Timestamp) {
        if filter.is_all() {
            *self = Self::new(now);
            return;
        }
        self.rows.retain(|whose, _| !whose.is_in(filter));
        self.recent.retain(|call| !call.whose.is_in(filter));
        self.rows_count = self.rows.values().map(BTreeMap::len).sum();
    }
}

impl Recent {
    fn new(operation: &'static str, whose: &Whose, at: Timestamp, first: &Refused<'_>) -> Self {
        let Refused { shard, limit, excess, retry_after, .. } = *first;
        let (whose, keys) = (whose.clone(), Vec::new());
        Self { at, operation, whose, refused: 0, shard, limit, excess, retry_after, keys }
    }
}

impl Whose {
    pub(super) fn is_in(&self, filter: &Filter) -> bool {
        match self {
            Self::Stream(arn) => filter.has_stream(arn),
            Self::Account(namespace) => filter.has_account(namespace),
        }
    }
}

/// A limit on how many there may be of something, as the ledger has it; of a stream if it is one's.
pub(super) fn of_fact(fact: &Fact) -> Option<(Option<StreamArn>, Refused<'static>)> {
    let stream = |arn: &StreamArn, limit| Some((Some(arn.clone()), Refused::count(limit, 1)));
    let account = |limit, excess| Some((None, Refused::count(limit, excess)));
    match fact {
        Fact::TooManyConsumers { stream: arn, .. } => stream(arn, "consumers-per-stream"),
        Fact::TooManyConsumersCreating { stream: arn, .. } => stream(arn, "consumers-creating"),
        Fact::TooManyConsumerTags { consumer: ConsumerArn { stream: arn, .. }, .. }
        | Fact::TooManyTags { stream: arn, .. } => stream(arn, "tags-per-resource"),
        Fact::ShardCountUpdatedTooOften { stream: arn, .. } => {
            stream(arn, "shard-count-updates-per-day")
        }
        Fact::ModeSwitchedTooOften { stream: arn, .. } => stream(arn, "mode-switches-per-day"),
        Fact::EncryptionChangedTooOften { stream: arn, .. } => {
            stream(arn, "encryption-changes-per-day")
        }
        Fact::ShardLimit { current, limit, additional, .. } => {
            account("shard-limit", (current + additional).saturating_sub(*limit))
        }
        Fact::TooManyCreating { .. } => account("streams-creating", 1),
        Fact::TooManyOnDemandStreams { .. } => account("on-demand-streams", 1),
        Fact::ScaleUpTooFar { current, target, .. }
        | Fact::ScaleDownTooFar { current, target, .. } => {
            account("shard-count-factor", current.abs_diff(*target).into())
        }
        Fact::TooManyShards { target, limit, .. } => {
            account("shards-per-stream", u64::from(*target).saturating_sub(*limit))
        }
        Fact::SubscribedTooOften { consumer, shard, refusal }
        | Fact::SubscribedJustNow { consumer, shard, refusal } => {
            Some((Some(consumer.stream.clone()), Refused::call(Some(*shard), **refusal)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use millpond_quotas::Limit;

    use super::*;

    const REFUSAL: Refusal =
        Refusal { limit: Limit::WriteRecords, excess: 1, retry_after: Duration::from_millis(7) };

    fn clicks() -> Whose {
        Whose::Stream("arn:aws:kinesis:us-east-1:000000000000:stream/clicks".parse().unwrap())
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn record(shard: i32, key: &str) -> Refused<'_> {
        Refused::record(ShardId::new(shard), REFUSAL, 100, Some(key))
    }

    #[test]
    fn refusals_of_a_kind_are_added_up() {
        let mut ledger = Ledger::new(at(0));
        ledger.note_all(
            "PutRecords",
            &clicks(),
            at(5),
            [record(0, "a"), record(1, "b")].into_iter(),
        );
        ledger.note_all("PutRecords", &clicks(), at(9), [record(0, "a")].into_iter());
        let rows = &ledger.rows[&clicks()];
        assert_eq!(rows.len(), 2);
        let first = rows.values().next().unwrap();
        assert_eq!((first.refused, first.bytes, first.excess_max), (2, 200, 1));
        assert_eq!((first.first, first.last), (at(5), at(9)));
        assert_eq!(first.retry_after_max, Some(Duration::from_millis(7)));
        assert_eq!(first.keys.counts()[0].0, "a");
        assert_eq!(ledger.recent.len(), 2, "one a call");
        assert_eq!((ledger.recent[0].refused, ledger.recent[0].keys.len()), (2, 2));
    }

    #[test]
    fn the_ledger_has_an_end_and_says_so() {
        let mut ledger = Ledger::new(at(0));
        for n in 0..10_000 {
            let refused = [record(n, "a")].into_iter();
            ledger.note_all("PutRecords", &clicks(), at(n.into()), refused);
        }
        assert_eq!(ledger.rows[&clicks()].len(), ROWS_MAX);
        assert_eq!(ledger.left_out, 10_000 - ROWS_MAX as u64);
        assert_eq!(ledger.recent.len(), RECENT_MAX);
        assert_eq!(ledger.recent[RECENT_MAX - 1].at, at(9_999), "the latest are kept");
        ledger.note_all("PutRecords", &clicks(), at(1), [record(0, "a")].into_iter());
        assert_eq!(ledger.left_out, 10_000 - ROWS_MAX as u64, "what has a row goes on");
    }

    #[test]
    fn what_is_cleared_makes_room() {
        let mut ledger = Ledger::new(at(0));
        let orders: StreamArn =
            "arn:aws:kinesis:us-east-1:000000000000:stream/orders".parse().unwrap();
        let account = Whose::Account(Namespace::of(&orders));
        for whose in [clicks(), Whose::Stream(orders), account] {
            ledger.note_all("PutRecord", &whose, at(1), [record(0, "a")].into_iter());
        }
        let filter = Filter { stream: "orders".parse().ok(), ..Filter::default() };
        ledger.clear(&filter, at(2));
        assert_eq!((ledger.rows.len(), ledger.rows_count, ledger.recent.len()), (2, 2, 2));
        let elsewhere = Filter { region: "eu-west-1".parse().ok(), ..Filter::default() };
        ledger.clear(&elsewhere, at(2));
        assert_eq!(ledger.rows.len(), 2);
        let there = Filter { account: "000000000000".parse().ok(), ..Filter::default() };
        ledger.clear(&there, at(2));
        assert_eq!((ledger.rows.len(), ledger.since), (0, at(0)));
        ledger.clear(&Filter::default(), at(3));
        assert_eq!(ledger.since, at(3));
    }
}
