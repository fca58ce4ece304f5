//! A client that puts records, by routing, and again by the next routing where a shard is sealed.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use millpond_api::types::{Blob, HashKey, ShardId, StreamArn, Timestamp};
use millpond_shards::{
    Domain, Error,
    batch::RecordBatch,
    crypt::Sealing,
    directory::Stream,
    engine::{EngineError, Offset},
    shard::AppendError,
    stream::{Namespace, StreamNumber, routing},
};

/// How often a record that meets a sealed shard is routed anew.
const REROUTE_MAX: usize = 3;

/// How long a record waits for the routing to change.
const REROUTE_AFTER_MAX: Duration = Duration::from_secs(10);

/// A record to be.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Tells it from every other record; ascends with each attempt of a producer.
    pub(crate) serial: u64,
    /// Where there is none, there is an explicit hash key.
    pub(crate) key: Option<String>,
    pub(crate) explicit: Option<HashKey>,
    pub(crate) padding: usize,
    /// Whether the service picked the shard that it was last sent to.
    pub(crate) spread: Arc<AtomicBool>,
}

/// What a producer knows of a record after a put.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    Stored {
        number: StreamNumber,
        shard: ShardId,
        offset: Offset,
        arrival: Timestamp,
    },
    /// It is not stored, and never will be.
    Refused,
    /// It may be stored, now or after a crash.
    Unknown,
}

impl Entry {
    pub(crate) fn hash_key(&self) -> HashKey {
        self.explicit.unwrap_or_else(|| routing::hash_key(self.key.as_deref().unwrap_or_default()))
    }

    pub(crate) fn was_spread(&self) -> bool {
        self.spread.load(Ordering::Relaxed)
    }

    pub(crate) fn data(&self) -> Vec<u8> {
        let mut data = self.serial.to_be_bytes().to_vec();
        data.resize(data.len() + self.padding, self.serial as u8);
        data
    }
}

/// Puts all entries, `delay` after they were routed; the fate of each.
pub(crate) async fn put(
    domain: Arc<Domain>,
    arn: StreamArn,
    entries: Vec<Entry>,
    delay: Duration,
) -> Vec<(u64, Fate)> {
    let namespace = Namespace::of(&arn);
    let mut fates = Vec::new();
    let mut left = entries;
    for _ in 0..=REROUTE_MAX {
        let Ok(stream) = domain.directory().stream(&namespace, &arn.name) else { break };
        let mut by_shard: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        for entry in mem::take(&mut left) {
            match place(&stream, &entry) {
                Some(index) => by_shard.entry(index).or_default().push(entry),
                None => fates.push((entry.serial, Fate::Refused)),
            }
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let sealing = async |records| domain.crypt().sealing(&stream, records).await;
        let appends = by_shard.into_iter().map(async |(index, entries)| {
            append(&stream, index, sealing(entries.len()).await, entries).await
        });
        for (sealed, known) in join_all(appends).await {
            left.extend(sealed);
            fates.extend(known);
        }
        if left.is_empty() {
            return fates;
        }
        // Shards that were merged meet again: in the order of the request.
        left.sort_by_key(|entry| entry.serial);
        let changed = domain.directory().changed(&stream);
        tokio::time::timeout(REROUTE_AFTER_MAX, changed).await.ok();
    }
    fates.extend(left.into_iter().map(|entry| (entry.serial, Fate::Refused)));
    fates
}

/// Which shard takes the entry: its own, or, where the service picks, whose turn it is.
fn place(stream: &Stream, entry: &Entry) -> Option<usize> {
    let spreads = stream.state().spreads_records();
    entry.spread.store(spreads, Ordering::Relaxed);
    if spreads {
        return stream.take_turn().checked_rem(stream.routing().shards().len());
    }
    stream.routing().index_of(entry.hash_key())
}

/// Appends to one shard: the entries that met a sealed shard, or the fate of all.
async fn append(
    stream: &Stream,
    index: usize,
    sealing: Result<Option<Sealing>, Error>,
    entries: Vec<Entry>,
) -> (Vec<Entry>, Vec<(u64, Fate)>) {
    let shard = stream.routing().shards().get(index).expect("routing leads to a shard");
    let Ok(mut sealing) = sealing else {
        let refused = entries.iter().map(|entry| (entry.serial, Fate::Refused));
        return (Vec::new(), refused.collect());
    };
    let mut batch = RecordBatch::default();
    for entry in &entries {
        let data = Blob::Bytes(entry.data().into());
        batch.push_sealed(entry.key.as_deref(), entry.explicit, &data, sealing.as_mut());
    }
    let fate = match shard.append(batch).await {
        Err(AppendError::Sealed) => return (entries, Vec::new()),
        Ok(appended) => Ok(appended),
        Err(AppendError::Engine(EngineError::Full(_))) => Err(Fate::Refused),
        Err(AppendError::Engine(_) | AppendError::TimedOut) => Err(Fate::Unknown),
    };
    let fates = entries.iter().zip(0..).map(|(entry, i)| {
        let stored = fate.map(|appended| Fate::Stored {
            number: stream.state().number,
            shard: shard.id(),
            offset: appended.first.plus(i),
            arrival: appended.arrival,
        });
        (entry.serial, stored.unwrap_or_else(|unstored| unstored))
    });
    (Vec::new(), fates.collect())
}
