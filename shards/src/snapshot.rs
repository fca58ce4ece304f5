//! Snapshots: everything that a server holds at one moment, in a directory or a tar archive,
//! whatever its storage is.
//!
//! | part | content |
//! |---|---|
//! | `VERSION` | the format, a decimal number |
//! | `records-000001` … | chunks, each after log u64, first position u64, length u32, big-endian |
//! | `metadata` | CBOR: rows of the metadata, and where each log ends |
//! | `SHA256SUMS` | what `sha256sum --check` reads; last, so a snapshot without it was cut short |
//!
//! Records are as they are stored: those of encrypted streams are sealed, and open only where the
//! same master keys are.

mod archive;
mod parts;
mod restore;
mod write;

use std::{
    io,
    path::{Path, PathBuf},
};

use millpond_api::types::Timestamp;
use minicbor::{Decode, Encode, bytes::ByteVec};

use crate::{
    Error,
    engine::{EngineError, LogId, Offset},
};

use archive::{Archive, StoredLog};
pub(crate) use restore::restore;
pub(crate) use write::write;

/// The format that this build writes, and the latest that it reads.
const FORMAT_VERSION: u32 = 1;

const VERSION: &str = "VERSION";
const METADATA: &str = "metadata";
const SUMS: &str = "SHA256SUMS";
const RECORDS_PREFIX: &str = "records-";

/// Why something without sums is no snapshot.
const NO_SUMS: &str = "it has no SHA256SUMS, so it is none or was cut short";

/// Bytes in front of each chunk.
const ENTRY_BYTES: usize = 20;

/// A part of records is complete when it has this many bytes.
const RECORDS_BYTES: usize = 8 << 20;

/// A larger part of records isn't read: who made it meant no good. Several are in memory at once.
const RECORDS_BYTES_MAX: usize = 64 << 20;

/// No other part is larger, likewise.
const PART_BYTES_MAX: usize = 1 << 30;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// Streams.
    pub streams: usize,
    /// Records; what forks share is counted once.
    pub records: u64,
    /// Bytes of records as they are stored.
    pub bytes: u64,
}

/// Why a snapshot can't be made or used; each says which file and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Something is there already.
    #[error(
        "{} is there already: name a directory that is empty or not there, or a new .tar file",
        .0.display()
    )]
    Exists(PathBuf),
    /// A snapshot is being made there, or was left half made.
    #[error(
        "{} is there already: another snapshot is being made there, or was when its server was \
         killed: delete it then, or name another place",
        .0.display()
    )]
    Begun(PathBuf),
    /// There is no snapshot.
    #[error("{} isn't a snapshot: {reason}", path.display())]
    NotOne {
        /// What was named.
        path: PathBuf,
        /// What it lacks.
        reason: &'static str,
    },
    /// The snapshot was made by a later release.
    #[error(
        "{} has format {found}, but this millpond knows formats up to {FORMAT_VERSION}: use the \
         release that made it, or a later one",
        path.display()
    )]
    Newer {
        /// The snapshot.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// What is there isn't what was written.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The snapshot.
        path: PathBuf,
        /// The part, and what is wrong with it.
        reason: String,
    },
    /// Files can't be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The snapshot.
        path: PathBuf,
        /// The operating system's reason.
        error: io::Error,
    },
    /// The server can't give or take it.
    #[error(transparent)]
    Server(#[from] Error),
}

impl From<EngineError> for SnapshotError {
    fn from(error: EngineError) -> Self {
        Self::Server(error.into())
    }
}

impl SnapshotError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    fn damaged(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// The part `metadata`.
#[derive(Encode, Decode)]
struct MetadataPart {
    #[n(0)]
    rows: Vec<(ByteVec, ByteVec)>,
    #[n(1)]
    logs: Vec<LogRow>,
}

/// Where a log ends.
#[derive(Encode, Decode)]
struct LogRow {
    #[n(0)]
    log: u64,
    #[n(1)]
    end: u64,
    #[n(2)]
    last_arrival: i64,
}

impl LogRow {
    fn of(log: LogId, end: Offset, last_arrival: Timestamp) -> Self {
        Self { log: log.value(), end: end.value(), last_arrival: last_arrival.millis() }
    }
}

#[cfg(test)]
mod tests;
