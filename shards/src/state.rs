//! All streams, and the commands that change them: one pure function, which every replica could
//! replay.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millpond_api::types::{StreamArn, StreamMode, StreamName, StreamStatus, Timestamp};
use millpond_quotas::{Counts, limits};

use crate::{
    Error,
    commitment::Commitment,
    engine::LogId,
    stream::{Namespace, StreamNumber, StreamState},
};

mod apply;
mod capacity;
mod command;
mod consumers;
mod encryption;
mod forks;
mod policies;
pub(crate) mod replace;
pub(crate) mod rows;
pub(crate) mod sound;
#[cfg(test)]
pub(crate) mod tests;

pub use apply::apply;
pub use capacity::CapacityCommand;
pub use command::{Command, NewMode, NewStream, Provisions, ShardEnd};
pub use consumers::ConsumerCommand;
pub use encryption::EncryptionCommand;
pub use forks::{Fork, ForkKey};
pub use policies::{PolicyCommand, Resource};

/// Everything that the metadata says. A clone shares the streams: it costs a name and a pointer for
/// each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    namespaces: BTreeMap<Namespace, BTreeMap<StreamName, Arc<StreamState>>>,
    /// What accounts have committed themselves to, ever.
    pub(crate) commitments: BTreeMap<Namespace, Commitment>,
    /// The number that the next stream gets.
    pub(crate) next_stream: StreamNumber,
    /// Logs that nothing refers to any more, until the engine has dropped them.
    pub(crate) unused_logs: BTreeSet<LogId>,
    /// Open shards that a namespace may have.
    pub(crate) shard_limit: ShardLimit,
    /// How many there may be of other things.
    pub(crate) counts: Counts,
}

/// How many open shards the streams of a namespace may have together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardLimit {
    /// As AWS has it by default, by region.
    Aws,
    /// This many in every region.
    Fixed(u64),
}

impl ShardLimit {
    /// The limit of this namespace.
    #[must_use]
    pub fn of(self, namespace: &Namespace) -> u64 {
        match self {
            Self::Aws => limits::shards_per_account_max(namespace.region.as_str()).into(),
            Self::Fixed(limit) => limit,
        }
    }
}

impl State {
    /// No streams at all, and other counts as on AWS.
    #[must_use]
    pub fn new(shard_limit: ShardLimit) -> Self {
        Self {
            namespaces: BTreeMap::new(),
            commitments: BTreeMap::new(),
            next_stream: StreamNumber(1),
            unused_logs: BTreeSet::new(),
            shard_limit,
            counts: Counts::STRICT,
        }
    }

    /// The same with these counts from now on: what exceeds them stays.
    #[must_use]
    pub fn limited_to(self, counts: Counts) -> Self {
        Self { counts, ..self }
    }

    /// The streams of a namespace, by name.
    #[must_use]
    pub fn namespace(
        &self,
        namespace: &Namespace,
    ) -> Option<&BTreeMap<StreamName, Arc<StreamState>>> {
        self.namespaces.get(namespace)
    }

    /// Every stream.
    pub fn streams(&self) -> impl Iterator<Item = &Arc<StreamState>> {
        self.namespaces.values().flat_map(BTreeMap::values)
    }

    /// What accounts have committed themselves to, if they ever have.
    #[must_use]
    pub fn commitments(&self) -> &BTreeMap<Namespace, Commitment> {
        &self.commitments
    }

    /// The stream of this name.
    ///
    /// # Errors
    /// `StreamNotFound` when there is none.
    pub fn stream(&self, arn: &StreamArn) -> Result<&Arc<StreamState>, Error> {
        self.namespaces
            .get(&Namespace::of(arn))
            .and_then(|streams| streams.get(&arn.name))
            .ok_or_else(|| Error::StreamNotFound { stream: arn.clone() })
    }

