//! The single writer of metadata: applies commands one after another, makes each durable, then
//! visible, and carries transitions through when they are due.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    mem,
    sync::Arc,
};

use futures::future::join_all;
use millpond_api::types::{ShardId, Timestamp};
use millpond_quotas::{Attendant, Counts, Time};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    directory::Directory,
    domain::{note_of_time, note_time},
    engine::{EngineError, LogId, MetadataChange},
    services::Services,
    state::{Command, ConsumerCommand, ShardEnd, ShardLimit, State, apply, rows},
    stream::{Intent, Namespace, StreamNumber, StreamState},
    token::Tokens,
};

mod replace;
mod retries;

use retries::{RETRY_AFTER, Retries};

pub(crate) use replace::Replacement;

/// Commands that may wait for their turn.
const COMMANDS_MAX: usize = 1024;

/// The way to the single writer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Control {
    requests: mpsc::Sender<Request>,
}

enum Request {
    Apply(Command, Reply<()>),
    Stage(usize, Reply<Vec<LogId>>),
    Reset(Reply<()>),
    Restore(Box<Replacement>, Reply<()>),
    NoteTime(Reply<()>),
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

impl Control {
    /// Applies `command`; durable and visible when it answers. A transition that is due at once has
    /// taken effect by then, unless storage refused that.
    ///
    /// # Errors
    /// The command's precondition that doesn't hold, or why storage failed.
    pub async fn submit(&self, command: Command) -> Result<(), Error> {
        self.ask(|reply| Request::Apply(command, reply)).await
    }

    /// So many new logs, which are going to be filled. They count as unused: whoever fills them
    /// must hold `keeping` until they were given to [`restore`](Self::restore).
    ///
    /// # Errors
    /// Why storage failed.
    pub(crate) async fn stage(&self, logs: usize) -> Result<Vec<LogId>, Error> {
        self.ask(|reply| Request::Stage(logs, reply)).await
    }

    /// Deletes everything; streams that are created anew have new numbers.
    ///
    /// # Errors
    /// Why storage failed.
    pub(crate) async fn reset(&self) -> Result<(), Error> {
        self.ask(Request::Reset).await
    }

    /// Replaces everything, the key of tokens included; service time isn't before that of the
    /// replacement when it answers.
    ///
    /// # Errors
    /// Why storage failed: all is as it was then.
    pub(crate) async fn restore(&self, by: Replacement) -> Result<(), Error> {
        self.ask(|reply| Request::Restore(Box::new(by), reply)).await
    }

    /// Stores the service time, in the order of everything that is stored with a time: an earlier
    /// one never takes the place of a later.
    ///
    /// # Errors
    /// Why storage failed.
    pub(crate) async fn note_time(&self) -> Result<(), Error> {
        self.ask(Request::NoteTime).await
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }

