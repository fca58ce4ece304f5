//! The parts of a snapshot as files: of a directory, or in a tar archive. Blocks on the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{NO_SUMS, PART_BYTES_MAX, RECORDS_BYTES_MAX, RECORDS_PREFIX, SUMS, SnapshotError};

const TAR: &str = "tar";

/// Who may read what streams hold: its owner.
const FILE_MODE: u32 = 0o600;

/// What an archive is called while it is made.
const DRAFT: &str = "tar.part";

/// Where parts go. One that is dropped before it is finished leaves nothing behind.
pub(super) struct Sink {
    path: PathBuf,
    sums: String,
    target: Option<Target>,
    /// Directories that get an entry by this snapshot, but for its own.
    changed: Vec<PathBuf>,
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
        let changed = make_parents(path).map_err(|error| SnapshotError::io(path, error))?;
        let is_archive = path.extension().is_some_and(|extension| extension == TAR);
        let target = if is_archive { Target::archive(path) } else { Target::directory(path) };
        Ok(Self { path: path.to_owned(), sums: String::new(), target: Some(target?), changed })
    }

    /// Adds a part.
    pub(super) fn put(&mut self, name: &str, content: &[u8]) -> Result<(), SnapshotError> {
        self.sums.push_str(&sum(name, content));
        self.sums.push('\n');
        self.store(name, content)
    }

    /// Completes the snapshot.
    pub(super) fn finish(mut self) -> Result<(), SnapshotError> {
        let sums = std::mem::take(&mut self.sums);
        self.store(SUMS, sums.as_bytes())?;
        let finished = match &mut self.target {
            Some(Target::Archive { tar, draft }) => finish_archive(tar, draft, &self.path),
            Some(Target::Directory { .. }) => sync_directory(&self.path),
            None => Ok(()),
        };
        let synced =
            finished.and_then(|()| self.changed.iter().try_for_each(|d| sync_directory(d)));
        synced.map_err(|error| SnapshotError::io(&self.path, error))?;
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
                match new_file(&file) {
                    Ok(mut made) => {
                        // Not earlier: a file of another's isn't ours to remove.
                        files.push(file);
                        made.write_all(content).and_then(|()| made.sync_all())
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        return Err(SnapshotError::Begun(file));
                    }
                    Err(error) => Err(error),
                }
            }
            None => Ok(()),
        };
        stored.map_err(|error| SnapshotError::io(&self.path, error))
    }
}

impl Target {
    fn archive(path: &Path) -> Result<Self, SnapshotError> {
        if path.try_exists().map_err(|error| SnapshotError::io(path, error))? {
            return Err(SnapshotError::Exists(path.to_owned()));
        }
        let draft = path.with_extension(DRAFT);
        match new_file(&draft) {
            Ok(file) => {
                let tar = Box::new(tar::Builder::new(BufWriter::new(file)));
                Ok(Self::Archive { tar, draft })
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(SnapshotError::Begun(draft))
            }
            Err(error) => Err(SnapshotError::io(&draft, error)),
        }
    }

    fn directory(path: &Path) -> Result<Self, SnapshotError> {
        let exists = || SnapshotError::Exists(path.to_owned());
        let is_new = match fs::create_dir(path) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut entries = fs::read_dir(path).map_err(|_| exists())?;
                if entries.next().is_some() {
                    return Err(exists());
                }
                false
            }
            Err(error) => return Err(SnapshotError::io(path, error)),
        };
        Ok(Self::Directory { files: Vec::new(), is_new })
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
    place(draft, path, fs::hard_link(draft, path))
}

/// Gives a file its name, which nothing has yet: by a link if that could be made. Unlike renaming
/// alone, this never replaces what somebody has put there meanwhile.
fn place(draft: &Path, path: &Path, linked: io::Result<()>) -> io::Result<()> {
    match linked {
        Ok(()) => fs::remove_file(draft),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        // Some file systems have no links.
        Err(_) => {
            new_file(path)?;
            fs::rename(draft, path).inspect_err(|_| drop(fs::remove_file(path)))
        }
    }
}

/// Makes the directories above `path`; those that get an entry by that, and by what comes to be at
/// `path`.
fn make_parents(path: &Path) -> io::Result<Vec<PathBuf>> {
    let parent = parent_of(path);
    let mut changed = vec![parent.clone()];
    let made = parent.ancestors().take_while(|directory| !directory.exists());
    changed.extend(made.map(parent_of));
    fs::create_dir_all(&parent)?;
    Ok(changed)
}

