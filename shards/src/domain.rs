//! The domain as a whole: opened over an engine, closed in order.

use std::{sync::Arc, time::Duration};

use millpond_api::types::{ConsumerArn, ShardId, Timestamp};
use millpond_quotas::{Attendant, Clock, Quotas, Time};
use tokio::sync::Semaphore;

pub(crate) mod forks;
mod snapshots;

use crate::{
    Error,
    control::Control,
    crypt::{Crypt, KeyService},
    directory::{Directory, Stream},
    engine::{Engine, EngineError, MetadataChange, MetadataRows, Offset},
    maintenance::Maintenance,
    scaling::Scaling,
    services::Services,
    shard::{TailBudget, WAITING_KIB_MAX},
    state::ShardLimit,
    subscription::{Key, Subscription, Subscriptions},
    tasks::Tasks,
    token::{KEY_BYTES, Tokens},
};

/// Metadata row of the key that tokens are authenticated with.
pub(crate) const TOKEN_KEY: &[u8] = b"k";

/// Metadata row of the service time when the server was last seen.
const LAST_SEEN: &[u8] = b"t";

/// How often the service time is noted: after a crash it may repeat that much, and no more.
const NOTE_TIME_EVERY: Duration = Duration::from_mins(1);

/// How a server behaves.
pub struct Options {
    /// Which limits apply.
    pub quotas: Quotas,
    /// How many open shards a namespace may have.
    pub shard_limit: ShardLimit,
    /// Bytes of the newest records that are kept in memory.
    pub tail_bytes_max: usize,
    /// The key for tokens of a server that has none yet; unpredictable.
    pub token_key: [u8; KEY_BYTES],
    /// Where master keys are.
    pub keys: Arc<dyn KeyService>,
}

/// Streams, their shards, and everything that keeps them going.
pub struct Domain {
    directory: Arc<Directory>,
    control: Control,
    tokens: Tokens,
    crypt: Crypt,
    pub(crate) services: Services,
    subscriptions: Subscriptions,
}

impl Domain {
    /// Loads what the engine holds and starts the tasks.
    ///
    /// # Errors
    /// When the engine fails, or what it holds can't be read.
    pub async fn open(
        engine: Arc<dyn Engine>,
        clock: Clock,
        options: Options,
    ) -> Result<Self, Error> {
        let tail_budget = TailBudget::new(options.tail_bytes_max);
        let tasks = Tasks::default();
        let waiting_kib = Arc::new(Semaphore::new(WAITING_KIB_MAX));
        let keeping = Arc::default();
        let services = Services { engine, clock, tail_budget, tasks, keeping, waiting_kib };
        let key = prepare(&services, options.token_key).await?;
        let limit = options.shard_limit;
        let (quotas, counts) = (options.quotas.clone(), options.quotas.counts);
        let subscriptions = Subscriptions::new(quotas.clone());
        let directory = Arc::new(Directory::new(services.clone(), quotas, limit));
        let tokens = Tokens::new(&key);
        let (of, by) = (services.clone(), Arc::clone(&directory));
        let control = Control::start(of, by, tokens.clone(), limit, counts).await?;
        let keeper = Maintenance::new(Arc::clone(&directory), control.clone(), services.clone());
        let scaling = Scaling::new(Arc::clone(&directory), control.clone(), services.clone());
        services.tasks.spawn("maintenance", keeper.run(services.tasks.stop()));
        services.tasks.spawn("scaling", scaling.run(services.tasks.stop()));
        let attendant = services.clock.attendant("the time keeper");
        services
            .tasks
            .spawn("time keeper", keep_time(services.clone(), control.clone(), attendant));
        let (of, by) = (Arc::clone(&directory), control.clone());
        let crypt = Crypt::new(of, by, options.keys, services.clone());
        Ok(Self { directory, control, tokens, crypt, services, subscriptions })
    }

    /// All streams.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The way to change them.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Makes and recognises iterators and page tokens.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Seals and opens records.
    #[must_use]
    pub fn crypt(&self) -> &Crypt {
        &self.crypt
    }

    /// Subscribes a consumer of `stream` to a shard from `from` on. Its earlier subscription to the
    /// shard ends.
    ///
    /// # Errors
    /// `SubscribedTooOften` and `SubscribedJustNow`, as the consumer's quotas say.
    pub fn subscribe(
        &self,
        stream: &Stream,
        consumer: ConsumerArn,
        shard: ShardId,
        from: Offset,
    ) -> Result<Subscription, Error> {
        let (number, log_number) = (stream.state().number, stream.state().log_number);
        let (key, now) = (Key { consumer, shard, log_number }, self.services.clock.now());
        let place = self.subscriptions.enter(key, now)?;
        let (directory, services) = (Arc::clone(&self.directory), self.services.clone());
        Ok(Subscription::new(directory, services, self.crypt.clone(), number, from, place))
    }

    /// Ends every subscription, so that the connections that they hold can end too.
    pub fn end_subscriptions(&self) {
        self.subscriptions.end_all();
    }

