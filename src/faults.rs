//! Faults as data: a script says which calls and deliveries go wrong, and how. Without one nothing
//! is asked.
//!
//! A script ([`Script`]) is read from a file or over the admin API. What its rules do to a call is
//! a pure decision, made when the call is decoded and before anything is done for it; the effects
//! are in `src/ops/injected.rs`, at three points: admission, commit and delivery.

mod call;
mod decision;
mod fields;
mod handover;
mod pick;
mod rule;
mod script;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use prometheus::IntCounterVec;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use call::{Call, RecordFace};
pub use decision::{Delivery, Ending, RecordFault, Step, Verdict};
pub use fields::InvalidScript;
pub use handover::Handover;
pub use script::{Format, SCRIPT_BYTES_MAX, Script};

use decision::Tally;
use rule::Rule;

/// Iterators that are remembered as expired. Those before them may be used again, which only a
/// client would find out that keeps a thousand of them.
const EXPIRED_MAX: usize = 1024;

/// The faults of a server: those that are in force, if any.
pub struct Faults {
    current: ArcSwapOption<Injector>,
    /// Whether there ever were any. To ask this costs servers without faults a branch; to ask the
    /// other, some 25 ns.
    were_there: AtomicBool,
    /// What is in force after the start, and again after a reset.
    at_start: Option<Script>,
    /// Of scripts that name no seed.
    seed: u64,
    injected: IntCounterVec,
}

impl Faults {
    /// The faults of `at_start`, if that is given. `seed` is that of scripts without one of their
    /// own, and `injected` counts by effect.
    #[must_use]
    pub fn new(at_start: Option<Script>, seed: u64, injected: IntCounterVec) -> Self {
        let (current, were_there) = (ArcSwapOption::empty(), AtomicBool::new(false));
        let faults = Self { current, were_there, at_start, seed, injected };
        faults.reset();
        faults
    }

    /// What is in force. Lock-free, and all there is to do for a server without faults.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Injector>> {
        if self.were_there.load(Ordering::Acquire) { self.current.load_full() } else { None }
    }

    /// Puts a script in force, with counts from 0, and those before it out of force. What they hold
    /// up goes on.
    pub fn replace(&self, script: Script) {
        if script.rules.is_empty() {
            return self.clear();
        }
        let injector = Injector::new(script, self.seed, self.injected.clone());
        self.swap(Some(Arc::new(injector)));
    }

    /// Puts all faults out of force. What they hold up goes on.
    pub fn clear(&self) {
        self.swap(None);
    }

    /// As after the start.
    pub fn reset(&self) {
        match &self.at_start {
            Some(script) => self.replace(script.clone()),
            None => self.clear(),
        }
    }

    fn swap(&self, injector: Option<Arc<Injector>>) {
        self.were_there.fetch_or(injector.is_some(), Ordering::Release);
        if let Some(before) = self.current.swap(injector) {
            before.over.cancel();
        }
    }

    /// How many faults are in force.
    #[must_use]
    pub fn count(&self) -> usize {
        self.current().map_or(0, |injector| injector.rules.len())
    }

    /// The faults in force, as they were given, each with what it has done.
    #[must_use]
    pub fn report(&self) -> Value {
        match self.current() {
            None => json!({ "faults": [] }),
            Some(injector) => injector.report(),
        }
    }
}

/// A script in force.
pub struct Injector {
    rules: Vec<Rule>,
    seed: u64,
    // Taken once a call, and once a delivery, only while there are faults.
    progress: Mutex<Progress>,
    over: CancellationToken,
    injected: IntCounterVec,
}

struct Progress {
    tallies: Vec<Tally>,
    /// Hashes of the iterators that faults have expired, oldest first.
    expired: VecDeque<u64>,
}

impl Injector {
    fn new(Script { seed, rules }: Script, default_seed: u64, injected: IntCounterVec) -> Self {
        let seed = seed.unwrap_or(default_seed);
        let tallies = (0..rules.len()).map(|place| Tally::new(seed, place)).collect();
        let progress = Mutex::new(Progress { tallies, expired: VecDeque::new() });
        Self { rules, seed, progress, over: CancellationToken::new(), injected }
    }

    /// What happens to a call.
    pub fn on_call(&self, call: &Call) -> Verdict {
        let mut progress = self.progress();
        let (verdict, acts) = decision::on_call(&self.rules, &mut progress.tallies, call);
        for act in acts {
            self.count(act);
        }
        verdict
    }

    /// What happens to a delivery of records with these keys, of which there is one at least, to
    /// the reader that made `call`.
    pub fn on_delivery(&self, call: &Call, keys: &[Option<&str>]) -> Option<Delivery> {
        if self.over.is_cancelled() {
            return None;
        }
        let mut progress = self.progress();
        let taken = decision::on_delivery(&self.rules, &mut progress.tallies, call, keys);
        let (delivery, act) = taken?;
        self.count(act);
        Some(delivery)
    }

    /// Whether some rule is about what readers are told, so that keys have to be looked at.
    #[must_use]
    pub fn is_about_deliveries(&self) -> bool {
        self.rules.iter().any(|rule| rule.then.act.is_of_delivery())
    }

    /// Notes that an iterator has expired: it stays so.
    pub fn expire(&self, iterator: &str) {
        let (expired, hash) = (&mut self.progress().expired, hash(iterator));
        // A client that tries again and again must not push out those of others.
        if expired.contains(&hash) {
            return;
        }
        if expired.len() == EXPIRED_MAX {
            expired.pop_front();
        }
        expired.push_back(hash);
    }

    /// Whether a fault has expired this iterator before.
    #[must_use]
    pub fn has_expired(&self, iterator: &str) -> bool {
        let progress = self.progress();
        !progress.expired.is_empty() && progress.expired.contains(&hash(iterator))
    }

    /// Ends when the script is put out of force.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// Whether the script was put out of force.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    fn report(&self) -> Value {
        let progress = self.progress();
        let faults = self.rules.iter().zip(&progress.tallies).map(|(rule, tally)| {
            let mut fault = rule.source.clone();
            if let Value::Object(members) = &mut fault {
                let Tally { matched, acted, records, .. } = tally;
                for (name, count) in [("matched", matched), ("acted", acted), ("records", records)]
                {
                    members.insert(name.to_owned(), json!(count));
                }
            }
            fault
        });
        json!({ "seed": self.seed, "faults": faults.collect::<Vec<_>>() })
    }

    fn count(&self, act: &str) {
        self.injected.with_label_values(&[act]).inc();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("nothing panics while it holds the progress")
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The connection ends here: the instruction of a fault, told as an error to what sends a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault cuts the connection")
    }
}

impl std::error::Error for Cut {}
