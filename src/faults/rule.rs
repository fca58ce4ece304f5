//! One fault of a script: which calls it is about, which of those it acts on, and what happens.

use std::{collections::BTreeSet, time::Duration};

use millpond_api::{
    Error, ErrorKind, OperationId,
    types::{AccountId, Region, ShardId, StreamName},
};
use serde_json::Value;

use super::{
    fields::{Fields, InvalidScript, Names},
    pick::Pick,
};
use crate::{config, ops, policy::Wildcards};

/// The longest delay: longer ones are for a clock that a test owns, and no client waits so long.
const DELAY_MAX: Duration = Duration::from_hours(1);

/// Everything that a fault may say.
const MEMBERS: [&str; 13] = [
    "name",
    "operation",
    "account",
    "region",
    "stream",
    "shard",
    "consumer",
    "partition-key",
    "records",
    "calls",
    "probability",
    "times",
    "then",
];

/// Everything that may happen.
const EFFECTS: [&str; 12] = [
    "throttle",
    "fail",
    "error",
    "message",
    "delay",
    "cut",
    "end",
    "expire-iterator",
    "empty",
    "duplicate",
    "when",
    "after-events",
];

/// A fault.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// As it was given, for those who ask.
    pub(super) source: Value,
    pub(super) scope: Scope,
    /// Of the calls that are matched, counted from 0.
    pub(super) calls: Option<Pick>,
    pub(super) probability: Option<f64>,
    pub(super) times: u64,
    pub(super) then: Then,
}

/// What calls a fault is about.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) operations: BTreeSet<OperationId>,
    pub(super) account: Names,
    pub(super) region: Names,
    pub(super) stream: Names,
    pub(super) shard: Names,
    pub(super) consumer: Names,
    pub(super) partition_key: Names,
    /// By index in the request, from 0.
    pub(super) records: Option<Pick>,
}

/// What happens.
#[derive(Debug, Clone)]
pub(super) struct Then {
    pub(super) act: Act,
    pub(super) delay: Option<Delay>,
    pub(super) when: When,
    /// So many events of a subscription come first.
    pub(super) after_events: Option<u64>,
}

/// What becomes of a call or a delivery.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// It takes its time, and no more.
    Delay,
    /// There is no room for it, or for its records.
    Throttle,
    /// It fails on the server's side, or its records do.
    Fail,
    /// It is answered with this error.
    Error(Error),
    /// Its connection ends without an answer.
    Cut,
    /// A subscription ends as if its time were over.
    End,
    /// Its iterator is too old.
    ExpireIterator,
    /// It is told no records although there are some.
    Empty,
    /// It is told its records, and the next delivery begins with the same ones.
    Duplicate,
}

/// When something happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before anything is done for it.
    Before,
    /// When everything is done for it: records are stored then.
    After,
    /// When half of its answer is sent.
    Halfway,
}

/// How long a call takes longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) least: Duration,
    pub(super) most: Duration,
}

impl Rule {
    /// Reads the fault at this place of a script, counted from 1.
    pub(super) fn read(number: usize, source: &Value) -> Result<Self, InvalidScript> {
        let mut fields = Fields::of(format!("fault {number}"), source)?;
        if let Some(name) = fields.text("name")? {
            fields.rename(format!("fault {number} \"{name}\""));
        }
        let then = fields.take("then");
        let then = then.ok_or_else(|| {
            let words = "it says what happens, such as then = { throttle = true }";
            fields.wrong("then", words)
        })?;
        let then = Then::read(Fields::of(fields.place("then"), &then)?)?;
        let scope = Scope::read(&mut fields, &then)?;
        let calls = pick(&mut fields, "calls", 1)?;
        let probability = fields.chance("probability")?;
        let times = fields.whole("times", 1..=u64::MAX)?.unwrap_or(u64::MAX);
        fields.end(&MEMBERS)?;
        Ok(Self { source: source.clone(), scope, calls, probability, times, then })
    }
}

fn pick(fields: &mut Fields, member: &str, first: u64) -> Result<Option<Pick>, InvalidScript> {
    let Some(value) = fields.take(member) else { return Ok(None) };
    let pick = Pick::parse(&value, first);
    pick.map(Some).ok_or_else(|| fields.wrong(member, &Pick::words(first)))
}

impl Scope {
    fn read(fields: &mut Fields, then: &Then) -> Result<Self, InvalidScript> {
        let named = fields.texts("operation")?;
        let operations = operations(&named).map_err(|words| fields.wrong("operation", &words))?;
        let operations = then.act.narrowed(operations, then.after_events).map_err(|only| {
            let words = format!("what happens then can happen to {only} only");
            fields.wrong("operation", &words)
        })?;
        let scope = Self {
            operations,
            account: fields.names_of::<AccountId>("account")?,
            region: fields.names_of::<Region>("region")?,
            stream: fields.names_of::<StreamName>("stream")?,
            // Also as short as clients may write them.
            shard: fields.names_of::<ShardId>("shard")?,
            consumer: fields.names("consumer")?,
            partition_key: fields.names("partition-key")?,
            records: pick(fields, "records", 0)?,
        };
        match scope.flaw(then) {
            Some((member, words)) => Err(fields.wrong(member, words)),
            None => Ok(scope),
        }
    }

