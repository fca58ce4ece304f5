//! Where a server's credentials come from, and whether that has changed.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{Credential, Credentials, InvalidCredential, InvalidFile};

/// Credentials that were given at start, and a file of others.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Those that don't change.
    pub given: Vec<Credential>,
    /// The file, which names others.
    pub file: Option<PathBuf>,
}

/// Why there are no credentials to go by.
#[derive(Debug, Error)]
pub enum InvalidCredentials {
    /// A file can't be used.
    #[error(transparent)]
    File(#[from] InvalidFile),
    /// Two credentials don't go together.
    #[error(transparent)]
    Credential(#[from] InvalidCredential),
}

impl Source {
    /// Reads all credentials. `files` learns which files were looked at, also when it fails.
    ///
    /// # Errors
    /// When a file can't be used, or two credentials have the same access key id.
    pub fn load(&self, files: &mut Files) -> Result<Credentials, InvalidCredentials> {
        let mut credentials = self.given.clone();
        if let Some(file) = &self.file {
            credentials.extend(Credential::read_file(file, files)?);
        }
        Ok(Credentials::new(credentials)?)
    }
}

/// Files that credentials were read from, as they were then.
#[derive(Debug, Default)]
pub struct Files(Vec<(PathBuf, Option<Stamp>)>);

/// What tells a file from what it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    mode: u32,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        Some(Self {
            inode: file.ino(),
            bytes: file.size(),
            mode: file.mode(),
            modified: (file.mtime(), file.mtime_nsec()),
        })
    }
}

impl Files {
    /// Takes note of a file that is about to be read.
    pub(super) fn note(&mut self, path: &Path) {
        self.0.push((path.to_owned(), Stamp::of(path)));
    }

    /// Whether one of the files has changed since, has come or has gone.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, before)| Stamp::of(path) != *before)
    }
}