    /// Streams whose transitions, or those of their consumers, are due, the longest due first.
    #[must_use]
    pub fn due_transitions(&self, now: Timestamp) -> Vec<Arc<StreamState>> {
        let is_due = |stream: &&Arc<StreamState>| stream.due().is_some_and(|at| at <= now);
        let mut streams: Vec<_> = self.streams().filter(is_due).cloned().collect();
        streams.sort_by_key(|stream| stream.due());
        streams
    }

    /// Open shards of a namespace, and those that its streams are about to open: of all streams in
    /// this mode.
    #[must_use]
    pub fn open_shards(&self, namespace: &Namespace, mode: StreamMode) -> u64 {
        self.streams_in(namespace, mode).map(|stream| stream.open_shards_to_be()).sum()
    }

    /// The streams of a namespace that are in this mode.
    fn streams_in(
        &self,
        namespace: &Namespace,
        mode: StreamMode,
    ) -> impl Iterator<Item = &Arc<StreamState>> {
        let streams = self.namespaces.get(namespace).into_iter().flat_map(BTreeMap::values);
        streams.filter(move |stream| stream.mode() == mode)
    }

    /// What in it can't be, as a restore sees it: nothing where commands have made it.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn flaw(&self) -> Option<String> {
        sound::flaw(self)
    }

    /// Whether the account is committed to a minimum throughput.
    pub(crate) fn is_committed(&self, namespace: &Namespace, now: Timestamp) -> bool {
        self.commitments.get(namespace).is_some_and(|commitment| commitment.in_force(now))
    }

    /// The number of a new stream.
    pub(crate) fn take_number(&mut self) -> StreamNumber {
        let number = self.next_stream;
        self.next_stream = StreamNumber(number.0 + 1);
        number
    }

    pub(crate) fn put(&mut self, stream: StreamState) {
        let streams = self.namespaces.entry(Namespace::of(&stream.arn)).or_default();
        streams.insert(stream.arn.name.clone(), Arc::new(stream));
    }

    pub(crate) fn remove(&mut self, arn: &StreamArn) {
        let namespace = Namespace::of(arn);
        if let Some(streams) = self.namespaces.get_mut(&namespace) {
            streams.remove(&arn.name);
            if streams.is_empty() {
                self.namespaces.remove(&namespace);
            }
        }
    }

    /// Checks that there is room for `additional` shards, if there are any. Those of streams in the
    /// other mode count for themselves.
    fn check_shard_limit(
        &self,
        namespace: &Namespace,
        mode: StreamMode,
        additional: u64,
    ) -> Result<(), Error> {
        let (current, limit) = (self.open_shards(namespace, mode), self.shard_limit.of(namespace));
        if additional == 0 || current + additional <= limit {
            return Ok(());
        }
        Err(Error::ShardLimit { namespace: namespace.clone(), current, limit, additional })
    }

    fn active_stream(&self, arn: &StreamArn) -> Result<StreamState, Error> {
        let stream = self.stream(arn)?;
        match stream.status {
            StreamStatus::Active => Ok(StreamState::clone(stream)),
            status => Err(Error::StreamNotActive { stream: arn.clone(), status }),
        }
    }

    /// An ACTIVE stream whose shards are its owner's affair.
    fn provisioned_stream(&self, arn: &StreamArn) -> Result<StreamState, Error> {
        let stream = self.active_stream(arn)?;
        match stream.mode() {
            StreamMode::Provisioned => Ok(stream),
            StreamMode::OnDemand => Err(Error::OnDemand { stream: arn.clone() }),
        }
    }

    /// The stream, unless it is being created or deleted.
    fn usable_stream(&self, arn: &StreamArn) -> Result<StreamState, Error> {
        let stream = self.stream(arn)?;
        match stream.status {
            StreamStatus::Active | StreamStatus::Updating => Ok(StreamState::clone(stream)),
            status @ (StreamStatus::Creating | StreamStatus::Deleting) => {
                Err(Error::StreamNotActive { stream: arn.clone(), status })
            }
        }
    }
}
