//! The metadata as rows of the engine: explicit fields with fixed numbers, so that a later version
//! reads them.
//!
//! | key | value |
//! |---|---|
//! | `s` + stream number, big-endian | the stream |
//! | `n` | number of the next stream |
//! | `a` + account and region | what the account has committed itself to in the region |
//! | `u` + log id, big-endian | empty: the log is no longer used, and not yet dropped |

use std::{collections::BTreeSet, sync::Arc};

use millpond_api::types::{
    ConsumerStatus, HashKey, HashKeyRange, ShardId, StreamArn, StreamName, StreamStatus, Timestamp,
};
use minicbor::{Decode, Encode};

mod encryption;

use self::encryption::EncryptionRow;
use super::{ShardLimit, State};
use crate::{
    commitment::Commitment,
    engine::{EngineError, LogId, MetadataChange, MetadataRows, Offset},
    stream::{
        Closing, Intent, Namespace, Parents, Segment, ShardState, StreamNumber, StreamState,
        Transition,
        consumer::ConsumerState,
        reshard::{NewShard, ReshardPlan},
        segments,
    },
};

mod on_demand;

use on_demand::OnDemandRow;

const STREAM: u8 = b's';
const NEXT_STREAM: u8 = b'n';
const ACCOUNT: u8 = b'a';
const UNUSED_LOG: u8 = b'u';

/// The rows in which `new` differs from `old`.
pub(crate) fn changes(old: &State, new: &State) -> Vec<MetadataChange> {
    let mut changes = Vec::new();
    for stream in new.streams() {
        let same = old.stream(&stream.arn).is_ok_and(|before| Arc::ptr_eq(before, stream));
        if !same {
            let value = minicbor::to_vec(StreamRow::of(stream));
            let value = value.expect("encoding into memory doesn't fail");
            changes.push(MetadataChange::Put { key: stream_key(stream.number), value });
        }
    }
    let is_kept = |stream: &StreamState| {
        new.stream(&stream.arn).is_ok_and(|after| after.number == stream.number)
    };
    // A restore may give a number another name.
    let renamed: BTreeSet<_> = if old.streams().all(|stream| is_kept(stream)) {
        BTreeSet::new()
    } else {
        new.streams().map(|stream| stream.number).collect()
    };
    for stream in old.streams() {
        if !is_kept(stream) && !renamed.contains(&stream.number) {
            changes.push(MetadataChange::Delete { key: stream_key(stream.number) });
        }
    }
    if old.next_stream != new.next_stream {
        let value = new.next_stream.0.to_be_bytes().to_vec();
        changes.push(MetadataChange::Put { key: vec![NEXT_STREAM], value });
    }
    for (namespace, commitment) in &new.commitments {
        if old.commitments.get(namespace) != Some(commitment) {
            let value = minicbor::to_vec(AccountRow::of(namespace, *commitment));
            let value = value.expect("encoding into memory doesn't fail");
            changes.push(MetadataChange::Put { key: account_key(namespace), value });
        }
    }
    for namespace in old.commitments.keys().filter(|of| !new.commitments.contains_key(of)) {
        changes.push(MetadataChange::Delete { key: account_key(namespace) });
    }
    for log in new.unused_logs.difference(&old.unused_logs) {
        changes.push(MetadataChange::Put { key: log_key(*log), value: Vec::new() });
    }
    for log in old.unused_logs.difference(&new.unused_logs) {
        changes.push(MetadataChange::Delete { key: log_key(*log) });
    }
    changes
}

/// The state that the rows tell of. Rows of other kinds are passed over.
pub(crate) fn load(rows: &MetadataRows, shard_limit: ShardLimit) -> Result<State, EngineError> {
    let mut state = State::new(shard_limit);
    let mut unused = BTreeSet::new();
    for (key, value) in rows {
        match key.split_first() {
            Some((&STREAM, _)) => {
                let row: StreamRow = minicbor::decode(value).map_err(damaged)?;
                state.put(row.into_state().ok_or_else(|| damaged("an impossible stream"))?);
            }
            Some((&NEXT_STREAM, _)) => {
                let bytes = value.as_slice().try_into().map_err(damaged)?;
                state.next_stream = StreamNumber(u32::from_be_bytes(bytes));
            }
            Some((&ACCOUNT, _)) => {
                let row: AccountRow = minicbor::decode(value).map_err(damaged)?;
                let settings =
                    row.into_settings().ok_or_else(|| damaged("an impossible account"))?;
                state.commitments.extend([settings]);
            }
            Some((&UNUSED_LOG, log)) => {
                let bytes = log.try_into().map_err(damaged)?;
                unused.insert(LogId::new(u64::from_be_bytes(bytes)));
            }
            _ => {}
        }
    }
    state.unused_logs = unused;
    Ok(state)
}

