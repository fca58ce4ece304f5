//! Reading a log: pages, positions by time, boundaries of chunks. Blocks on the disk.

use bytes::Bytes;
use millpond_api::types::Timestamp;
use rocksdb::DBRawIterator;

use super::{
    keys::{self, Minute},
    store::{Db, Family, error},
    view::{Span, View},
};
use crate::{
    engine::{EngineError, LogId, Offset, Page, ReadLimit, StoredChunk},
    record,
};

/// What a chunk's header says.
#[derive(Debug, Clone, Copy)]
struct Head {
    first: Offset,
    end: Offset,
    arrival: Timestamp,
}

/// A log as it was when reading began.
pub(super) struct Reader<'a> {
    pub(super) db: &'a Db,
    pub(super) log: LogId,
    pub(super) view: &'a View,
}

impl Reader<'_> {
    /// Chunks from the one that holds `from`.
    pub(super) fn read(&self, from: Offset, limit: ReadLimit) -> Result<Page, EngineError> {
        let mut page = Page::new();
        let mut left = limit;
        for span in self.view.spans(self.view.start..self.view.end) {
            if span.offsets.end <= from {
                continue;
            }
            let mut chunks = self.seek_chunk(&span, from);
            while let Some((key, value)) = chunks.item() {
                let head = head(key, value)?;
                if head.end > from {
                    let records = head.end.value() - head.first.max(from).value();
                    page.push(StoredChunk {
                        first: head.first,
                        bytes: Bytes::copy_from_slice(value),
                    });
                    left.records = left.records.saturating_sub(records as usize);
                    left.bytes = left.bytes.saturating_sub(value.len());
                    if left.records == 0 || left.bytes == 0 {
                        return Ok(page);
                    }
                }
                chunks.next();
            }
            chunks.status().map_err(error)?;
        }
        Ok(page)
    }

    /// Position of the first record that arrived at or after `at`.
    pub(super) fn seek(&self, at: Timestamp) -> Result<Offset, EngineError> {
        let (mut low, mut high) = self.minute(at)?;
        // Arrivals never go backwards, so halving finds the chunk in a few reads, where walking
        // would have to fetch all records of the minute.
        while low < high {
            let middle = Offset::new(low.value().midpoint(high.value()));
            match self.chunk_before(middle.plus(1))? {
                Some(head) if head.arrival >= at => high = head.first,
                Some(head) => low = head.end.max(middle.plus(1)),
                None => low = middle.plus(1),
            }
        }
        Ok(low)
    }

    /// The last position up to `before` at which no chunk is cut, and the minute from which on the
    /// time index is needed for what comes after. `None` when nothing is stored before it.
    pub(super) fn boundary(&self, before: Offset) -> Result<Option<(Offset, Minute)>, EngineError> {
        if before >= self.view.end {
            return Ok(Some((self.view.end, Minute::of(self.view.last_arrival))));
        }
        let holder = self.chunk_before(before.plus(1))?;
        Ok(holder.map(|head| {
            let to = if head.end <= before { before } else { head.first };
            (to, Minute::of(head.arrival))
        }))
    }

    /// The positions between which the first record of the minute of `at`, or of a later one, is.
    fn minute(&self, at: Timestamp) -> Result<(Offset, Offset), EngineError> {
        let (start, end) = (self.view.start, self.view.end);
        let mut minutes = self.db.iterate_log(Family::Time, self.log);
        minutes.seek_for_prev(keys::minute(self.log, Minute::of(at)));
        let low = match minutes.value() {
            Some(first) => {
                let low = keys::number(first)?;
                minutes.next();
                low
            }
            // All that is stored arrived in later minutes.
            None => return minutes.status().map(|()| (start, start)).map_err(error),
        };
        let high = minutes.value().map_or(Ok(end.value()), keys::number)?;
        minutes.status().map_err(error)?;
        Ok((Offset::new(low).clamp(start, end), Offset::new(high).clamp(start, end)))
    }

    /// The last chunk that begins before `before`.
    fn chunk_before(&self, before: Offset) -> Result<Option<Head>, EngineError> {
        let Some(span) = self.view.spans(self.view.start..before).last() else { return Ok(None) };
        let mut chunks = self.span_chunks(&span);
        chunks.seek_to_last();
        current(&chunks)
    }

    /// An iterator at the chunk that holds `from`, or else at the first after it.
    fn seek_chunk(&self, span: &Span, from: Offset) -> DBRawIterator<'_> {
        let mut chunks = self.span_chunks(span);
        if from > span.offsets.start {
            chunks.seek_for_prev(keys::chunk(self.log, from));
        }
        if !chunks.valid() {
            chunks.seek_to_first();
        }
        chunks
    }

    fn span_chunks(&self, span: &Span) -> DBRawIterator<'_> {
        let [low, high] =
            [span.offsets.start, span.offsets.end].map(|at| keys::chunk(self.log, at));
        self.db.iterate(Family::Data(span.tier), &low, &high)
    }
}

/// A log as it was left: what its row keeps, and the last chunk since. `None` when nothing was ever
/// appended to it.
pub(super) fn recover(db: &Db, log: LogId) -> Result<Option<View>, EngineError> {
    let Some(row) = db.get(Family::Meta, &keys::log_row(log))? else { return Ok(None) };
    let mut view = View::from_row(&row)?;
    let Some(tier) = view.tier() else { return Ok(Some(view)) };
    // The row was written when this placement began, so nothing newer lies elsewhere.
    let mut chunks = db.iterate_log(Family::Data(tier), log);
    chunks.seek_to_last();
    if let Some(head) = current(&chunks)? {
        view.end = view.end.max(head.end);
        view.last_arrival = view.last_arrival.max(head.arrival);
    }
    Ok(Some(view))
}

fn head(key: &[u8], value: &[u8]) -> Result<Head, EngineError> {
    let first = keys::chunk_offset(key)?;
    let header = value.get(..record::HEADER_BYTES).unwrap_or(value);
    let chunk = StoredChunk { first, bytes: Bytes::copy_from_slice(header) };
    let records = chunk.records()?;
    Ok(Head { first, end: first.plus(records.remaining().into()), arrival: records.arrival() })
}

fn current(chunks: &DBRawIterator<'_>) -> Result<Option<Head>, EngineError> {
    match chunks.item() {
        Some((key, value)) => head(key, value).map(Some),
        None => chunks.status().map(|()| None).map_err(error),
    }
}
