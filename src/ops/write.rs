//! Writing entries to a stream, and what became of each.
//! PutRecord is PutRecords of one.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use millpond_api::{
    ErrorKind,
    schema::Length,
    types::{Blob, EncryptionType, HashKey, SequenceNumber, ShardId, StreamStatus},
    validate::{Checker, Value},
};
use millpond_quotas::{Refusal, Time, limits};
use millpond_shards::{
    Error as Fact,
    batch::RecordBatch,
    crypt::Sealing,
    directory::Stream,
    record,
    shard::{AppendError, Appended, Shard},
    stream::{Namespace, routing::RoutingKey},
};

use super::{
    Cx, dry_run,
    injected::Injected,
    placement::{self, Placed, Placement},
};
use crate::{
    error::{Error, Result, invalid, write_throttled},
    throttles::Refused,
};

/// How often entries are routed anew when their shard is being closed.
const REROUTE_MAX: usize = 3;

/// How long they wait for the new shards each time.
const REROUTE_WAIT: Duration = Duration::from_secs(10);

/// Room in a batch for what stands beside a record's payload.
const RECORD_OVERHEAD_BYTES: usize = 16;

/// A record that is to be written.
pub(super) struct Entry<'a> {
    /// Absent only where the service picks the shard.
    pub(super) partition_key: Option<&'a str>,
    pub(super) explicit: Option<HashKey>,
    pub(super) data: &'a Blob<'a>,
}

/// What became of a request's records.
pub(super) struct Outcomes {
    /// Of each entry, at its place.
    pub(super) entries: Vec<Result<Written>>,
    /// How they are stored; `None` when they aren't encrypted.
    pub(super) encryption_type: Option<EncryptionType>,
}

/// Where a record was written.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) shard: ShardId,
    pub(super) number: SequenceNumber,
}

impl Entry<'_> {
    /// Bytes that count: data and partition key.
    pub(super) fn payload_bytes(&self) -> usize {
        self.data.len() + self.partition_key.map_or(0, str::len)
    }

    /// What decides where the entry belongs, unless the service picks its shard.
    pub(super) fn routing_key(&self) -> RoutingKey<'_> {
        let of_partition = RoutingKey::Partition(self.partition_key.unwrap_or_default());
        self.explicit.map_or(of_partition, RoutingKey::Explicit)
    }
}

/// The stream that records are written to: one that is being created or deleted isn't there.
pub(super) fn target(
    cx: &Cx<'_>,
    stream: millpond_api::types::StreamRef<'_>,
) -> Result<Arc<Stream>> {
    let stream = cx.stream(stream)?;
    match stream.state().status {
        StreamStatus::Active | StreamStatus::Updating => Ok(stream),
        StreamStatus::Creating | StreamStatus::Deleting => {
            Err(Fact::StreamNotFound { stream: stream.state().arn.clone() }.into())
        }
    }
}

/// Checks an entry against the stream, and gives it its form for writing. `path` names its
/// members in the sentence of a violation: `data`, or `records.1.member.data`.
pub(super) fn entry<'a>(
    stream: &Stream,
    path: impl Fn(&str) -> String,
    partition_key: Option<&'a str>,
    explicit_hash_key: Option<&str>,
    data: &'a Blob<'a>,
) -> Result<Entry<'a>> {
    if partition_key.is_none() && !stream.state().spreads_records() {
        return Err(violation(|checker| checker.missing(path("partitionKey"))));
    }
    let explicit = explicit_hash_key.map(parse_hash_key).transpose()?;
    let entry = Entry { partition_key, explicit, data };
    let max = limits::record_bytes_max(stream.state().max_record_kib.into()) as usize;
    let bytes = entry.payload_bytes();
    if bytes > max {
        let length = Length { min: 0, max };
        let check = |checker: &mut Checker| {
            checker.length(Value::Omitted, path("data"), bytes, length);
        };
        return Err(violation(check));
    }
    Ok(entry)
}

fn parse_hash_key(key: &str) -> Result<HashKey> {
    key.parse().map_err(|_| {
        invalid(format!(
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. \
             Specified value was {key}"
        ))
    })
}

