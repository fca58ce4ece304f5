//! Everything at one moment, in a file, and back.

use std::path::Path;

use super::Domain;
use crate::snapshot::{self, Archive, Contents, SnapshotError};

impl Domain {
    /// Writes everything to `path`: a tar archive if its name ends in `.tar`, else a directory,
    /// which must be empty or not there. Every record that was acknowledged before this call is in
    /// it; requests go on meanwhile.
    ///
    /// # Errors
    /// When something is there, files can't be written, or storage fails. Nothing is left behind.
    pub async fn snapshot(&self, path: &Path) -> Result<Contents, SnapshotError> {
        snapshot::write(&self.services, path).await
    }

    /// Replaces everything by what the snapshot at `path` holds: all or nothing, also in a crash.
    /// Other changes wait meanwhile. Service time doesn't go back; it goes on from that of the
    /// snapshot if that is later.
    ///
    /// # Errors
    /// When there is no snapshot, it is damaged or of a later release, or there is no space for it
    /// beside what is there.
    pub async fn restore(&self, path: &Path) -> Result<Contents, SnapshotError> {
        let archive = Archive::open(path).await?;
        let (contents, key) = self.control.restore(archive).await?;
        if let Some(key) = key {
            self.tokens.change_key(&key);
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests;
