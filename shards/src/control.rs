//! The single writer of metadata: applies commands one after another, makes each durable, then
//! visible, and carries transitions through when they are due.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use millpond_api::types::{ShardId, Timestamp};
use millpond_quotas::{Attendant, Counts, Time};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    directory::Directory,
    domain::note_of_time,
    engine::{EngineError, MetadataChange},
    services::Services,
    snapshot::{Archive, Contents, SnapshotError},
    state::{Command, ConsumerCommand, ShardEnd, ShardLimit, State, apply, rows},
    stream::{Intent, Namespace, StreamNumber, StreamState},
};

mod restore;

pub(crate) use restore::TokenKey;

/// Commands that may wait for their turn.
const COMMANDS_MAX: usize = 1024;

/// How long a transition that storage refused waits for its next attempt.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The way to the single writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
enum Request {
    Apply(Command, oneshot::Sender<Result<(), Error>>),
    Restore(Box<Archive>, oneshot::Sender<Result<Taken, SnapshotError>>),
}

/// What was taken from a snapshot.
type Taken = (Contents, Option<TokenKey>);

impl Control {
    /// Applies `command`; durable and visible when it answers. A transition that is due at once has
    /// taken effect by then, unless storage refused that.
    ///
    /// # Errors
    /// The command's precondition that doesn't hold, or why storage failed.
    pub async fn submit(&self, command: Command) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Apply(command, reply);
        self.requests.send(request).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Replaces everything by what `archive` holds.
    ///
    /// # Errors
    /// When it can't be read any more, or storage fails.
    pub(crate) async fn restore(&self, archive: Archive) -> Result<Taken, SnapshotError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Restore(Box::new(archive), reply);
        self.requests.send(request).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Loads the metadata, publishes it and starts the writer.
    ///
    /// # Errors
    /// When the metadata can't be read.
    pub(crate) async fn start(
        services: Services,
        directory: Arc<Directory>,
        shard_limit: ShardLimit,
        counts: Counts,
    ) -> Result<Self, Error> {
        let state = rows::load(&services.engine.load_metadata().await?, shard_limit)?;
        let state = state.limited_to(counts);
        directory.publish(&state);
        let (requests, received) = mpsc::channel(COMMANDS_MAX);
        let attendant = services.clock.attendant("control");
        let (tasks, retries) = (services.tasks.clone(), Retries::default());
        let writer = Writer { state, directory, services, retries, attendant, amends: Vec::new() };
        tasks.spawn("control", writer.run(received, tasks.stop()));
        Ok(Self { requests })
    }
}

/// The one owner of the state.
struct Writer {
    state: State,
    directory: Arc<Directory>,
    services: Services,
    retries: Retries,
    attendant: Attendant,
    /// What takes back changes that failed, but may be durable all the same.
    amends: Vec<MetadataChange>,
}

/// What the writer waited for.
enum Next {
    Asked(Request),
    Due,
    Stop,
}

/// A stream, and its shards that were sealed.
type Sealed = (Arc<StreamState>, Vec<ShardId>);

/// When to try again what storage refused; it stays due meanwhile. A move of the clock goes past
/// attempts as long as nobody does anything, and tells who isn't done.
#[derive(Debug, Default)]
struct Retries {
    transitions: HashMap<StreamNumber, Time>,
    unused_logs: Option<Time>,
}

impl Retries {
    fn next(&self) -> Option<Time> {
        self.transitions.values().copied().chain(self.unused_logs).min()
    }
}