    /// Service time in the resolution that clients see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.services.now()
    }

    /// Whether records would be stored now.
    ///
    /// # Errors
    /// Why not.
    pub fn writable(&self) -> Result<(), EngineError> {
        self.services.engine.writable()
    }

    /// Ends every task, lets commits finish, and closes the engine. Requests have ended before.
    ///
    /// # Errors
    /// When the engine can't be closed cleanly; everything that was acknowledged is stored all the
    /// same.
    pub async fn close(&self) -> Result<(), EngineError> {
        self.services.tasks.finish().await;
        // The engine may be failing already; what counts then is how closing it ends.
        note_time(&self.services).await.ok();
        self.services.engine.close().await
    }
}

/// The service time at which a server last was that `engine` holds; `None` if it holds none.
///
/// # Errors
/// When the metadata can't be read.
pub async fn last_seen(engine: &dyn Engine) -> Result<Option<Time>, EngineError> {
    Ok(time_in(&engine.load_metadata().await?))
}

pub(crate) fn time_in(rows: &MetadataRows) -> Option<Time> {
    let bytes = value(rows, LAST_SEEN)?.try_into().ok()?;
    Some(Time::from_nanos(u64::from_be_bytes(bytes)))
}

pub(crate) fn value<'a>(rows: &'a MetadataRows, key: &[u8]) -> Option<&'a [u8]> {
    rows.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_slice())
}

/// The key for tokens, stored when there is none; and time goes on from where it was.
async fn prepare(services: &Services, new_key: [u8; KEY_BYTES]) -> Result<[u8; KEY_BYTES], Error> {
    let rows = services.engine.load_metadata().await?;
    if let Some(seen) = time_in(&rows) {
        services.clock.not_before(seen);
    }
    if let Some(key) = value(&rows, TOKEN_KEY).and_then(|bytes| bytes.try_into().ok()) {
        return Ok(key);
    }
    let change = MetadataChange::Put { key: TOKEN_KEY.into(), value: new_key.into() };
    services.engine.commit_metadata(vec![change]).await?;
    Ok(new_key)
}

async fn keep_time(services: Services, control: Control, attendant: Attendant) {
    let mut noted = services.clock.now();
    let keep = async {
        loop {
            // Of the times that a move goes past, only the last matters.
            let idle = attendant.look().idle_until(Clock::END);
            attendant.next_round(&mut noted, NOTE_TIME_EVERY, Some(idle)).await;
            if let Err(error) = control.note_time().await {
                tracing::warn!(%error, "service time not noted");
            }
        }
    };
    // It is noted once more when everything has ended.
    services.tasks.stop().run_until_cancelled(keep).await;
}

pub(crate) async fn note_time(services: &Services) -> Result<(), EngineError> {
    services.engine.commit_metadata(vec![note_of_time(services.clock.now())]).await
}

/// Stores the service time: after a crash it goes on from there at the earliest.
pub(crate) fn note_of_time(now: Time) -> MetadataChange {
    let value = now.nanos().to_be_bytes().into();
    MetadataChange::Put { key: LAST_SEEN.into(), value }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::pin::pin;

    use millpond_api::types::StreamArn;

    use super::*;
    use crate::{
        crypt::testing::TestKeys,
        engine::memory::{Faults, MemoryEngine},
        state::{Command, NewMode, NewStream},
    };

    const START: Time = Time::from_seconds(1_700_000_000);

    /// A server without limits.
    pub(crate) async fn open(engine: &MemoryEngine, clock: &Clock) -> Domain {
        open_with(engine, clock, ShardLimit::Aws).await
    }

    pub(crate) async fn open_with(
        engine: &MemoryEngine,
        clock: &Clock,
        shard_limit: ShardLimit,
    ) -> Domain {
        let options = Options {
            quotas: Quotas::off(),
            shard_limit,
            tail_bytes_max: 1 << 20,
            token_key: [7; KEY_BYTES],
            keys: Arc::new(TestKeys::default()),
        };
        Domain::open(Arc::new(engine.clone()), clock.clone(), options).await.unwrap()
    }

    /// Lets writes that are held happen until `work` is done; how many there were.
    pub(crate) async fn writes_of<T>(faults: &Faults, work: impl Future<Output = T>) -> (T, u32) {
        let mut work = pin!(work);
        let mut writes = 0;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return (done, writes),
                () = tokio::task::yield_now() => writes += u32::from(faults.step()),
            }
        }
    }

    #[tokio::test]
    async fn metadata_is_never_from_the_future() {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(START));
        let domain = open(&engine, &clock).await;
        clock.advance(NOTE_TIME_EVERY / 2);
        let created = domain.now();
        let arn: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().unwrap();
        let (now, due, tags) = (created, created, Vec::new());
        let mode = NewMode::Provisioned { shards: 1 };
        let new = NewStream { arn, mode, max_record_kib: 1024, tags, now, due };
        domain.control().submit(Command::CreateStream(new)).await.unwrap();
        let reopened = open(&engine.crash(0), &Clock::manual(START)).await;
        assert_eq!(reopened.now(), created);
    }
}