/// Whether the row is that of a log to be dropped.
pub(crate) fn is_unused_log(key: &[u8]) -> bool {
    key.first() == Some(&UNUSED_LOG)
}

fn stream_key(number: StreamNumber) -> Vec<u8> {
    let mut key = vec![STREAM];
    key.extend(number.0.to_be_bytes());
    key
}

fn account_key(Namespace { account, region }: &Namespace) -> Vec<u8> {
    [&[ACCOUNT], account.as_str().as_bytes(), region.as_str().as_bytes()].concat()
}

fn log_key(log: LogId) -> Vec<u8> {
    let mut key = vec![UNUSED_LOG];
    key.extend(log.value().to_be_bytes());
    key
}

fn damaged(reason: impl std::fmt::Display) -> EngineError {
    EngineError::Corrupt(format!("stream metadata: {reason}").into())
}

#[derive(Encode, Decode)]
struct AccountRow {
    #[n(0)]
    account: String,
    #[n(1)]
    region: String,
    #[n(2)]
    commitment_started: i64,
    #[n(3)]
    commitment_ends: Option<i64>,
}

#[derive(Encode, Decode)]
struct StreamRow {
    #[n(0)]
    number: u32,
    #[n(1)]
    account: String,
    #[n(2)]
    region: String,
    #[n(3)]
    name: String,
    #[n(4)]
    created: i64,
    #[n(5)]
    status: u8,
    #[n(6)]
    retention_hours: u32,
    #[n(7)]
    trim_floor: i64,
    #[n(8)]
    max_record_kib: u32,
    #[n(9)]
    tags: Vec<(String, String)>,
    #[n(10)]
    shards: Vec<ShardRow>,
    #[n(11)]
    next_shard: i32,
    #[n(12)]
    transition: Option<TransitionRow>,
    #[n(13)]
    shard_count_updates: Vec<i64>,
    #[n(20)]
    #[cbor(default)]
    consumers: Vec<ConsumerRow>,
    /// Their names; rows of before there were any don't have it.
    #[n(30)]
    #[cbor(default)]
    shard_level_metrics: Vec<String>,
    /// Provisioned streams don't have it, nor have rows of before there were others.
    #[n(40)]
    on_demand: Option<OnDemandRow>,
    #[n(41)]
    #[cbor(default)]
    mode_switches: Vec<i64>,
    /// Rows of streams that never were encrypted don't have it.
    #[n(50)]
    encryption: Option<EncryptionRow>,
    #[n(60)]
    policy: Option<String>,
    /// Streams that weren't restored from a snapshot don't have it.
    #[n(70)]
    log_number: Option<u32>,
}

#[derive(Encode, Decode)]
struct ConsumerRow {
    #[n(0)]
    name: String,
    #[n(1)]
    created: i64,
    #[n(2)]
    status: u8,
    #[n(3)]
    due: Option<i64>,
    #[n(4)]
    tags: Vec<(String, String)>,
    #[n(60)]
    policy: Option<String>,
}

#[derive(Encode, Decode)]
struct ShardRow {
    #[n(0)]
    id: i32,
    #[n(1)]
    range: RangeRow,
    #[n(2)]
    parents: ParentsRow,
    #[n(3)]
    created: i64,
    #[n(4)]
    segments: Vec<(u64, u64)>,
    #[n(5)]
    closed: Option<(i64, u64)>,
    /// Of each segment, when what lies before it arrived. Shards that began where they begin don't
    /// have it.
    #[n(6)]
    after: Option<Vec<i64>>,
}

#[derive(Encode, Decode)]
struct TransitionRow {
    #[n(0)]
    due: i64,
    #[n(1)]
    intent: IntentRow,
}