    /// The member that no call can fit, and why.
    fn flaw(&self, then: &Then) -> Option<(&'static str, &'static str)> {
        let may = |able: fn(OperationId) -> bool| self.operations.iter().any(|id| able(*id));
        if self.records.is_some() && !may(is_write) {
            return Some(("records", "only PutRecord and PutRecords bring records to count"));
        }
        if !self.partition_key.are_any() && !may(is_write) && !then.act.is_of_delivery() {
            let words = "only PutRecord and PutRecords bring partition keys, and only empty and \
                         duplicate look at those that are told";
            return Some(("partition-key", words));
        }
        if !self.shard.are_any() && !may(names_shard) {
            let words = "only PutRecord, PutRecords, GetRecords, GetShardIterator, \
                         SubscribeToShard, SplitShard and MergeShards are about a shard";
            return Some(("shard", words));
        }
        if !self.consumer.are_any() && !may(names_consumer) {
            let words = "only SubscribeToShard and what makes, describes or deletes consumers, \
                         their tags and their policies name one";
            return Some(("consumer", words));
        }
        None
    }
}

/// The operations of these names, which may have stars; all of them where there is no name.
fn operations(named: &[String]) -> Result<BTreeSet<OperationId>, String> {
    let served = |operation: &OperationId| ops::entrypoint(*operation).is_some();
    let all: BTreeSet<_> = OperationId::ALL.iter().copied().filter(served).collect();
    if named.is_empty() {
        return Ok(all);
    }
    let mut found = BTreeSet::new();
    for name in named {
        let pattern = Wildcards::of(name);
        let mut meant = all.iter().filter(|operation| pattern.is_of(operation.name())).peekable();
        if meant.peek().is_none() {
            return Err(format!(
                "no operation that millpond serves is called {name}; names are those of the API, \
                 such as PutRecords, or have stars, such as \"Put*\""
            ));
        }
        found.extend(meant);
    }
    Ok(found)
}

/// Whether the operation stores records.
pub(super) fn is_write(operation: OperationId) -> bool {
    matches!(operation, OperationId::PutRecord | OperationId::PutRecords)
}

/// Whether the operation is about a shard, itself or by its records or iterator.
fn names_shard(operation: OperationId) -> bool {
    use OperationId as Id;
    is_write(operation)
        || matches!(operation, Id::GetRecords | Id::GetShardIterator | Id::SubscribeToShard)
        || matches!(operation, Id::SplitShard | Id::MergeShards)
}

/// Whether the operation can name a consumer, itself or as a resource.
fn names_consumer(operation: OperationId) -> bool {
    use OperationId as Id;
    matches!(
        operation,
        Id::SubscribeToShard
            | Id::RegisterStreamConsumer
            | Id::DescribeStreamConsumer
            | Id::DeregisterStreamConsumer
            | Id::TagResource
            | Id::UntagResource
            | Id::ListTagsForResource
            | Id::PutResourcePolicy
            | Id::GetResourcePolicy
            | Id::DeleteResourcePolicy
    )
}

impl Then {
    fn read(mut fields: Fields) -> Result<Self, InvalidScript> {
        let message = fields.text("message")?;
        let act = Act::read(&mut fields, message)?;
        let delay = delay(&mut fields)?;
        let when = when(&mut fields)?;
        let after_events = fields.whole("after-events", 0..=u64::MAX)?;
        fields.end(&EFFECTS)?;
        let ends = matches!(act, Some(Act::Error(_) | Act::Cut | Act::End));
        let refused = match (&act, when) {
            (None, _) if delay.is_none() => {
                let words = "it says nothing that could happen; that is one of ";
                return Err(fields.wrong_itself(&format!("{words}{}", EFFECTS.join(", "))));
            }
            (Some(Act::Throttle | Act::ExpireIterator), Some(When::After | When::Halfway)) => {
                Some(("when", "what is refused is refused before anything is done"))
            }
            (act, Some(When::Halfway)) if !matches!(act, Some(Act::Cut)) => {
                Some(("when", "mid-answer goes with cut only"))
            }
            (Some(act), _) if act.is_of_delivery() && (delay.is_some() || when.is_some()) => {
                let words = "empty and duplicate go with neither delay nor when";
                return Err(fields.wrong_itself(words));
            }
            (Some(Act::End), _) if after_events.is_none() => {
                Some(("end", "it needs after-events, such as 3"))
            }
            _ if after_events.is_some() && !ends => {
                Some(("after-events", "it goes with cut, error or end"))
            }
            _ if after_events.is_some() && (delay.is_some() || when.is_some()) => {
                Some(("after-events", "it goes with neither delay nor when"))
            }
            _ => None,
        };
        if let Some((member, words)) = refused {
            return Err(fields.wrong(member, words));
        }
        let (act, when) = (act.unwrap_or(Act::Delay), when.unwrap_or(When::Before));
        Ok(Self { act, delay, when, after_events })
    }
}

