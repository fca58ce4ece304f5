//! What the disk itself takes: the part of a durable put that no server can save.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

const APPENDS: usize = 64;
const APPEND_BYTES: usize = 4096;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_take_time_and_reach_the_file() {
        let directory = tempfile::tempdir().unwrap();
        assert!(fdatasync(directory.path()).unwrap() > Duration::ZERO);
        let file = directory.path().join("fdatasync").metadata().unwrap();
        assert_eq!(file.len(), (APPENDS * APPEND_BYTES) as u64);
    }
}
