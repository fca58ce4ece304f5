//! `bench instructions`: how many instructions a record costs, counted by callgrind and split by
//! stage. Counts hardly depend on what else the machine does, so CI can hold them to budgets.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cases::{self, Load};
use crate::endpoint::Endpoint;
use crate::load::Caller;
use crate::millpond::Millpond;
use crate::programs;
use crate::report::{Destination, Heading, Lines};
use crate::server::Server;
use crate::setup::{self, Callers, Service};
use budget::{Budgets, Verdict};
use callgrind::Profile;
use stages::{Part, Split};

mod budget;
mod callgrind;
mod stages;

#[derive(Debug, clap::Args)]
pub(crate) struct Instructions {
    #[command(flatten)]
    millpond: Millpond,
    /// A case to count, all unless given; may be given again
    #[arg(long = "case", value_name = "NAME", value_parser = parse)]
    cases: Vec<Counted>,
    /// Fail if a case is over its budget in this file
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Write what was counted to this file, as the budgets from now on
    #[arg(long, value_name = "FILE", conflicts_with_all = ["check", "cases"])]
    write_budgets: Option<PathBuf>,
    /// Also show where most instructions of each case are: so many functions, each with the stage
    /// that it worked for
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    functions: usize,
    #[command(flatten)]
    report: Destination,
}

/// A case with as much of it as is counted.
#[derive(Clone, Copy, Debug)]
struct Counted {
    case: &'static str,
    /// Few, as it is their order that commits and their cost depend on.
    connections: usize,
    /// Requests on each connection.
    requests: usize,
}

const COUNTED: [Counted; 7] = [
    counted("put-records-500x100B", 1, 10),
    counted("put-records-500x1KiB", 1, 4),
    counted("put-records-500x100B-cbor", 1, 6),
    counted("put-record-1KiB-c1", 1, 100),
    counted("put-record-1KiB-c64", 64, 8),
    counted("get-records-100B", 1, 4),
    counted("get-records-1KiB", 1, 8),
];

const fn counted(case: &'static str, connections: usize, requests: usize) -> Counted {
    Counted { case, connections, requests }
}

fn parse(name: &str) -> Result<Counted, String> {
    COUNTED.into_iter().find(|counted| counted.case == name).ok_or_else(|| {
        let names = COUNTED.map(|counted| counted.case).join(", ");
        format!("there is no such case; there are {names}")
    })
}

/// Each case is run once with its requests and once with so many times as many; the difference is
/// free of what a start costs, and of what happens once.
const LONGER: usize = 3;
/// Data in the shard that is read: a page of 10,000 records and some more, if they are of 100 B.
const FILL_MIB: u16 = 1;

/// What is shown of each case, in the order of `Split::columns`.
const HEADINGS: [Heading; 9] = [
    ("http", "", 0),
    ("signature", "", 0),
    ("decode", "", 0),
    ("route", "", 0),
    ("commit", "", 0),
    ("encode", "", 0),
    ("rest", "", 0),
    ("together", "", 0),
    ("sha256 apart", "", 0),
];

impl Instructions {
    pub(crate) async fn run(self) -> Result<()> {
        let valgrind = programs::find("valgrind", "to count instructions")?;
        one_processor().context("staying on one processor")?;
        let budgets = self.check.as_deref().map(budget::read).transpose()?;
        let all = self.cases.is_empty();
        let cases = if all { COUNTED.to_vec() } else { self.cases.clone() };
        let mut splits = Budgets::new();
        let mut lines = Lines::new("instructions a record", HEADINGS);
        for counted in &cases {
            let (profile, records) =
                self.count(&valgrind, counted).await.with_context(|| counted.case)?;
            let split = Split::of(&profile, records);
            lines.push(counted.case, split.columns());
            splits.insert(counted.case.to_owned(), split);
            self.show_functions(counted, &profile, records);
        }
        lines.tell(&self.report)?;
        if let Some(file) = &self.write_budgets {
            budget::write(file, &splits)?;
        }
        budgets.map_or(Ok(()), |budgets| check(&splits, &budgets))
    }

