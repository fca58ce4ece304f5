//! Forks and truncations, and what becomes of them: `apply` for whole streams whose records nobody
//! copies.

use std::{collections::BTreeMap, fmt};

use millpond_api::types::{ConsumerStatus, ShardId, StreamArn, StreamStatus, Timestamp};

use super::{ShardEnd, State, apply::drop_unreferenced, capacity};
use crate::{
    Error,
    engine::LogId,
    stream::{
        Namespace, ShardState, StreamNumber, StreamState,
        consumer::ConsumerState,
        encryption::{Encryption, Origin},
        segments::{SEGMENTS_MAX, forked, truncated},
    },
};

/// A stream to be, with the shards, settings and records of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The stream that it is a fork of.
    pub from: StreamArn,
    /// Which of that name: its `log_number`.
    pub log_number: StreamNumber,
    /// What it will be called.
    pub to: StreamArn,
    /// Where the open shards of `from` end, as far as the fork has their records.
    pub ends: Vec<ShardEnd>,
    /// What its new records are sealed under, if those of `from` are.
    pub key: Option<ForkKey>,
}

/// A data key of a fork's own.
#[derive(Clone, PartialEq, Eq)]
pub struct ForkKey {
    /// The master key, which must be the one that the forked stream uses.
    pub key_id: String,
    /// The data key in its wrapped form.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for ForkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForkKey({}, {} bytes)", self.key_id, self.wrapped.len())
    }
}

/// Makes all of the forks, or none.
pub(super) fn fork(next: &mut State, forks: &[Fork], now: Timestamp) -> Result<(), Error> {
    forks.iter().try_for_each(|new| fork_one(next, new, now))
}

fn fork_one(next: &mut State, new: &Fork, now: Timestamp) -> Result<(), Error> {
    let base = usable(next, &new.from, new.log_number)?;
    if next.stream(&new.to).is_ok() {
        return Err(Error::StreamExists { stream: new.to.clone() });
    }
    let namespace = Namespace::of(&new.to);
    let is_committed = next.is_committed(&namespace, now);
    let on_demand = base.on_demand.clone().map(|mut on_demand| {
        on_demand.warm_mib = on_demand.warm_mib.filter(|_| is_committed);
        on_demand
    });
    if let Some(on_demand) = &on_demand {
        capacity::check_new(next, &new.to, on_demand, now)?;
    }
    let open = base.open_shards().count() as u64;
    next.check_shard_limit(&namespace, base.mode(), open)?;
    let number = next.take_number();
    let consumers = base.consumers.values().filter_map(|consumer| forked_consumer(consumer, new));
    let fork = StreamState {
        number,
        log_number: number,
        arn: new.to.clone(),
        status: StreamStatus::Active,
        transition: None,
        shards: forked_shards(&base, new, number)?,
        consumers: consumers.collect(),
        encryption: forked_encryption(&base, new, now)?,
        on_demand,
        // It names the ARN of the stream that it was put on.
        policy: None,
        shard_count_updates: Vec::new(),
        mode_switches: Vec::new(),
        ..base
    };
    next.put(fork);
    Ok(())
}

/// The shards of the fork: the closed ones as they are, the open ones up to where they ended.
fn forked_shards(
    base: &StreamState,
    new: &Fork,
    number: StreamNumber,
) -> Result<BTreeMap<ShardId, ShardState>, Error> {
    let fork_shard = |shard: &ShardState| {
        let mut forked_shard = shard.clone();
        if shard.is_open() {
            let own = shard.segment();
            let end = new.ends.iter().find(|end| end.shard == shard.id);
            // A shard that was opened meanwhile has nothing yet that must be in the fork.
            let (end, last_arrival) =
                end.map_or((own.from, own.after), |end| (end.end, end.last_arrival));
            forked_shard.segments =
                forked(&shard.segments, number.log(shard.id), end, last_arrival);
        }
        if forked_shard.segments.len() > SEGMENTS_MAX {
            return Err(Error::TooManyForks { stream: base.arn.clone(), limit: SEGMENTS_MAX });
        }
        Ok((shard.id, forked_shard))
    };
    base.shards.values().map(fork_shard).collect()
}

/// The consumer is registered with the fork, too, since when it is with the other stream.
fn forked_consumer(consumer: &ConsumerState, new: &Fork) -> Option<(String, ConsumerState)> {
    let stays = consumer.status != ConsumerStatus::Deleting;
    stays.then(|| {
        let forked = ConsumerState {
            stream: new.to.clone(),
            status: ConsumerStatus::Active,
            due: None,
            policy: None,
            ..consumer.clone()
        };
        (consumer.name.clone(), forked)
    })
}

/// The fork can open what it shares, and has a data key of its own: no two streams count the nonces
/// of one.
fn forked_encryption(base: &StreamState, new: &Fork, now: Timestamp) -> Result<Encryption, Error> {
    let mut encryption = base.encryption.clone();
    encryption.starts.clear();
    encryption.stops.clear();
    for key in encryption.data_keys.values_mut() {
        let origin = || Origin { number: base.number, arn: base.arn.clone() };
        key.origin.get_or_insert_with(origin);
    }
    match (&base.encryption.key_id, &new.key) {
        (None, _) => {}
        (Some(in_use), Some(ForkKey { key_id, wrapped })) if in_use == key_id => {
            encryption.begin(key_id.clone(), wrapped.clone(), now);
        }
        _ => return Err(Error::DataKeyChanged { stream: base.arn.clone() }),
    }
    Ok(encryption)
}

/// Gives up the records of these shards before their ends.
pub(super) fn truncate(
    next: &mut State,
    arn: &StreamArn,
    log_number: StreamNumber,
    ends: &[ShardEnd],
) -> Result<(), Error> {
    let mut stream = usable(next, arn, log_number)?;
    let mut logs: Vec<LogId> = Vec::new();
    for ShardEnd { shard, end, .. } in ends {
        let Some(shard) = stream.shards.get_mut(shard) else { continue };
        let end = shard.closed.map_or(*end, |closing| closing.end.min(*end));
        let left = truncated(&shard.segments, end);
        let gone = shard.segments.len() - left.len();
        logs.extend(shard.segments.iter().take(gone).map(|segment| segment.log));
        shard.segments = left;
    }
    next.put(stream);
    drop_unreferenced(next, logs);
    Ok(())
}

/// The stream of this name, if it is the one that was meant, and neither being created nor deleted.
fn usable(next: &State, arn: &StreamArn, log_number: StreamNumber) -> Result<StreamState, Error> {
    let stream = Some(next.usable_stream(arn)?).filter(|stream| stream.log_number == log_number);
    stream.ok_or_else(|| Error::StreamNotFound { stream: arn.clone() })
}

#[cfg(test)]
mod tests;
