//! Reading what is on disk only: after a restart, with nothing of the files in the page cache.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::fs::{Advice, fadvise};
use tokio::time::Instant;

use super::Run;
use crate::cost::Meter;
use crate::endpoint::Endpoint;
use crate::load;
use crate::millpond::{Millpond, data_dir};
use crate::report::{Row, float};
use crate::server::Server;
use crate::setup::Service;

const READ_BYTES: usize = 1 << 20;

/// Fills a server, ends it, empties the page cache, reads its files one after the other, empties it
/// again, and has all records read once from a new server.
pub(super) async fn measure(millpond: &Millpond, run: &Run, name: &str) -> Result<Row> {
    let home = millpond.scratch()?;
    let arguments = millpond.serve_as(home.path(), &run.case.setting)?;
    let server = Server::start(millpond.program(), &arguments).await?;
    let endpoint = Endpoint::plain(server.address);
    let put = Service { endpoint: &endpoint }.stock(&run.case).await?;
    server.stop().await?;

    let data = files(&data_dir(home.path()))?;
    evict(&data)?;
    let sequential = sequential(&data)?;
    evict(&data)?;

    let server = Server::start(millpond.program(), &arguments).await?;
    let endpoint = Endpoint::plain(server.address);
    let callers = Service { endpoint: &endpoint }.drainers(&run.case).await?;
    let meter = Meter::start(server.pid())?;
    let (tally, window) = load::drain(callers).await?;
    let cost = meter.stop()?;
    let read = tally.all_records;
    ensure!(read == put, "{put} records were put, {read} were read");
    let mut row = Row::new(&run.case, name, window, &tally, &cost);
    row.sequential_mb_per_second = Some(sequential);
    server.stop().await?;
    Ok(row)
}

/// All files under a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).context("listing the data directory")? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

/// Drops the files' pages from memory. Pages that aren't on disk yet would stay, so they go there
/// first.
fn evict(files: &[PathBuf]) -> Result<()> {
    for path in files {
        let file = File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed).context("emptying the page cache")?;
    }
    Ok(())
}

/// Reads the files one after the other, in units of 1,000,000 bytes a second.
fn sequential(files: &[PathBuf]) -> Result<f64> {
    let mut buffer = vec![0; READ_BYTES];
    let (begun, mut total) = (Instant::now(), 0);
    for path in files {
        let mut file = File::open(path)?;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            total += count as u64;
        }
    }
    Ok(float(total) / 1e6 / begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_folders_are_evicted_and_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("inner")).unwrap();
        for name in ["one", "inner/two"] {
            fs::write(directory.path().join(name), vec![1; 100_000]).unwrap();
        }
        let files = files(directory.path()).unwrap();
        assert_eq!(files.len(), 2);
        evict(&files).unwrap();
        assert!(sequential(&files).unwrap() > 0.0);
    }
}
