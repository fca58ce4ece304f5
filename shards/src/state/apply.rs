//! The transition function of the metadata: the only place where a stream changes.

use std::collections::{BTreeMap, BTreeSet};

use millpond_api::types::{
    HashKey, HashKeyRange, ShardId, StreamArn, StreamMode, StreamStatus, Timestamp,
};
use millpond_quotas::limits;

use super::{
    Command, NewMode, NewStream, Provisions, ShardEnd, State, capacity, consumers, encryption,
    forks, forks::truncate, policies,
};
use crate::{
    Error,
    commitment::Commitment,
    engine::LogId,
    stream::{
        Closing, DAY_MILLIS, Intent, Namespace, Parents, Segment, ShardState, StreamNumber,
        StreamState, Transition,
        encryption::Encryption,
        reshard::{self, ReshardPlan},
        segments,
    },
};

/// The state after `command`.
///
/// # Errors
/// The command's precondition that doesn't hold; nothing has changed then.
///
/// # Panics
/// When a reshard is settled without the end of each shard that it closes.
pub fn apply(state: &State, command: &Command) -> Result<State, Error> {
    let mut next = state.clone();
    match command {
        Command::CreateStream(stream) => create(&mut next, stream)?,
        Command::DeclareStream(stream, provisions) => declare(&mut next, stream, provisions)?,
        Command::DeleteStream { stream, enforce_consumer_deletion, due } => {
            delete(&mut next, stream, *enforce_consumer_deletion, *due)?;
        }
        Command::SplitShard { stream, shard, at, due } => {
            split(&mut next, stream, *shard, *at, *due)?;
        }
        Command::MergeShards { stream, lower, upper, due } => {
            merge(&mut next, stream, *lower, *upper, *due)?;
        }
        Command::UpdateShardCount { stream, target, now, due } => {
            scale(&mut next, stream, *target, *now, *due)?;
        }
        Command::IncreaseRetention { stream, hours, now, due } => {
            increase_retention(&mut next, stream, *hours, *now, *due)?;
        }
        Command::DecreaseRetention { stream, hours, now, due } => {
            decrease_retention(&mut next, stream, *hours, *now, *due)?;
        }
        Command::UpdateMaxRecordSize { stream, kib, due } => {
            configure(&mut next, stream, *due, |stream| stream.max_record_kib = *kib)?;
        }
        Command::EnableMonitoring { stream, metrics, due } => {
            configure(&mut next, stream, *due, |of| of.shard_level_metrics.extend(metrics))?;
        }
        Command::DisableMonitoring { stream, metrics, due } => {
            configure(&mut next, stream, *due, |stream| {
                stream.shard_level_metrics.retain(|metric| !metrics.contains(metric));
            })?;
        }
        Command::UpdateAccountSettings { namespace, enabled, now } => {
            update_account(&mut next, namespace, *enabled, *now);
        }
        Command::AddTags { stream, tags } => {
            retag(&mut next, stream, |all| all.extend(tags.iter().cloned()))?;
        }
        Command::RemoveTags { stream, keys } => {
            retag(&mut next, stream, |all| all.retain(|key, _| !keys.contains(key)))?;
        }
        Command::Consumer(command) => consumers::apply(&mut next, command)?,
        Command::Policy(command) => policies::apply(&mut next, command)?,
        Command::Capacity(command) => capacity::apply(&mut next, command)?,
        Command::Encryption(command) => encryption::apply(&mut next, command)?,
        Command::Fork { forks, now } => forks::fork(&mut next, forks, *now)?,
        Command::Truncate { stream, log_number, ends } => {
            truncate(&mut next, stream, *log_number, ends)?;
        }
        Command::Settle { stream, log_number, ends, now } => {
            settle(&mut next, stream, *log_number, ends, *now);
        }
        Command::ForgetShards { stream, log_number, now } => {
            forget(&mut next, stream, *log_number, *now);
        }
        Command::ForgetLogs { logs } => next.unused_logs.retain(|log| !logs.contains(log)),
    }
    Ok(next)
}

