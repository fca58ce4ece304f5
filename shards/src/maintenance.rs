//! Once a minute: retention gives up expired records, and shards that have expired as a whole;
//! shards at rest give back the memory of their newest records.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt as _, stream};
use millpond_api::types::Timestamp;
use millpond_quotas::{Attendant, Clock, Idle, Time};
use tokio_util::sync::CancellationToken;

use crate::{
    control::Control,
    directory::{Directory, Snapshot, Stream},
    engine::{EngineError, LogId, Offset},
    holds::{Hold, Share, holds},
    services::Services,
    state::{Command, EncryptionCommand},
    stream::{ShardState, StreamState, retention, segments},
};

/// How often all streams are gone through.
const PERIOD: Duration = Duration::from_mins(1);

/// Logs that are trimmed at once: they share a commit.
const TRIMS_MAX: usize = 32;

/// What one server does by itself, from time to time.
pub(crate) struct Maintenance {
    directory: Arc<Directory>,
    control: Control,
    services: Services,
    attendant: Attendant,
    // What each log was last trimmed to.
    trimmed: HashMap<LogId, Trimmed>,
}

/// What a log was trimmed to.
#[derive(Debug, Clone, Copy)]
struct Trimmed {
    horizon: Timestamp,
    truncated_before: Offset,
}

impl Maintenance {
    pub(crate) fn new(directory: Arc<Directory>, control: Control, services: Services) -> Self {
        let attendant = services.clock.attendant("maintenance");
        Self { directory, control, services, attendant, trimmed: HashMap::new() }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut last = self.services.clock.now();
        let mut idle = None;
        let maintain = async {
            loop {
                self.attendant.next_round(&mut last, PERIOD, idle).await;
                idle = Some(self.maintain().await);
            }
        };
        // What is left off is taken up after the next start.
        stop.run_until_cancelled(maintain).await;
    }

    /// For how long there is nothing to do after this, if nothing is done to any stream.
    async fn maintain(&mut self) -> Idle {
        let now = self.services.now();
        let snapshot = self.directory.snapshot();
        let mut is_done = true;
        for stream in snapshot.streams() {
            is_done &= self.forget_expired_shards(stream, now).await;
            is_done &= self.forget_expired_keys(stream, now).await;
            let idle = Timestamp::from_millis(now.millis() - PERIOD.as_millis() as i64);
            stream.shards().for_each(|shard| shard.forget_if_idle(idle));
        }
        // What was forgotten just now needs no trimming.
        let (look, snapshot) = (self.attendant.look(), self.directory.snapshot());
        let holds = holds(snapshot.streams().map(|stream| stream.state()), now);
        is_done &= self.trim(&holds).await;
        self.attendant.owes(!is_done);
        // What was refused is due already: a move of the clock goes past further attempts.
        look.idle_until(if is_done { self.next_use(&snapshot, &holds) } else { Clock::END })
    }

    fn next_use(&self, snapshot: &Snapshot, holds: &BTreeMap<LogId, Hold>) -> Time {
        if snapshot.streams().filter_map(|stream| stream.vault()).any(|vault| !vault.is_idle()) {
            // Keys expire by use, too.
            return Time::EPOCH;
        }
        let expiries = snapshot.streams().flat_map(|stream| expiries(stream.state()));
        let trims = holds.iter().filter_map(|(log, hold)| {
            let last = self.trimmed.get(log).copied();
            next_due(hold, last)
        });
        let next = expiries.chain(trims).min();
        next.map_or(Clock::END, |at| Time::from_millis(at.millis()))
    }

    /// Whether that is done, if there was anything to do; so with the others.
    async fn forget_expired_shards(&self, stream: &Stream, now: Timestamp) -> bool {
        let state = stream.state();
        let horizon = state.horizon(now);
        let has_expired = |shard: &ShardState| {
            shard.is_expired(horizon) || segments::expired(&shard.segments, horizon) > 0
        };
        if !state.shards.values().any(has_expired) {
            return true;
        }
        let (stream, log_number) = (state.arn.clone(), state.log_number);
        let command = Command::ForgetShards { stream, log_number, now };
        let forgotten = self.control.submit(command).await.inspect_err(|error| {
            tracing::warn!(stream = %state.arn, %error, "expired shards not forgotten");
        });
        forgotten.is_ok()
    }

