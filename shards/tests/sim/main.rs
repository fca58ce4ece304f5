//! The whole domain under a simulated life: random clients, a clock that jumps, storage that fails
//! and crashes at every step; beside it models that are too simple to be wrong. A seed decides
//! everything.
//!
//! `SIM_SEEDS=7..100` simulates a hundred seeds from 7 on.

mod consumer;
mod ledger;
mod life;
mod mirror;
mod producer;
mod script;
mod world;

use std::ops::Range;

/// Seeds that are simulated unless others are asked for.
const SEEDS: Range<u64> = 1..21;

/// Crashes that keep more of the waiting writes than these have nothing left to keep.
const KEPT_MAX: u64 = 3;

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

#[test]
fn a_crash_at_any_write_breaks_no_promise() {
    for kept in 0..=KEPT_MAX {
        let mut write = 0;
        while script::live_with_crash_at(write, kept) {
            write += 1;
        }
        assert!(write > 50, "the script makes {write} writes only");
    }
}
