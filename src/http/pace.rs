//! How slow a client may be.

use std::time::Duration;

use tokio::time::Instant;

/// The schedule of the slowest client that is waited for, on average since it began.
pub(super) struct Pace {
    /// When a client at exactly the slowest rate would be at its first byte.
    schedule: Instant,
    bytes_per_second_min: u32,
}

impl Pace {
    /// A schedule that begins now, for clients that may be behind it for `grace`.
    pub(super) fn start(grace: Duration, bytes_per_second_min: u32) -> Self {
        Self { schedule: Instant::now() + grace, bytes_per_second_min }
    }

    /// When the bytes after the first `done` must be on their way.
    pub(super) fn due(&self, done: u64) -> Instant {
        let earned_ms = done * 1_000 / u64::from(self.bytes_per_second_min.max(1));
        self.schedule + Duration::from_millis(earned_ms)
    }

    /// Moves the schedule by time that was not the client's.
    pub(super) fn excuse(&mut self, time: Duration) {
        self.schedule += time;
    }
}
