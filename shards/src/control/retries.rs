//! When the writer tries again what storage refused.

use std::{collections::HashMap, time::Duration};

use millpond_quotas::Time;

use crate::stream::StreamNumber;

/// How long what storage refused waits for its next attempt.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// When to try again what storage refused; it stays due meanwhile. A move of the clock goes past
/// attempts as long as nobody does anything, and tells who isn't done.
#[derive(Debug, Default)]
pub(super) struct Retries {
    pub(super) transitions: HashMap<StreamNumber, Retry>,
    pub(super) unused_logs: Retry,
    pub(super) amends: Retry,
}

impl Retries {
    /// The first of them.
    pub(super) fn next(&self) -> Option<Time> {
        let all = self.transitions.values().chain([&self.unused_logs, &self.amends]);
        all.filter_map(|retry| retry.0).min()
    }
}

/// When to try one thing again, if it was refused.
#[derive(Debug, Default)]
pub(super) struct Retry(Option<Time>);

impl Retry {
    /// Whether it was refused so lately that it isn't tried yet.
    pub(super) fn is_early(&self, now: Time) -> bool {
        self.0.is_some_and(|at| now < at)
    }

    /// It was refused now.
    pub(super) fn failed(&mut self, now: Time) {
        self.0 = Some(now + RETRY_AFTER);
    }

    /// It is done, or isn't to be done any more.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}
