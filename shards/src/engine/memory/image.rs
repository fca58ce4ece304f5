//! What an engine holds at one moment, and how each write changes it.

use std::{collections::BTreeMap, ops::Range};

use millpond_api::types::Timestamp;

use crate::{
    batch::Chunk,
    engine::{LogId, MetadataChange, Offset, Page, ReadLimit, StoredChunk},
};

/// A change that is made whole or not at all.
#[derive(Debug)]
pub(super) enum Write {
    /// To this log, which begins at this position if it isn't there yet.
    Append(LogId, Offset, Vec<Chunk>),
    Trim(LogId, Offset),
    Drop(Vec<LogId>),
    Metadata(Vec<MetadataChange>),
}

/// Metadata and logs. Cheap to copy beside its worth: the records themselves are shared.
#[derive(Debug, Clone, Default)]
pub(super) struct Image {
    pub(super) metadata: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) logs: BTreeMap<LogId, StoredLog>,
}

impl Image {
    /// Makes the change; before a batch, `gap` positions are left out. Answers with the position of
    /// an append's first record.
    pub(super) fn apply(&mut self, write: &Write, gap: u64) -> Offset {
        match write {
            Write::Append(log, first, chunks) => self.open(*log, *first).append(chunks, gap),
            Write::Trim(log, before) => {
                if let Some(log) = self.logs.get_mut(log) {
                    log.trim(*before);
                }
                Offset::ZERO
            }
            Write::Drop(logs) => {
                for log in logs {
                    self.logs.remove(log);
                }
                Offset::ZERO
            }
            Write::Metadata(changes) => {
                for change in changes {
                    self.change_metadata(change);
                }
                Offset::ZERO
            }
        }
    }

    /// The log, which begins at `first` if it isn't there yet.
    pub(super) fn open(&mut self, log: LogId, first: Offset) -> &mut StoredLog {
        self.logs.entry(log).or_insert_with(|| StoredLog::beginning_at(first))
    }

    fn change_metadata(&mut self, change: &MetadataChange) {
        match change {
            MetadataChange::Put { key, value } => self.metadata.insert(key.clone(), value.clone()),
            MetadataChange::Delete { key } => self.metadata.remove(key),
        };
    }
}

/// The records of one log.
#[derive(Debug, Clone)]
pub(super) struct StoredLog {
    chunks: BTreeMap<Offset, Chunk>,
    first: Offset,
    start: Offset,
    end: Offset,
    last_arrival: Timestamp,
}

impl StoredLog {
    fn beginning_at(first: Offset) -> Self {
        let (chunks, last_arrival) = (BTreeMap::new(), Timestamp::default());
        Self { chunks, first, start: first, end: first, last_arrival }
    }

    pub(super) fn bounds(&self) -> Range<Offset> {
        self.start..self.end
    }

    pub(super) fn last_arrival(&self) -> Timestamp {
        self.last_arrival
    }

    pub(super) fn chunks(&self) -> usize {
        self.chunks.len()
    }

    pub(super) fn read(&self, from: Offset, limit: ReadLimit) -> Page {
        let holder = self.chunks.range(..=from).next_back();
        let holder = holder.filter(|(first, chunk)| from < end_of(**first, chunk));
        let start = holder.map_or(from, |(first, _)| *first);
        let (mut records, mut bytes) = (0, 0);
        let mut page = Page::new();
        for (&first, chunk) in self.chunks.range(start..) {
            if !page.is_empty() && (records >= limit.records || bytes >= limit.bytes) {
                break;
            }
            records += (end_of(first, chunk).value() - first.max(from).value()) as usize;
            bytes += chunk.bytes().len();
            page.push(StoredChunk { first, bytes: chunk.bytes().clone() });
        }
        page
    }

    pub(super) fn seek(&self, at: Timestamp) -> Offset {
        let found = self.chunks.iter().find(|(_, chunk)| chunk.arrival() >= at);
        found.map_or(self.end, |(first, _)| *first.max(&self.start))
    }

    fn append(&mut self, chunks: &[Chunk], gap: u64) -> Offset {
        let is_new = self.end == self.first;
        let first = if is_new { self.first } else { self.end.plus(gap) };
        self.end = first;
        for chunk in chunks {
            self.chunks.insert(self.end, chunk.clone());
            self.end = end_of(self.end, chunk);
            self.last_arrival = chunk.arrival();
        }
        first
    }

    fn trim(&mut self, before: Offset) {
        self.start = self.start.max(before.min(self.end));
        while let Some(oldest) = self.chunks.first_entry() {
            if end_of(*oldest.key(), oldest.get()) > self.start {
                break;
            }
            oldest.remove();
        }
    }
}

fn end_of(first: Offset, chunk: &Chunk) -> Offset {
    first.plus(chunk.records().into())
}