    /// Loads the metadata, publishes it and starts the writer.
    ///
    /// # Errors
    /// When the metadata can't be read.
    pub(crate) async fn start(
        services: Services,
        directory: Arc<Directory>,
        tokens: Tokens,
        shard_limit: ShardLimit,
        counts: Counts,
    ) -> Result<Self, Error> {
        let state = rows::load(&services.engine.load_metadata().await?, shard_limit)?;
        let state = state.limited_to(counts);
        directory.publish(&state);
        let (requests, received) = mpsc::channel(COMMANDS_MAX);
        let attendant = services.clock.attendant("control");
        let (tasks, retries) = (services.tasks.clone(), Retries::default());
        let (amends, sealed) = (BTreeMap::new(), Sealed::new());
        let writer =
            Writer { state, directory, services, tokens, retries, attendant, amends, sealed };
        tasks.spawn("control", writer.run(received, tasks.stop()));
        Ok(Self { requests })
    }
}

/// The one owner of the state.
struct Writer {
    state: State,
    directory: Arc<Directory>,
    services: Services,
    tokens: Tokens,
    retries: Retries,
    attendant: Attendant,
    /// By the keys of rows, what takes back changes that failed, but may be durable all the same.
    amends: BTreeMap<Vec<u8>, MetadataChange>,
    /// Shards that must take no records before that is taken back.
    sealed: Sealed,
}

/// What the writer waited for.
enum Next {
    Asked(Request),
    Due,
    Stop,
}

/// Shards that were sealed, by their streams.
type Sealed = BTreeMap<StreamNumber, BTreeSet<ShardId>>;

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
                let outcome = self.commit(&command).await;
                self.answer(reply, outcome).await;
            }
            Request::Stage(logs, reply) => {
                let outcome = self.stage(logs).await;
                self.answer(reply, outcome).await;
            }
            Request::Reset(reply) => {
                let outcome = self.reset().await;
                self.answer(reply, outcome).await;
            }
            Request::Restore(by, reply) => {
                let outcome = self.restore(*by).await;
                self.answer(reply, outcome).await;
            }
            Request::NoteTime(reply) => {
                reply.send(note_time(&self.services).await.map_err(Error::from)).ok();
            }
        }
    }

    async fn answer<T>(&mut self, reply: Reply<T>, outcome: Result<T, Error>) {
        self.settle_due().await;
        reply.send(outcome).ok();
    }

    /// When the first transition is due that storage has not refused.
    fn next_due(&self) -> Option<Time> {
        let refused = &self.retries.transitions;
        let streams = self.state.streams().filter(|s| !refused.contains_key(&s.number));
        streams.filter_map(|stream| Some(Time::from_millis(stream.due()?.millis()))).min()
    }

    async fn commit(&mut self, command: &Command) -> Result<(), Error> {
        let next = apply(&self.state, command)?;
        self.make(next).await?;
        tracing::debug!(?command, "metadata applied");
        Ok(())
    }

    /// Makes `next` the state: durable, then visible.
    async fn make(&mut self, next: State) -> Result<(), Error> {
        // Metadata is never from the future, even where the machine's clock is set back meanwhile.
        let now = self.services.clock.now();
        if self.store(&next, Beside::at(now)).await? {
            self.state = next;
            self.directory.publish(&self.state);
            self.attendant.acted();
            self.release(Sealed::new()).await;
        }
        Ok(())
    }

    /// Makes `next` durable, together with changes of other rows. Whether anything had to be.
    async fn store(&mut self, next: &State, beside: Beside) -> Result<bool, Error> {
        let changes = rows::changes(&self.state, next);
        let mut all: Vec<_> = self.amends.values().cloned().collect();
        all.extend(changes.into_iter().chain(beside.changes));
        if all.is_empty() {
            return Ok(false);
        }
        all.push(note_of_time(beside.time));
        match self.services.engine.commit_metadata(all).await {
            Ok(()) => {
                self.amends.clear();
                self.retries.amends.forget();
                Ok(true)
            }
            Err(full @ EngineError::Full(_)) => Err(full.into()),
            Err(error) => {
                // Later changes are made to this state: it must be the durable one by then, or logs
                // could be dropped that a fork of which nobody knows refers to.
                let amends = rows::changes(next, &self.state).into_iter().chain(beside.amends);
                self.amends.extend(amends.map(|change| (change.key().to_vec(), change)));
                self.retries.amends.failed(self.services.clock.now());
                Err(error.into())
            }
        }
    }

    /// Lets these shards take records again after a change that came to nothing: at once, or, if it
    /// may be durable all the same, as soon as it is taken back. What was stored in a shard that is
    /// closed or gone on disk would be lost in a crash.
    async fn release(&mut self, sealed: Sealed) {
        for (stream, shards) in sealed {
            self.sealed.entry(stream).or_default().extend(shards);
        }
        if !self.amends.is_empty() {
            return;
        }
        let snapshot = self.directory.snapshot();
        for (number, shards) in mem::take(&mut self.sealed) {
            let Some(stream) = snapshot.stream_of_number(number) else { continue };
            // Another change may have closed them meanwhile.
            let open = stream.state().open_shards().filter(|shard| shards.contains(&shard.id));
            for shard in open.filter_map(|shard| stream.shard(shard.id)) {
                shard.unseal().await;
            }
        }
    }

    /// Does what is due.
    async fn settle_due(&mut self) {
        self.take_back().await;
        self.settle_transitions().await;
        self.give_up_logs().await;
    }

    /// Takes back what failed, but may be durable all the same.
    async fn take_back(&mut self) {
        if self.amends.is_empty() || self.retries.amends.is_early(self.services.clock.now()) {
            return;
        }
        if let Err(error) = self.make(self.state.clone()).await {
            tracing::error!(%error, "a failed change not taken back, will be retried");
            self.retries.amends.failed(self.services.clock.now());
        }
    }

    /// Carries through the transitions that are due.
    async fn settle_transitions(&mut self) {
        let clock = self.services.clock.clone();
        let now = self.services.now();
        let due = self.state.due_transitions(now);
        let numbers: HashSet<_> = due.iter().map(|stream| stream.number).collect();
        self.retries.transitions.retain(|number, _| numbers.contains(number));
        for stream in due {
            let refused = self.retries.transitions.get(&stream.number);
            if refused.is_some_and(|retry| retry.is_early(clock.now())) {
                continue;
            }
            self.retries.transitions.remove(&stream.number);
            if let Err(error) = self.settle(&stream, now).await {
                tracing::error!(stream = %stream.arn, %error, "transition failed, will be retried");
                let retry = self.retries.transitions.entry(stream.number).or_default();
                retry.failed(clock.now());
            }
        }
        self.attendant.owes(!self.retries.transitions.is_empty());
    }

    /// Drops the logs that nothing refers to any more.
    async fn give_up_logs(&mut self) {
        if self.retries.unused_logs.is_early(self.services.clock.now()) {
            return;
        }
        self.retries.unused_logs.forget();
        if let Err(error) = self.drop_unused_logs().await {
            tracing::error!(%error, "unused logs not dropped, will be retried");
            self.retries.unused_logs.failed(self.services.clock.now());
        }
    }

    async fn settle(&mut self, stream: &StreamState, now: Timestamp) -> Result<(), Error> {
        let is_due = |due: Option<Timestamp>| due.is_some_and(|at| at <= now);
        if stream.consumers.values().any(|consumer| is_due(consumer.due)) {
            let (stream, log_number) = (stream.arn.clone(), stream.log_number);
            let settle = ConsumerCommand::Settle { stream, log_number, now };
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
                self.release(Sealed::from([(stream.number, closes.into_iter().collect())])).await;
                return Err(error);
            }
        };
        let (number, now) = (stream.number, self.services.now());
        let (stream, log_number) = (stream.arn.clone(), stream.log_number);
        let settled = self.commit(&Command::Settle { stream, log_number, ends, now }).await;
        if settled.is_err() {
            self.release(Sealed::from([(number, closes.into_iter().collect())])).await;
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

    async fn drop_unused_logs(&mut self) -> Result<(), Error> {
        let logs: Vec<_> = self.state.unused_logs.iter().copied().collect();
        if logs.is_empty() {
            return Ok(());
        }
        // What may be durable all the same may refer to them.
        if !self.amends.is_empty() {
            self.make(self.state.clone()).await?;
        }
        // Who keeps them may need the writer, which must not wait.
        let keeping = Arc::clone(&self.services.keeping);
        let Ok(_keeping) = keeping.try_read() else {
            self.retries.unused_logs.failed(self.services.clock.now());
            return Ok(());
        };
        self.services.engine.drop_logs(logs.clone()).await?;
        self.commit(&Command::ForgetLogs { logs }).await
    }
}

/// What is stored together with a state.
struct Beside {
    changes: Vec<MetadataChange>,
    /// What takes these back.
    amends: Vec<MetadataChange>,
    /// Service time goes on from there after a crash.
    time: Time,
}

impl Beside {
    /// Nothing but the time.
    fn at(time: Time) -> Self {
        Self { changes: Vec::new(), amends: Vec::new(), time }
    }
}

#[cfg(test)]
mod tests;