impl Act {
    fn read(fields: &mut Fields, message: Option<String>) -> Result<Option<Self>, InvalidScript> {
        let mut found = Vec::new();
        let error = fields.text("error")?;
        if let Some(name) = error {
            found.push(Self::Error(
                modelled(&name, message).map_err(|w| fields.wrong("error", &w))?,
            ));
        } else if message.is_some() {
            return Err(fields.wrong("message", "it goes with error"));
        }
        for (member, act) in [
            ("throttle", Self::Throttle),
            ("fail", Self::Fail),
            ("cut", Self::Cut),
            ("end", Self::End),
            ("expire-iterator", Self::ExpireIterator),
            ("empty", Self::Empty),
            ("duplicate", Self::Duplicate),
        ] {
            if fields.flag(member)? {
                found.push(act);
            }
        }
        if let [one, other, ..] = found.as_slice() {
            let (one, other) = (one.name(), other.name());
            let words = format!("{one} and {other} can't both happen; write two faults");
            return Err(fields.wrong_itself(&words));
        }
        Ok(found.pop())
    }

    /// Its name in scripts and metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Throttle => "throttle",
            Self::Fail => "fail",
            Self::Error(_) => "error",
            Self::Cut => "cut",
            Self::End => "end",
            Self::ExpireIterator => "expire-iterator",
            Self::Empty => "empty",
            Self::Duplicate => "duplicate",
        }
    }

    /// Whether it happens to what a reader is told, and not to a call.
    pub(super) fn is_of_delivery(&self) -> bool {
        matches!(self, Self::Empty | Self::Duplicate)
    }

    /// The operations among these that it can happen to, or the names of those that it could.
    fn narrowed(
        &self,
        operations: BTreeSet<OperationId>,
        after_events: Option<u64>,
    ) -> Result<BTreeSet<OperationId>, &'static str> {
        use OperationId as Id;
        let (able, names): (&[Id], _) = match self {
            _ if after_events.is_some() => (&[Id::SubscribeToShard], "SubscribeToShard"),
            Self::ExpireIterator | Self::Empty => (&[Id::GetRecords], "GetRecords"),
            Self::Duplicate => {
                (&[Id::GetRecords, Id::SubscribeToShard], "GetRecords and SubscribeToShard")
            }
            _ => return Ok(operations),
        };
        let able: BTreeSet<_> = operations.into_iter().filter(|id| able.contains(id)).collect();
        if able.is_empty() { Err(names) } else { Ok(able) }
    }
}

/// The error of this name, with words of its own if it is given none.
fn modelled(name: &str, message: Option<String>) -> Result<Error, String> {
    let kind = ErrorKind::ALL.iter().find(|kind| kind.wire_name() == name).ok_or_else(|| {
        let names: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.wire_name()).collect();
        format!("Kinesis has no {name}; it has {}", names.join(", "))
    })?;
    Ok(match (message, kind) {
        (Some(message), kind) => kind.with(message),
        (None, ErrorKind::InternalFailure | ErrorKind::InternalFailureException) => {
            kind.with("Internal service failure.")
        }
        (None, ErrorKind::ServiceUnavailable) => {
            kind.with("The service is temporarily unable to handle the request.")
        }
        (None, ErrorKind::Throttling) => kind.with("Rate exceeded."),
        (None, ErrorKind::Serialization | ErrorKind::UnknownOperation) => (*kind).into(),
        (None, kind) => kind.with("This error is a fault that the server was told to inject."),
    })
}

fn delay(fields: &mut Fields) -> Result<Option<Delay>, InvalidScript> {
    let Some(text) = fields.text("delay")? else { return Ok(None) };
    let (least, most) = text.split_once("..").unwrap_or((&text, &text));
    let parsed = config::duration(least).ok().zip(config::duration(most).ok());
    let delay = parsed.map(|(least, most)| Delay { least, most });
    let delay = delay.filter(|delay| delay.least <= delay.most && delay.most <= DELAY_MAX);
    let words = "it is a number and a unit, such as \"250ms\" or \"3s\", up to \"1h\", or a range \
                 such as \"50ms..2s\"";
    delay.map(Some).ok_or_else(|| fields.wrong("delay", words))
}

fn when(fields: &mut Fields) -> Result<Option<When>, InvalidScript> {
    match fields.text("when")?.as_deref() {
        None => Ok(None),
        Some("before-commit") => Ok(Some(When::Before)),
        Some("after-commit") => Ok(Some(When::After)),
        Some("mid-answer") => Ok(Some(When::Halfway)),
        Some(_) => Err(fields.wrong("when", "it is before-commit, after-commit or mid-answer")),
    }
}
