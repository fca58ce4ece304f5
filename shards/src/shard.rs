//! One shard: where its records go in and come out. A cheap handle; the actor behind it starts with
//! the first record.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use millpond_api::types::{SequenceNumber, ShardId, StreamArn, Timestamp};
use millpond_quotas::{Meter, Refusal, ShardQuota, Time};
use tokio::sync::{OnceCell, mpsc, oneshot};

use crate::{
    Error,
    batch::RecordBatch,
    engine::{EngineError, Offset, RetentionTier, ShardLog},
    services::Services,
    state::ShardEnd,
    stream::{Segment, ShardState},
};

mod actor;
mod history;
mod reading;
mod tail;

pub use reading::{Charged, Limit, Reading};
pub use tail::TailBudget;

use actor::{Actor, Message, Waiter};
use history::History;
use tail::Tail;

/// Batches that may wait for a shard's actor; more wait in their requests.
const MAILBOX_BATCHES_MAX: usize = 1024;

/// Records that may wait to be durable, all shards together, whether their requests still wait or
/// not; more wait in their requests, before they reach an actor. Less than the engine's queue
/// holds, so that no actor ever waits there.
pub const WAITING_KIB_MAX: usize = 32 * 1024;

/// How long a request waits for its records to be durable.
const APPEND_DEADLINE: Duration = Duration::from_secs(10);

/// A shard that records are appended to and read from.
pub struct Shard {
    stream: StreamArn,
    id: ShardId,
    created: Timestamp,
    // The log that the shard writes.
    segment: Segment,
    // What was written before it; for most shards there is nothing.
    history: ArcSwap<History>,
    // Read when the log is opened, and written when the retention period changes: never contended.
    tier: Mutex<RetentionTier>,
    quota: ShardQuota,
    meter: Arc<Meter>,
    services: Services,
    // Opened by the first request, so that a thousand idle shards cost next to nothing.
    storage: OnceCell<Storage>,
    mailbox: OnceLock<mpsc::Sender<Message>>,
}

#[derive(Clone)]
struct Storage {
    log: Arc<dyn ShardLog>,
    tail: Arc<Tail>,
    // When the last record before the log arrived.
    after: Timestamp,
}

impl Storage {
    /// When the last record arrived.
    fn last_arrival(&self) -> Timestamp {
        self.log.last_arrival().max(self.after)
    }
}

/// Where a batch was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Position of the batch's first record; the others follow without a gap.
    pub first: Offset,
    /// When its records arrived.
    pub arrival: Timestamp,
}

/// Why a batch was not stored, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendError {
    /// The shard is being closed: its hash keys are about to have other owners.
    Sealed,
    /// Storage refused or failed.
    Engine(EngineError),
    /// No answer came in time. The records may be stored all the same.
    TimedOut,
}

impl Shard {
    /// A handle to the shard of `stream` that `state` describes.
    #[must_use]
    pub fn new(
        stream: StreamArn,
        state: &ShardState,
        tier: RetentionTier,
        quota: ShardQuota,
        services: Services,
    ) -> Self {
        Self {
            stream,
            id: state.id,
            created: state.created,
            segment: state.segment(),
            history: ArcSwap::from_pointee(History::of(&state.segments)),
            tier: Mutex::new(tier),
            quota,
            meter: Arc::default(),
            services,
            storage: OnceCell::new(),
            mailbox: OnceLock::new(),
        }
    }

    /// The shard's id within its stream.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// Whether this is the very shard that was `seen` before: one that took another's place has its
    /// numbers, too, but counts from 0.
    #[must_use]
    pub fn is(self: &Arc<Self>, seen: &Weak<Self>) -> bool {
        std::ptr::eq(Arc::as_ptr(self), seen.as_ptr())
    }

