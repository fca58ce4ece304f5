//! The whole domain under a simulated life: random clients, a clock that jumps, storage that fails
//! and crashes at every step; beside it models that are too simple to be wrong. A seed decides
//! everything.
//!
//! `SIM_SEEDS=7..100` simulates a hundred seeds from 7 on.

mod consumer;
mod deeds;
mod forks;
mod ledger;
mod life;
mod mirror;
mod producer;
mod script;
mod world;

use std::ops::Range;

use millpond_shards::engine::memory::Fault;
use world::{Blow, Plan};

/// Seeds that are simulated unless others are asked for.
const SEEDS: Range<u64> = 1..21;

/// Crashes that keep more of the waiting writes than these have nothing left to keep.
const KEPT_MAX: u64 = 3;

/// Writes that the script makes at least.
const WRITES_MIN: usize = 50;

/// Tells how to see a failure again, as the last thing that it says.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay: SIM_SEEDS={}..1 cargo test -p millpond-shards --test sim", self.0);
        }
    }
}

/// Lives through one seed; what happened in it.
fn live(seed: u64) -> Vec<String> {
    let _replay = Replay(seed);
    life::live(seed)
}

fn seeds() -> Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test has no configuration to ask")]
    let Ok(asked) = std::env::var("SIM_SEEDS") else { return SEEDS };
    let number = |text: &str| text.parse::<u64>().ok();
    let range = asked.split_once("..").and_then(|(from, count)| {
        let from = number(from)?;
        Some(from..from + number(count)?)
    });
    range.expect("SIM_SEEDS is FROM..COUNT")
}

#[test]
fn every_life_keeps_the_promises() {
    for seed in seeds() {
        let trace = live(seed);
        println!("seed {seed}: {} events", trace.len());
    }
}

#[test]
fn the_same_seed_lives_the_same_life() {
    let seed = seeds().start;
    assert_eq!(live(seed), live(seed));
}

/// Strikes each write of the script in turn.
fn strike_every_write(plan: impl Fn(usize) -> Plan) {
    let mut write = 0;
    while script::live(plan(write)) {
        write += 1;
    }
    assert!(write > WRITES_MIN, "the script makes {write} writes only");
}

#[test]
fn without_a_blow_the_script_does_what_it_says() {
    script::live(Plan::new());
}

#[test]
fn a_crash_at_any_write_breaks_no_promise() {
    for kept in 0..=KEPT_MAX {
        strike_every_write(|write| [(write, Blow::Crash { kept })].into());
    }
}

#[test]
fn a_refusal_of_any_write_breaks_no_promise() {
    strike_every_write(|write| [(write, Blow::Fault(Fault::Full))].into());
}

#[test]
fn a_failure_of_any_write_breaks_no_promise() {
    for (stored, later) in [(false, 0), (true, 1), (true, 4)] {
        let failure = Blow::Fault(Fault::Failed { stored });
        let crash = Blow::Crash { kept: 0 };
        strike_every_write(|write| [(write, failure), (later, crash)].into());
    }
}
