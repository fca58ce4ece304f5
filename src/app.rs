//! The server as a whole: what it owns, how it starts, and how it ends without losing anything.

use std::{sync::Arc, time::Duration};

use millpond_api::types::Timestamp;
use millpond_quotas::{CallQuota, Clock, Quotas};
use millpond_shards::{
    Domain, Options,
    crypt::KeyService,
    domain,
    engine::{
        Durability, Engine,
        rocks::{Location, RocksEngine, RocksOptions},
    },
    state::ShardLimit,
    stream::Namespace,
    tasks::Tasks,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Access, Admin},
    answers::{Answers, EventRooms},
    auth::{Credential, Files, InvalidCredentials, Mode, Settings, Source, Verifier},
    companions::cloudwatch::{MetricStore, sample_streams},
    config::{self, ClockStart, Config, Declaration},
    error,
    faults::{Faults, Script},
    gateway::{self, Pages},
    http::{self, BodyBudget, BodyLimits, BodyReader, ConnectionLimits, Probes, Site},
    ids::Ids,
    metrics::Metrics,
    policy::Readings,
    process::StartError,
    quotas_file,
    telemetry::Warning,
    throttles::{Filter, Throttles},
    tls::Tls,
    traces::Traces,
};

mod reset;
mod start_streams;

/// Bytes of the newest records that are kept in memory.
const TAIL_BYTES_MAX: usize = 64 << 20;

/// How long the last traces may take on their way, where the drain would let them have longer.
const LAST_TRACES_MAX: Duration = Duration::from_secs(5);

/// Everything that requests need.
pub struct App {
    domain: Domain,
    quotas: Quotas,
    source: Source,
    verifier: Verifier,
    calls: CallQuota,
    answers: Answers,
    events: EventRooms,
    looks: Answers,
    refused_bodies: Semaphore,
    refused_credentials: Warning,
    policies: Readings,
    unread_policies: Warning,
    metrics: Metrics,
    metric_store: MetricStore,
    throttles: Throttles,
    clock: Clock,
    ids: Ids,
    transition: Duration,
    pages: Pages,
    tls: Option<Tls>,
    traces: Option<Traces>,
    admin_access: Access,
    streams: Vec<Declaration>,
    faults: Faults,
    // Held while everything is being replaced.
    replacing: Arc<Mutex<()>>,
    stopping: CancellationToken,
}

impl App {
    /// Opens what the configuration names, over `engine` and with the master keys of `keys`, and
    /// makes the streams that it asks for.
    ///
    /// # Errors
    /// When credentials can't be read, the data can't be loaded, or a stream can't be made.
    pub async fn open(
        config: &Config,
        engine: Arc<dyn Engine>,
        keys: Arc<dyn KeyService>,
        clock: Clock,
    ) -> Result<Arc<Self>, StartError> {
        let source = source(config)?;
        let verifier = verifier(config, &source)?;
        let quotas = quotas_file::read(config.quotas, config.quotas_file.as_deref())?;
        let now = Timestamp::from_millis(clock.wall().millis());
        let tls = config.tls.as_ref().map(|tls| Tls::open(tls, config.listen, now)).transpose()?;
        check_start(config.clock, engine.as_ref()).await?;
        let ids = Ids::new(config.seed);
        let options = Options {
            quotas: quotas.clone(),
            shard_limit: match config.shard_limit {
                config::ShardLimit::Aws => ShardLimit::Aws,
                config::ShardLimit::Shards(limit) => ShardLimit::Fixed(u32::from(limit).into()),
            },
            tail_bytes_max: TAIL_BYTES_MAX,
            token_key: ids.token_key().map_err(StartError::new)?,
            keys,
        };
        let domain = Domain::open(engine, clock.clone(), options).await.map_err(StartError::new)?;
        let (prices, now) = (config.prices.as_deref(), domain.now());
        let throttles = Throttles::open(quotas.clone(), prices, now)?;
        let (calls, metrics) = (CallQuota::new(&quotas), Metrics::default());
        let room = || Answers::new(config.inflight_bytes);
        let (answers, events, looks) = (room(), EventRooms::new(config.inflight_bytes), room());
        let refused_bodies = Semaphore::new(gateway::REFUSED_BODIES_MAX);
        let transition = config.transition;
        let open = |settings| Traces::open(settings, metrics.spans());
        let traces = config.traces.as_ref().map(open).transpose()?;
        let faults = Faults::new(faults(config)?, fault_seed(config), metrics.faults());
        let app = Self {
            domain,
            quotas,
            source,
            verifier,
            calls,
            answers,
            events,
            looks,
            refused_bodies,
            refused_credentials: Warning::default(),
            policies: Readings::default(),
            unread_policies: Warning::default(),
            metrics,
            metric_store: MetricStore::default(),
            throttles,
            clock,
            ids,
            transition,
            pages: pages(config),
            tls,
            traces,
            admin_access: admin_access(config)?,
            streams: config.streams.clone(),
            faults,
            replacing: Arc::default(),
            stopping: CancellationToken::new(),
        };
        app.make_streams().await?;
        Ok(Arc::new(app))
    }