    /// What went through the shard since the server started, or everything was replaced.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Asks for room at `now` for one record of this many bytes of data and partition key.
    ///
    /// # Errors
    /// The limit that refuses it; as to what is spent then, see [`ShardQuota::admit_write`].
    pub fn admit_write(&self, now: Time, payload_bytes: u64) -> Result<(), Refusal> {
        self.quota.note_offered(now, payload_bytes);
        let admitted = self.quota.admit_write(now, payload_bytes);
        admitted.inspect_err(|_| self.meter.count_write_throttles(1))
    }

    /// The same for a record that another shard may take, too: a refusal is not counted.
    ///
    /// # Errors
    /// Those of `admit_write`.
    pub fn offer_write(&self, now: Time, payload_bytes: u64) -> Result<(), Refusal> {
        self.quota.admit_write(now, payload_bytes)
    }

    /// Counts a record of this many bytes of data and partition key for the busiest second, also
    /// when it is refused.
    pub fn note_offered(&self, now: Time, payload_bytes: u64) {
        self.quota.note_offered(now, payload_bytes);
    }

    /// What the shard admits.
    #[must_use]
    pub fn quota(&self) -> &ShardQuota {
        &self.quota
    }

    /// Asks for room for one GetRecords call.
    ///
    /// # Errors
    /// The limit that refuses it; nothing is spent then.
    pub fn admit_read(&self) -> Result<(), Refusal> {
        let admitted = self.quota.admit_read_call(self.services.clock.now());
        admitted.inspect_err(|_| self.meter.count_read_throttle())
    }

    /// Asks for room for one GetShardIterator call.
    ///
    /// # Errors
    /// The limit that refuses it; nothing is spent then.
    pub fn admit_iterator(&self) -> Result<(), Refusal> {
        self.quota.admit_iterator_call(self.services.clock.now())
    }

    /// Stores the records of `batch`, which is not empty, and answers when they are durable.
    ///
    /// # Errors
    /// When the shard is being closed, storage fails, or no answer comes in time.
    pub async fn append(&self, batch: RecordBatch) -> Result<Appended, AppendError> {
        let storage = self.storage().await.map_err(|error| {
            tracing::warn!(stream = %self.stream, shard = %self.id, %error, "log not opened");
            AppendError::Engine(error)
        })?;
        let (reply, appended) = oneshot::channel();
        let kib = batch.stored_bytes().div_ceil(1024).min(WAITING_KIB_MAX);
        let stored = async {
            let room = Arc::clone(&self.services.waiting_kib).acquire_many_owned(kib as u32).await;
            let room = room.expect("the room is never closed");
            let waiter = Waiter { records: batch.records(), reply, _room: room };
            let message = Message::Append { batch, waiter };
            self.mailbox(storage).send(message).await.map_err(|_| AppendError::Sealed)?;
            appended.await.map_err(|_| AppendError::Engine(EngineError::Closed))?
        };
        let in_time = tokio::time::timeout(APPEND_DEADLINE, stored).await;
        in_time.unwrap_or(Err(AppendError::TimedOut))
    }

    /// Refuses further records, waits for those under way, and tells where the shard ends.
    ///
    /// # Errors
    /// When the log can't be opened, or has failed: where it ends is known when the server has
    /// started anew.
    pub async fn seal(&self) -> Result<ShardEnd, Error> {
        let storage = self.storage().await?;
        let (reply, sealed) = oneshot::channel();
        let message = Message::Seal { reply };
        self.mailbox(storage).send(message).await.map_err(|_| Error::Stopping)?;
        Ok(sealed.await.map_err(|_| Error::Stopping)??)
    }

    /// Takes records again after a `seal` that came to nothing.
    pub async fn unseal(&self) {
        if let Some(mailbox) = self.mailbox.get() {
            // An actor that is gone takes no records anyway.
            mailbox.send(Message::Unseal).await.ok();
        }
    }

    /// The position after the last record.
    ///
    /// # Errors
    /// When the log can't be opened.
    pub async fn end(&self) -> Result<Offset, EngineError> {
        Ok(self.storage().await?.log.bounds().end)
    }

