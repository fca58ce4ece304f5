//! Everything at one moment, in a file, and back.

use std::path::Path;

use super::Domain;
use crate::{
    Error,
    snapshot::{self, Contents, SnapshotError},
};

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

    /// Replaces everything by what the snapshot at `path` holds: all or nothing, also in a crash,
    /// or when the answer isn't waited for. Requests go on meanwhile, and what they change is
    /// replaced with the rest. Service time doesn't go back; it goes on from that of the snapshot
    /// if that is later. What streams had to take is counted anew, and subscriptions end as when
    /// their streams are deleted.
    ///
    /// # Errors
    /// When there is no snapshot, it is damaged or of a later release, or there is no space for it
    /// beside what is there.
    pub async fn restore(&self, path: &Path) -> Result<Contents, SnapshotError> {
        let restore = snapshot::restore(&self.services, &self.control, path);
        let restored = self.services.tasks.stop().run_until_cancelled(restore).await;
        restored.unwrap_or_else(|| Err(Error::Stopping.into()))
    }
}

#[cfg(test)]
mod tests;
