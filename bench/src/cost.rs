//! What a window cost both sides: processor time, by thread of the server too.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::clock::Window;
use crate::usage::{Thread, Usage};

/// What one or more windows cost.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    /// The server's threads by name; those that ended meanwhile are in `server_cpu` only.
    pub(crate) threads: BTreeMap<String, Split>,
    /// The server at the end.
    pub(crate) server: Usage,
}

/// Processor time, or a part of it per record, in the process' own code and in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Split {
    pub(crate) user_us: f64,
    pub(crate) kernel_us: f64,
}

/// Both processes at the beginning.
#[derive(Debug)]
pub(crate) struct Meter {
    pid: u32,
    server: Usage,
    client: Usage,
}

impl Meter {
    /// Reads the server `pid` and this process.
    pub(crate) fn start(pid: u32) -> Result<Self> {
        Ok(Self { pid, server: Usage::of(pid)?, client: Usage::of(std::process::id())? })
    }

    /// Reads both again; what came between is the cost.
    pub(crate) fn stop(self) -> Result<Cost> {
        let (server, client) = (Usage::of(self.pid)?, Usage::of(std::process::id())?);
        Ok(Cost {
            server_cpu: server.cpu.saturating_sub(self.server.cpu),
            client_cpu: client.cpu.saturating_sub(self.client.cpu),
            threads: by_name(&self.server.threads, &server.threads),
            server,
        })
    }
}

/// Reads the processes at both ends of the window, on a thread that no load delays.
pub(crate) async fn of(server: u32, window: Window) -> Result<Cost> {
    let sample = move || {
        let sleep = |until: Instant| {
            thread::sleep(until.saturating_duration_since(Instant::now()));
        };
        sleep(window.start);
        let meter = Meter::start(server)?;
        sleep(window.end);
        meter.stop()
    };
    spawn_blocking(sample).await.context("sampling panicked")?
}

/// What each name's threads used between two readings.
fn by_name(before: &[Thread], after: &[Thread]) -> BTreeMap<String, Split> {
    let before: BTreeMap<u32, &Thread> = before.iter().map(|thread| (thread.id, thread)).collect();
    let mut names = BTreeMap::new();
    for thread in after {
        let since = |of: fn(&Thread) -> Duration| {
            let earlier = before.get(&thread.id).map_or(Duration::ZERO, |thread| of(thread));
            of(thread).saturating_sub(earlier).as_secs_f64() * 1e6
        };
        let (cpu, user, kernel) = (
            since(|thread| thread.cpu),
            since(|thread| thread.user),
            since(|thread| thread.kernel),
        );
        // Ticks tell how the exact time parts; a thread without a whole tick was hardly there.
        let share = if user + kernel > 0.0 { kernel / (user + kernel) } else { 0.0 };
        let split: &mut Split = names.entry(thread.name.clone()).or_default();
        split.kernel_us += cpu * share;
        split.user_us += cpu * (1.0 - share);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread(id: u32, name: &str, cpu: u64, user: u64, kernel: u64) -> Thread {
        let [cpu, user, kernel] = [cpu, user, kernel].map(Duration::from_millis);
        Thread { id, name: name.into(), cpu, kernel, user }
    }

    #[test]
    fn threads_of_one_name_are_one_and_ticks_part_their_time() {
        let before = [thread(1, "worker", 100, 80, 20), thread(2, "commit", 50, 0, 50)];
        let after = [
            thread(1, "worker", 180, 120, 60),
            thread(2, "commit", 50, 0, 50),
            thread(3, "worker", 4, 0, 0),
        ];
        let names = by_name(&before, &after);
        assert_eq!(names["worker"], Split { user_us: 44_000.0, kernel_us: 40_000.0 });
        assert_eq!(names["commit"], Split::default());
    }

    #[test]
    fn a_meter_sees_what_this_process_does() {
        let meter = Meter::start(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while Usage::of(std::process::id()).unwrap().cpu <= meter.client.cpu {
            sum = std::hint::black_box(sum + 1);
        }
        let cost = meter.stop().unwrap();
        assert!(cost.client_cpu > Duration::ZERO && !cost.threads.is_empty());
    }
}