    /// Streams and shards.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Checks signatures.
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Reads the credentials anew. `files` learns which files were looked at.
    ///
    /// # Errors
    /// When they can't be used; those before stay in force then.
    pub fn reload_credentials(&self, files: &mut Files) -> Result<(), InvalidCredentials> {
        self.verifier.replace(self.source.load_settled(files)?);
        Ok(())
    }

    /// Which limits apply.
    #[must_use]
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// Call rates of control operations.
    #[must_use]
    pub fn calls(&self) -> &CallQuota {
        &self.calls
    }

    /// Room for large answers.
    #[must_use]
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Room for events of subscriptions.
    #[must_use]
    pub fn events(&self) -> &EventRooms {
        &self.events
    }

    /// Room for large answers to who looks into streams. It is apart from that of consumers: one
    /// look asks for much, and whoever came later would wait with it.
    #[must_use]
    pub fn looks(&self) -> &Answers {
        &self.looks
    }

    /// Places for bodies of requests that their head refuses.
    #[must_use]
    pub fn refused_bodies(&self) -> &Semaphore {
        &self.refused_bodies
    }

    /// Says that credentials are refused.
    pub(crate) fn refused_credentials(&self) -> &Warning {
        &self.refused_credentials
    }

    /// What the policies of resources say.
    #[must_use]
    pub fn policies(&self) -> &Readings {
        &self.policies
    }

    /// Says that the policy of a resource can't be read.
    pub(crate) fn unread_policies(&self) -> &Warning {
        &self.unread_policies
    }

    /// Counts what happens.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Metrics as CloudWatch has them.
    #[must_use]
    pub fn metric_store(&self) -> &MetricStore {
        &self.metric_store
    }

    /// What was refused for a limit.
    #[must_use]
    pub fn throttles(&self) -> &Throttles {
        &self.throttles
    }

    /// What was refused for a limit, in a few lines.
    #[must_use]
    pub fn summary_of_throttles(&self) -> Vec<String> {
        let (directory, now) = (self.domain.directory(), self.domain.now());
        self.throttles.report(directory, &Filter::default(), now).summary
    }

    /// Service time and wall time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where the ids of answers come from.
    #[must_use]
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Where spans go, if somewhere.
    #[must_use]
    pub fn traces(&self) -> Option<&Traces> {
        self.traces.as_ref()
    }

    /// Which web pages may call.
    #[must_use]
    pub fn pages(&self) -> Pages {
        self.pages
    }

    /// What shall go wrong, if anything.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Told when requests that wait for something should wait no longer.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// How long a stream stays in a state of transition.
    #[must_use]
    pub fn transition(&self) -> Duration {
        self.transition
    }

    /// Serves requests until `stop`, lets those at hand finish, and closes everything in order.
    ///
    /// # Errors
    /// When storage can't be closed cleanly.
    pub async fn serve(
        self: Arc<Self>,
        config: &Config,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), StartError> {
        let connections =
            ConnectionLimits { connections_max: config.max_connections, ..Default::default() };
        let site = Arc::clone(&self).site(config);
        let end_subscriptions = async {
            stop.cancelled().await;
            self.domain.end_subscriptions();
            self.stopping.cancel();
            Instant::now() + config.drain
        };
        Tasks::default().spawn("metrics", sample_streams(Arc::clone(&self), stop.clone()));
        let tls = self.tls.as_ref().map(|tls| tls.acceptor().clone());
        let serve = http::serve(listener, site, tls, connections, stop.clone(), config.drain);
        let (cut, drained) = tokio::join!(serve, end_subscriptions);
        if cut > 0 {
            tracing::warn!(
                connections = cut,
                "requests were cut off, as they took too long to end"
            );
        }
        for line in self.summary_of_throttles() {
            tracing::warn!("{line}");
        }
        let left = drained.saturating_duration_since(Instant::now());
        let (closed, ()) = tokio::join!(self.domain.close(), self.send_last_traces(left));
        closed.map_err(StartError::new)
    }

