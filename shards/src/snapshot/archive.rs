//! Reading a snapshot: once to see that it is whole, and once more for its records.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::{Buf, Bytes};
use millpond_api::types::Timestamp;
use tokio::sync::mpsc;

use super::{
    ENTRY_BYTES, FORMAT_VERSION, METADATA, MetadataPart, RECORDS_PREFIX, SUMS, SnapshotError,
    VERSION, parts, write::blocking,
};
use crate::{
    batch::Chunk,
    engine::{LogId, MetadataRows, Offset},
};

/// Parts of records that are read ahead.
const PARTS_AHEAD: usize = 1;

/// A snapshot that was seen to be whole.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    pub(crate) rows: MetadataRows,
    pub(crate) logs: BTreeMap<LogId, StoredLog>,
}

/// What a snapshot has of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLog {
    /// The position after its last record.
    pub(crate) end: Offset,
    /// When its last record arrived, also if that was trimmed.
    pub(crate) last_arrival: Timestamp,
    /// Its records.
    pub(crate) runs: Vec<Run>,
}

/// Records without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// Position of the first.
    pub(crate) first: Offset,
    /// The position after the last.
    pub(crate) end: Offset,
    /// When the last arrived.
    pub(crate) last_arrival: Timestamp,
}

/// A chunk of a snapshot.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) log: LogId,
    pub(crate) first: Offset,
    pub(crate) chunk: Chunk,
}

/// What was read of a snapshot so far.
#[derive(Default)]
struct Read {
    version: Option<u32>,
    metadata: Option<Vec<u8>>,
    sums: Option<String>,
    found: Vec<String>,
    runs: BTreeMap<LogId, Vec<Run>>,
}

impl Archive {
    /// Reads the snapshot at `path` through.
    ///
    /// # Errors
    /// When there is none, it is damaged, or of a format that we don't know.
    pub(crate) async fn open(path: &Path) -> Result<Self, SnapshotError> {
        let path = path.to_owned();
        blocking(move || {
            let mut read = Read::default();
            parts::visit(&path, |name, content| read.part(&path, name, content))?;
            read.into_archive(path)
        })
        .await
    }

    /// Reads the records: whole parts, in order.
    pub(crate) fn records(&self) -> mpsc::Receiver<Result<Vec<Entry>, SnapshotError>> {
        let (parts_read, parts) = mpsc::channel(PARTS_AHEAD);
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let read = parts::visit(&path, |name, content| {
                if !name.starts_with(RECORDS_PREFIX) {
                    return Ok(());
                }
                let entries = entries(&path, name, content);
                // Who asked may have given up; what is left is read for nobody.
                parts_read.blocking_send(entries).ok();
                Ok(())
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
        self.found.push(format!("{}  {name}", parts::hex(&content)));
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
            let reason = "it has no SHA256SUMS, so it is none or was cut short";
            return Err(SnapshotError::NotOne { path, reason });
        };
        let mut expected: Vec<_> = sums.lines().map(str::to_owned).collect();
        expected.sort();
        self.found.sort();
        if expected != self.found {
            let odd = expected.iter().find(|line| !self.found.contains(line));
            let odd = odd.or_else(|| self.found.iter().find(|line| !expected.contains(line)));
            let name = odd.and_then(|line| line.split_whitespace().last()).unwrap_or(SUMS);
            return Err(SnapshotError::damaged(&path, format!("{name} isn't as SHA256SUMS says")));
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
        Ok(Archive { path, rows: rows.collect(), logs })
    }
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
        if bytes > rest.len() || first.value() > u64::MAX >> 1 {
            return Err(damaged());
        }
        let chunk = Chunk::from_stored(rest.split_to(bytes)).map_err(|_| damaged())?;
        entries.push(Entry { log, first, chunk });
    }
    Ok(entries)
}