fn create(next: &mut State, new: &NewStream) -> Result<(), Error> {
    let NewStream { arn, mode, max_record_kib, tags, now, due } = new.clone();
    let namespace = Namespace::of(&arn);
    if next.stream(&arn).is_ok() {
        return Err(Error::StreamExists { stream: arn });
    }
    let (mode, shards, on_demand) = match mode {
        NewMode::Provisioned { shards } => (StreamMode::Provisioned, shards, None),
        NewMode::OnDemand(on_demand) => {
            capacity::check_new(next, &arn, &on_demand, now)?;
            (StreamMode::OnDemand, on_demand.shards_min(), Some(on_demand))
        }
    };
    next.check_shard_limit(&namespace, mode, shards.into())?;
    let streams = next.namespace(&namespace).into_iter().flatten();
    let creating = streams.filter(|(_, stream)| stream.status == StreamStatus::Creating).count();
    let limit = next.counts.streams_creating;
    if creating >= limit {
        return Err(Error::TooManyCreating { namespace, limit });
    }
    let stream = StreamState {
        number: next.next_stream,
        log_number: next.next_stream,
        arn,
        created: now,
        status: StreamStatus::Creating,
        retention_hours: limits::RETENTION_DEFAULT_HOURS,
        trim_floor: Timestamp::default(),
        max_record_kib,
        shard_level_metrics: BTreeSet::new(),
        tags: tags.into_iter().collect(),
        policy: None,
        shards: BTreeMap::new(),
        next_shard: 0,
        transition: Some(Transition { due, intent: Intent::Create { shards } }),
        shard_count_updates: Vec::new(),
        consumers: BTreeMap::new(),
        on_demand,
        mode_switches: Vec::new(),
        encryption: Encryption::default(),
    };
    check_tags(next, &stream)?;
    next.take_number();
    next.put(stream);
    Ok(())
}

fn declare(next: &mut State, new: &NewStream, provisions: &Provisions) -> Result<(), Error> {
    create(next, new)?;
    let Provisions { retention_hours, policy, encryption } = provisions.clone();
    let mut stream = StreamState::clone(next.stream(&new.arn)?);
    (stream.retention_hours, stream.policy) = (retention_hours, policy);
    if let Some((key_id, wrapped)) = encryption {
        stream.encryption.begin(key_id, wrapped, new.now);
    }
    next.put(stream);
    Ok(())
}

fn delete(
    next: &mut State,
    arn: &StreamArn,
    enforce_consumer_deletion: bool,
    due: Timestamp,
) -> Result<(), Error> {
    let mut stream = StreamState::clone(next.stream(arn)?);
    if stream.status == StreamStatus::Deleting {
        return Ok(());
    }
    if !stream.consumers.is_empty() && !enforce_consumer_deletion {
        return Err(Error::StreamHasConsumers { stream: arn.clone() });
    }
    stream.consumers.values_mut().for_each(|consumer| consumer.delete(due));
    stream.status = StreamStatus::Deleting;
    stream.transition = Some(Transition { due, intent: Intent::Delete });
    next.put(stream);
    Ok(())
}

fn split(
    next: &mut State,
    arn: &StreamArn,
    shard: ShardId,
    at: HashKey,
    due: Timestamp,
) -> Result<(), Error> {
    let stream = next.provisioned_stream(arn)?;
    // AWS looks for the shard first, then at the limit, then at the hash key.
    stream.shard(shard)?;
    next.check_shard_limit(&Namespace::of(arn), StreamMode::Provisioned, 1)?;
    let plan = reshard::split(&stream, shard, at)?;
    next.put(updating(stream, due, Intent::Reshard(plan)));
    Ok(())
}

fn merge(
    next: &mut State,
    arn: &StreamArn,
    lower: ShardId,
    upper: ShardId,
    due: Timestamp,
) -> Result<(), Error> {
    let changed = next.provisioned_stream(arn)?;
    let plan = reshard::merge(&changed, lower, upper)?;
    next.put(updating(changed, due, Intent::Reshard(plan)));
    Ok(())
}

