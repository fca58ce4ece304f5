//! Load on a server for a window of time, and what it cost.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::clock::Window;
use crate::histogram::Histogram;
use crate::http::Connection;
use crate::sign::Signer;
use crate::usage::Usage;
use crate::workload::Workload;

/// How long the last answers may take to come in after the window.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(30);

/// One connection and what it asks.
pub(crate) struct Caller {
    pub(crate) connection: Connection,
    pub(crate) signer: Signer,
    pub(crate) workload: Box<dyn Workload>,
}

/// One answer that was judged good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) at: Instant,
    pub(crate) records: u64,
    pub(crate) bytes: usize,
}

impl Caller {
    /// Sends one request and judges its answer.
    pub(crate) async fn call(&mut self, begun: Instant) -> Result<Answered> {
        let body = self.workload.request();
        let answer = self.connection.call(&mut self.signer, begun, body).await?;
        // Judging is the client's own work and no part of the latency.
        let at = Instant::now();
        Ok(Answered { at, records: self.workload.accept(answer)?, bytes: answer.len() })
    }

    /// Calls without a pause until the window ends; counts what ends within it.
    async fn run(mut self, window: Window) -> Result<Tally> {
        let mut tally = Tally::new();
        loop {
            let begun = Instant::now();
            if begun >= window.end {
                return Ok(tally);
            }
            let answered = self.call(begun).await?;
            tally.count(window, begun, answered);
        }
    }
}

/// What one connection, or all of them, got done within the window.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) records: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) latency: Histogram,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { requests: 0, records: 0, answer_bytes: 0, latency: Histogram::new() }
    }

    /// Counts an answer if it came within the window.
    pub(crate) fn count(&mut self, window: Window, begun: Instant, answered: Answered) {
        if window.contains(answered.at) {
            self.requests += 1;
            self.records += answered.records;
            self.answer_bytes += answered.bytes as u64;
            self.latency.record(answered.at - begun);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.records += other.records;
        self.answer_bytes += other.answer_bytes;
        self.latency.merge(&other.latency);
    }
}

/// What the window cost both sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// The server at the end of the window.
    pub(crate) server: Usage,
}

/// Lets all callers run for the window; the first error ends them all.
pub(crate) async fn run(callers: Vec<Caller>, window: Window) -> Result<Tally> {
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn(caller.run(window));
    }
    let all = async {
        let mut total = Tally::new();
        while let Some(done) = running.join_next().await {
            total.merge(&done.context("a caller panicked")??);
        }
        Ok(total)
    };
    timeout_at(window.end + DRAIN_MAX, all).await.context("answers did not come in")?
}

/// Reads the processes at both ends of the window, on a thread that no load delays.
pub(crate) async fn cost(server: u32, window: Window) -> Result<Cost> {
    let sample = move || {
        let at = |instant: Instant| {
            thread::sleep(instant.saturating_duration_since(Instant::now()));
            Ok::<_, anyhow::Error>((Usage::of(server)?, Usage::of(std::process::id())?))
        };
        let (server_before, client_before) = at(window.start)?;
        let (server, client) = at(window.end)?;
        Ok(Cost {
            server_cpu: server.cpu.saturating_sub(server_before.cpu),
            client_cpu: client.cpu.saturating_sub(client_before.cpu),
            server,
        })
    };
    spawn_blocking(sample).await.context("sampling panicked")?
}
