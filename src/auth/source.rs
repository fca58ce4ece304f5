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
    /// A file may have been read by half.
    #[error("the credentials file or a policy file was written while it was read")]
    Changing,
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
            let read = Credential::read_file(file, files);
            files.are_unread = read.as_ref().is_err_and(InvalidFile::is_unreadable);
            credentials.extend(read?);
        }
        Ok(Credentials::new(credentials)?)
    }

    /// Reads all credentials while others are in force: those of half a file, of which a line that
    /// limits somebody may be to come, must not take their place.
    ///
    /// # Errors
    /// Those of `load`, and when a file was written meanwhile.
    pub fn load_settled(&self, files: &mut Files) -> Result<Credentials, InvalidCredentials> {
        let credentials = self.load(files)?;
        if files.have_changed() { Err(InvalidCredentials::Changing) } else { Ok(credentials) }
    }
}

/// Files that credentials were read from, as they were then.
#[derive(Debug, Default)]
pub struct Files {
    seen: Vec<(PathBuf, Option<Stamp>)>,
    /// Whether one couldn't be read, of which its stamp tells nothing.
    are_unread: bool,
}

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
    /// Files of which nothing is known yet.
    #[must_use]
    pub fn unread() -> Self {
        Self { are_unread: true, ..Self::default() }
    }

    /// Takes note of a file that is about to be read.
    pub(super) fn note(&mut self, path: &Path) {
        self.seen.push((path.to_owned(), Stamp::of(path)));
    }

    /// Whether they are to be read: one of them has changed since, has come or has gone, or
    /// couldn't be read before.
    #[must_use]
    pub fn have_changed(&self) -> bool {
        self.are_unread || self.seen.iter().any(|(path, before)| Stamp::of(path) != *before)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        io,
        os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
        process::Command,
        thread,
    };

    use super::*;

    const PROFILE: &str = "[a]\naws_access_key_id = A\naws_secret_access_key = hush\n";
    const POLICY: &str =
        r#"{"Statement": {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}}"#;

    fn source(file: PathBuf) -> Source {
        Source { given: Vec::new(), file: Some(file) }
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_read_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        // What a folder holds can't be read as text, and its stamp stays the same.
        let path = folder.path().join("credentials");
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        let mut files = Files::default();
        source(path).load(&mut files).unwrap_err();
        assert!(files.have_changed());
        let path = folder.path().join("with-policy");
        fs::create_dir(folder.path().join("a.json")).unwrap();
        write(&path, &format!("{PROFILE}policies = a.json\n"));
        let mut files = Files::default();
        source(path).load(&mut files).unwrap_err();
        assert!(files.have_changed());
    }

    #[test]
    fn a_file_that_is_wrong_is_not_read_again_before_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        for text in ["[a]\nhush\n", ""] {
            write(&path, text);
            let mut files = Files::default();
            source(path.clone()).load(&mut files).unwrap_err();
            assert!(!files.have_changed());
            write(&path, PROFILE);
            assert!(files.have_changed());
        }
    }

    #[test]
    fn a_file_that_is_written_meanwhile_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let (path, pipe) = (folder.path().join("credentials"), folder.path().join("a.json"));
        assert!(Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
        write(&path, &format!("{PROFILE}policies = a.json\n"));
        let written = path.clone();
        let writer = thread::spawn(move || {
            // The server waits for the policy, and has read the other file already.
            let mut pipe = fs::OpenOptions::new().write(true).open(pipe).unwrap();
            write(&written, PROFILE);
            io::Write::write_all(&mut pipe, POLICY.as_bytes()).unwrap();
        });
        let outcome = source(path).load_settled(&mut Files::default());
        writer.join().unwrap();
        let told = outcome.unwrap_err();
        assert!(matches!(told, InvalidCredentials::Changing), "{told}");
    }
}