fn parent_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// After a power cut, the directory has the entries that it has now.
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn new_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Visits every part of the snapshot at `path` in order, each by its name.
///
/// Only regular files are opened: a pipe that nobody writes to would hold up whoever reads it.
pub(super) fn visit(
    path: &Path,
    part: impl FnMut(&str, Vec<u8>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let kind = fs::metadata(path).map_err(|error| SnapshotError::io(path, error))?.file_type();
    if kind.is_dir() {
        return visit_directory(path, part);
    }
    if !kind.is_file() {
        return Err(not_one(path, "it is neither a directory nor a regular file"));
    }
    visit_archive(path, part)
}

fn visit_directory(
    path: &Path,
    mut part: impl FnMut(&str, Vec<u8>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let io = |error| SnapshotError::io(path, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    // Whatever else is there is nothing that we should read.
    if names.binary_search_by(|name| name.as_str().cmp(SUMS)).is_err() {
        return Err(not_one(path, NO_SUMS));
    }
    for name in names {
        let file = path.join(&name);
        if !fs::metadata(&file).map_err(io)?.is_file() {
            return Err(SnapshotError::damaged(path, format!("{name} isn't a regular file")));
        }
        part(&name, content(path, &name, File::open(file).map_err(io)?)?)?;
    }
    Ok(())
}

fn visit_archive(
    path: &Path,
    mut part: impl FnMut(&str, Vec<u8>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let io = |error| SnapshotError::io(path, error);
    let mut tar = tar::Archive::new(BufReader::new(File::open(path).map_err(io)?));
    let mut is_first = true;
    for entry in tar.entries().map_err(io)? {
        let unlike_tar = |error: io::Error| match error.kind() {
            // What the reader of archives says quotes the file, which may be anybody's secret.
            io::ErrorKind::Other if is_first => not_one(path, "it is no tar archive"),
            io::ErrorKind::Other => SnapshotError::damaged(path, "it doesn't read as an archive"),
            _ => io(error),
        };
        let entry = entry.map_err(unlike_tar)?;
        // Who packs a directory by hand has an entry for it, and it before each name.
        if entry.header().entry_type().is_file() {
            let name = entry.path().map_err(unlike_tar)?.to_string_lossy().into_owned();
            let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
            part(&name, content(path, &name, entry)?)?;
        }
        is_first = false;
    }
    Ok(())
}

fn not_one(path: &Path, reason: &'static str) -> SnapshotError {
    SnapshotError::NotOne { path: path.to_owned(), reason }
}

fn content(path: &Path, name: &str, from: impl Read) -> Result<Vec<u8>, SnapshotError> {
    let mut content = Vec::new();
    let bytes_max =
        if name.starts_with(RECORDS_PREFIX) { RECORDS_BYTES_MAX } else { PART_BYTES_MAX };
    let read = from.take(bytes_max as u64 + 1).read_to_end(&mut content);
    read.map_err(|error| SnapshotError::damaged(path, format!("{name}: {error}")))?;
    if content.len() > bytes_max {
        return Err(SnapshotError::damaged(path, format!("{name} is too large")));
    }
    Ok(content)
}

/// The line of a part in SUMS: its SHA-256 and its name.
pub(super) fn sum(name: &str, content: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut line = String::new();
    for byte in Sha256::digest(content) {
        // Writing to a string doesn't fail.
        let _ = write!(line, "{byte:02x}");
    }
    line + "  " + name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_no_links_a_file_gets_its_name_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let (draft, path) = (directory.path().join("x.tar.part"), directory.path().join("x.tar"));
        let unlinked = || Err(io::ErrorKind::Unsupported.into());
        fs::write(&draft, "new").unwrap();
        place(&draft, &path, unlinked()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(!draft.exists());
        fs::write(&draft, "newer").unwrap();
        assert!(place(&draft, &path, unlinked()).is_err(), "nothing is replaced");
        assert!(place(&draft, &path, fs::hard_link(&draft, &path)).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn of_two_that_begin_in_one_directory_the_later_leaves_what_the_first_has_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("snapshot");
        let mut first = Sink::create(&path).unwrap();
        let mut second = Sink::create(&path).unwrap();
        first.put("VERSION", b"1\n").unwrap();
        let refused = second.put("VERSION", b"1\n").unwrap_err();
        assert!(matches!(refused, SnapshotError::Begun(_)), "{refused}");
        drop(second);
        assert_eq!(fs::read_to_string(path.join("VERSION")).unwrap(), "1\n");
        first.finish().unwrap();
    }

    #[test]
    fn directories_that_are_made_are_kept_through_a_power_cut() {
        let directory = tempfile::tempdir().unwrap();
        let above = directory.path();
        let changed = make_parents(&above.join("a/b/c.tar")).unwrap();
        assert_eq!(changed, [above.join("a/b"), above.join("a"), above.to_owned()]);
        assert_eq!(make_parents(&above.join("a/d.tar")).unwrap(), [above.join("a")]);
        assert_eq!(make_parents(Path::new("e.tar")).unwrap(), [PathBuf::from(".")]);
    }
}
