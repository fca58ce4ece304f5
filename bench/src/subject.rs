//! What a case is run against: the one seam behind which servers of all kinds are started, filled,
//! driven and measured, so that each new kind gets all cases and joins every report.

use std::env::current_exe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::body::Body;
use crate::cases::{Case, Durability, Load};
use crate::clock::Window;
use crate::cost;
use crate::endpoint::Endpoint;
use crate::load;
use crate::millpond::{Millpond, authority};
use crate::peers::{Installed, Kafka};
use crate::report::{Row, SERVICE};
use crate::rocks::Rocks;
use crate::server::Server;
use crate::setup::{Bare, Callers, Service};

mod cold;

/// A kind of server.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// The service, fresh for each case.
    Millpond(Millpond),
    /// The yardstick, which answers and does nothing else.
    Bare,
    /// The yardstick with each body on disk before its answer.
    Durable(Millpond),
    /// What others made; it keeps all in memory.
    Peer(Installed),
    /// A broker, which speaks another protocol.
    Kafka(Kafka),
    /// The store alone.
    Rocks(Rocks),
}

/// How each case is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// A case, and what is the same for all servers that run it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) case: Case,
    pub(crate) plan: Plan,
    /// The bodies to send.
    pub(crate) pool: Arc<[Body]>,
}

impl Subject {
    /// Its name in reports.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Millpond(_) => SERVICE,
            Self::Bare => "bare",
            Self::Durable(_) => "bare, durable",
            Self::Peer(installed) => installed.peer.name,
            Self::Kafka(kafka) => kafka.name(),
            Self::Rocks(rocks) => rocks.name(),
        }
    }

    /// Why it can't run a case at all; `None` if it can.
    pub(crate) fn lacks(&self, case: &Case) -> Option<&'static str> {
        match self {
            Self::Bare | Self::Durable(_) if case.setting.tls => Some("it speaks no TLS"),
            Self::Durable(_) if !case.load.writes() => Some("only what is written is compared"),
            Self::Durable(_) if case.setting.durability != Durability::Fsync => {
                Some("it always waits for the disk")
            }
            Self::Bare if case.load == Load::GetRecordsCold => Some("it keeps nothing"),
            Self::Bare if case.load == Load::PutToSubscribe => Some("it pushes nothing"),
            Self::Peer(_) if case.load == Load::GetRecordsCold => Some("it keeps nothing on disk"),
            Self::Peer(_) | Self::Kafka(_) | Self::Rocks(_) if case.setting.tls => {
                Some("it is driven in the clear only")
            }
            Self::Kafka(_) => Kafka::lacks(case),
            Self::Rocks(_) => Rocks::lacks(case),
            Self::Millpond(_) | Self::Bare | Self::Durable(_) | Self::Peer(_) => None,
        }
    }

    /// Whether it is somebody else's, so that what fails it is told and ends nothing.
    pub(crate) const fn is_foreign(&self) -> bool {
        match self {
            Self::Millpond(_) | Self::Bare | Self::Durable(_) => false,
            Self::Peer(_) | Self::Kafka(_) | Self::Rocks(_) => true,
        }
    }

    /// Starts it, fills it, drives it for the window and ends it. `first` is what the first server
    /// of the comparison did under the same case.
    ///
    /// # Errors
    ///
    /// If it can't be started, or any answer is not as it must be.
    pub(crate) async fn measure(&self, run: &Run, first: Option<&Row>) -> Result<Row> {
        match self {
            Self::Millpond(millpond) => self.millpond(millpond, run).await,
            Self::Bare => self.bare(run, first, Vec::new()).await,
            Self::Durable(millpond) => {
                let home = millpond.scratch()?;
                let log = home.path().join("log").display().to_string();
                self.bare(run, first, vec!["--append".to_owned(), log]).await
            }
            Self::Peer(installed) => {
                let (server, endpoint) = installed.start().await?;
                self.speaks_kinesis(run, server, &endpoint).await
            }
            Self::Kafka(kafka) => kafka.measure(run).await,
            Self::Rocks(rocks) => rocks.measure(run).await,
        }
    }

    async fn millpond(&self, millpond: &Millpond, run: &Run) -> Result<Row> {
        if run.case.load == Load::GetRecordsCold {
            return cold::measure(millpond, run, self.name()).await;
        }
        let home = millpond.scratch()?;
        let case = &run.case;
        let arguments = millpond.serve_as(home.path(), &case.setting)?;
        let server = Server::start(millpond.program(), &arguments).await?;
        let endpoint = if case.setting.tls {
            Endpoint::tls(server.address, &authority(home.path()))?
        } else {
            Endpoint::plain(server.address)
        };
        self.speaks_kinesis(run, server, &endpoint).await
    }

    /// Drives any server that speaks Kinesis and was started for this run, and ends it.
    pub(crate) async fn speaks_kinesis(
        &self,
        run: &Run,
        server: Server,
        endpoint: &Endpoint,
    ) -> Result<Row> {
        let service = Service { endpoint };
        service.create(&run.case).await?;
        let callers = service.callers(&run.case, &run.pool).await?;
        self.drive(run, server, callers).await
    }

    /// Drives the bare server as the first was. It answers reads with as many bytes, of which the
    /// client counts as many records; to writes it answers two bytes.
    async fn bare(&self, run: &Run, first: Option<&Row>, more: Vec<String>) -> Result<Row> {
        let mut arguments = vec!["bare-server".to_owned()];
        arguments.extend(more);
        let mut records = run.case.entries();
        if run.case.load == Load::GetRecords {
            let like = first.context("nothing was read beside it")?;
            let bytes = like.answer_bytes_per_request.round();
            arguments.extend(["--answer-bytes".to_owned(), format!("{bytes:.0}")]);
            records = (like.records / like.requests.max(1)) as usize;
        }
        let server = Server::start(&current_exe()?, &arguments).await?;
        let endpoint = Endpoint::plain(server.address);
        let bare = Bare { endpoint: &endpoint, records };
        let callers = bare.callers(&run.case, &run.pool).await?;
        self.drive(run, server, callers).await
    }

    /// Lets callers drive a server for the window, and ends it.
    async fn drive(&self, run: &Run, server: Server, callers: Callers) -> Result<Row> {
        let Run { case, plan, .. } = run;
        let window = Window::after(plan.warm_up, plan.duration);
        let cost = cost::of(server.pid(), window);
        let (tally, cost) = match callers {
            Callers::Each(callers) => {
                tokio::try_join!(load::run(callers, window, case.setting.per_second), cost)?
            }
            Callers::Tip(tip) => tokio::try_join!(tip.run(window), cost)?,
            Callers::Push(push) => tokio::try_join!(push.run(window), cost)?,
        };
        ensure!(tally.requests > 0, "no request ended within the window");
        let mut row = Row::new(case, self.name(), window, &tally, &cost);
        let written = server.stop().await?;
        let keeps = !matches!(self, Self::Bare | Self::Durable(_));
        if keeps && case.load.writes() {
            row.stored_bytes = tally.all_records * case.data_bytes as u64;
            row.written_per_byte = row.per_stored_byte(written);
        }
        Ok(row)
    }
}