    /// What the longer run of a case has more than the shorter, and for how many records.
    async fn count(&self, valgrind: &Path, counted: &Counted) -> Result<(Profile, u64)> {
        let (few, few_records) = self.profile(valgrind, counted, counted.requests).await?;
        let (many, many_records) =
            self.profile(valgrind, counted, counted.requests * LONGER).await?;
        let records = many_records.checked_sub(few_records).filter(|&records| records > 0);
        Ok((many.since(&few), records.context("the longer run had no more records")?))
    }

    /// Counts a whole life of a server that gets so many requests on each connection.
    async fn profile(
        &self,
        valgrind: &Path,
        counted: &Counted,
        requests: usize,
    ) -> Result<(Profile, u64)> {
        let scratch = self.millpond.scratch()?;
        let file = scratch.path().join("callgrind");
        let mut arguments = vec![
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", file.display()),
            self.millpond.program().display().to_string(),
        ];
        arguments.extend(self.millpond.serve(scratch.path())?);
        let server = Server::start(valgrind, &arguments).await?;
        let records = drive(&server, counted, requests).await?;
        server.stop().await?;
        let text = fs::read_to_string(file).context("reading what was counted")?;
        Ok((Profile::parse(&text)?, records))
    }

    fn show_functions(&self, counted: &Counted, profile: &Profile, records: u64) {
        let mut all = stages::by_function(profile, records);
        all.sort_unstable_by(|one, other| other.instructions.total_cmp(&one.instructions));
        for Part { stage, instructions, function } in all.iter().take(self.functions) {
            println!("{}  {stage:<9}  {instructions:>9.1}  {function}", counted.case);
        }
    }
}

/// Sends the requests over all connections at once and waits for all answers; their records.
async fn drive(server: &Server, counted: &Counted, requests: usize) -> Result<u64> {
    let mut case = cases::parse(counted.case).map_err(Error::msg)?;
    case.connections = counted.connections;
    case.fill_mib = FILL_MIB;
    if case.load == Load::GetRecords {
        case.setting.shards = 1;
    }
    let endpoint = Endpoint::plain(server.address);
    let service = Service { endpoint: &endpoint };
    service.create(&case).await?;
    let callers = service.callers(&case, &setup::pool(&case)).await?;
    let Callers::Each(callers) = callers else {
        bail!("only callers that don't wait for each other are counted");
    };
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn(call(caller, requests));
    }
    let mut records = 0;
    while let Some(done) = running.join_next().await {
        records += done.context("a caller panicked")??;
    }
    Ok(records)
}

async fn call(mut caller: Caller, requests: usize) -> Result<u64> {
    let mut records = 0;
    for _ in 0..requests {
        records += caller.call(Instant::now()).await?.records;
    }
    Ok(records)
}

/// Keeps this thread, and the servers that it starts, to one processor: a server then has as many
/// threads on every machine, and they take turns in much the same order.
fn one_processor() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu));
    let mut one = CpuSet::new();
    one.set(first.context("no processor is allowed")?);
    Ok(sched_setaffinity(None, &one)?)
}

/// Tells what is off its budget; fails if something is over, or has none.
fn check(splits: &Budgets, budgets: &Budgets) -> Result<()> {
    let mut refused = Vec::new();
    for (case, split) in splits {
        match budget::judge(case, split, budgets) {
            Verdict::Kept => {}
            Verdict::Below(text) => println!("lower the budget of {text}"),
            Verdict::Over(text) | Verdict::Unknown(text) => refused.push(text),
        }
    }
    ensure!(refused.is_empty(), "over budget: {}", refused.join("; "));
    println!("all {} cases keep their budgets", splits.len());
    Ok(())
}