    async fn forget_expired_keys(&self, stream: &Stream, now: Timestamp) -> bool {
        if let Some(vault) = stream.vault() {
            vault.forget_expired(self.services.clock.now());
        }
        let state = stream.state();
        if !state.encryption.has_expired_keys(state.horizon(now)) {
            return true;
        }
        let (stream, log_number) = (state.arn.clone(), state.log_number);
        let forget = EncryptionCommand::ForgetKeys { stream, log_number, now };
        let forgotten = self.control.submit(Command::Encryption(forget)).await;
        let forgotten = forgotten.inspect_err(|error| {
            tracing::warn!(stream = %state.arn, %error, "data keys not forgotten");
        });
        forgotten.is_ok()
    }

    async fn trim(&mut self, holds: &BTreeMap<LogId, Hold>) -> bool {
        let Self { services, trimmed, .. } = self;
        trimmed.retain(|log, _| holds.contains_key(log));
        let mut trims = Vec::new();
        for (&log, hold) in holds {
            if let Some(to) = due(hold, trimmed.get(&log).copied()) {
                trims.push(trim_log(services, log, hold, to));
            }
        }
        let mut trims = stream::iter(trims).buffer_unordered(TRIMS_MAX);
        let mut is_done = true;
        while let Some((log, to, outcome)) = trims.next().await {
            match outcome {
                Ok(()) => {
                    trimmed.insert(log, to);
                }
                Err(error) => {
                    tracing::warn!(?log, %error, "not trimmed");
                    is_done = false;
                }
            }
        }
        is_done
    }
}

async fn trim_log(
    services: &Services,
    log: LogId,
    hold: &Hold,
    to: Trimmed,
) -> (LogId, Trimmed, Result<(), EngineError>) {
    let _keeping = services.keeping.read().await;
    (log, to, hold.trim(services.engine.as_ref(), log).await)
}

/// What to trim a log to, if enough may have been given up since it was last trimmed to be worth
/// the trouble. A log of shards that are younger than their retention period holds nothing that has
/// expired.
fn due(hold: &Hold, last: Option<Trimmed>) -> Option<Trimmed> {
    let oldest = hold.oldest()?;
    let since = last.map_or(oldest.created, |last| last.horizon).millis();
    let step = retention::trim_step_millis(oldest.retention_hours);
    let step = if last.is_some() { step } else { 1 };
    let before = last.map(|last| last.truncated_before).unwrap_or_default();
    let to = Trimmed { horizon: oldest.horizon, truncated_before: hold.truncated_before() };
    let is_due = oldest.horizon.millis() - since >= step || to.truncated_before > before;
    is_due.then_some(to)
}

/// When enough will have been given up by age alone.
fn next_due(hold: &Hold, last: Option<Trimmed>) -> Option<Timestamp> {
    let of_share = |share: &Share| {
        let hours = share.retention_hours;
        let since = last.map_or(share.created, |last| last.horizon).millis();
        let step = if last.is_some() { retention::trim_step_millis(hours) } else { 1 };
        retention::expiry(Timestamp::from_millis(since.saturating_add(step)), hours)
    };
    hold.shares.iter().map(of_share).min()
}

/// When the shards that are closed, and the older segments of all, hold nothing that is visible.
fn expiries(stream: &StreamState) -> impl Iterator<Item = Timestamp> {
    let of_shard = |shard: &ShardState| {
        let closed = shard.closed.map(|closing| closing.at);
        let older = segments::older(&shard.segments).map(|older| older.until).min();
        closed.into_iter().chain(older).min()
    };
    let after = |at: Timestamp| Timestamp::from_millis(at.millis() + 1);
    let hours = stream.retention_hours;
    stream.shards.values().filter_map(of_shard).map(move |at| retention::expiry(after(at), hours))
}

