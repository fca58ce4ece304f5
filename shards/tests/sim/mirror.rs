//! The metadata as it must be: each change that becomes visible is what one accepted command makes
//! of the state before, and all commands from the first on make the same state again.

use std::{collections::BTreeMap, sync::Arc};

use millpond_api::types::{ConsumerStatus, HashKeyRange, ShardId, StreamStatus, Timestamp};
use millpond_quotas::limits;
use millpond_shards::{
    Error,
    commitment::Commitment,
    state::{
        CapacityCommand, Command, ConsumerCommand, EncryptionCommand, ShardEnd, ShardLimit, State,
        apply,
    },
    stream::{Intent, Namespace, StreamNumber, StreamState, segments},
};

use crate::ledger::Ledger;

/// Open shards in a namespace; few, so that the limit is met.
pub(crate) const SHARD_LIMIT: ShardLimit = ShardLimit::Fixed(40);

const MILLIS_PER_HOUR: i64 = 3_600_000;

/// How much longer data keys are kept than records that were sealed before they were retired.
const KEYS_KEPT_HOURS: i64 = 24;

/// All streams as they are seen, by namespace and name.
pub(crate) type Streams = Vec<Arc<StreamState>>;

/// Everything that is seen of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) streams: Streams,
    pub(crate) commitments: BTreeMap<Namespace, Commitment>,
}

/// What a command does that isn't refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Nothing,
    Change,
}

/// The state, and the commands that made it.
pub(crate) struct Mirror {
    state: State,
    accepted: Vec<Command>,
    /// Commands whose outcome nobody knows: they may show up after a crash.
    unknown: Vec<Command>,
    streams_end: StreamNumber,
}

impl Mirror {
    pub(crate) fn new() -> Self {
        Self {
            state: State::new(SHARD_LIMIT),
            accepted: Vec::new(),
            unknown: Vec::new(),
            streams_end: StreamNumber(1),
        }
    }

    pub(crate) fn streams(&self) -> Streams {
        self.state.streams().cloned().collect()
    }

    fn view(&self) -> View {
        View::of(&self.state)
    }

    /// Streams that aren't there yet will have this number or a higher one.
    pub(crate) fn streams_end(&self) -> StreamNumber {
        self.streams_end
    }

    /// No transition is under way.
    pub(crate) fn check_settled(&self) {
        for stream in self.state.streams() {
            let mut consumers = stream.consumers.values();
            let settled = consumers.all(|consumer| consumer.status == ConsumerStatus::Active);
            assert!(settled && stream.status == StreamStatus::Active, "{stream:?} is stuck");
        }
    }

    /// What the state says of a command now.
    pub(crate) fn judge(&self, command: &Command) -> Result<Effect, Error> {
        let next = apply(&self.state, command)?;
        Ok(if next == self.state { Effect::Nothing } else { Effect::Change })
    }

    /// Nobody will ever learn what became of the command.
    pub(crate) fn unknown(&mut self, command: Command) {
        self.unknown.push(command);
    }

    /// One of `asked`, or something that the server does by itself, makes `seen` of the state.
    /// What changed, if anything did.
    pub(crate) fn follow<'a>(
        &mut self,
        seen: &View,
        asked: impl Iterator<Item = &'a Command>,
        ledger: &Ledger,
    ) -> Option<Command> {
        let before = self.view();
        if before == *seen {
            return None;
        }
        let own = own_commands(&before, seen, ledger);
        let explains = |command: &Command| {
            let next = apply(&self.state, command).ok()?;
            (View::of(&next) == *seen).then_some(next)
        };
        let found = asked.cloned().chain(own).find_map(|c| Some((explains(&c)?, c)));
        let Some((state, command)) = found else { panic!("{before:#?} became {seen:#?}") };
        self.accept(state, command.clone());
        Some(command)
    }

    /// After a crash: any command of unknown outcome may have been carried out, too.
    /// Which were.
    pub(crate) fn follow_recovery(&mut self, seen: &View, ledger: &Ledger) -> Vec<Command> {
        let mut recovered = Vec::new();
        let mut unknown = std::mem::take(&mut self.unknown);
        while self.view() != *seen {
            let before = self.view();
            let own = own_commands(&before, seen, ledger);
            let closer = |command: &Command| {
                let next = apply(&self.state, command).ok()?;
                let after = View::of(&next);
                (after.differences(seen) < before.differences(seen)).then_some(next)
            };
            let mut candidates = unknown.iter().cloned().chain(own);
            let found = candidates.find_map(|c| Some((closer(&c)?, c)));
            let Some((state, command)) = found else {
                panic!("{before:#?} was recovered as {seen:#?}");
            };
            unknown.retain(|other| *other != command);
            recovered.push(command.clone());
            self.accept(state, command);
        }
        recovered
    }

    fn accept(&mut self, state: State, command: Command) {
        self.state = state;
        self.accepted.push(command);
        let numbers = self.state.streams().map(|stream| StreamNumber(stream.number.0 + 1));
        self.streams_end = numbers.fold(self.streams_end, StreamNumber::max);
        self.state.streams().for_each(|stream| check_stream(stream));
        assert_eq!(self.state.flaw(), None, "a snapshot of it can be restored");
    }

    /// All accepted commands, from the first on, make the same state again.
    pub(crate) fn check_replay(&self) {
        let replayed = self.accepted.iter().try_fold(State::new(SHARD_LIMIT), |s, c| apply(&s, c));
        assert_eq!(replayed.as_ref(), Ok(&self.state));
    }
}

