//! The directory: all streams at one moment, with the handles of their shards, and what accounts
//! have settled. Read without a lock; replaced whole by `Control`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use millpond_api::types::{ShardId, StreamArn, StreamName, Timestamp};
use millpond_quotas::{Quotas, ShardQuota, limits};
use tokio::sync::watch;

use crate::{
    Error,
    commitment::Commitment,
    crypt::Vault,
    observed::{self, Gone, Meters, Observed},
    services::Services,
    shard::Shard,
    state::{ShardLimit, State},
    stream::{Namespace, StreamNumber, StreamState, retention, routing::RoutingTable},
};

/// A stream as requests see it.
pub struct Stream {
    state: Arc<StreamState>,
    routing: RoutingTable<Shard>,
    shards: BTreeMap<ShardId, Arc<Shard>>,
    // Only where there are data keys.
    vault: Option<Arc<Vault>>,
    // Only where limits are kept.
    meters: Option<Arc<Meters>>,
    turns: AtomicUsize,
}

impl Stream {
    /// What the metadata says of the stream.
    #[must_use]
    pub fn state(&self) -> &StreamState {
        &self.state
    }

    /// Which open shard owns which hash keys.
    #[must_use]
    pub fn routing(&self) -> &RoutingTable<Shard> {
        &self.routing
    }

    /// The stream's data keys as far as they are ready for use, if it has any.
    pub(crate) fn vault(&self) -> Option<&Vault> {
        self.vault.as_deref()
    }

    /// Counts what the stream has to take, where limits are kept.
    #[must_use]
    pub fn meters(&self) -> Option<&Meters> {
        self.meters.as_deref()
    }

    /// A number that is one more each time: whose turn it is to take records, where that isn't for
    /// their keys to say.
    #[must_use]
    pub fn take_turn(&self) -> usize {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// The handle of a shard, open or closed.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Option<&Arc<Shard>> {
        self.shards.get(&id)
    }

    /// Every shard, in order of their ids.
    pub fn shards(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.shards.values()
    }
}

/// All streams at one moment.
#[derive(Default)]
pub struct Snapshot {
    namespaces: BTreeMap<Namespace, BTreeMap<StreamName, Arc<Stream>>>,
    by_number: HashMap<StreamNumber, Arc<Stream>>,
    commitments: BTreeMap<Namespace, Commitment>,
}

impl Snapshot {
    /// The streams of a namespace, by name.
    #[must_use]
    pub fn namespace(&self, namespace: &Namespace) -> Option<&BTreeMap<StreamName, Arc<Stream>>> {
        self.namespaces.get(namespace)
    }

    /// The stream of this name, if there is one.
    #[must_use]
    pub fn stream(&self, namespace: &Namespace, name: &str) -> Option<&Arc<Stream>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// The stream of this number, unless it is gone.
    #[must_use]
    pub fn stream_of_number(&self, number: StreamNumber) -> Option<&Arc<Stream>> {
        self.by_number.get(&number)
    }

    /// The stream of this number and `log_number`, unless it is gone, or another was restored in
    /// its place.
    pub(crate) fn same_stream(
        &self,
        number: StreamNumber,
        log_number: StreamNumber,
    ) -> Option<&Arc<Stream>> {
        self.stream_of_number(number).filter(|stream| stream.state.log_number == log_number)
    }

    /// What accounts have committed themselves to, if they ever have.
    #[must_use]
    pub fn commitments(&self) -> &BTreeMap<Namespace, Commitment> {
        &self.commitments
    }

    /// Whether the account is committed to a minimum throughput.
    #[must_use]
    pub fn is_committed(&self, namespace: &Namespace, now: Timestamp) -> bool {
        self.commitments.get(namespace).is_some_and(|commitment| commitment.in_force(now))
    }

    /// Every stream.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<Stream>> {
        self.namespaces.values().flat_map(BTreeMap::values)
    }
}

/// The current snapshot, and word of every new one.
pub struct Directory {
    current: ArcSwap<Snapshot>,
    version: watch::Sender<u64>,
    services: Services,
    quotas: Quotas,
    shard_limit: ShardLimit,
    // Locked when a stream goes, and when somebody asks.
    gone: Mutex<Gone>,
}

impl Directory {
    /// A directory of no streams.
    #[must_use]
    pub fn new(services: Services, quotas: Quotas, shard_limit: ShardLimit) -> Self {
        let (current, version) = (ArcSwap::default(), watch::Sender::new(0));
        let gone = Mutex::default();
        Self { current, version, services, quotas, shard_limit, gone }
    }

    /// Open shards that a namespace may have.
    #[must_use]
    pub fn shard_limit(&self, namespace: &Namespace) -> u64 {
        self.shard_limit.of(namespace)
    }

    /// All streams now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The stream of this name.
    ///
    /// # Errors
    /// `StreamNotFound` when there is none.
    pub fn stream(&self, namespace: &Namespace, name: &StreamName) -> Result<Arc<Stream>, Error> {
        let snapshot = self.current.load();
        let stream = snapshot.stream(namespace, name.as_str()).cloned();
        stream.ok_or_else(|| Error::StreamNotFound { stream: namespace.arn(name.clone()) })
    }

