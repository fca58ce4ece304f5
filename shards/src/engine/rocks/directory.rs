//! The data directory: one process at a time, one format, nobody else's files.
//!
//! | file | content |
//! |---|---|
//! | `LOCK` | locked while a process uses the directory; its process id |
//! | `VERSION` | the format of everything else, a decimal number |
//! | `rocksdb/` | what RocksDB keeps |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use crate::engine::EngineError;

/// The format that this build reads and writes.
const FORMAT_VERSION: u32 = 2;

/// The format before: no shard had records in more than one log, or began after its first record.
/// What is in such a directory reads as it is; but what is written to it from now on would be
/// misread by a release that knows no other.
const FORMAT_WITHOUT_FORKS: u32 = 1;
const LOCK: &str = "LOCK";
const VERSION: &str = "VERSION";
const VERSION_DRAFT: &str = "VERSION.new";

/// What the server keeps beside the data, perhaps since before its first start.
const TLS: &str = "tls";
const ROCKSDB: &str = "rocksdb";
/// Bytes of `LOCK` or `VERSION` that are looked at.
const READ_BYTES_MAX: u64 = 64;

/// Why an engine can't be opened; each says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the directory open.
    #[error("another millpond{} uses {}", pid_in_brackets(*pid), dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The other process, where it could be told.
        pid: Option<u32>,
    },
    /// The directory was written by a later release.
    #[error(
        "{} has format {found}, but this millpond knows formats up to {FORMAT_VERSION}: \
         use the release that wrote it, or a later one",
        dir.display()
    )]
    Newer {
        /// The data directory.
        dir: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The file that names the format is damaged.
    #[error(
        "{} doesn't hold a format version: restore it, or the directory, from a backup",
        file.display()
    )]
    Version {
        /// The damaged file.
        file: PathBuf,
    },
    /// The directory holds something else.
    #[error(
        "{} is not empty and not a millpond data directory: use another or empty it",
        dir.display()
    )]
    NotOurs {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory can't be made, read or written.
    #[error("can't use {} as data directory: {error}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// The operating system's reason.
        error: io::Error,
    },
    /// RocksDB can't open what is there.
    #[error(transparent)]
    Storage(#[from] EngineError),
}

fn pid_in_brackets(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(super) struct DataDirectory {
    path: PathBuf,
    lock: File,
}

impl Drop for DataDirectory {
    fn drop(&mut self) {
        // Closing alone would leave it locked for as long as a process that was forked meanwhile
        // has the file, too. Where it can't be unlocked, that is all there is.
        self.lock.unlock().ok();
    }
}

impl DataDirectory {
    /// Makes the directory and its parents where they are missing, locks it, and checks that it is
    /// ours and of a format that we know.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let unusable = |error| OpenError::Unusable { path: path.to_owned(), error };
        if path.is_file() {
            let reason = "it is a file; name a directory, which is made if it isn't there";
            return Err(unusable(io::Error::new(io::ErrorKind::NotADirectory, reason)));
        }
        fs::create_dir_all(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        let strange = is_strange(&path).map_err(unusable)?;
        if strange {
            return Err(OpenError::NotOurs { dir: path });
        }
        let lock = lock(&path)?;
        check_version(&path)?;
        Ok(Self { path, lock })
    }

    /// Where RocksDB keeps its files.
    pub(super) fn rocksdb(&self) -> PathBuf {
        self.path.join(ROCKSDB)
    }
}

/// Whether the directory holds something although no millpond has used it yet. A first start that
/// was cut short leaves the lock file and perhaps a draft of the version behind.
fn is_strange(path: &Path) -> io::Result<bool> {
    if path.join(VERSION).try_exists()? {
        return Ok(false);
    }
    for entry in path.read_dir()? {
        let name = entry?.file_name();
        if ![LOCK, VERSION_DRAFT, TLS].iter().any(|own| name == *own) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let unusable = |error| OpenError::Unusable { path: dir.to_owned(), error };
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(dir.join(LOCK))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_number(&mut file).ok().flatten();
            return Err(OpenError::InUse { dir: dir.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(unusable(error)),
    }
    write_pid(&mut file).map_err(unusable)?;
    Ok(file)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn check_version(dir: &Path) -> Result<(), OpenError> {
    let path = dir.join(VERSION);
    let unusable = |error| OpenError::Unusable { path: dir.to_owned(), error };
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return write_version(dir).map_err(unusable);
        }
        Err(error) => return Err(unusable(error)),
    };
    match read_number(&mut file).map_err(unusable)? {
        Some(FORMAT_VERSION) => Ok(()),
        Some(FORMAT_WITHOUT_FORKS) => write_version(dir).map_err(unusable),
        Some(found) if found > FORMAT_VERSION => {
            Err(OpenError::Newer { dir: dir.to_owned(), found })
        }
        _ => Err(OpenError::Version { file: path }),
    }
}

/// Whole or not at all: a crash here must not leave a directory that looks damaged.
fn write_version(dir: &Path) -> io::Result<()> {
    let draft = dir.join(VERSION_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT_VERSION}")?;
    file.sync_all()?;
    fs::rename(draft, dir.join(VERSION))?;
    File::open(dir)?.sync_all()
}

fn read_number(file: &mut File) -> io::Result<Option<u32>> {
    let mut bytes = Vec::new();
    file.take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok()))
}