impl Writer {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, stop: CancellationToken) {
        self.settle_due().await;
        loop {
            let (due, retry) = (self.next_due(), self.retries.next());
            let (at, again) = (due.unwrap_or_default(), retry.unwrap_or_default());
            let next = async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => Next::Stop,
                    request = requests.recv() => request.map_or(Next::Stop, Next::Asked),
                    () = self.attendant.sleep_until(at), if due.is_some() => Next::Due,
                    () = self.attendant.sleep_until_retry(again, RETRY_AFTER),
                        if retry.is_some() => Next::Due,
                }
            };
            match self.attendant.rest(next).await {
                Next::Stop => break,
                Next::Due => self.settle_due().await,
                Next::Asked(request) => self.serve(request).await,
            }
        }
        // Only here: from outside, it would fall between two steps of a transition.
        self.directory.clear();
    }

    /// Does what was asked, and what is due by that. Who asked may be gone; it is done all the
    /// same.
    async fn serve(&mut self, request: Request) {
        match request {
            Request::Apply(command, reply) => {
                let outcome = match command {
                    Command::Reset => self.reset().await,
                    command => self.commit(&command).await,
                };
                self.settle_due().await;
                reply.send(outcome).ok();
            }
            Request::Restore(archive, reply) => {
                let outcome = Box::pin(self.restore(&archive)).await;
                self.settle_due().await;
                reply.send(outcome).ok();
            }
        }
    }

    /// When the first transition is due that storage has not refused.
    fn next_due(&self) -> Option<Time> {
        let refused = &self.retries.transitions;
        let streams = self.state.streams().filter(|s| !refused.contains_key(&s.number));
        streams.filter_map(|stream| Some(Time::from_millis(stream.due()?.millis()))).min()
    }

    async fn commit(&mut self, command: &Command) -> Result<(), Error> {
        let next = apply(&self.state, command)?;
        self.make(next, Vec::new()).await?;
        tracing::debug!(?command, "metadata applied");
        Ok(())
    }

    /// Makes `next` the state, together with changes of other rows.
    async fn make(&mut self, next: State, others: Vec<MetadataChange>) -> Result<(), Error> {
        let changes = rows::changes(&self.state, &next);
        let all: Vec<_> = self.amends.iter().cloned().chain(changes).chain(others).collect();
        if all.is_empty() {
            return Ok(());
        }
        // Metadata is never from the future, even where the machine's clock is set back meanwhile.
        let time = note_of_time(&self.services.clock);
        match self.services.engine.commit_metadata([all, vec![time]].concat()).await {
            Ok(()) => self.amends.clear(),
            Err(full @ EngineError::Full(_)) => return Err(full.into()),
            Err(error) => {
                // Later changes are made to this state: it must be the durable one by then, or logs
                // could be dropped that a fork of which nobody knows refers to.
                self.amends.extend(rows::changes(&next, &self.state));
                return Err(error.into());
            }
        }
        self.state = next;
        self.directory.publish(&self.state);
        self.attendant.acted();
        Ok(())
    }

    /// Deletes everything. Requests that were routed before must not bring back a log that was
    /// dropped, so all shards are sealed.
    async fn reset(&mut self) -> Result<(), Error> {
        let sealed = self.seal_all().await;
        let reset = self.commit(&Command::Reset).await;
        // After any other failure this may be durable all the same.
        if let Err(Error::Engine(EngineError::Full(_))) = reset {
            self.unseal_all(&sealed).await;
        }
        reset
    }

    /// Seals every open shard; those of which streams.
    async fn seal_all(&self) -> Vec<Sealed> {
        let open = |stream: &Arc<StreamState>| {
            (Arc::clone(stream), stream.open_shards().map(|shard| shard.id).collect())
        };
        let sealed: Vec<Sealed> = self.state.streams().map(open).collect();
        // Where a shard ends doesn't matter any more, or why nobody knows.
        join_all(sealed.iter().map(|(stream, open)| self.seal(stream, open))).await;
        sealed
    }

    async fn unseal_all(&self, sealed: &[Sealed]) {
        for (stream, open) in sealed {
            self.unseal(stream, open).await;
        }
    }

    /// Carries through what is due.
    async fn settle_due(&mut self) {
        let clock = self.services.clock.clone();
        let is_early = |retry: Option<&Time>| retry.is_some_and(|at| clock.now() < *at);
        let now = self.services.now();
        let due = self.state.due_transitions(now);
        let numbers: HashSet<_> = due.iter().map(|stream| stream.number).collect();
        self.retries.transitions.retain(|number, _| numbers.contains(number));
        for stream in due {
            if is_early(self.retries.transitions.get(&stream.number)) {
                continue;
            }
            self.retries.transitions.remove(&stream.number);
            if let Err(error) = self.settle(&stream, now).await {
                tracing::error!(stream = %stream.arn, %error, "transition failed, will be retried");
                self.retries.transitions.insert(stream.number, clock.now() + RETRY_AFTER);
            }
        }
        self.attendant.owes(!self.retries.transitions.is_empty());
        if is_early(self.retries.unused_logs.as_ref()) {
            return;
        }
        self.retries.unused_logs = None;
        if let Err(error) = self.drop_unused_logs().await {
            tracing::error!(%error, "unused logs not dropped, will be retried");
            self.retries.unused_logs = Some(clock.now() + RETRY_AFTER);
        }
    }

    async fn settle(&mut self, stream: &StreamState, now: Timestamp) -> Result<(), Error> {
        let is_due = |due: Option<Timestamp>| due.is_some_and(|at| at <= now);
        if stream.consumers.values().any(|consumer| is_due(consumer.due)) {
            let (stream, number) = (stream.arn.clone(), stream.number);
            let settle = ConsumerCommand::Settle { stream, number, now };
            self.commit(&Command::Consumer(settle)).await?;
        }
        if is_due(stream.transition.as_ref().map(|transition| transition.due)) {
            self.settle_stream(stream).await?;
        }
        Ok(())
    }

    async fn settle_stream(&mut self, stream: &StreamState) -> Result<(), Error> {
        let intent = stream.transition.as_ref().map(|transition| &transition.intent);
        let closes = match intent {
            Some(Intent::Reshard(plan)) => plan.closes.clone(),
            // A request that was routed before must not bring back a log that was dropped.
            Some(Intent::Delete) => stream.open_shards().map(|shard| shard.id).collect(),
            _ => Vec::new(),
        };
        let ends = match (intent, self.seal(stream, &closes).await) {
            // Where a shard ends doesn't matter any more, or why nobody knows.
            (Some(Intent::Delete), _) => Vec::new(),
            (_, Ok(ends)) => ends,
            (_, Err(error)) => {
                self.unseal(stream, &closes).await;
                return Err(error);
            }
        };
        let (arn, number, now) = (stream.arn.clone(), stream.number, self.services.now());
        let settled = self.commit(&Command::Settle { stream: arn, number, ends, now }).await;
        // After any other failure this may be durable all the same: a shard that was closed on disk
        // must not grow.
        if let Err(Error::Engine(EngineError::Full(_))) = settled {
            self.unseal(stream, &closes).await;
        }
        settled
    }

    /// Seals all of these shards, whether one of them fails or not.
    async fn seal(&self, stream: &StreamState, ids: &[ShardId]) -> Result<Vec<ShardEnd>, Error> {
        let arn = &stream.arn;
        let handles = &self.directory.stream(&Namespace::of(arn), &arn.name)?;
        let seals = ids.iter().map(|id| async move {
            let unknown = || Error::ShardNotFound { stream: arn.clone(), shard: *id };
            handles.shard(*id).ok_or_else(unknown)?.seal().await
        });
        join_all(seals).await.into_iter().collect()
    }

    async fn unseal(&self, stream: &StreamState, ids: &[ShardId]) {
        let snapshot = self.directory.snapshot();
        let handles = snapshot.stream_of_number(stream.number);
        for shard in ids.iter().filter_map(|id| handles?.shard(*id)) {
            shard.unseal().await;
        }
    }

    async fn drop_unused_logs(&mut self) -> Result<(), Error> {
        let logs: Vec<_> = self.state.unused_logs.iter().copied().collect();
        if logs.is_empty() {
            return Ok(());
        }
        // What may be durable all the same may refer to them.
        if !self.amends.is_empty() {
            self.make(self.state.clone(), Vec::new()).await?;
        }
        // Who keeps them may need the writer, which must not wait.
        let keeping = Arc::clone(&self.services.keeping);
        let Ok(_keeping) = keeping.try_read() else {
            self.retries.unused_logs = Some(self.services.clock.now() + RETRY_AFTER);
            return Ok(());
        };
        self.services.engine.drop_logs(logs.clone()).await?;
        self.commit(&Command::ForgetLogs { logs }).await
    }
}

#[cfg(test)]
mod tests;
