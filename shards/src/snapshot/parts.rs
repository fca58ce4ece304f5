//! The parts of a snapshot as files: of a directory, or in a tar archive. Blocks on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{PART_BYTES_MAX, SUMS, SnapshotError};

const TAR: &str = "tar";

/// Who may read what streams hold: its owner.
const FILE_MODE: u32 = 0o600;

/// Where parts go. One that is dropped before it is finished leaves nothing behind.
pub(super) struct Sink {
    path: PathBuf,
    sums: String,
    target: Option<Target>,
}

enum Target {
    /// The files that were written to the directory, and whether it was made for them.
    Directory { files: Vec<PathBuf>, is_new: bool },
    /// The archive in the making, and its name until it is complete.
    Archive { tar: Box<tar::Builder<BufWriter<File>>>, draft: PathBuf },
}

impl Sink {
    /// Begins a snapshot at `path`: an archive if its name ends in `.tar`, else a directory. Parent
    /// directories are made.
    pub(super) fn create(path: &Path) -> Result<Self, SnapshotError> {
        let io = |error| SnapshotError::io(path, error);
        let exists = || SnapshotError::Exists(path.to_owned());
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(io)?;
        }
        let target = if path.extension().is_some_and(|extension| extension == TAR) {
            if path.try_exists().map_err(io)? {
                return Err(exists());
            }
            let draft = path.with_extension("tar.part");
            let file = new_file(&draft).map_err(io)?;
            let tar = Box::new(tar::Builder::new(BufWriter::new(file)));
            Target::Archive { tar, draft }
        } else {
            let is_new = match fs::create_dir(path) {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let mut entries = fs::read_dir(path).map_err(|_| exists())?;
                    if entries.next().is_some() {
                        return Err(exists());
                    }
                    false
                }
                Err(error) => return Err(io(error)),
            };
            Target::Directory { files: Vec::new(), is_new }
        };
        Ok(Self { path: path.to_owned(), sums: String::new(), target: Some(target) })
    }

    /// Adds a part.
    pub(super) fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SnapshotError> {
        use std::fmt::Write as _;
        // Writing to a string doesn't fail.
        let _ = writeln!(self.sums, "{}  {name}", hex(content));
        self.store(name, content)
    }

    /// Completes the snapshot.
    pub(super) fn finish(mut self) -> Result<(), SnapshotError> {
        let sums = std::mem::take(&mut self.sums);
        self.store(SUMS, sums.as_bytes())?;
        let finished = match &mut self.target {
            Some(Target::Archive { tar, draft }) => finish_archive(tar, draft, &self.path),
            Some(Target::Directory { .. }) => File::open(&self.path).and_then(|d| d.sync_all()),
            None => Ok(()),
        };
        finished.map_err(|error| SnapshotError::io(&self.path, error))?;
        self.target = None;
        Ok(())
    }

    fn store(&mut self, name: &str, content: &[u8]) -> Result<(), SnapshotError> {
        let stored = match &mut self.target {
            Some(Target::Archive { tar, .. }) => {
                let mut header = tar::Header::new_ustar();
                header.set_size(content.len() as u64);
                header.set_mode(FILE_MODE);
                tar.append_data(&mut header, name, content)
            }
            Some(Target::Directory { files, .. }) => {
                let file = self.path.join(name);
                files.push(file.clone());
                new_file(&file).and_then(|mut file| {
                    file.write_all(content)?;
                    file.sync_all()
                })
            }
            None => Ok(()),
        };
        stored.map_err(|error| SnapshotError::io(&self.path, error))
    }
}

impl Drop for Sink {
    /// Where something can't be removed, it shows by its missing sums that it is no snapshot.
    fn drop(&mut self) {
        match self.target.take() {
            Some(Target::Archive { draft, .. }) => drop(fs::remove_file(draft)),
            Some(Target::Directory { files, is_new }) => {
                for file in files {
                    drop(fs::remove_file(file));
                }
                if is_new {
                    drop(fs::remove_dir(&self.path));
                }
            }
            None => {}
        }
    }
}

fn finish_archive(
    tar: &mut tar::Builder<BufWriter<File>>,
    draft: &Path,
    path: &Path,
) -> io::Result<()> {
    tar.finish()?;
    tar.get_mut().flush()?;
    tar.get_mut().get_ref().sync_all()?;
    // Unlike renaming, this never replaces what somebody has put there meanwhile.
    fs::hard_link(draft, path)?;
    fs::remove_file(draft)
}

fn new_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Visits every part of the snapshot at `path` in order, each by its name.
pub(super) fn visit(
    path: &Path,
    mut part: impl FnMut(&str, Vec<u8>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let io = |error| SnapshotError::io(path, error);
    if fs::metadata(path).map_err(io)?.is_dir() {
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(io)? {
            names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        for name in names {
            let file = File::open(path.join(&name)).map_err(io)?;
            part(&name, content(path, &name, file)?)?;
        }
        return Ok(());
    }
    let mut tar = tar::Archive::new(BufReader::new(File::open(path).map_err(io)?));
    for entry in tar.entries().map_err(io)? {
        let damaged = |error| SnapshotError::damaged(path, error);
        let entry = entry.map_err(damaged)?;
        // Who packs a directory by hand has an entry for it, and it before each name.
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path().map_err(damaged)?.to_string_lossy().into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        part(&name, content(path, &name, entry)?)?;
    }
    Ok(())
}

fn content(path: &Path, name: &str, from: impl Read) -> Result<Vec<u8>, SnapshotError> {
    let mut content = Vec::new();
    let read = from.take(PART_BYTES_MAX as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| SnapshotError::damaged(path, format!("{name}: {error}")))?;
    if content.len() > PART_BYTES_MAX {
        return Err(SnapshotError::damaged(path, format!("{name} is too large")));
    }
    Ok(content)
}

/// The SHA-256 of a part, as SUMS has it.
pub(super) fn hex(content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(content) {
        // Writing to a string doesn't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
