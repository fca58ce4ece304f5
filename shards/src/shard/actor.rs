//! The actor of a shard: it alone appends, so that order in the shard is order of arrival.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use millpond_api::types::{ShardId, StreamArn, Timestamp};
use millpond_quotas::{Clock, Meter};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{AppendError, Appended, Storage};
use crate::{
    batch::{Chunk, RecordBatch},
    engine::{EngineError, Offset, StoredChunk},
    state::ShardEnd,
};

/// Commits that a shard has under way at most. One is being written while the next waits in the
/// committer's queue; more would only make the batches smaller.
const COMMITS_MAX: usize = 2;

/// Bytes after which waiting batches go into the next commit.
const COMMIT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What a shard's actor is asked for.
pub(super) enum Message {
    /// Store the batch and answer when it is durable.
    Append { batch: RecordBatch, waiter: Waiter },
    /// Refuse further batches; answer when those under way have ended.
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

/// A commit that has ended, with what it was for.
struct Committed {
    outcome: Result<Offset, EngineError>,
    chunks: Vec<Chunk>,
    arrival: Timestamp,
    payload_bytes: u64,
    waiters: Vec<Waiter>,
}

/// State of the actor. Transitions are plain functions; only `run` waits.
pub(super) struct Actor {
    stream: StreamArn,
    shard: ShardId,
    storage: Storage,
    meter: Arc<Meter>,
    clock: Clock,
    messages: mpsc::Receiver<Message>,
    commits: FuturesOrdered<BoxFuture<'static, Committed>>,
    last_arrival: Timestamp,
    sealed: bool,
    sealing: Vec<oneshot::Sender<Result<ShardEnd, EngineError>>>,
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
            commits: FuturesOrdered::new(),
            last_arrival,
            sealed: false,
            sealing: Vec::new(),
            failed: None,
        }
    }

    /// Runs until the last handle of the shard is gone, and every commit has ended.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                Some(committed) = self.commits.next() => self.committed(committed),
                message = self.messages.recv(), if self.commits.len() < COMMITS_MAX => {
                    let Some(message) = message else { break };
                    // Requests that are ready to run may have records for this commit, which
                    // costs as much for one as for many.
                    tokio::task::yield_now().await;
                    self.handle(message);
                }
            }
            self.answer_sealing();
        }
        while let Some(committed) = self.commits.next().await {
            self.committed(committed);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Append { waiter, .. } if self.sealed => {
                waiter.reply.send(Err(AppendError::Sealed)).ok();
            }
            Message::Append { batch, waiter } => self.append(batch, waiter),
            Message::Seal { reply } => {
                self.sealed = true;
                self.sealing.push(reply);
            }
            Message::Unseal => self.sealed = false,
        }
    }

    /// Commits the batch together with those that wait behind it.
    fn append(&mut self, mut batch: RecordBatch, waiter: Waiter) {
        let mut waiters = vec![waiter];
        let mut after = None;
        while batch.stored_bytes() < COMMIT_BYTES_MAX {
            match self.messages.try_recv() {
                Ok(Message::Append { batch: later, waiter }) => {
                    waiters.push(waiter);
                    batch.append(later);
                }
                Ok(other) => {
                    after = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        self.commit(batch, waiters);
        if let Some(message) = after {
            self.handle(message);
        }
    }

    fn commit(&mut self, batch: RecordBatch, waiters: Vec<Waiter>) {
        // Stamped after gathering: one reading of the clock a commit, and order in the shard is
        // order of time.
        let now = Timestamp::from_millis(self.clock.now().millis());
        let arrival = now.max(self.last_arrival);
        self.last_arrival = arrival;
        let payload_bytes = batch.payload_bytes();
        let chunks = batch.stamp(arrival);
        let commit = self.storage.log.append(chunks.clone());
        let committed = commit.map(move |outcome| Committed {
            outcome,
            chunks,
            arrival,
            payload_bytes,
            waiters,
        });
        self.commits.push_back(committed.boxed());
    }

    fn committed(&mut self, committed: Committed) {
        let Committed { outcome, chunks, arrival, payload_bytes, waiters } = committed;
        match outcome {
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

    fn answer_sealing(&mut self) {
        if self.sealing.is_empty() || !self.commits.is_empty() {
            return;
        }
        let (end, last_arrival) = (self.storage.log.bounds().end, self.storage.last_arrival());
        let end = match &self.failed {
            None => Ok(ShardEnd { shard: self.shard, end, last_arrival }),
            Some(error) => Err(error.clone()),
        };
        for reply in self.sealing.drain(..) {
            reply.send(end.clone()).ok();
        }
    }
}
