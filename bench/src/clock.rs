//! Real time: how long things took, and what the clock on the wall says for signatures.
//!
//! A load tool measures the machine that it runs on, so it reads the real clock; the server's own
//! clock, which can be paused and moved, has no place here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// One reading of the wall clock and a monotonic clock that carries it on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    read_at: Instant,
    since_epoch: Duration,
}

impl Clock {
    /// Reads the wall clock once; later readings cost one monotonic read each.
    pub(crate) fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "signatures need the date of the real world")]
        let wall = SystemTime::now();
        let since_epoch = wall.duration_since(UNIX_EPOCH).expect("the clock is set after 1970");
        Self { read_at: Instant::now(), since_epoch }
    }

    /// Seconds since the epoch at `instant`.
    pub(crate) fn epoch_seconds(&self, instant: Instant) -> u64 {
        (self.since_epoch + instant.saturating_duration_since(self.read_at)).as_secs()
    }
}

/// The part of a run that counts: what warms up before it and what drains after it does not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// When the warming up begins.
    pub(crate) begin: Instant,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
}

impl Window {
    /// A window of `length` that opens after `warm_up` from now.
    pub(crate) fn after(warm_up: Duration, length: Duration) -> Self {
        let begin = Instant::now();
        let start = begin + warm_up;
        Self { begin, start, end: start + length }
    }

    pub(crate) fn contains(&self, instant: Instant) -> bool {
        self.start <= instant && instant < self.end
    }

    pub(crate) fn length(&self) -> Duration {
        self.end - self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_carried_on_by_the_monotonic_one() {
        let clock = Clock::start();
        let start = clock.read_at;
        let first = clock.epoch_seconds(start);
        assert!(first > 1_700_000_000, "{first}");
        assert_eq!(clock.epoch_seconds(start + Duration::from_secs(90)), first + 90);
    }

    #[test]
    fn a_window_includes_its_start_and_excludes_its_end() {
        let window = Window::after(Duration::from_secs(1), Duration::from_secs(2));
        assert!(window.contains(window.start));
        assert!(!window.contains(window.end));
        assert_eq!(window.length(), Duration::from_secs(2));
    }
}
