//! The disk itself: how long it takes, the part of a durable put that no server can save, and how
//! much was written to it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::fs::{fstat, major, minor, syncfs};
use tokio::time::Instant;

const APPENDS: usize = 64;
const APPEND_BYTES: usize = 4096;
/// The unit that the kernel counts in, whatever the disk's own.
const SECTOR_BYTES: u64 = 512;

/// The median time of an append of 4 KiB and its fdatasync, in a file in `directory`.
pub(crate) fn fdatasync(directory: &Path) -> Result<Duration> {
    let mut file = File::create(directory.join("fdatasync")).context("writing to the disk")?;
    let mut times = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let begun = Instant::now();
        file.write_all(&[1; APPEND_BYTES])?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times.get(APPENDS / 2).copied().context("nothing was appended")
}

/// Bytes that anybody has written to the disk that holds `directory`, and all that was waiting for
/// it. `None` where no single disk does, or where it counts nothing.
pub(crate) fn written_bytes(directory: &Path) -> Result<Option<u64>> {
    let directory = File::open(directory).context("looking at the disk")?;
    syncfs(&directory)?;
    let device = fstat(&directory)?.st_dev;
    let counters = format!("/sys/dev/block/{}:{}/stat", major(device), minor(device));
    fs::read_to_string(counters).map_or(Ok(None), |counters| written(&counters))
}

/// What a disk's counters say of the bytes written; `None` where it counts nothing.
fn written(counters: &str) -> Result<Option<u64>> {
    let sectors = counters.split_whitespace().nth(6).context("the disk's counters are too few")?;
    Ok(Some(sectors.parse::<u64>()? * SECTOR_BYTES).filter(|&bytes| bytes > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sectors_written_are_told_in_bytes() {
        let counters = "    77  5  4096  9   12  3   20480  44  0  70  53\n";
        assert_eq!(written(counters).unwrap(), Some(10 << 20));
        assert_eq!(written("0 0 0 0 0 0 0 0 0 0 0").unwrap(), None, "it counts nothing");
        assert!(written("77 5 4096").is_err());
    }

    #[test]
    fn what_is_written_grows_wherever_a_directory_lies() {
        let directory = tempfile::tempdir().unwrap();
        let before = written_bytes(directory.path()).unwrap();
        fs::write(directory.path().join("file"), vec![1; 1 << 20]).unwrap();
        // On what is no single disk both are `None`.
        let after = written_bytes(directory.path()).unwrap();
        assert_eq!(before.is_some(), after.is_some());
        assert!(before <= after, "{before:?} {after:?}");
    }

    #[test]
    fn appends_take_time_and_reach_the_file() {
        let directory = tempfile::tempdir().unwrap();
        assert!(fdatasync(directory.path()).unwrap() > Duration::ZERO);
        let file = directory.path().join("fdatasync").metadata().unwrap();
        assert_eq!(file.len(), (APPENDS * APPEND_BYTES) as u64);
    }
}
