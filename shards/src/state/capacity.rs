//! What can be asked of a stream's mode, and of what an on-demand stream takes: `apply` for this
//! part of a stream.

use millpond_api::types::{
    RecordDistributionStrategy, ShardId, StreamArn, StreamMode, StreamStatus, Timestamp,
};
use millpond_quotas::limits;

use super::{
    State,
    apply::{same_stream, updating},
};
use crate::{
    Error,
    stream::{
        DAY_MILLIS, Intent, Namespace, StreamNumber, StreamState,
        on_demand::{Load, OnDemand, capacity_mib},
        reshard,
    },
};

/// A change of what a stream can take, or of who decides that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are Kinesis' own request members, or explained above")]
pub enum CapacityCommand {
    /// UpdateStreamMode: effective at once, UPDATING until `due`, when an on-demand stream has its
    /// least number of shards, or those that it is kept warm by.
    UpdateMode {
        stream: StreamArn,
        mode: StreamMode,
        warm_mib: Option<u32>,
        now: Timestamp,
        due: Timestamp,
    },
    /// UpdateStreamWarmThroughput, likewise.
    UpdateWarmThroughput { stream: StreamArn, mib: u32, now: Timestamp, due: Timestamp },
    /// UpdateStreamRecordDistributionStrategy: effective at once.
    UpdateDistribution { stream: StreamArn, strategy: RecordDistributionStrategy },
    /// The service splits these shards of an on-demand stream evenly, and merges these neighbours;
    /// UPDATING until `due`. Nothing happens when the stream is another one by now, isn't ACTIVE,
    /// or doesn't have these shards.
    Scale {
        stream: StreamArn,
        log_number: StreamNumber,
        splits: Vec<ShardId>,
        merges: Vec<(ShardId, ShardId)>,
        due: Timestamp,
    },
    /// An on-demand stream had this write traffic. Nothing happens when it is another one by now.
    NoteLoad { stream: StreamArn, log_number: StreamNumber, load: Load, now: Timestamp },
}

pub(super) fn apply(next: &mut State, command: &CapacityCommand) -> Result<(), Error> {
    use CapacityCommand as Do;
    match command {
        Do::UpdateMode { stream, mode, warm_mib, now, due } => {
            let stream = next.active_stream(stream)?;
            switch(next, stream, *mode, *warm_mib, *now, *due)
        }
        Do::UpdateWarmThroughput { stream, mib, now, due } => {
            let stream = next.active_stream(stream)?;
            warm(next, stream, *mib, *now, *due)
        }
        Do::UpdateDistribution { stream, strategy } => distribute(next, stream, *strategy),
        Do::Scale { stream, log_number, splits, merges, due } => {
            scale(next, stream, *log_number, (splits, merges), *due)
        }
        Do::NoteLoad { stream, log_number, load, now } => {
            let Some(mut stream) = same_stream(next, stream, *log_number) else { return Ok(()) };
            if let Some(on_demand) = &mut stream.on_demand {
                on_demand.peaks.note(*load, *now);
                next.put(stream);
            }
            Ok(())
        }
    }
}

/// Checks that there may be one more on-demand stream, and this one.
pub(super) fn check_new(
    state: &State,
    arn: &StreamArn,
    on_demand: &OnDemand,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(mib) = on_demand.warm_mib {
        check_warm(state, arn, mib, now)?;
    }
    let namespace = Namespace::of(arn);
    let current = state.streams_in(&namespace, StreamMode::OnDemand).count();
    let limit = state.counts.on_demand_streams;
    if current < limit {
        return Ok(());
    }
    Err(Error::TooManyOnDemandStreams { namespace, current, limit })
}

fn check_warm(state: &State, arn: &StreamArn, mib: u32, now: Timestamp) -> Result<(), Error> {
    let namespace = Namespace::of(arn);
    if !state.is_committed(&namespace, now) {
        return Err(Error::NotCommitted { namespace });
    }
    let limit = limits::on_demand_write_mib_max(arn.region.as_str());
    if mib > limit {
        return Err(Error::TooWarm { stream: arn.clone(), mib, limit });
    }
    Ok(())
}

