//! How much more may be stored: refuses appends before RocksDB meets a full disk.

use std::path::{Path, PathBuf};

use super::{options::Location, store::Db};
use crate::engine::EngineError;

/// Free bytes that are left to what frees space: trims, metadata, and RocksDB's own files.
const RESERVE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// On a small disk the reserve is this fraction of it.
const RESERVE_FRACTION: u64 = 16;
/// Bytes that may be written before the disk is looked at again.
const UNSEEN_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// And never more than this fraction of what is left.
const UNSEEN_FRACTION: u64 = 8;
/// An append for which there must be room to call the engine writable: a record of the size that
/// Kinesis takes by default.
const APPEND_BYTES: u64 = 1024 * 1024;
/// Garbage between live records that is put up with: one blob file, or less of a small memory.
const SLACK_BYTES_MAX: u64 = 64 * 1024 * 1024;
const SLACK_FRACTION: u64 = 8;

/// The room for records.
#[derive(Debug)]
pub(super) enum Space {
    /// What the file system of this directory has free.
    Disk(PathBuf),
    /// This many bytes of memory.
    Memory(u64),
}

/// Bytes that may be written before the space is looked at again.
#[derive(Debug, Default)]
pub(super) struct Allowance(u64);

impl Space {
    pub(super) fn of(location: &Location) -> Self {
        match location {
            Location::Directory(path) => Self::Disk(path.clone()),
            Location::Memory { limit_bytes } => Self::Memory(*limit_bytes),
        }
    }

    /// Takes `bytes` of records from what is left.
    ///
    /// # Errors
    /// [`EngineError::Full`] when less is left.
    pub(super) fn admit(
        &self,
        db: &Db,
        allowance: &mut Allowance,
        bytes: u64,
    ) -> Result<(), EngineError> {
        if allowance.0 < bytes {
            let left = self.left(db)?;
            if left < bytes {
                return Err(self.full());
            }
            allowance.0 = bytes.max((left / UNSEEN_FRACTION).min(UNSEEN_BYTES_MAX));
        }
        allowance.0 -= bytes;
        Ok(())
    }

    /// Whether there is room for an ordinary append.
    ///
    /// # Errors
    /// [`EngineError::Full`] when there isn't.
    pub(super) fn check(&self, db: &Db) -> Result<(), EngineError> {
        if self.left(db)? < APPEND_BYTES { Err(self.full()) } else { Ok(()) }
    }

    /// Bytes of garbage that aren't worth much work.
    pub(super) fn slack_bytes(&self) -> u64 {
        match self {
            Self::Disk(_) => SLACK_BYTES_MAX,
            Self::Memory(limit) => SLACK_BYTES_MAX.min(limit / SLACK_FRACTION),
        }
    }

    /// Whether there is room for `bytes` of files.
    pub(super) fn holds(&self, db: &Db, bytes: u64) -> bool {
        self.left(db).is_ok_and(|left| left >= bytes)
    }

    /// Bytes of records that there is room for. On disk each takes its size twice, in the
    /// write-ahead log and, before that is given up, in a blob file.
    fn left(&self, db: &Db) -> Result<u64, EngineError> {
        match self {
            Self::Disk(path) => {
                let (free, total) = disk(path)?;
                let reserve = RESERVE_BYTES_MAX.min(total / RESERVE_FRACTION);
                Ok(free.saturating_sub(reserve + db.buffered_bytes()) / 2)
            }
            Self::Memory(limit) => Ok(limit.saturating_sub(db.used_bytes())),
        }
    }

    fn full(&self) -> EngineError {
        match self {
            Self::Disk(path) => EngineError::Full(
                format!("the disk of {} has no space left for records", path.display()).into(),
            ),
            Self::Memory(limit) => {
                EngineError::Full(format!("the memory limit of {limit} bytes is reached").into())
            }
        }
    }
}

/// Bytes of a file system: those free to us, and all.
fn disk(path: &Path) -> Result<(u64, u64), EngineError> {
    let stat = rustix::fs::statvfs(path).map_err(EngineError::failed)?;
    Ok((stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize))
}
