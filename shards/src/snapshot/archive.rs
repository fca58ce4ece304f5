//! Reading a snapshot: once to see that it is whole, and once more for its records.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    path::{Path, PathBuf},
};

use bytes::{Buf, Bytes};
use millpond_api::types::Timestamp;
use millpond_quotas::{Clock, Time};
use tokio::sync::mpsc;

use super::{
    ENTRY_BYTES, FORMAT_VERSION, METADATA, MetadataPart, NO_SUMS, RECORDS_PREFIX, SUMS,
    SnapshotError, VERSION, parts, write::blocking,
};
use crate::{
    Error,
    batch::Chunk,
    domain::{TOKEN_KEY, time_in, value},
    engine::{LogId, MetadataRows, Offset},
    state::{
        ShardLimit, State, rows,
        sound::{flaw, is_time},
    },
    token::KEY_BYTES,
};

/// Parts of records that are read ahead.
const PARTS_AHEAD: usize = 1;

/// A snapshot that was seen to be whole.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    sums: BTreeSet<String>,
    rows: MetadataRows,
    pub(super) logs: BTreeMap<LogId, StoredLog>,
}

/// What the metadata of a snapshot tells, all of which can be.
#[derive(Debug)]
pub(super) struct Told {
    /// The streams and settings.
    pub(super) state: State,
    /// The key of tokens, if there is one.
    pub(super) token_key: Option<[u8; KEY_BYTES]>,
    /// Service time when the snapshot was made.
    pub(super) seen: Time,
}

/// What a snapshot has of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredLog {
    /// The position after its last record.
    pub(super) end: Offset,
    /// When its last record arrived, also if that was trimmed.
    pub(super) last_arrival: Timestamp,
    /// Its records.
    pub(super) runs: Vec<Run>,
}

/// Records without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Position of the first.
    pub(super) first: Offset,
    /// The position after the last.
    pub(super) end: Offset,
    /// When the last arrived.
    pub(super) last_arrival: Timestamp,
}

/// A chunk of a snapshot.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) log: LogId,
    pub(super) first: Offset,
    pub(super) chunk: Chunk,
}

/// What was read of a snapshot so far.
#[derive(Default)]
struct Read {
    version: Option<u32>,
    metadata: Option<Vec<u8>>,
    sums: Option<String>,
    found: BTreeSet<String>,
    runs: BTreeMap<LogId, Vec<Run>>,
}

impl Archive {
    /// Reads the snapshot at `path` through.
    ///
    /// # Errors
    /// When there is none, it is damaged, or of a format that we don't know.
    pub(super) async fn open(path: &Path) -> Result<Self, SnapshotError> {
        let path = path.to_owned();
        blocking(move || {
            let mut read = Read::default();
            parts::visit(&path, |name, content| read.part(&path, name, content))?;
            read.into_archive(path)
        })
        .await
    }

    /// What the metadata tells.
    ///
    /// # Errors
    /// When that can't be.
    pub(super) fn told(&self) -> Result<Told, SnapshotError> {
        let state = rows::load(&self.rows, ShardLimit::Aws).map_err(|e| self.damaged(e))?;
        if let Some(flaw) = flaw(&state) {
            return Err(self.damaged(flaw));
        }
        let ends = |log: &StoredLog| log.end <= Offset::MAX && is_time(log.last_arrival);
        if !self.logs.values().all(ends) {
            return Err(self.damaged("a log ends where none can"));
        }
        let seen = time_in(&self.rows).filter(|seen| *seen <= Clock::END);
        let seen = seen.ok_or_else(|| self.damaged("the time at which it was made can't be"))?;
        let token_key = value(&self.rows, TOKEN_KEY).map(TryInto::try_into).transpose();
        let token_key = token_key.map_err(|_| self.damaged("the key of tokens can't be"))?;
        Ok(Told { state, token_key, seen })
    }

    /// What was read isn't what a server has written.
    pub(super) fn damaged(&self, reason: impl Display) -> SnapshotError {
        SnapshotError::damaged(&self.path, reason)
    }

    /// Reads the records: whole parts, in order, until nobody takes them any more.
    pub(super) fn records(&self) -> mpsc::Receiver<Result<Vec<Entry>, SnapshotError>> {
        let (parts_read, parts) = mpsc::channel(PARTS_AHEAD);
        let (path, sums) = (self.path.clone(), self.sums.clone());
        tokio::task::spawn_blocking(move || {
            let read = parts::visit(&path, |name, content| {
                if !name.starts_with(RECORDS_PREFIX) {
                    return Ok(());
                }
                // It was read before: somebody may have written to it since.
                if !sums.contains(&parts::sum(name, &content)) {
                    return Err(unlike_sums(&path, name));
                }
                let entries = entries(&path, name, content);
                parts_read.blocking_send(entries).map_err(|_| Error::Stopping.into())
            });
            if let Err(error) = read {
                parts_read.blocking_send(Err(error)).ok();
            }
        });
        parts
    }
}

