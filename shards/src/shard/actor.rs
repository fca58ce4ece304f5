//! The actor of a shard: it alone appends, so that order in the shard is order of arrival.

use std::sync::Arc;

use millpond_api::types::{ShardId, StreamArn, Timestamp};
use millpond_quotas::{Clock, Meter};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{AppendError, Appended, Storage};
use crate::{
    batch::{Chunk, RecordBatch},
    engine::{EngineError, Offset, StoredChunk},
    state::ShardEnd,
};

/// Bytes after which waiting batches go into the next commit.
const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Requests of less, on average, are worth waiting for: a commit costs more than they do.
const SMALL_BYTES: usize = 4 * 1024;

/// How often those that are ready to run come before a commit. The runtime lets some sixty run each
/// time, so this is for hundreds of connections.
const GATHER_ROUNDS_MAX: usize = 8;

/// What a shard's actor is asked for.
pub(super) enum Message {
    /// Store the batch and answer when it is durable.
    Append { batch: RecordBatch, waiter: Waiter },
    /// Refuse further batches; answer where those before have ended.
    Seal { reply: oneshot::Sender<Result<ShardEnd, EngineError>> },
    /// Take batches again.
    Unseal,
}

/// A request that waits for its records, or did so until it was given up.
pub(super) struct Waiter {
    pub(super) records: u32,
    pub(super) reply: oneshot::Sender<Result<Appended, AppendError>>,
    /// The room that the records take while they wait.
    pub(super) _room: OwnedSemaphorePermit,
}

/// State of the actor.
pub(super) struct Actor {
    stream: StreamArn,
    shard: ShardId,
    storage: Storage,
    meter: Arc<Meter>,
    clock: Clock,
    messages: mpsc::Receiver<Message>,
    last_arrival: Timestamp,
    sealed: bool,
    // A failed commit may be found in the log when it is opened anew: until then nobody knows where
    // the log ends.
    failed: Option<EngineError>,
}

impl Actor {
    pub(super) fn new(
        (stream, shard): (StreamArn, ShardId),
        storage: Storage,
        meter: Arc<Meter>,
        clock: Clock,
        messages: mpsc::Receiver<Message>,
    ) -> Self {
        let last_arrival = storage.last_arrival();
        Self {
            stream,
            shard,
            storage,
            meter,
            clock,
            messages,
            last_arrival,
            sealed: false,
            failed: None,
        }
    }

    /// Runs until the last handle of the shard is gone, and every commit has ended.
    ///
    /// One commit is under way at a time: what comes meanwhile gathers here, for the next.
    pub(super) async fn run(mut self) {
        while let Some(message) = self.messages.recv().await {
            // Requests that are ready to run may have records for this commit, which costs as much
            // for one as for many.
            tokio::task::yield_now().await;
            let mut next = Some(message);
            while let Some(message) = next {
                next = self.handle(message).await;
            }
        }
    }

    /// Gives back what came behind it and is still to be handled.
    async fn handle(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Append { waiter, .. } if self.sealed => {
                waiter.reply.send(Err(AppendError::Sealed)).ok();
            }
            Message::Append { batch, waiter } => {
                let (batch, waiters, after) = self.gather(batch, waiter).await;
                self.commit(batch, waiters).await;
                return after;
            }
            Message::Seal { reply } => {
                self.sealed = true;
                reply.send(self.end()).ok();
            }
            Message::Unseal => self.sealed = false,
        }
        None
    }

    /// The batch together with those that wait behind it, and what comes after them.
    ///
    /// Whoever is ready to run runs first again, as long as that brings more small ones.
    async fn gather(
        &mut self,
        mut batch: RecordBatch,
        waiter: Waiter,
    ) -> (RecordBatch, Vec<Waiter>, Option<Message>) {
        let mut waiters = vec![waiter];
        for round in 1..=GATHER_ROUNDS_MAX {
            let before = waiters.len();
            while batch.stored_bytes() < COMMIT_BYTES_MAX {
                match self.messages.try_recv() {
                    Ok(Message::Append { batch: later, waiter }) => {
                        waiters.push(waiter);
                        batch.append(later);
                    }
                    Ok(other) => return (batch, waiters, Some(other)),
                    Err(_) => break,
                }
            }
            let is_small = batch.stored_bytes() <= waiters.len() * SMALL_BYTES;
            if waiters.len() == before || !is_small || round == GATHER_ROUNDS_MAX {
                break;
            }
            tokio::task::yield_now().await;
        }
        (batch, waiters, None)
    }

    async fn commit(&mut self, batch: RecordBatch, waiters: Vec<Waiter>) {
        // Stamped after gathering: one reading of the clock a commit, and order in the shard is
        // order of time.
        let now = Timestamp::from_millis(self.clock.now().millis());
        let arrival = now.max(self.last_arrival);
        self.last_arrival = arrival;
        let payload_bytes = batch.payload_bytes();
        let chunks = batch.stamp(arrival);
        match self.storage.log.append(chunks.clone()).await {
            Ok(first) => {
                let records = chunks.iter().map(|chunk| u64::from(chunk.records())).sum();
                self.meter.count_incoming(records, payload_bytes);
                self.publish(first, chunks, arrival);
                let mut next = first;
                for Waiter { records, reply, .. } in waiters {
                    // A request that was given up has no receiver; its records are stored anyway.
                    reply.send(Ok(Appended { first: next, arrival })).ok();
                    next = next.plus(records.into());
                }
            }
            Err(error) => {
                let Self { stream, shard, .. } = &self;
                tracing::warn!(%stream, %shard, %error, "records not stored");
                for Waiter { reply, .. } in waiters {
                    reply.send(Err(AppendError::Engine(error.clone()))).ok();
                }
                if !matches!(error, EngineError::Full(_)) {
                    self.failed = Some(error);
                }
            }
        }
    }

    fn publish(&self, first: Offset, chunks: Vec<Chunk>, arrival: Timestamp) {
        let mut next = first;
        let mut stored = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            stored.push(StoredChunk { first: next, bytes: chunk.bytes().clone() });
            next = next.plus(chunk.records().into());
        }
        self.storage.tail.advance(stored, next, arrival);
    }

    /// Where the shard ends, when nothing is under way.
    fn end(&self) -> Result<ShardEnd, EngineError> {
        let (end, last_arrival) = (self.storage.log.bounds().end, self.storage.last_arrival());
        match &self.failed {
            None => Ok(ShardEnd { shard: self.shard, end, last_arrival }),
            Some(error) => Err(error.clone()),
        }
    }
}