fn scale(
    next: &mut State,
    arn: &StreamArn,
    target: u32,
    now: Timestamp,
    due: Timestamp,
) -> Result<(), Error> {
    let mut stream = next.provisioned_stream(arn)?;
    let current = u32::try_from(stream.open_shards().count()).expect("shard indices have 31 bits");
    let (least, most) = next.counts.targets(current);
    let factor = next.counts.shard_count_factor;
    if target > most {
        return Err(Error::ScaleUpTooFar { current, target, factor });
    }
    if target < least {
        return Err(Error::ScaleDownTooFar { current, target, factor });
    }
    let namespace = Namespace::of(arn);
    let others = next.open_shards(&namespace, StreamMode::Provisioned) - u64::from(current);
    let room = next.shard_limit.of(&namespace).saturating_sub(others);
    let limit = room.min(next.counts.shards_per_stream as u64);
    if u64::from(target) > limit {
        return Err(Error::TooManyShards { current, target, limit });
    }
    stream.shard_count_updates.retain(|at| now.millis() - at.millis() < DAY_MILLIS);
    let limit = next.counts.shard_count_updates;
    if stream.shard_count_updates.len() >= limit {
        return Err(Error::ShardCountUpdatedTooOften { stream: arn.clone(), limit });
    }
    stream.shard_count_updates.push(now);
    let plan = reshard::uniform(&stream, target);
    next.put(updating(stream, due, Intent::Reshard(plan)));
    Ok(())
}

/// Changes a setting of an ACTIVE stream, effective at once; UPDATING until `due` if there was
/// anything to change.
pub(super) fn configure(
    next: &mut State,
    arn: &StreamArn,
    due: Timestamp,
    change: impl FnOnce(&mut StreamState),
) -> Result<(), Error> {
    let before = next.active_stream(arn)?;
    let mut changed = before.clone();
    change(&mut changed);
    if changed != before {
        next.put(updating(changed, due, Intent::Settle));
    }
    Ok(())
}

fn increase_retention(
    next: &mut State,
    arn: &StreamArn,
    hours: u32,
    now: Timestamp,
    due: Timestamp,
) -> Result<(), Error> {
    let changed = next.active_stream(arn)?;
    let current = changed.retention_hours;
    if hours < current {
        return Err(Error::RetentionNotLonger { stream: arn.clone(), hours, current });
    }
    next.put(retain(changed, hours, now, due));
    Ok(())
}

fn decrease_retention(
    next: &mut State,
    arn: &StreamArn,
    hours: u32,
    now: Timestamp,
    due: Timestamp,
) -> Result<(), Error> {
    let changed = next.active_stream(arn)?;
    let current = changed.retention_hours;
    if hours > current {
        return Err(Error::RetentionNotShorter { stream: arn.clone(), hours, current });
    }
    next.put(retain(changed, hours, now, due));
    Ok(())
}

fn retain(mut stream: StreamState, hours: u32, now: Timestamp, due: Timestamp) -> StreamState {
    if hours == stream.retention_hours {
        return stream;
    }
    stream.trim_floor = stream.horizon(now);
    stream.retention_hours = hours;
    updating(stream, due, Intent::Settle)
}

fn update_account(next: &mut State, namespace: &Namespace, enabled: bool, now: Timestamp) {
    let before = next.commitments.get(namespace).copied();
    let after = Commitment::updated(before, enabled, now);
    next.commitments.extend(after.map(|after| (namespace.clone(), after)));
}

fn retag(
    next: &mut State,
    arn: &StreamArn,
    change: impl FnOnce(&mut BTreeMap<String, String>),
) -> Result<(), Error> {
    let mut changed = next.active_stream(arn)?;
    change(&mut changed.tags);
    check_tags(next, &changed)?;
    next.put(changed);
    Ok(())
}

fn check_tags(state: &State, stream: &StreamState) -> Result<(), Error> {
    let limit = state.counts.tags;
    if stream.tags.len() <= limit {
        return Ok(());
    }
    Err(Error::TooManyTags { stream: stream.arn.clone(), limit })
}

pub(super) fn updating(mut stream: StreamState, due: Timestamp, intent: Intent) -> StreamState {
    stream.status = StreamStatus::Updating;
    stream.transition = Some(Transition { due, intent });
    stream
}