impl View {
    fn of(state: &State) -> Self {
        let streams = state.streams().cloned().collect();
        Self { streams, commitments: state.commitments().clone() }
    }

    /// The streams and commitments that are in one of both only, or differ.
    fn differences(&self, other: &Self) -> usize {
        self.missing_in(other) + other.missing_in(self)
    }

    fn missing_in(&self, other: &Self) -> usize {
        let streams = self.streams.iter().filter(|stream| !other.streams.contains(stream));
        let unlike = |(of, commitment): &(_, _)| other.commitments.get(*of) != Some(*commitment);
        streams.count() + self.commitments.iter().filter(unlike).count()
    }
}

/// The commands that the server may have given itself, to judge by what changed.
fn own_commands(before: &View, seen: &View, ledger: &Ledger) -> Vec<Command> {
    let mut commands = Vec::new();
    for old in &before.streams {
        let new = seen.streams.iter().find(|new| new.number == old.number);
        if new != Some(old) {
            commands.extend(new.and_then(|new| settle_consumers(old, new)));
            commands.extend(settle(old, new));
            commands.extend(new.and_then(|new| forget(old, new, ledger)));
            commands.extend(new.and_then(|new| scale(old, new)));
            commands.extend(new.and_then(|new| change_keys(old, new, ledger)));
        }
    }
    commands
}

fn settle(old: &StreamState, new: Option<&Arc<StreamState>>) -> Option<Command> {
    let transition = old.transition.as_ref()?;
    let mut ends = Vec::new();
    let mut now = transition.due;
    if let Intent::Reshard(plan) = &transition.intent {
        for id in &plan.closes {
            let closing = new?.shards.get(id)?.closed?;
            now = closing.at;
            let last_arrival = Timestamp::default();
            ends.push(ShardEnd { shard: *id, end: closing.end, last_arrival });
        }
    }
    Some(Command::Settle { stream: old.arn.clone(), log_number: old.log_number, ends, now })
}

/// Consumers turn ACTIVE, or are gone, at the earliest when that is due.
fn settle_consumers(old: &StreamState, new: &StreamState) -> Option<Command> {
    let settled = old
        .consumers
        .values()
        .filter(|consumer| new.consumers.get(&consumer.name) != Some(consumer));
    let now = settled.filter_map(|consumer| consumer.due).max()?;
    let (stream, log_number) = (old.arn.clone(), old.log_number);
    Some(Command::Consumer(ConsumerCommand::Settle { stream, log_number, now }))
}

/// An on-demand stream is scaled as its new intent says, and keeps its fewest shards.
fn scale(old: &StreamState, new: &StreamState) -> Option<Command> {
    let transition = new.transition.as_ref().filter(|_| old.transition.is_none())?;
    let Intent::Reshard(plan) = &transition.intent else { return None };
    let pairs = plan.opens.iter().map(|new| Some((new.parents.parent?, new.parents.adjacent?)));
    let merges: Vec<_> = pairs.flatten().collect();
    let left = old.open_shards().count() - merges.len();
    if !merges.is_empty() && left < limits::ON_DEMAND_SHARDS_MIN as usize {
        return None;
    }
    let is_merged = |id: &ShardId| merges.iter().any(|(lower, upper)| lower == id || upper == id);
    let splits = plan.closes.iter().copied().filter(|id| !is_merged(id)).collect();
    let (stream, log_number, due) = (old.arn.clone(), old.log_number, transition.due);
    Some(Command::Capacity(CapacityCommand::Scale { stream, log_number, splits, merges, due }))
}

