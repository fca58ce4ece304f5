//! `bench run`: each case against the service and, beside it, against the bare server.

use std::time::Duration;

use anyhow::Result;

use crate::cases::{self, Case, Durability};
use crate::compare::Comparison;
use crate::duration;
use crate::millpond::Millpond;
use crate::report::Destination;
use crate::subject::{Plan, Subject};
use crate::suites::{Suite, Variation};

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    millpond: Millpond,
    #[command(flatten)]
    pace: Pace,
    /// Which cases to run, unless some are named
    #[arg(long, value_enum, default_value_t = Suite::Quick)]
    suite: Suite,
    /// A case to run; may be given again
    #[arg(long = "case", value_name = "NAME", value_parser = cases::parse)]
    cases: Vec<Case>,
    /// Shards of the stream, several separated by commas
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=2000))]
    shards: Vec<u16>,
    /// When a record counts as stored, several separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    durability: Vec<Durability>,
    /// Requests due each second, at fixed times; latencies count from then
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Run each case over TLS too
    #[arg(long)]
    tls: bool,
    /// Run each case with quotas that nothing reaches too
    #[arg(long)]
    quotas: bool,
    /// Data in each shard that get-records reads, in MiB, 4096 in all at most [default: as the case
    /// has it: 1, which the server keeps in memory, 8 of older records, 128 of cold ones]; not
    /// in a report, which wouldn't tell it from that
    #[arg(
        long,
        conflicts_with = "report",
        value_parser = clap::value_parser!(u16).range(1..=4096)
    )]
    prefill_mib: Option<u16>,
    /// Also beside a bare server that appends each body to a file before it answers, with one fsync
    /// for all that wait: the least that a durable server costs
    #[arg(long)]
    durable: bool,
    #[command(flatten)]
    report: Destination,
}

/// How long and how often each case is run.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Pace {
    /// How long each case is measured, 60s at most
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    duration: Duration,
    /// How long each case runs before it is measured
    #[arg(long, default_value = "1s", value_parser = duration::parse)]
    warm_up: Duration,
    /// How often each case is run: the cheapest run per record is reported, and the median of the
    /// latencies
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub(crate) rounds: u8,
}

impl Pace {
    pub(crate) fn plan(&self) -> Plan {
        Plan { warm_up: self.warm_up, duration: self.duration }
    }
}

impl Run {
    pub(crate) async fn run(self) -> Result<()> {
        let cpus = std::thread::available_parallelism()?.get();
        println!("{cpus} CPUs\n");
        let cases = if self.cases.is_empty() { self.suite.cases() } else { self.cases.clone() };
        let variation = Variation {
            shards: self.shards.clone(),
            durability: self.durability.clone(),
            per_second: self.rate,
            tls: self.tls,
            quotas: self.quotas,
            fill_mib: self.prefill_mib,
        };
        let mut subjects = vec![Subject::Millpond(self.millpond.clone()), Subject::Bare];
        if self.durable {
            subjects.push(Subject::Durable(self.millpond.clone()));
        }
        let comparison = Comparison {
            subjects,
            plan: self.pace.plan(),
            rounds: self.pace.rounds,
            scratch: self.millpond.scratch()?,
            destination: self.report.clone(),
        };
        comparison.run(&variation.of(&cases)).await
    }
}
