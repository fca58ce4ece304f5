//! The load tool of millpond: what a record costs the server, beside a bare HTTP server that is
//! driven by the same client on the same machine. `docs/performance.md` tells how to read it.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

mod admin;
mod alarm;
mod answer;
mod bare;
mod body;
mod cases;
mod clock;
mod codec;
mod compare;
mod cost;
mod disk;
mod duration;
mod endpoint;
mod event_stream;
mod growth;
mod histogram;
mod http;
mod idle;
mod instructions;
mod kinesis;
mod load;
mod millpond;
mod peers;
mod programs;
mod push;
mod report;
mod rocks;
mod run;
mod server;
mod setup;
mod sign;
mod slow_readers;
mod start;
mod subject;
mod subscriptions;
mod suites;
mod svg;
mod targets;
mod tip;
mod trim;
mod usage;
mod workload;

#[derive(Debug, Parser)]
#[command(about = "Measure what a record costs a millpond server", version)]
struct Command {
    #[command(subcommand)]
    measure: Measure,
}

#[derive(Debug, Subcommand)]
enum Measure {
    /// Throughput, latency and CPU per record of each kind of load
    Run(run::Run),
    /// Time and CPU from spawn to the first answer
    Start(start::Start),
    /// Memory of an idle server
    Idle(idle::Idle),
    /// Memory and CPU of subscriptions that have nothing to push
    Subscriptions(subscriptions::Subscriptions),
    /// Instructions a record, by stage, and whether they keep their budgets; needs valgrind
    Instructions(instructions::Instructions),
    /// Memory of subscriptions over HTTP/2 whose clients hardly read
    SlowReaders(slow_readers::SlowReaders),
    /// The same cases at more and more stored, with many streams, after splits
    Growth(growth::Growth),
    /// What giving back the space of expired records costs
    Trim(trim::Trim),
    /// A report as pictures and as tables in Markdown
    Plot(report::plot::Plot),
    /// A report beside what is to be reached
    Check(targets::Check),
    /// The same cases against other servers, which are installed from their registries
    Peers(peers::Peers),
    #[command(hide = true)]
    BareServer(bare::BareServer),
    #[command(hide = true)]
    RocksWriter(rocks::RocksWriter),
}

fn main() -> ExitCode {
    match measure(Command::parse().measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(measure: Measure) -> Result<()> {
    match measure {
        Measure::Run(run) => drive(run.run()),
        Measure::Start(start) => drive(start.run()),
        Measure::Idle(idle) => drive(idle.run()),
        Measure::Subscriptions(subscriptions) => drive(subscriptions.run()),
        Measure::Instructions(instructions) => drive(instructions.run()),
        Measure::SlowReaders(readers) => drive(readers.run()),
        Measure::Growth(growth) => drive(growth.run()),
        Measure::Trim(trim) => drive(trim.run()),
        Measure::Plot(plot) => plot.run(),
        Measure::Check(check) => check.run(),
        Measure::Peers(peers) => drive(peers.run()),
        Measure::RocksWriter(writer) => writer.run(),
        Measure::BareServer(server) => {
            Builder::new_multi_thread().enable_all().build()?.block_on(async {
                tokio::select! {
                    done = server.run() => done,
                    _ = stopped() => Ok(()),
                }
            })
        }
    }
}

fn drive(measured: impl Future<Output = Result<()>>) -> Result<()> {
    // One thread drives all connections: what it leaves of the machine is the server's.
    let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = measured => done,
            stopped = stopped() => stopped,
        }
    });
    // A sampling thread may still wait for the end of a window that nobody needs any more.
    runtime.shutdown_background();
    done
}

/// Waits for a signal to stop, so that servers are ended and their data removed.
async fn stopped() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    bail!("stopped by a signal");
}
