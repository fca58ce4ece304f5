//! The least that being durable costs: one thread appends all that has come, and syncs it at once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot};

/// As long as a log that a store writes over again: its blocks are there, so that a sync has no
/// metadata to write.
const FILE_BYTES: u64 = 64 << 20;
/// Bodies that wait for the thread; further ones wait for a place.
const WAITING_MAX: usize = 4096;

/// A body, and who waits for it to be on disk.
type Append = (Bytes, oneshot::Sender<()>);

/// The log, as requests know it.
#[derive(Clone)]
pub(super) struct Log(mpsc::Sender<Append>);

impl Log {
    /// Makes the file, and starts the thread that writes to it.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).context("creating the log")?;
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at).context("filling the log")?;
        }
        file.sync_all().context("filling the log")?;
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        thread::spawn(move || write(&file, waiting));
        Ok(Self(sender))
    }

    /// Waits until the body is on disk.
    ///
    /// # Errors
    ///
    /// If the disk has failed.
    pub(super) async fn append(&self, body: Bytes) -> Result<()> {
        let (done, written) = oneshot::channel();
        self.0.send((body, done)).await.context("the log has ended")?;
        written.await.context("the log has ended")
    }
}

/// Ends when nobody is left to send, or with the disk's first error: then nobody is answered.
fn write(file: &File, mut waiting: mpsc::Receiver<Append>) -> std::io::Result<()> {
    let (mut appends, mut together, mut at) = (Vec::new(), Vec::new(), 0);
    while waiting.blocking_recv_many(&mut appends, WAITING_MAX) > 0 {
        together.clear();
        for (body, _) in &appends {
            together.extend_from_slice(body);
        }
        if at + together.len() as u64 > FILE_BYTES {
            at = 0;
        }
        file.write_all_at(&together, at)?;
        file.sync_data()?;
        at += together.len() as u64;
        for (_, done) in appends.drain(..) {
            // Who has gone away needs no answer.
            let _gone = done.send(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_in_the_file_when_it_is_answered_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::create(&path).unwrap();
        log.append(Bytes::from_static(b"first ")).await.unwrap();
        log.append(Bytes::from_static(b"second")).await.unwrap();
        let written = std::fs::read(path).unwrap();
        assert_eq!(written.get(..12), Some(&b"first second"[..]));
        assert_eq!(written.len() as u64, FILE_BYTES);
    }
}