#[cfg(test)]
mod tests {
    use millpond_api::types::{Blob, HashKey, ShardId, StreamArn};
    use millpond_quotas::MoveError;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        Domain,
        batch::RecordBatch,
        domain::tests::{open, writes_of},
        engine::memory::MemoryEngine,
        state::{NewMode, NewStream, tests::stream_of},
        stream::{Closing, Namespace},
    };

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_shard_that_is_forgotten_is_not_trimmed() {
        let mut stream = stream_of(1);
        let shard = stream.open_shards().next().unwrap().clone();
        let now = Timestamp::from_millis(shard.created.millis() + 2 * DAY.as_millis() as i64);
        let is_due = |stream: &StreamState| {
            let holds = holds(std::iter::once(stream), now);
            holds.values().any(|hold| due(hold, None).is_some())
        };
        assert!(is_due(&stream));
        let closed = Some(Closing { at: shard.created, end: Offset::new(1) });
        stream.shards.insert(shard.id, ShardState { closed, ..shard });
        assert!(!is_due(&stream));
    }

    /// What shards that were opened at these hours need of a log, so many hours after the epoch.
    fn hold(shares: &[(i64, u32)], now: i64) -> Hold {
        let at = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let share = |(created, retention_hours): &(i64, u32)| Share {
            from: Offset::ZERO,
            horizon: at(now - i64::from(*retention_hours)),
            is_truncated: false,
            retention_hours: *retention_hours,
            created: at(*created),
        };
        Hold { first: Offset::ZERO, shares: shares.iter().map(share).collect() }
    }

    async fn with_stream(domain: &Domain, shards: u32) -> StreamArn {
        let arn: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().unwrap();
        let (now, mode) = (domain.now(), NewMode::Provisioned { shards });
        let (max_record_kib, tags) = (1024, Vec::new());
        let new = NewStream { arn: arn.clone(), mode, max_record_kib, tags, now, due: now };
        domain.control().submit(Command::CreateStream(new)).await.unwrap();
        arn
    }

    proptest! {
        #[test]
        fn nothing_is_due_before_the_next_use(
            shares in vec((0..1_000_i64, 24..400_u32), 1..4),
            trimmed: Option<u8>,
            later in 0..5_000_i64,
        ) {
            let now = 1_000 + later;
            let horizon = trimmed.map(|hours| Timestamp::from_millis(i64::from(hours) * 3_600_000));
            let truncated_before = Offset::ZERO;
            let last = horizon.map(|horizon| Trimmed { horizon, truncated_before });
            let hold = hold(&shares, now);
            if due(&hold, last).is_some() {
                let next = next_due(&hold, last).unwrap();
                prop_assert!(next.millis() <= now * 3_600_000, "not passed over");
            }
        }
    }

    #[tokio::test]
    async fn a_move_goes_past_what_storage_refuses_to_forget_and_says_so() {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(Time::from_seconds(1000)));
        let domain = open(&engine, &clock).await;
        let arn = with_stream(&domain, 1).await;
        let (stream, shard, due) = (arn.clone(), ShardId::new(0), domain.now());
        let split = Command::SplitShard { stream, shard, at: HashKey::new(1 << 127), due };
        domain.control().submit(split).await.unwrap();
        engine.faults().set_full(true);
        let end = clock.now() + 3650 * DAY;
        let moved = clock.step_to(end).await;
        assert_eq!(moved, Err(MoveError::NotDone { who: "maintenance", now: end }));
        let shards = || {
            let stream = domain.directory().stream(&Namespace::of(&arn), &arn.name).unwrap();
            stream.shards().count()
        };
        assert_eq!(shards(), 3);
        engine.faults().set_full(false);
        clock.step_by(2 * PERIOD).await.unwrap();
        assert_eq!(shards(), 2);
    }

    #[tokio::test]
    async fn stopping_waits_for_no_more_than_the_writes_under_way() {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(Time::from_seconds(1000)));
        let domain = open(&engine, &clock).await;
        let arn = with_stream(&domain, TRIMS_MAX as u32 + 5).await;
        for shard in domain.directory().stream(&Namespace::of(&arn), &arn.name).unwrap().shards() {
            let mut batch = RecordBatch::default();
            batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
            shard.append(batch).await.unwrap();
        }
        let faults = engine.faults();
        faults.hold();
        clock.advance(2 * DAY);
        // The time, and as many trims as there may be at once.
        while faults.queued() < 1 + TRIMS_MAX {
            tokio::task::yield_now().await;
        }
        // The time is noted once more.
        assert_eq!(writes_of(&faults, domain.close()).await, (Ok(()), 2 + TRIMS_MAX as u32));
    }
}
