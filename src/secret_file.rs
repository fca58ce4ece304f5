//! Files that hold secrets: read whole, up to a bound, and only if nobody but their owner can;
//! written so that this holds.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The permission bits of everybody but the owner.
const MODE_OTHERS: u32 = 0o077;

/// Why a file is not read. Says nothing of what is in it.
#[derive(Debug, Error)]
pub enum NotRead {
    /// The system refuses, which may pass.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// People other than the owner may read or change it.
    #[error("it is open to others than its owner (mode {mode:03o}); run: chmod 600 {path}")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It has more bytes than it may.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
}

/// The text of a file of at most `bytes_max` bytes, with the metadata of the very file that was
/// read. Blocks on the disk.
///
/// # Errors
/// When the file can't be read, isn't UTF-8, is larger, or is open to others than its owner.
pub fn read(path: &Path, bytes_max: u64) -> Result<(String, Metadata), NotRead> {
    let file = File::open(path)?;
    // Ask the open file, not the path: the one that is checked is the one that is read.
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & MODE_OTHERS != 0 {
        return Err(NotRead::OpenToOthers { path: path.to_owned(), mode });
    }
    let mut text = String::new();
    file.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(NotRead::TooLarge(bytes_max));
    }
    Ok((text, metadata))
}

/// The text of such a file; `None` when there is no such file. Blocks on the disk.
///
/// # Errors
/// Those of [`read`].
pub fn find(path: &Path, bytes_max: u64) -> Result<Option<String>, NotRead> {
    match read(path, bytes_max) {
        Ok((text, _)) => Ok(Some(text)),
        Err(NotRead::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Writes a file for its owner alone, of which there is never a half, whatever was there before.
/// Blocks on the disk.
///
/// # Errors
/// When the system refuses.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = OsString::from(path);
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_is_read_if_it_is_its_owners_alone_and_small_enough() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        assert!(matches!(read(&path, 4), Err(NotRead::Unreadable(_))));
        fs::write(&path, "four").unwrap();
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o602, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path, 4).is_ok(), is_read, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read(&path, 3), Err(NotRead::TooLarge(3))));
    }

    #[test]
    fn what_is_written_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.pem");
        assert_eq!(find(&path, 4).unwrap(), None);
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(find(&path, 4).unwrap().as_deref(), Some(text));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }
}