fn switch(
    next: &mut State,
    mut stream: StreamState,
    mode: StreamMode,
    warm_mib: Option<u32>,
    now: Timestamp,
    due: Timestamp,
) -> Result<(), Error> {
    if mode == stream.mode() {
        return match warm_mib {
            Some(mib) => warm(next, stream, mib, now, due),
            None => Ok(()),
        };
    }
    let limit = next.counts.mode_switches;
    stream.mode_switches.retain(|at| now.millis() - at.millis() < DAY_MILLIS);
    if stream.mode_switches.len() >= limit {
        return Err(Error::ModeSwitchedTooOften { stream: stream.arn, limit });
    }
    stream.mode_switches.push(now);
    stream.on_demand = match mode {
        StreamMode::Provisioned => None,
        StreamMode::OnDemand => {
            let strategy = RecordDistributionStrategy::UserPartitionKey;
            let on_demand = OnDemand::new(strategy, warm_mib);
            check_new(next, &stream.arn, &on_demand, now)?;
            Some(on_demand)
        }
    };
    let (open, target) = (open_shards(&stream), growth(&stream));
    let shards = target.unwrap_or(open);
    let limit = limits::on_demand_write_mib_max(stream.arn.region.as_str());
    if mode == StreamMode::OnDemand && shards > limit {
        return Err(Error::TooManyShards { current: open, target: shards, limit: limit.into() });
    }
    // Its shards count with those of its new mode from now on.
    next.check_shard_limit(&Namespace::of(&stream.arn), mode, shards.into())?;
    next.put(grown(stream, target, due));
    Ok(())
}

fn warm(
    next: &mut State,
    mut stream: StreamState,
    mib: u32,
    now: Timestamp,
    due: Timestamp,
) -> Result<(), Error> {
    let Some(on_demand) = &mut stream.on_demand else {
        return Err(Error::NotOnDemand { stream: stream.arn });
    };
    let before = on_demand.warm_mib.replace(mib);
    check_warm(next, &stream.arn, mib, now)?;
    let target = growth(&stream);
    let additional = target.map_or(0, |target| target - open_shards(&stream));
    let namespace = Namespace::of(&stream.arn);
    next.check_shard_limit(&namespace, StreamMode::OnDemand, additional.into())?;
    if before != Some(mib) || target.is_some() {
        next.put(grown(stream, target, due));
    }
    Ok(())
}

fn open_shards(stream: &StreamState) -> u32 {
    u32::try_from(stream.open_shards().count()).expect("shard indices have 31 bits")
}

/// The even shards that an on-demand stream is to have, if those that it has are too few, or too
/// uneven for what it is kept warm for.
fn growth(stream: &StreamState) -> Option<u32> {
    let on_demand = stream.on_demand.as_ref()?;
    let (open, least) = (open_shards(stream), on_demand.shards_min());
    let capacity = capacity_mib(stream.open_shards().map(|shard| shard.range));
    let is_cold = on_demand.warm_mib.is_some_and(|mib| capacity < mib);
    (open < least || is_cold).then(|| open.max(least))
}

/// The stream UPDATING, until it has `target` even shards, if it is to have others.
fn grown(stream: StreamState, target: Option<u32>, due: Timestamp) -> StreamState {
    let reshard = |target| Intent::Reshard(reshard::even(&stream, target));
    let intent = target.map_or(Intent::Settle, reshard);
    updating(stream, due, intent)
}

fn distribute(
    next: &mut State,
    arn: &StreamArn,
    strategy: RecordDistributionStrategy,
) -> Result<(), Error> {
    let mut stream = next.usable_stream(arn)?;
    match (&mut stream.on_demand, strategy) {
        (Some(on_demand), strategy) if on_demand.distribution != strategy => {
            on_demand.distribution = strategy;
            next.put(stream);
            Ok(())
        }
        (None, RecordDistributionStrategy::Auto) => Err(Error::NotOnDemand { stream: arn.clone() }),
        (Some(_), _) | (None, RecordDistributionStrategy::UserPartitionKey) => Ok(()),
    }
}

fn scale(
    next: &mut State,
    arn: &StreamArn,
    log_number: StreamNumber,
    (splits, merges): (&[ShardId], &[(ShardId, ShardId)]),
    due: Timestamp,
) -> Result<(), Error> {
    let scaled = same_stream(next, arn, log_number)
        .filter(|stream| stream.on_demand.is_some() && stream.status == StreamStatus::Active);
    let Some(stream) = scaled else { return Ok(()) };
    let Some(plan) = reshard::adapt(&stream, splits, merges) else { return Ok(()) };
    let additional = splits.len().saturating_sub(merges.len()) as u64;
    next.check_shard_limit(&Namespace::of(arn), StreamMode::OnDemand, additional)?;
    next.put(updating(stream, due, Intent::Reshard(plan)));
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
