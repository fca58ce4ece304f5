//! What a process has used, as the kernel tells under `/proc`: CPU time by thread, memory, writes.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

/// One reading of a process.
#[derive(Clone, Debug)]
pub(crate) struct Usage {
    /// User and system time of all threads since the process began.
    pub(crate) cpu: Duration,
    /// Resident memory, bytes.
    pub(crate) rss_bytes: u64,
    /// The part of it that no file backs, bytes.
    pub(crate) rss_anonymous_bytes: u64,
    pub(crate) threads: Vec<Thread>,
}

/// One thread that still ran when the process was read.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) id: u32,
    /// As the kernel keeps it, up to 15 bytes.
    pub(crate) name: String,
    /// Time on a processor, exact.
    pub(crate) cpu: Duration,
    /// The kernel's own part of that, in whole ticks of [`TICK`].
    pub(crate) kernel: Duration,
    pub(crate) user: Duration,
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
        let mut threads = Vec::new();
        for task in fs::read_dir(root.join("task")).context("listing threads")? {
            // A thread may end between the listing and the reading.
            let path = task?.path();
            let read = |name: &str| fs::read_to_string(path.join(name));
            let (Ok(stat), Ok(schedstat)) = (read("stat"), read("schedstat")) else { continue };
            threads.push(thread(&stat, &schedstat).context("unexpected stat of a thread")?);
        }
        let scheduled = threads.iter().map(|thread| thread.cpu).sum::<Duration>();
        let (user, kernel) = stat_cpu(&read("stat")?).context("unexpected stat")?;
        Ok(Self {
            // schedstat is exact but forgets threads that ended; stat has them, in 10 ms ticks.
            cpu: scheduled.max(user + kernel),
            rss_bytes: kib("VmRSS:")? * 1024,
            rss_anonymous_bytes: kib("RssAnon:")? * 1024,
            threads,
        })
    }
}

/// The unit in which the kernel reports to user space on every Linux architecture of ours.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// `utime` and `stime`, the fields 14 and 15 of a `stat`.
fn stat_cpu(stat: &str) -> Option<(Duration, Duration)> {
    // Field 2 is the name in parentheses, which may itself hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(|ticks| ticks.parse::<u32>().ok());
    Some((TICK * times.next()??, TICK * times.next()??))
}

/// A thread, from its `stat` and `schedstat`.
fn thread(stat: &str, schedstat: &str) -> Option<Thread> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, _) = rest.rsplit_once(") ")?;
    let (user, kernel) = stat_cpu(stat)?;
    let (id, name) = (id.parse().ok()?, name.to_owned());
    Some(Thread { id, name, cpu: first_nanos(schedstat)?, kernel, user })
}

/// Bytes that a process has sent towards the disk; none where the kernel doesn't count them.
pub(crate) fn written_bytes(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.parse().ok()
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
        let (user, kernel) = (Duration::from_millis(1_500), Duration::from_millis(250));
        assert_eq!(stat_cpu(stat), Some((user, kernel)));
        let thread = thread(stat, "1600000000 4 5").unwrap();
        assert_eq!((thread.id, thread.name.as_str()), (42, "a ) b"));
        assert_eq!(thread.cpu, Duration::from_millis(1_600));
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
        assert!(!usage.threads.is_empty());
        assert!(usage.rss_bytes >= usage.rss_anonymous_bytes);
        assert!(usage.rss_anonymous_bytes > 0);
        fs::write(tempfile::tempdir().unwrap().path().join("something"), [1; 5_000]).unwrap();
        assert!(written_bytes(std::process::id()).is_some());
    }
}