    /// Waits until the stream has changed since `seen` was read, or is gone.
    pub async fn changed(&self, seen: &Stream) {
        let mut versions = self.version.subscribe();
        let unchanged = || {
            let snapshot = self.current.load();
            let now = snapshot.stream_of_number(seen.state.number);
            now.is_some_and(|stream| Arc::ptr_eq(&stream.state, &seen.state))
        };
        while unchanged() && versions.changed().await.is_ok() {}
    }

    /// Makes the state visible. Streams and shards that are the same keep their handles.
    pub(crate) fn publish(&self, state: &State) {
        self.publish_after(&self.current.load(), state);
    }

    /// Makes the state visible with new handles for everything: what has the same number is another
    /// stream. What was there isn't told of any more.
    pub(crate) fn publish_anew(&self, state: &State) {
        self.gone().forget(|_| true);
        self.publish_after(&Snapshot::default(), state);
    }

    fn publish_after(&self, before: &Snapshot, state: &State) {
        let commitments = state.commitments().clone();
        let mut snapshot = Snapshot { commitments, ..Snapshot::default() };
        for stream in state.streams() {
            let stream = self.handles(stream, before.stream_of_number(stream.number));
            let arn = &stream.state.arn;
            let streams = snapshot.namespaces.entry(Namespace::of(arn)).or_default();
            streams.insert(arn.name.clone(), Arc::clone(&stream));
            snapshot.by_number.insert(stream.state.number, stream);
        }
        self.note_gone(before, &snapshot);
        self.current.store(Arc::new(snapshot));
        self.version.send_modify(|version| *version += 1);
    }

    /// What every stream had to take since it was there, the server started, everything was
    /// replaced or [`forget_observed`](Self::forget_observed): also of streams that are gone.
    /// Nothing where no limits are kept.
    #[must_use]
    pub fn observed(&self) -> Vec<Observed> {
        let snapshot = self.current.load();
        let there = snapshot.streams().filter_map(|stream| observed::observe(stream, false));
        self.gone().iter().cloned().chain(there).collect()
    }

    /// Begins anew with the streams that `of` picks.
    pub fn forget_observed(&self, of: impl Fn(&StreamArn) -> bool) {
        self.gone().forget(&of);
        for stream in self.current.load().streams().filter(|stream| of(&stream.state.arn)) {
            stream.meters.iter().for_each(|meters| meters.clear());
            stream.shards().for_each(|shard| shard.quota().clear_peaks());
        }
    }

    fn note_gone(&self, before: &Snapshot, after: &Snapshot) {
        let is_gone = |stream: &&Arc<Stream>| {
            stream.meters.is_some() && after.stream_of_number(stream.state.number).is_none()
        };
        let mut streams = before.streams().filter(is_gone).peekable();
        if streams.peek().is_some() {
            self.gone().add(streams.filter_map(|stream| observed::observe(stream, true)));
        }
    }

    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().expect("nothing panics while it holds them")
    }

    /// Lets go of every shard; their actors end when the last request does.
    pub(crate) fn clear(&self) {
        self.current.store(Arc::default());
        self.version.send_modify(|version| *version += 1);
    }

    fn handles(&self, state: &Arc<StreamState>, before: Option<&Arc<Stream>>) -> Arc<Stream> {
        if let Some(before) = before.filter(|before| Arc::ptr_eq(&before.state, state)) {
            return Arc::clone(before);
        }
        let tier = retention::tier(state.retention_hours);
        let bytes_max = limits::record_bytes_max(state.max_record_kib.into());
        let mut shards = BTreeMap::new();
        for shard in state.shards.values() {
            let known = before.and_then(|stream| stream.shard(shard.id)).cloned();
            let handle = known.unwrap_or_else(|| {
                let quota = ShardQuota::new(&self.quotas, bytes_max);
                let (stream, services) = (state.arn.clone(), self.services.clone());
                Arc::new(Shard::new(stream, shard, tier, quota, services))
            });
            handle.follow(&shard.segments);
            handle.place(tier);
            handle.set_record_bytes_max(bytes_max);
            shards.insert(shard.id, handle);
        }
        let open = state
            .open_shards()
            .filter_map(|shard| Some((shard.range, Arc::clone(shards.get(&shard.id)?))));
        let routing = RoutingTable::new(open);
        let vault = (!state.encryption.data_keys.is_empty())
            .then(|| before.and_then(|stream| stream.vault.clone()).unwrap_or_default());
        let new = || Arc::new(Meters::new(self.services.clock.clone()));
        let meters = self.quotas.throttle().then(|| {
            let Some((before, meters)) = before.and_then(|s| Some((s, s.meters.as_ref()?))) else {
                return new();
            };
            meters.settle(&before.state);
            Arc::clone(meters)
        });
        Arc::new(Stream {
            state: Arc::clone(state),
            routing,
            shards,
            vault,
            meters,
            turns: AtomicUsize::default(),
        })
    }
}
