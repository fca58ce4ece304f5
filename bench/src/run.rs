//! `bench run`: each case against the service and, beside it, against the bare server.

use std::env::current_exe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::body::Body;
use crate::cases::{self, CASES, Case, Load};
use crate::clock::{Clock, Window};
use crate::disk;
use crate::duration;
use crate::load;
use crate::millpond::{Durability, Millpond};
use crate::report::{self, Row, micros};
use crate::server::Server;
use crate::setup::{self, Bare, Callers, Service};

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    millpond: Millpond,
    /// How long each case is measured, 60s at most
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    duration: Duration,
    /// How long each case runs before it is measured
    #[arg(long, default_value = "1s", value_parser = duration::parse)]
    warm_up: Duration,
    /// How often each case is run; the cheapest run per record is reported
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    rounds: u8,
    /// Shards of the stream
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: u16,
    /// Data in the stream that get-records reads, in MiB
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    prefill_mib: u16,
    /// A case to run, all unless given; may be given again
    #[arg(long = "case", value_name = "NAME", value_parser = cases::parse)]
    cases: Vec<Case>,
    /// Also write what was measured to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The file that `--json` writes.
#[derive(Debug, Serialize)]
struct Report {
    durability: Durability,
    shards: u16,
    duration_seconds: f64,
    rounds: u8,
    cpus: usize,
    fdatasync_us: f64,
    rows: Vec<Row>,
}

impl Run {
    pub(crate) async fn run(self) -> Result<()> {
        let fdatasync_us = micros(disk::fdatasync(self.millpond.scratch()?.path())?);
        let cpus = std::thread::available_parallelism()?.get();
        println!("{cpus} CPUs; an append with fdatasync takes {fdatasync_us:.0} µs here\n");
        let cases = if self.cases.is_empty() { CASES.to_vec() } else { self.cases.clone() };
        let mut rows = Vec::new();
        for case in &cases {
            let (service, bare) = self.best(case).await.with_context(|| case.name)?;
            println!("{}", report::table(case.name, &service, &bare));
            rows.extend([service, bare]);
        }
        let Some(file) = &self.json else { return Ok(()) };
        let report = Report {
            durability: self.millpond.durability,
            shards: self.shards,
            duration_seconds: self.duration.as_secs_f64(),
            rounds: self.rounds,
            cpus,
            fdatasync_us,
            rows,
        };
        std::fs::write(file, serde_json::to_vec_pretty(&report)?).context("writing the report")
    }

    /// Both servers in turn, as often as asked, so that a busy moment of the machine hits both.
    async fn best(&self, case: &Case) -> Result<(Row, Row)> {
        let pool = setup::pool(case);
        let mut best = self.pair(case, &pool).await?;
        for _ in 1..self.rounds {
            let (service, bare) = self.pair(case, &pool).await?;
            best = (cheaper(best.0, service), cheaper(best.1, bare));
        }
        Ok(best)
    }

    async fn pair(&self, case: &Case, pool: &Arc<[Body]>) -> Result<(Row, Row)> {
        let service = self.service(case, pool).await.context("the service")?;
        let bare = self.bare(case, pool, &service).await.context("the bare server")?;
        Ok((service, bare))
    }

    async fn service(&self, case: &Case, pool: &Arc<[Body]>) -> Result<Row> {
        let scratch = self.millpond.scratch()?;
        let arguments = self.millpond.serve(&scratch.path().join("data"));
        let server = Server::start(self.millpond.program(), &arguments).await?;
        let prefill_bytes = usize::from(self.prefill_mib) * 1024 * 1024;
        let shards = usize::from(self.shards);
        let service = Service { address: server.address, clock: Clock::start(), shards };
        let callers = service.callers(case, pool, prefill_bytes).await?;
        let row = self.measure(case, "millpond", &server, callers).await?;
        server.stop().await?;
        Ok(row)
    }

    /// Drives the bare server as the service was. It answers reads with as many bytes, of which
    /// the client counts as many records; to writes it answers two bytes.
    async fn bare(&self, case: &Case, pool: &Arc<[Body]>, like: &Row) -> Result<Row> {
        let mut arguments = vec!["bare-server".to_owned()];
        let mut records = 1;
        match case.load {
            Load::GetRecords => {
                let bytes = like.answer_bytes_per_request.round();
                arguments.extend(["--answer-bytes".to_owned(), format!("{bytes:.0}")]);
                records = (like.records / like.requests.max(1)) as usize;
            }
            Load::PutRecords { entries } => records = entries,
            Load::PutRecord | Load::PutToRead => {}
        }
        let server = Server::start(&current_exe()?, &arguments).await?;
        let bare = Bare { address: server.address, clock: Clock::start(), records };
        let callers = bare.callers(case, pool).await?;
        let row = self.measure(case, "bare", &server, callers).await?;
        server.stop().await?;
        Ok(row)
    }

    async fn measure(
        &self,
        case: &Case,
        name: &'static str,
        server: &Server,
        callers: Callers,
    ) -> Result<Row> {
        let window = Window::after(self.warm_up, self.duration);
        let cost = load::cost(server.pid(), window);
        let (tally, cost) = match callers {
            Callers::Each(callers) => tokio::try_join!(load::run(callers, window), cost)?,
            Callers::Tip(tip) => tokio::try_join!(tip.run(window), cost)?,
        };
        anyhow::ensure!(tally.requests > 0, "no request ended within the window");
        Ok(Row::new(case, name, window, &tally, &cost))
    }
}

fn cheaper(one: Row, other: Row) -> Row {
    if other.server_cpu_us_per_record < one.server_cpu_us_per_record { other } else { one }
}