/// The error for the constraint that `check` finds broken.
fn violation(check: impl FnOnce(&mut Checker)) -> Error {
    let mut checker = Checker::default();
    check(&mut checker);
    Error(checker.into_error().unwrap_or_else(|| ErrorKind::Validation.into()))
}

/// Ends a request that only wanted to be checked, if its records could be encrypted.
pub(super) async fn check_dry_run(
    cx: &Cx<'_>,
    stream: &Stream,
    dry_run: Option<bool>,
) -> Result<()> {
    if dry_run == Some(true) {
        cx.domain().crypt().sealing(stream, 0).await?;
    }
    dry_run::check(dry_run)
}

/// Writes the entries. What became of each stands at its place in the answer.
///
/// # Errors
/// [`Fact::StreamNotFound`] when the stream was deleted meanwhile, with what was written to it, and
/// [`Fact::Kms`] when it is encrypted with a key that can't be used and nothing was written yet.
pub(super) async fn write(
    cx: &Cx<'_>,
    mut stream: Arc<Stream>,
    entries: &[Entry<'_>],
) -> Result<Outcomes> {
    let mut outcomes: Vec<Option<Result<Written>>> = entries.iter().map(|_| None).collect();
    let mut waiting: Vec<usize> = (0..entries.len()).collect();
    if let Some(faults) = cx.injected() {
        waiting.retain(|index| refuse_injected(faults, &stream, entries, *index, &mut outcomes));
    }
    let mut encryption_type = None;
    for round in 0..=REROUTE_MAX {
        let mut sealing = match cx.domain().crypt().sealing(&stream, waiting.len()).await {
            // What was written before is told all the same.
            Err(error) if round > 0 => {
                refuse(&waiting, &error, &mut outcomes);
                break;
            }
            sealing => sealing?,
        };
        encryption_type = encryption_type.or(sealing.is_some().then_some(EncryptionType::Kms));
        let asked_at = (round == 0).then(|| cx.clock().now());
        let sealing = sealing.as_mut();
        let shares = share_out(cx, &stream, entries, &waiting, asked_at, sealing, &mut outcomes);
        let appends = shares.into_iter().map(Share::append);
        waiting.clear();
        for (share, appended) in join_all(appends).await {
            match appended {
                Err(AppendError::Sealed) => waiting.extend(share.entries),
                outcome => share.note(&outcome, &mut outcomes),
            }
        }
        if waiting.is_empty() || round == REROUTE_MAX {
            break;
        }
        // The shard is being closed: its children will take over in a moment.
        waiting.sort_unstable();
        let directory = cx.domain().directory();
        tokio::time::timeout(REROUTE_WAIT, directory.changed(&stream)).await.ok();
        let arn = &stream.state().arn;
        // One that was deleted may have been created anew; the entries weren't meant for that.
        let changed = directory.stream(&Namespace::of(arn), &arn.name).ok();
        stream = changed
            .filter(|changed| changed.state().number == stream.state().number)
            .ok_or_else(|| Fact::StreamNotFound { stream: arn.clone() })?;
    }
    let unwritten = || Err(Error(ErrorKind::InternalFailureException.with(FAILED)));
    let entries = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unwritten));
    let mut entries: Vec<_> = entries.collect();
    for (index, error) in cx.injected().into_iter().flat_map(Injected::denied) {
        if let Some(outcome) = entries.get_mut(index).filter(|outcome| outcome.is_ok()) {
            *outcome = Err(error);
        }
    }
    Ok(Outcomes { entries, encryption_type })
}

