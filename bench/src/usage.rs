//! What a process has used, as the kernel tells under `/proc`: CPU time and resident memory.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// One reading of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all threads since the process began.
    pub(crate) cpu: Duration,
    /// Resident memory, bytes.
    pub(crate) rss_bytes: u64,
    /// The part of it that no file backs, bytes.
    pub(crate) rss_anonymous_bytes: u64,
    pub(crate) threads: usize,
}

impl Usage {
    /// Reads the process `pid`; its parent must not have waited for it yet.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let root = PathBuf::from(format!("/proc/{pid}"));
        let read = |name: &str| {
            fs::read_to_string(root.join(name)).with_context(|| format!("reading {name} of {pid}"))
        };
        let status = read("status")?;
        let kib = |field| status_kib(&status, field).with_context(|| format!("no {field}"));
        let mut threads = 0;
        let mut scheduled = Duration::ZERO;
        for task in fs::read_dir(root.join("task")).context("listing threads")? {
            // A thread may end between the listing and the reading.
            if let Ok(schedstat) = fs::read_to_string(task?.path().join("schedstat")) {
                threads += 1;
                scheduled += first_nanos(&schedstat).context("unexpected schedstat")?;
            }
        }
        let charged = stat_cpu(&read("stat")?).context("unexpected stat")?;
        Ok(Self {
            // schedstat is exact but forgets threads that ended; stat has them, in 10 ms ticks.
            cpu: scheduled.max(charged),
            rss_bytes: kib("VmRSS:")? * 1024,
            rss_anonymous_bytes: kib("RssAnon:")? * 1024,
            threads,
        })
    }
}

/// `utime + stime`, the fields 14 and 15 of `/proc/PID/stat`.
fn stat_cpu(stat: &str) -> Option<Duration> {
    // The kernel reports to user space in ticks of 1/100 s on every Linux architecture of ours.
    const TICK: Duration = Duration::from_millis(10);
    // Field 2 is the name in parentheses, which may itself hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11);
    let ticks = times.next()?.parse::<u32>().ok()? + times.next()?.parse::<u32>().ok()?;
    Some(TICK * ticks)
}

/// Time on a processor, the first field of a thread's `schedstat`.
fn first_nanos(schedstat: &str) -> Option<Duration> {
    Some(Duration::from_nanos(schedstat.split(' ').next()?.parse().ok()?))
}

/// A field of `/proc/PID/status`, which counts memory in KiB.
fn status_kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_an_odd_process_name() {
        let stat = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 3 0";
        assert_eq!(stat_cpu(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(stat_cpu("42 (short) S 1"), None);
    }

    #[test]
    fn schedstat_begins_with_nanoseconds() {
        assert_eq!(first_nanos("310239903 48244384 62\n"), Some(Duration::from_nanos(310_239_903)));
        assert_eq!(first_nanos("x 1 2"), None);
    }

    #[test]
    fn status_fields_are_found_by_their_whole_name() {
        let status = "VmRSS:\t    1628 kB\nRssAnon:\t     112 kB\n";
        assert_eq!(status_kib(status, "RssAnon:"), Some(112));
        assert_eq!(status_kib(status, "VmSwap:"), None);
    }

    #[test]
    fn this_very_process_can_be_read() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.threads >= 1);
        assert!(usage.rss_bytes >= usage.rss_anonymous_bytes);
        assert!(usage.rss_anonymous_bytes > 0);
    }
}