    /// Where the shard ends at this moment; it may grow on.
    ///
    /// # Errors
    /// When the log can't be opened.
    pub async fn ends_now(&self) -> Result<ShardEnd, EngineError> {
        let storage = self.storage().await?;
        let (end, last_arrival) = (storage.log.bounds().end, storage.last_arrival());
        Ok(ShardEnd { shard: self.id, end, last_arrival })
    }

    /// The records before its first segment are gone, and others may be in other logs by now.
    pub(crate) fn follow(&self, segments: &[Segment]) {
        let Some(history) = self.history.load().followed_by(segments) else { return };
        if let Some(storage) = self.storage.get() {
            storage.tail.forget_before(history.begins());
        }
        self.history.store(Arc::new(history));
    }

    /// From now on records are expected to live as long as `tier` says.
    pub fn place(&self, tier: RetentionTier) {
        *self.tier() = tier;
        if let Some(storage) = self.storage.get() {
            storage.log.place(tier);
        }
    }

    /// From now on records may be `bytes_max` long, data and partition key together.
    pub fn set_record_bytes_max(&self, bytes_max: u64) {
        self.quota.set_record_bytes_max(bytes_max);
    }

    /// Gives back the memory of the newest records when none has arrived since `before`.
    pub fn forget_if_idle(&self, before: Timestamp) {
        if let Some(storage) = self.storage.get() {
            storage.tail.forget_if_idle(before);
        }
    }

    /// The sequence number of the record at `offset`.
    #[must_use]
    pub fn sequence_number(&self, offset: Offset, arrival: Timestamp) -> SequenceNumber {
        SequenceNumber {
            shard_created: self.created.seconds().cast_unsigned(),
            index: offset.value() + 1,
            arrival: arrival.seconds().cast_unsigned(),
            shard: self.id,
        }
    }

    /// The sequence number that the record at `next` comes after: that of the record before it, if
    /// it arrived at `arrival`, or one below the first.
    #[must_use]
    pub fn number_before(&self, next: Offset, arrival: Timestamp) -> SequenceNumber {
        SequenceNumber { index: next.value(), ..self.sequence_number(Offset::ZERO, arrival) }
    }

    /// Position of the first record whose sequence number is at or above `number`, which belongs to
    /// this shard.
    #[must_use]
    pub fn offset_at(&self, number: SequenceNumber) -> Offset {
        Offset::new(number.index.saturating_sub(1))
    }

    /// Position of the first record whose sequence number is above `number`, which belongs to this
    /// shard.
    #[must_use]
    pub fn offset_after(&self, number: SequenceNumber) -> Offset {
        Offset::new(number.index)
    }

    /// Whether `number` is of this shard, of this incarnation of the stream.
    #[must_use]
    pub fn owns(&self, number: SequenceNumber) -> bool {
        number.shard == self.id && number.shard_created == self.created.seconds().cast_unsigned()
    }

    async fn storage(&self) -> Result<&Storage, EngineError> {
        let open = async || {
            let Segment { log, from, after } = self.segment;
            let log = self.services.engine.open_log(log, from).await?;
            log.place(*self.tier());
            let tail = Tail::new(log.bounds().end, Arc::clone(&self.services.tail_budget));
            Ok(Storage { log, tail: Arc::new(tail), after })
        };
        self.storage.get_or_try_init(open).await
    }

    fn tier(&self) -> MutexGuard<'_, RetentionTier> {
        self.tier.lock().expect("nothing panics while it holds the tier")
    }

    fn mailbox(&self, storage: &Storage) -> &mpsc::Sender<Message> {
        self.mailbox.get_or_init(|| {
            let (sender, messages) = mpsc::channel(MAILBOX_BATCHES_MAX);
            let (storage, meter) = (storage.clone(), Arc::clone(&self.meter));
            let (shard, clock) = ((self.stream.clone(), self.id), self.services.clock.clone());
            let actor = Actor::new(shard, storage, meter, clock, messages);
            self.services.tasks.spawn("shard", actor.run());
            sender
        })
    }
}

#[cfg(test)]
mod tests;