fn settle(
    next: &mut State,
    arn: &StreamArn,
    log_number: StreamNumber,
    ends: &[ShardEnd],
    now: Timestamp,
) {
    let Some(mut stream) = same_stream(next, arn, log_number) else { return };
    match stream.transition.take().map(|transition| transition.intent) {
        Some(Intent::Delete) => {
            let logs = stream.shards.values().flat_map(|shard| &shard.segments);
            let logs: Vec<_> = logs.map(|segment| segment.log).collect();
            next.remove(arn);
            drop_unreferenced(next, logs);
            return;
        }
        Some(Intent::Create { shards }) => open_first_shards(&mut stream, shards),
        Some(Intent::Reshard(plan)) => reshard(&mut stream, &plan, ends, now),
        Some(Intent::Settle) | None => {}
    }
    stream.status = StreamStatus::Active;
    next.put(stream);
}

/// The first shards are as old as their stream, whenever it turns ACTIVE: its trim horizon is never
/// before them.
fn open_first_shards(stream: &mut StreamState, shards: u32) {
    let created = stream.created;
    for range in HashKeyRange::uniform(shards) {
        let id = ShardId::new(stream.next_shard);
        stream.next_shard += 1;
        stream
            .shards
            .insert(id, new_shard(stream.log_number, id, range, Parents::default(), created));
    }
}

fn reshard(stream: &mut StreamState, plan: &ReshardPlan, ends: &[ShardEnd], now: Timestamp) {
    let sealed = ends.iter().map(|end| end.shard);
    assert!(sealed.eq(plan.closes.iter().copied()), "of each shard that closes, where it ends");
    let last_arrival = ends.iter().map(|end| end.last_arrival).max().unwrap_or_default();
    let created = plan.closes.iter().filter_map(|id| stream.shards.get(id)).map(|s| s.created);
    let at = created.fold(now.max(last_arrival), Timestamp::max);
    for end in ends {
        if let Some(shard) = stream.shards.get_mut(&end.shard) {
            shard.closed = Some(Closing { at, end: end.end });
        }
    }
    for new in &plan.opens {
        let seconds = at.seconds() + i64::from(new.generation);
        let created = Timestamp::from_millis(seconds * 1000);
        let mut shard = new_shard(stream.log_number, new.id, new.range, new.parents, created);
        if new.passing {
            shard.closed = Some(Closing { at: created, end: shard.segment().from });
        }
        stream.next_shard = stream.next_shard.max(new.id.index() + 1);
        stream.shards.insert(new.id, shard);
    }
}

fn new_shard(
    stream: StreamNumber,
    id: ShardId,
    range: HashKeyRange,
    parents: Parents,
    created: Timestamp,
) -> ShardState {
    let segments = vec![Segment::first(stream.log(id))];
    ShardState { id, range, parents, created, segments, closed: None }
}

fn forget(next: &mut State, arn: &StreamArn, log_number: StreamNumber, now: Timestamp) {
    let Some(mut stream) = same_stream(next, arn, log_number) else { return };
    let horizon = stream.horizon(now);
    let expired = stream.shards.extract_if(.., |_, shard| shard.is_expired(horizon));
    let mut logs: Vec<_> = expired.flat_map(|(_, shard)| shard.segments).map(|s| s.log).collect();
    for shard in stream.shards.values_mut() {
        let expired = segments::expired(&shard.segments, horizon);
        logs.extend(shard.segments.drain(..expired).map(|segment| segment.log));
    }
    next.put(stream);
    drop_unreferenced(next, logs);
}

/// A shard's logs may be shared: only those that no other shard refers to are dropped.
pub(super) fn drop_unreferenced(next: &mut State, logs: Vec<LogId>) {
    let mut logs = BTreeSet::from_iter(logs);
    let shards = next.streams().flat_map(|stream| stream.shards.values());
    for segment in shards.flat_map(|shard| &shard.segments) {
        if logs.is_empty() {
            break;
        }
        logs.remove(&segment.log);
    }
    next.unused_logs.extend(logs);
}

/// The stream of this name, if it is the one that was meant.
pub(super) fn same_stream(
    state: &State,
    arn: &StreamArn,
    log_number: StreamNumber,
) -> Option<StreamState> {
    let stream = state.stream(arn).ok()?;
    (stream.log_number == log_number).then(|| StreamState::clone(stream))
}