#[derive(Encode, Decode)]
enum IntentRow {
    #[n(0)]
    Create(#[n(0)] u32),
    #[n(1)]
    Delete,
    #[n(2)]
    Reshard(#[n(0)] Vec<i32>, #[n(1)] Vec<NewShardRow>),
    #[n(3)]
    Settle,
}

#[derive(Encode, Decode)]
struct NewShardRow {
    #[n(0)]
    id: i32,
    #[n(1)]
    range: RangeRow,
    #[n(2)]
    parents: ParentsRow,
    #[n(3)]
    generation: u32,
    #[n(4)]
    passing: bool,
}

/// First and last hash key, each as two halves.
type RangeRow = ((u64, u64), (u64, u64));
type ParentsRow = (Option<i32>, Option<i32>);

impl AccountRow {
    fn of(Namespace { account, region }: &Namespace, commitment: Commitment) -> Self {
        Self {
            account: account.to_string(),
            region: region.to_string(),
            commitment_started: commitment.started.millis(),
            commitment_ends: commitment.ends.map(Timestamp::millis),
        }
    }

    fn into_settings(self) -> Option<(Namespace, Commitment)> {
        let namespace =
            Namespace { account: self.account.parse().ok()?, region: self.region.parse().ok()? };
        let started = Timestamp::from_millis(self.commitment_started);
        let ends = self.commitment_ends.map(Timestamp::from_millis);
        Some((namespace, Commitment { started, ends }))
    }
}

impl StreamRow {
    fn of(stream: &StreamState) -> Self {
        Self {
            number: stream.number.0,
            account: stream.arn.account.to_string(),
            region: stream.arn.region.to_string(),
            name: stream.arn.name.to_string(),
            created: stream.created.millis(),
            status: status_ordinal(stream.status),
            retention_hours: stream.retention_hours,
            trim_floor: stream.trim_floor.millis(),
            max_record_kib: stream.max_record_kib,
            tags: stream.tags.clone().into_iter().collect(),
            shards: stream.shards.values().map(ShardRow::of).collect(),
            next_shard: stream.next_shard,
            transition: stream.transition.as_ref().map(|transition| TransitionRow {
                due: transition.due.millis(),
                intent: IntentRow::of(&transition.intent),
            }),
            shard_count_updates: stream.shard_count_updates.iter().map(|at| at.millis()).collect(),
            consumers: stream.consumers.values().map(ConsumerRow::of).collect(),
            shard_level_metrics: stream
                .shard_level_metrics
                .iter()
                .map(ToString::to_string)
                .collect(),
            on_demand: stream.on_demand.as_ref().map(OnDemandRow::of),
            mode_switches: stream.mode_switches.iter().map(|at| at.millis()).collect(),
            encryption: EncryptionRow::of(&stream.encryption),
            policy: stream.policy.as_deref().map(str::to_owned),
            log_number: (stream.log_number != stream.number).then_some(stream.log_number.0),
        }
    }

    fn into_state(self) -> Option<StreamState> {
        let namespace =
            Namespace { account: self.account.parse().ok()?, region: self.region.parse().ok()? };
        let name: StreamName = self.name.parse().ok()?;
        let arn: StreamArn = namespace.arn(name);
        let shards: Option<Vec<_>> = self.shards.into_iter().map(ShardRow::into_state).collect();
        let metrics = self.shard_level_metrics.iter().map(|name| name.parse().ok());
        let shard_level_metrics: Option<_> = metrics.collect();
        let transition = match self.transition {
            None => None,
            Some(row) => Some(Transition {
                due: Timestamp::from_millis(row.due),
                intent: row.intent.into_intent()?,
            }),
        };
        let encryption = self.encryption.unwrap_or_default().into_encryption()?;
        let consumer = |row: ConsumerRow| row.into_state(&arn);
        let consumers: Option<Vec<_>> = self.consumers.into_iter().map(consumer).collect();
        Some(StreamState {
            number: StreamNumber(self.number),
            log_number: StreamNumber(self.log_number.unwrap_or(self.number)),
            consumers: consumers?.into_iter().map(|c| (c.name.clone(), c)).collect(),
            arn,
            created: Timestamp::from_millis(self.created),
            status: status(self.status)?,
            retention_hours: self.retention_hours,
            trim_floor: Timestamp::from_millis(self.trim_floor),
            max_record_kib: self.max_record_kib,
            shard_level_metrics: shard_level_metrics?,
            tags: self.tags.into_iter().collect(),
            policy: self.policy.map(Into::into),
            shards: shards?.into_iter().map(|shard| (shard.id, shard)).collect(),
            next_shard: self.next_shard,
            transition,
            shard_count_updates: self
                .shard_count_updates
                .into_iter()
                .map(Timestamp::from_millis)
                .collect(),
            on_demand: self.on_demand.map(OnDemandRow::into_on_demand),
            mode_switches: self.mode_switches.into_iter().map(Timestamp::from_millis).collect(),
            encryption,
        })
    }
}

impl ConsumerRow {
    fn of(consumer: &ConsumerState) -> Self {
        Self {
            name: consumer.name.clone(),
            created: consumer.created.millis(),
            status: consumer_status_ordinal(consumer.status),
            due: consumer.due.map(Timestamp::millis),
            tags: consumer.tags.clone().into_iter().collect(),
            policy: consumer.policy.as_deref().map(str::to_owned),
        }
    }

    fn into_state(self, stream: &StreamArn) -> Option<ConsumerState> {
        Some(ConsumerState {
            stream: stream.clone(),
            name: self.name,
            created: Timestamp::from_millis(self.created),
            status: consumer_status(self.status)?,
            due: self.due.map(Timestamp::from_millis),
            tags: self.tags.into_iter().collect(),
            policy: self.policy.map(Into::into),
        })
    }
}

impl ShardRow {
    fn of(shard: &ShardState) -> Self {
        Self {
            id: shard.id.index(),
            range: range_row(shard.range),
            parents: parents_row(shard.parents),
            created: shard.created.millis(),
            segments: shard.segments.iter().map(|s| (s.log.value(), s.from.value())).collect(),
            closed: shard.closed.map(|closing| (closing.at.millis(), closing.end.value())),
            after: arrivals_before(&shard.segments),
        }
    }

    fn into_state(self) -> Option<ShardState> {
        let after = self.after.unwrap_or_default().into_iter().map(Timestamp::from_millis);
        let after = after.chain(std::iter::repeat(Timestamp::default()));
        let segment =
            |((log, from), after)| Segment { log: LogId::new(log), from: Offset::new(from), after };
        let closing = |(at, end)| Closing { at: Timestamp::from_millis(at), end: Offset::new(end) };
        let segments: Vec<_> = self.segments.into_iter().zip(after).map(segment).collect();
        segments::ascend(&segments).then_some(())?;
        Some(ShardState {
            id: ShardId::new(self.id),
            range: range(self.range)?,
            parents: parents(self.parents),
            created: Timestamp::from_millis(self.created),
            segments,
            closed: self.closed.map(closing),
        })
    }
}

fn arrivals_before(segments: &[Segment]) -> Option<Vec<i64>> {
    let has_any = segments.iter().any(|segment| segment.after != Timestamp::default());
    has_any.then(|| segments.iter().map(|segment| segment.after.millis()).collect())
}

impl IntentRow {
    fn of(intent: &Intent) -> Self {
        match intent {
            Intent::Create { shards } => Self::Create(*shards),
            Intent::Delete => Self::Delete,
            Intent::Settle => Self::Settle,
            Intent::Reshard(plan) => Self::Reshard(
                plan.closes.iter().map(|id| id.index()).collect(),
                plan.opens.iter().map(NewShardRow::of).collect(),
            ),
        }
    }

    fn into_intent(self) -> Option<Intent> {
        Some(match self {
            Self::Create(shards) => Intent::Create { shards },
            Self::Delete => Intent::Delete,
            Self::Settle => Intent::Settle,
            Self::Reshard(closes, opens) => {
                let opens: Option<Vec<_>> = opens.into_iter().map(NewShardRow::into_new).collect();
                let closes = closes.into_iter().map(ShardId::new).collect();
                Intent::Reshard(ReshardPlan { closes, opens: opens? })
            }
        })
    }
}

impl NewShardRow {
    fn of(new: &NewShard) -> Self {
        Self {
            id: new.id.index(),
            range: range_row(new.range),
            parents: parents_row(new.parents),
            generation: new.generation,
            passing: new.passing,
        }
    }

    fn into_new(self) -> Option<NewShard> {
        Some(NewShard {
            id: ShardId::new(self.id),
            range: range(self.range)?,
            parents: parents(self.parents),
            generation: self.generation,
            passing: self.passing,
        })
    }
}

// Persisted: the numbers must stay as they are.
fn status_ordinal(status: StreamStatus) -> u8 {
    match status {
        StreamStatus::Creating => 0,
        StreamStatus::Deleting => 1,
        StreamStatus::Active => 2,
        StreamStatus::Updating => 3,
    }
}

fn status(ordinal: u8) -> Option<StreamStatus> {
    let all = [
        StreamStatus::Creating,
        StreamStatus::Deleting,
        StreamStatus::Active,
        StreamStatus::Updating,
    ];
    all.into_iter().find(|status| status_ordinal(*status) == ordinal)
}

// Persisted: the numbers must stay as they are.
fn consumer_status_ordinal(status: ConsumerStatus) -> u8 {
    match status {
        ConsumerStatus::Creating => 0,
        ConsumerStatus::Deleting => 1,
        ConsumerStatus::Active => 2,
    }
}

fn consumer_status(ordinal: u8) -> Option<ConsumerStatus> {
    let all = [ConsumerStatus::Creating, ConsumerStatus::Deleting, ConsumerStatus::Active];
    all.into_iter().find(|status| consumer_status_ordinal(*status) == ordinal)
}

fn range_row(range: HashKeyRange) -> RangeRow {
    let halves = |key: HashKey| ((key.value() >> 64) as u64, key.value() as u64);
    (halves(range.start()), halves(range.end()))
}

fn range((start, end): RangeRow) -> Option<HashKeyRange> {
    let key = |(high, low): (u64, u64)| HashKey::new(u128::from(high) << 64 | u128::from(low));
    HashKeyRange::new(key(start), key(end))
}

fn parents_row(parents: Parents) -> ParentsRow {
    (parents.parent.map(ShardId::index), parents.adjacent.map(ShardId::index))
}

fn parents((parent, adjacent): ParentsRow) -> Parents {
    Parents { parent: parent.map(ShardId::new), adjacent: adjacent.map(ShardId::new) }
}