/// Notes what a fault makes of an entry. Tells whether the entry is to be written all the same.
fn refuse_injected(
    faults: &Injected,
    stream: &Stream,
    entries: &[Entry<'_>],
    index: usize,
    outcomes: &mut [Option<Result<Written>>],
) -> bool {
    let refusal = entries.get(index).and_then(|entry| faults.refusal(index, stream, entry));
    let is_refused = refusal.is_some();
    if let Some(outcome) = outcomes.get_mut(index).filter(|_| is_refused) {
        *outcome = refusal;
    }
    !is_refused
}

/// Notes that these entries are not written.
fn refuse(waiting: &[usize], error: &Fact, outcomes: &mut [Option<Result<Written>>]) {
    for index in waiting {
        if let Some(outcome) = outcomes.get_mut(*index) {
            *outcome = Some(Err(error.clone().into()));
        }
    }
}

/// What an entry is told that could not be written for no fault of its own.
const FAILED: &str = "Internal service failure.";

/// The entries of one request for one shard.
struct Share {
    shard: Arc<Shard>,
    batch: RecordBatch,
    entries: Vec<usize>,
}

/// Gives each waiting entry to a shard, if that has room for it or had, when it was asked before.
fn share_out(
    cx: &Cx<'_>,
    stream: &Stream,
    entries: &[Entry<'_>],
    waiting: &[usize],
    asked_at: Option<Time>,
    mut sealing: Option<&mut Sealing>,
    outcomes: &mut [Option<Result<Written>>],
) -> Vec<Share> {
    let shards = stream.routing().shards();
    let Placement { placed, throttled } = placement::place(stream, entries, waiting, asked_at);
    if !throttled.is_empty() {
        throttle(cx, stream, &throttled, outcomes);
    }
    let share = |group: &[Placed<'_>]| {
        let shard = shards.get(group.first()?.owner)?;
        Some(Share::new(Arc::clone(shard), group, sealing.as_deref_mut()))
    };
    placed.chunk_by(|a, b| a.owner == b.owner).filter_map(share).collect()
}

/// Tells entries that their shards have no room for them, and the ledger why.
#[cold]
fn throttle(
    cx: &Cx<'_>,
    stream: &Stream,
    throttled: &[(Placed<'_>, Refusal)],
    outcomes: &mut [Option<Result<Written>>],
) {
    let (arn, shards) = (&stream.state().arn, stream.routing().shards());
    let refused = throttled.iter().filter_map(|(Placed { owner, entry, .. }, refusal)| {
        let (shard, bytes) = (shards.get(*owner)?.id(), entry.payload_bytes() as u64);
        Some(Refused::record(shard, *refusal, bytes, entry.partition_key))
    });
    cx.note_throttled_records(arn, refused);
    for (Placed { owner, index, .. }, _) in throttled {
        if let (Some(shard), Some(outcome)) = (shards.get(*owner), outcomes.get_mut(*index)) {
            *outcome = Some(Err(write_throttled(arn, shard.id())));
        }
    }
}

impl Share {
    fn new(shard: Arc<Shard>, placed: &[Placed<'_>], mut sealing: Option<&mut Sealing>) -> Self {
        let seal_bytes = if sealing.is_some() { record::SEAL_BYTES_MAX } else { 0 };
        let overhead = RECORD_OVERHEAD_BYTES + seal_bytes;
        let stored_bytes = |placed: &Placed<'_>| placed.entry.payload_bytes() + overhead;
        let mut batch = RecordBatch::with_capacity(placed.iter().map(stored_bytes).sum());
        for Placed { entry, .. } in placed {
            let Entry { partition_key, explicit, data } = *entry;
            batch.push_sealed(*partition_key, *explicit, data, sealing.as_deref_mut());
        }
        Self { shard, batch, entries: placed.iter().map(|placed| placed.index).collect() }
    }

    async fn append(mut self) -> (Self, Result<Appended, AppendError>) {
        let batch = std::mem::take(&mut self.batch);
        let appended = self.shard.append(batch).await;
        (self, appended)
    }

    fn note(
        &self,
        appended: &Result<Appended, AppendError>,
        outcomes: &mut [Option<Result<Written>>],
    ) {
        let mut next = appended.as_ref().ok().map(|appended| appended.first);
        for index in &self.entries {
            let outcome = match (appended, next) {
                (Ok(appended), Some(offset)) => {
                    next = Some(offset.plus(1));
                    let number = self.shard.sequence_number(offset, appended.arrival);
                    Ok(Written { shard: self.shard.id(), number })
                }
                (Err(AppendError::Engine(error)), _) => Err(error.clone().into()),
                _ => Err(Error(ErrorKind::InternalFailureException.with(FAILED))),
            };
            if let Some(place) = outcomes.get_mut(*index) {
                *place = Some(outcome);
            }
        }
    }
}
