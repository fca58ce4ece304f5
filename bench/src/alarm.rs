//! Waking at a moment, to the microsecond: the runtime's own timers round up to a millisecond,
//! which is more than what is measured.

use anyhow::{Context, Result};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::Instant;

/// A timer of the kernel.
#[derive(Debug)]
pub(crate) struct Alarm {
    /// The runtime waits for a timer as it does for a pipe: until it can be read.
    timer: pipe::Receiver,
}

impl Alarm {
    pub(crate) fn new() -> Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).context("making a timer")?;
        Ok(Self { timer: pipe::Receiver::from_owned_fd_unchecked(timer)? })
    }

    /// Returns at `due`, at once if that has passed.
    pub(crate) async fn until(&mut self, due: Instant) -> Result<()> {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let left =
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let once = Itimerspec { it_interval: never, it_value: left };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        let _rung = self.timer.read_u64().await.context("waiting for a timer")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_alarm_never_rings_early_and_can_be_set_again() {
        let mut alarm = Alarm::new().unwrap();
        for wait in [Duration::ZERO, Duration::from_micros(300), Duration::from_micros(700)] {
            let due = Instant::now() + wait;
            alarm.until(due).await.unwrap();
            assert!(Instant::now() >= due);
        }
    }
}