/// Shards are forgotten at the earliest when everything in them has expired.
fn forget(old: &StreamState, new: &StreamState, ledger: &Ledger) -> Option<Command> {
    let gone = old.shards.values().filter(|shard| !new.shards.contains_key(&shard.id));
    let closed: Option<Vec<Timestamp>> = gone.map(|shard| Some(shard.closed?.at)).collect();
    let left = |shard: &ShardId| new.shards.get(shard).map_or(0, |shard| shard.segments.len());
    let parts = old.shards.values().flat_map(|shard| {
        let gone = shard.segments.len().saturating_sub(left(&shard.id));
        let kept = left(&shard.id) > 0;
        segments::older(&shard.segments).take(gone).filter(move |_| kept)
    });
    let parts: Vec<_> = parts.map(|older| older.until).collect();
    let last = closed?.into_iter().chain(parts).max()?;
    if !ledger.has_expired(old.number, last) {
        return None;
    }
    let hours = i64::from(old.retention_hours);
    let now = Timestamp::from_millis(last.millis() + hours * MILLIS_PER_HOUR + 1);
    Some(Command::ForgetShards { stream: old.arn.clone(), log_number: old.log_number, now })
}

/// A process takes a lease of nonces before it seals, and forgets keys whose records have expired.
fn change_keys(old: &StreamState, new: &StreamState, ledger: &Ledger) -> Option<Command> {
    let (stream, log_number) = (old.arn.clone(), old.log_number);
    let (before, after) = (&old.encryption.data_keys, &new.encryption.data_keys);
    let leased = before.iter().find(|(data_key, key)| {
        after.get(data_key).is_some_and(|after| after.leases == key.leases + 1)
    });
    if let Some((data_key, key)) = leased {
        let (data_key, lease) = (*data_key, key.leases as u8);
        return Some(Command::Encryption(EncryptionCommand::Lease {
            stream,
            log_number,
            data_key,
            lease,
        }));
    }
    let gone = before.iter().filter(|(data_key, _)| !after.contains_key(data_key));
    let retired: Option<Vec<Timestamp>> = gone.map(|(_, key)| key.retired).collect();
    let last = retired?.into_iter().max()?;
    if !ledger.has_expired(old.number, last) {
        return None;
    }
    let hours = i64::from(old.retention_hours) + KEYS_KEPT_HOURS;
    let now = Timestamp::from_millis(last.millis() + hours * MILLIS_PER_HOUR + 1);
    Some(Command::Encryption(EncryptionCommand::ForgetKeys { stream, log_number, now }))
}

/// What holds of every stream at any time.
fn check_stream(stream: &StreamState) {
    assert_eq!(stream.transition.is_none(), stream.status == StreamStatus::Active, "{stream:?}");
    assert!(stream.mode_switches.len() <= 2, "{stream:?} was switched too often");
    let keys = &stream.encryption;
    assert_eq!(keys.key_id.is_some(), keys.current().is_some(), "{stream:?}");
    for (number, key) in &keys.data_keys {
        let is_current = keys.current().is_some_and(|(current, _)| current == *number);
        assert_eq!(key.retired.is_none(), is_current, "{stream:?}");
    }
    for consumer in stream.consumers.values() {
        let is_active = consumer.status == ConsumerStatus::Active;
        assert_eq!(consumer.due.is_none(), is_active, "{consumer:?}");
    }
    let mut open: Vec<_> = stream.open_shards().map(|shard| shard.range).collect();
    open.sort_by_key(|range| range.start());
    let mut open = open.into_iter();
    let whole = open.next().and_then(|first| open.try_fold(first, HashKeyRange::merge));
    let is_new = stream.shards.is_empty();
    assert!(is_new || whole == Some(HashKeyRange::FULL), "the key space has holes: {stream:?}");
    for shard in stream.shards.values() {
        let parents = shard.parents.iter().filter_map(|id| stream.shards.get(&id));
        for parent in parents {
            assert!(parent.closed.is_some(), "{:?} has a child, but is open", parent.id);
            assert!(parent.id < shard.id, "{:?} is older than its parent", shard.id);
            let (end, start) = (parent.ending_sequence_number(), shard.starting_sequence_number());
            assert!(end < Some(start), "{:?} doesn't begin above its parent", shard.id);
        }
        let segments = &shard.segments;
        assert!(segments.is_sorted_by(|a, b| a.from < b.from && a.after <= b.after), "{shard:?}");
        let is_own = shard.segment().log == stream.log_number.log(shard.id);
        assert!(is_own || !shard.is_open(), "{shard:?} writes a log of others");
    }
}