    async fn send_last_traces(&self, left: Duration) {
        if let Some(traces) = &self.traces {
            traces.close(left.min(LAST_TRACES_MAX)).await;
        }
    }

    /// Everything that the port answers, as one service that needs no port.
    pub fn site(self: Arc<Self>, config: &Config) -> Site {
        let limits = BodyLimits::default();
        let budget = BodyBudget::new(config.inflight_bytes, limits.body_bytes_max);
        let (counted, asked) = (Arc::clone(&self), Arc::clone(&self));
        let metrics = move || counted.metrics.text(counted.domain.directory());
        let ready = move || asked.domain.writable().map_err(|error| error::unwritable(&error));
        let authority = self.tls.as_ref().and_then(|tls| tls.authority().cloned());
        let probes = Probes::new(config.metrics, metrics, ready, authority);
        let home = Namespace { account: config.account, region: config.region.clone() };
        let admin = Admin::new(Arc::clone(&self), home);
        let admin = admin::router(admin, self.admin_access.clone());
        let gateway = move |head, body| gateway::handle(Arc::clone(&self), head, body);
        Site::new(gateway, (admin::PATH, admin), &probes, BodyReader { limits, budget })
    }
}

/// Refuses to have time stand before what is stored.
async fn check_start(clock: ClockStart, engine: &dyn Engine) -> Result<(), StartError> {
    let ClockStart::At(at) = clock else { return Ok(()) };
    let seen = domain::last_seen(engine).await.map_err(StartError::new)?;
    match seen.filter(|seen| *seen > at) {
        None => Ok(()),
        Some(seen) => Err(StartError::refused(format!(
            "--clock: time does not go back, and this data was last used at {}.{:03}: name a later \
             time, or say paused to begin there",
            seen.seconds(),
            seen.millis() % 1000
        ))),
    }
}

/// Opens the storage that the configuration names.
///
/// # Errors
/// When the directory can't be used, with what to do about it.
pub fn open_engine(config: &Config) -> Result<Arc<dyn Engine>, StartError> {
    let location = match &config.storage {
        config::Storage::Memory { limit_bytes } => Location::Memory { limit_bytes: *limit_bytes },
        config::Storage::Directory(path) => Location::Directory(path.clone()),
    };
    let mut options = RocksOptions::new(location);
    options.durability = match config.durability {
        config::Durability::Fsync => Durability::Fsync,
        config::Durability::Os => Durability::Os,
    };
    Ok(Arc::new(RocksEngine::open(&options).map_err(StartError::new)?))
}

/// The faults of `--faults`.
fn faults(config: &Config) -> Result<Option<Script>, StartError> {
    let Some(path) = &config.faults else { return Ok(None) };
    let refused = |error| StartError::refused(format!("--faults {}: {error}", path.display()));
    Script::load(path).map(Some).map_err(refused)
}

/// The seed of faults that name none: short enough to be copied by hand.
fn fault_seed(config: &Config) -> u64 {
    config.seed.unwrap_or_else(|| fastrand::u32(..).into())
}

/// What opens the admin API. Makes the token of a data directory that has none.
fn admin_access(config: &Config) -> Result<Access, StartError> {
    if config.admin == config::Switch::Off {
        return Ok(Access::Off);
    }
    let token = match (&config.admin_token, &config.storage) {
        (Some(token), _) => Some(token.clone()),
        (None, config::Storage::Directory(path)) => Some(admin::token(path)?),
        (None, config::Storage::Memory { .. }) => None,
    };
    Ok(Access::On { token, is_open_here: config.mode == config::Mode::Dev })
}

fn pages(config: &Config) -> Pages {
    if config.auth == Mode::Verify && !config.has_built_in_credential {
        Pages::All
    } else {
        Pages::Local
    }
}

fn source(config: &Config) -> Result<Source, StartError> {
    let parse = |text: &config::Secret| text.expose().parse::<Credential>();
    let given: Result<Vec<_>, _> = config.credentials.iter().map(parse).collect();
    let given = given.map_err(|error| StartError::refused(format!("--credential: {error}")))?;
    Ok(Source { given, file: config.credentials_file.clone() })
}

fn verifier(config: &Config, source: &Source) -> Result<Verifier, StartError> {
    let settings = Settings {
        mode: config.auth,
        account: config.account,
        region: config.region.clone(),
        skew_minutes_max: Settings::SKEW_MINUTES_MAX,
    };
    let credentials = source.load(&mut Files::default()).map_err(StartError::refused)?;
    Ok(Verifier::new(credentials, settings))
}