impl Read {
    fn part(&mut self, path: &Path, name: &str, content: Vec<u8>) -> Result<(), SnapshotError> {
        if name == SUMS {
            let text = String::from_utf8(content);
            self.sums = Some(text.map_err(|error| SnapshotError::damaged(path, error))?);
            return Ok(());
        }
        self.found.insert(parts::sum(name, &content));
        match name {
            VERSION => {
                let text = String::from_utf8_lossy(&content);
                self.version = text.trim().parse().ok();
                match self.version {
                    Some(found) if found > FORMAT_VERSION => {
                        Err(SnapshotError::Newer { path: path.to_owned(), found })
                    }
                    _ => Ok(()),
                }
            }
            METADATA => {
                self.metadata = Some(content);
                Ok(())
            }
            _ if name.starts_with(RECORDS_PREFIX) => {
                entries(path, name, content)?.iter().try_for_each(|entry| self.entry(path, entry))
            }
            _ => Err(SnapshotError::NotOne {
                path: path.to_owned(),
                reason: "it holds other files, too",
            }),
        }
    }

    fn entry(&mut self, path: &Path, entry: &Entry) -> Result<(), SnapshotError> {
        let Entry { log, first, chunk } = entry;
        let runs = self.runs.entry(*log).or_default();
        let (end, last_arrival) = (first.plus(chunk.records().into()), chunk.arrival());
        match runs.last_mut() {
            Some(last) if last.end > *first || last.last_arrival > last_arrival => {
                Err(SnapshotError::damaged(path, "records are out of order"))
            }
            _ if !is_time(last_arrival) => {
                Err(SnapshotError::damaged(path, "records have arrived when none can"))
            }
            Some(last) if last.end == *first => {
                (last.end, last.last_arrival) = (end, last_arrival);
                Ok(())
            }
            _ => {
                runs.push(Run { first: *first, end, last_arrival });
                Ok(())
            }
        }
    }

    fn into_archive(mut self, path: PathBuf) -> Result<Archive, SnapshotError> {
        let Some(sums) = self.sums.take() else {
            return Err(SnapshotError::NotOne { path, reason: NO_SUMS });
        };
        let sums: BTreeSet<_> = sums.lines().map(str::to_owned).collect();
        if let Some(odd) = sums.symmetric_difference(&self.found).next() {
            return Err(unlike_sums(&path, odd.split_whitespace().last().unwrap_or(SUMS)));
        }
        let (Some(_), Some(metadata)) = (self.version, self.metadata.take()) else {
            let reason = "it has no VERSION or no metadata";
            return Err(SnapshotError::NotOne { path, reason });
        };
        let metadata: MetadataPart = minicbor::decode(&metadata)
            .map_err(|error| SnapshotError::damaged(&path, format!("{METADATA}: {error}")))?;
        let logs = metadata.logs.iter().map(|row| {
            let log = LogId::new(row.log);
            let runs = self.runs.remove(&log).unwrap_or_default();
            let last_arrival = Timestamp::from_millis(row.last_arrival);
            (log, StoredLog { end: Offset::new(row.end), last_arrival, runs })
        });
        let logs = logs.collect();
        let rows = metadata.rows.into_iter().map(|(key, value)| (key.into(), value.into()));
        Ok(Archive { path, sums, rows: rows.collect(), logs })
    }
}

fn unlike_sums(path: &Path, name: &str) -> SnapshotError {
    SnapshotError::damaged(path, format!("{name} isn't as {SUMS} says"))
}

/// The chunks of a part.
fn entries(path: &Path, name: &str, content: Vec<u8>) -> Result<Vec<Entry>, SnapshotError> {
    let damaged = || SnapshotError::damaged(path, format!("{name} doesn't read as records"));
    let mut rest = Bytes::from(content);
    let mut entries = Vec::new();
    while !rest.is_empty() {
        if rest.len() < ENTRY_BYTES {
            return Err(damaged());
        }
        let (log, first) = (LogId::new(rest.get_u64()), Offset::new(rest.get_u64()));
        let bytes = rest.get_u32() as usize;
        if bytes > rest.len() || first > Offset::MAX {
            return Err(damaged());
        }
        let chunk = Chunk::from_stored(rest.split_to(bytes)).map_err(|_| damaged())?;
        entries.push(Entry { log, first, chunk });
    }
    Ok(entries)
}
