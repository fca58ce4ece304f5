//! Load on a server for a window of time, and what it cost.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::alarm::Alarm;
use crate::clock::Window;
use crate::histogram::Histogram;
use crate::http::Connection;
use crate::sign::Signer;
use crate::workload::Workload;

/// How long the last answers may take to come in after the window.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(30);
const LATE: &str = "answers did not come in";

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
        let body = self.workload.request().clone();
        let see = |coming: &[u8]| self.workload.see(coming);
        let answer = self.connection.call(&mut self.signer, begun, &body, see).await?;
        // Judging is the client's own work and no part of the latency.
        let at = Instant::now();
        let records = self.workload.accept(answer)?;
        Ok(Answered { at, records, bytes: self.connection.body_bytes() })
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

    /// Calls without a pause until it has all that there is.
    async fn drain(mut self, window: Window) -> Result<Tally> {
        let mut tally = Tally::new();
        while !self.workload.is_done() {
            let begun = Instant::now();
            let answered = self.call(begun).await?;
            tally.count(window, begun, answered);
        }
        Ok(tally)
    }

    /// Calls whenever a request is due, or as soon after as the answer before is here. A latency
    /// counts from when its request was due: waiting behind a slow one is no less waiting.
    pub(crate) async fn run_when_due(mut self, window: Window, mut dues: Dues) -> Result<Tally> {
        let mut tally = Tally::new();
        let mut alarm = Alarm::new()?;
        loop {
            let due = dues.next();
            if due >= window.end {
                return Ok(tally);
            }
            alarm.until(due).await?;
            let answered = self.call(Instant::now()).await?;
            tally.count(window, due, answered);
        }
    }
}

/// When the requests of one caller are due: every so often, for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dues {
    next: Instant,
    every: Duration,
}

impl Dues {
    /// Those of the caller `index` of `callers`, who take turns at `per_second` requests from
    /// `start` on.
    pub(crate) fn of(start: Instant, per_second: u32, index: usize, callers: usize) -> Self {
        let nth = |n: usize| Self::nth(start, per_second, n as u32);
        Self { next: nth(index), every: nth(callers) - start }
    }

    /// When the `n`th request of all is due, counted from 0.
    pub(crate) fn nth(start: Instant, per_second: u32, n: u32) -> Instant {
        start + Duration::from_secs(n.into()) / per_second.max(1)
    }

    pub(crate) fn next(&mut self) -> Instant {
        let due = self.next;
        self.next += self.every;
        due
    }
}

/// What one connection, or all of them, got done within the window.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) records: u64,
    pub(crate) answer_bytes: u64,
    pub(crate) latency: Histogram,
    /// Records of all answers, those before and after the window too.
    pub(crate) all_records: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let latency = Histogram::new();
        Self { requests: 0, records: 0, answer_bytes: 0, latency, all_records: 0 }
    }

    /// Counts an answer if it came within the window.
    pub(crate) fn count(&mut self, window: Window, begun: Instant, answered: Answered) {
        self.all_records += answered.records;
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
        self.all_records += other.all_records;
    }
}

/// Lets all callers run for the window, each without a pause or all together at a rate; the first
/// error ends them all.
pub(crate) async fn run(
    callers: Vec<Caller>,
    window: Window,
    per_second: Option<u32>,
) -> Result<Tally> {
    let mut running = JoinSet::new();
    let count = callers.len();
    for (index, caller) in callers.into_iter().enumerate() {
        match per_second {
            None => running.spawn(caller.run(window)),
            Some(per_second) => {
                let dues = Dues::of(window.begin, per_second, index, count);
                running.spawn(caller.run_when_due(window, dues))
            }
        };
    }
    let late = || match per_second {
        None => LATE.to_owned(),
        Some(rate) => format!("{LATE}: {rate} requests a second may be more than they bring"),
    };
    timeout_at(window.end + DRAIN_MAX, total(running)).await.with_context(late)?
}

/// Lets callers read until each has all that there is; the window ends with the last.
pub(crate) async fn drain(callers: Vec<Caller>) -> Result<(Tally, Window)> {
    let window = Window::after(Duration::ZERO, DRAIN_MAX);
    let mut running = JoinSet::new();
    for caller in callers {
        running.spawn(caller.drain(window));
    }
    let tally = timeout_at(window.end, total(running)).await.context(LATE)??;
    Ok((tally, Window { end: Instant::now(), ..window }))
}

/// What all callers got done; the first error ends them all.
pub(crate) async fn total(mut running: JoinSet<Result<Tally>>) -> Result<Tally> {
    let mut total = Tally::new();
    while let Some(done) = running.join_next().await {
        total.merge(&done.context("a caller panicked")??);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_take_turns_at_the_rate_that_is_offered() {
        let start = Instant::now();
        let mut dues = Vec::new();
        for index in 0..3 {
            let mut own = Dues::of(start, 1_000, index, 3);
            dues.extend([own.next(), own.next()]);
        }
        dues.sort();
        let millis: Vec<u128> = dues.iter().map(|due| (*due - start).as_millis()).collect();
        assert_eq!(millis, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn answers_outside_the_window_count_as_stored_and_as_nothing_else() {
        let window = Window::after(Duration::from_secs(1), Duration::from_secs(1));
        let mut tally = Tally::new();
        tally.count(window, window.start, Answered { at: window.end, records: 1, bytes: 1 });
        assert_eq!((tally.requests, tally.records, tally.all_records), (0, 0, 1));
    }
}
