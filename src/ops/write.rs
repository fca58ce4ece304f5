//! Writing entries to a stream: where each goes, whether there is room, and what became of it.
//! PutRecord is PutRecords of one.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use millpond_api::{
    ErrorKind,
    schema::Length,
    types::{Blob, EncryptionType, HashKey, SequenceNumber, ShardId, StreamStatus},
    validate::{Checker, Value},
};
use millpond_quotas::limits;
use millpond_shards::{
    Error as Fact,
    batch::RecordBatch,
    crypt::Sealing,
    directory::Stream,
    record,
    shard::{AppendError, Appended, Shard},
    stream::routing,
};

use super::{Cx, dry_run};
use crate::error::{Error, Result, invalid, write_throttled};

/// How often entries are routed anew when their shard is being closed.
const REROUTE_MAX: usize = 3;

/// How long they wait for the new shards each time.
const REROUTE_WAIT: Duration = Duration::from_secs(10);

/// Room in a batch for what stands beside a record's payload.
const RECORD_OVERHEAD_BYTES: usize = 16;

/// A record that is to be written.
pub(super) struct Entry<'a> {
    pub(super) partition_key: &'a str,
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
        self.data.len() + self.partition_key.len()
    }

    fn hash_key(&self) -> HashKey {
        self.explicit.unwrap_or_else(|| routing::hash_key(self.partition_key))
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
    let Some(partition_key) = partition_key else {
        return Err(violation(|checker| checker.missing(path("partitionKey"))));
    };
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
/// [`Fact::Kms`] when it is encrypted with a key that can't be used.
pub(super) async fn write(
    cx: &Cx<'_>,
    mut stream: Arc<Stream>,
    entries: &[Entry<'_>],
) -> Result<Outcomes> {
    let mut outcomes: Vec<Option<Result<Written>>> = entries.iter().map(|_| None).collect();
    let mut waiting: Vec<usize> = (0..entries.len()).collect();
    let mut encryption_type = None;
    for round in 0..=REROUTE_MAX {
        let mut sealing = cx.domain().crypt().sealing(&stream, waiting.len()).await?;
        encryption_type = encryption_type.or(sealing.is_some().then_some(EncryptionType::Kms));
        let routed = route(&stream, entries, &waiting, round == 0, &mut outcomes);
        let shares = share_out(&stream, &routed, sealing.as_mut());
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
        let changed = directory.stream(cx.namespace(), &arn.name).ok();
        stream = changed
            .filter(|changed| changed.state().number == stream.state().number)
            .ok_or_else(|| Fact::StreamNotFound { stream: arn.clone() })?;
    }
    let unwritten = || Err(Error(ErrorKind::InternalFailureException.with(FAILED)));
    let entries = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(unwritten)).collect();
    Ok(Outcomes { entries, encryption_type })
}

/// What an entry is told that could not be written for no fault of its own.
const FAILED: &str = "Internal service failure.";

/// The entries of one request for one shard.
struct Share {
    shard: Arc<Shard>,
    batch: RecordBatch,
    entries: Vec<usize>,
}

/// Finds the shard that owns the hash key of each waiting entry, if that has room for it. Entries
/// of one shard stand together, in order.
fn route<'a>(
    stream: &Stream,
    entries: &'a [Entry<'a>],
    waiting: &[usize],
    admit: bool,
    outcomes: &mut [Option<Result<Written>>],
) -> Vec<Routed<'a>> {
    let routing = stream.routing();
    let route = |&index: &usize| {
        let entry = entries.get(index)?;
        Some(Routed { owner: routing.index_of(entry.hash_key())?, index, entry })
    };
    let mut routed: Vec<_> = waiting.iter().filter_map(route).collect();
    routed.sort_unstable_by_key(|routed| (routed.owner, routed.index));
    if admit {
        routed.retain(|Routed { owner, index, entry }| {
            let Some(shard) = routing.shards().get(*owner) else { return false };
            let admitted = shard.admit_write(entry.payload_bytes() as u64).is_ok();
            if let Some(outcome) = outcomes.get_mut(*index).filter(|_| !admitted) {
                *outcome = Some(Err(write_throttled(&stream.state().arn, shard.id())));
            }
            admitted
        });
    }
    routed
}

/// Gives each entry to its shard, in its stored form.
fn share_out(
    stream: &Stream,
    routed: &[Routed<'_>],
    mut sealing: Option<&mut Sealing>,
) -> Vec<Share> {
    let share = |group: &[Routed<'_>]| {
        let shard = stream.routing().shards().get(group.first()?.owner)?;
        Some(Share::new(Arc::clone(shard), group, sealing.as_deref_mut()))
    };
    routed.chunk_by(|a, b| a.owner == b.owner).filter_map(share).collect()
}

/// An entry and the place of its shard in the routing table.
struct Routed<'a> {
    owner: usize,
    index: usize,
    entry: &'a Entry<'a>,
}

impl Share {
    fn new(shard: Arc<Shard>, routed: &[Routed<'_>], mut sealing: Option<&mut Sealing>) -> Self {
        let seal_bytes = if sealing.is_some() { record::SEAL_BYTES_MAX } else { 0 };
        let overhead = RECORD_OVERHEAD_BYTES + seal_bytes;
        let stored_bytes = |routed: &Routed<'_>| routed.entry.payload_bytes() + overhead;
        let mut batch = RecordBatch::with_capacity(routed.iter().map(stored_bytes).sum());
        for Routed { entry, .. } in routed {
            let Entry { partition_key, explicit, data } = *entry;
            batch.push_sealed(partition_key, *explicit, data, sealing.as_deref_mut());
        }
        Self { shard, batch, entries: routed.iter().map(|routed| routed.index).collect() }
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
