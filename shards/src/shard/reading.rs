//! Reading a shard: the records from a position on, within limits, that haven't expired.

use std::{borrow::Cow, sync::Arc};

use millpond_api::types::Timestamp;
use millpond_quotas::Time;
use tokio::sync::futures::Notified;

use super::{Shard, history::History, tail::Tail};
use crate::{
    crypt::Cipher,
    engine::{EngineError, Offset, Page, ReadLimit, ShardLog},
    record::RecordView,
    stream::encryption::DataKeyNumber,
};

/// How much one read returns at most. At least one record is returned where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Records.
    pub records: usize,
    /// Bytes of data and partition keys.
    pub payload_bytes: usize,
    /// Bytes of stored chunks: those that lie in the last of them are returned too.
    pub chunk_bytes: usize,
}

impl Limit {
    /// So much, and no more than that of bytes of chunks.
    #[must_use]
    pub const fn new(records: usize, payload_bytes: usize) -> Self {
        Self { records, payload_bytes, chunk_bytes: payload_bytes }
    }

    /// What is left of it behind what was read. Chunks count anew for each read.
    #[must_use]
    pub fn less(self, reading: &Reading) -> Self {
        let payload_bytes = usize::try_from(reading.payload_bytes).unwrap_or(usize::MAX);
        Self {
            records: self.records.saturating_sub(reading.count),
            payload_bytes: self.payload_bytes.saturating_sub(payload_bytes),
            ..self
        }
    }
}

/// What an answer was charged so far, and from when on that is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    begun: Time,
    bytes: u64,
}

/// What was read: chunks shared with the tail, and where in them the records lie.
#[derive(Debug)]
pub struct Reading {
    page: Page,
    from: Offset,
    count: usize,
    payload_bytes: u64,
    next: Offset,
    end: Offset,
    is_cut: bool,
    newest: Option<Timestamp>,
    // The data keys that the records are sealed under, each with the first such record.
    sealed: Vec<(DataKeyNumber, Offset)>,
    ciphers: Vec<Arc<Cipher>>,
}

impl Reading {
    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = RecordView<'_>> {
        let chunks = self.page.iter().filter_map(|chunk| chunk.records().ok());
        let records = chunks.flatten().filter_map(Result::ok);
        records.skip_while(|record| record.offset < self.from).take(self.count)
    }

    /// The data of one of these records, opened if it is sealed.
    ///
    /// # Errors
    /// When it is sealed and damaged, or its data key was not given.
    pub fn data<'a>(&self, record: &RecordView<'a>) -> Result<Cow<'a, [u8]>, EngineError> {
        let Some(seal) = &record.seal else { return Ok(Cow::Borrowed(record.data)) };
        let cipher = self.ciphers.iter().find(|cipher| cipher.number() == seal.data_key);
        let cipher = cipher.ok_or_else(|| EngineError::Corrupt("a record is sealed".into()))?;
        cipher.open(record, seal).map(Cow::Owned)
    }

    /// The data keys that the records are sealed under, each with the first such record.
    #[must_use]
    pub fn sealed(&self) -> &[(DataKeyNumber, Offset)] {
        &self.sealed
    }

    /// Takes a data key to open records with.
    pub(crate) fn unlock(&mut self, cipher: Arc<Cipher>) {
        self.ciphers.push(cipher);
    }

    /// Gives up the record at `before` and what follows, unless that is all.
    pub(crate) fn cut(&mut self, before: Offset) -> bool {
        let kept = self.records().take_while(|record| record.offset < before);
        let kept: Vec<_> =
            kept.map(|record| (record.payload_bytes() as u64, record.arrival)).collect();
        let Some((_, newest)) = kept.last() else { return false };
        self.newest = Some(*newest);
        self.count = kept.len();
        self.payload_bytes = kept.iter().map(|(bytes, _)| bytes).sum();
        self.next = before;
        self.is_cut = true;
        true
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of data and partition keys.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// Bytes of the stored chunks that the records lie in.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.page.iter().map(|chunk| chunk.bytes.len()).sum()
    }

    /// Where to read on.
    #[must_use]
    pub fn next(&self) -> Offset {
        self.next
    }

    /// Whether everything that was committed when the read began lies behind.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.next >= self.end
    }

    /// Whether there are records behind these that didn't fit, or may not be told. Those of chunks
    /// that were not read, as there were enough, don't count.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// When the last of the records arrived.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }
}

impl Shard {
    /// The records at or after `from` that arrived at or after `horizon`.
    ///
    /// # Errors
    /// When storage fails, or what it holds can't be read.
    pub async fn read(
        &self,
        from: Offset,
        horizon: Timestamp,
        limit: Limit,
    ) -> Result<Reading, EngineError> {
        let storage = self.storage().await?;
        let end = storage.log.bounds().end;
        if from >= end {
            // One beyond the end is of a life of the shard that a restore has ended.
            return Ok(Reading::nothing(end, end));
        }
        let bytes = limit.payload_bytes.min(limit.chunk_bytes);
        let limit_of_log = ReadLimit { records: limit.records, bytes };
        let (from, history) = self.history_from(from);
        for older in history.iter().flat_map(|history| history.older_from(from, horizon)) {
            let log = older.log(self.services.engine.as_ref()).await?;
            let reader = Reader { log, tail: None };
            let (from, mut page) =
                reader.unexpired(from.max(older.begins()), horizon, limit_of_log).await?;
            page.retain(|chunk| chunk.first < older.ends());
            if !page.is_empty() {
                return Reading::of(page, from, end, limit);
            }
        }
        let reader = Reader { log: storage.log.as_ref(), tail: Some(storage.tail.as_ref()) };
        let (from, page) = reader.unexpired(from, horizon, limit_of_log).await?;
        Reading::of(page, from, end, limit)
    }

    /// Position of the first record that arrived at or after `at`; the end when there is none.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn seek(&self, at: Timestamp) -> Result<Offset, EngineError> {
        let storage = self.storage().await?;
        let (begins, history) = self.history_from(Offset::ZERO);
        for older in history.iter().flat_map(|history| history.older_from(begins, at)) {
            let found = older.log(self.services.engine.as_ref()).await?.seek(at).await?;
            if found < older.ends() {
                return Ok(found.max(older.begins()));
            }
        }
        Ok(storage.log.seek(at).await?.max(begins))
    }

    /// Counts what was read and is going to be told against the shard's read quota. What an answer
    /// in parts was `charged` goes from one of them to the next.
    pub fn charge(&self, charged: Option<Charged>, reading: &Reading) -> Charged {
        let now = || Charged { begun: self.services.clock.now(), bytes: 0 };
        let Charged { begun, bytes } = charged.unwrap_or_else(now);
        self.quota.charge_read(begun, bytes, reading.payload_bytes);
        self.meter.count_outgoing(reading.count as u64, reading.payload_bytes);
        Charged { begun, bytes: bytes + reading.payload_bytes }
    }

    /// Service time in the resolution that clients see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.services.now()
    }

    /// Ends when records are published after this call.
    ///
    /// # Errors
    /// When the log can't be opened.
    pub async fn published(&self) -> Result<Notified<'_>, EngineError> {
        Ok(self.storage().await?.tail.published())
    }

    /// The first position from `from` on that may hold a record, and the older segments, if there
    /// are any.
    fn history_from(&self, from: Offset) -> (Offset, Option<Arc<History>>) {
        let history = self.history.load();
        let older = history.has_older().then(|| Arc::clone(&history));
        (from.max(history.begins()), older)
    }
}

/// What reads one log, and its newest records from memory where they are there.
struct Reader<'a> {
    log: &'a dyn ShardLog,
    tail: Option<&'a Tail>,
}

impl Reader<'_> {
    /// Chunks from `from` on that don't begin before `horizon`, and where in them reading begins.
    async fn unexpired(
        &self,
        from: Offset,
        horizon: Timestamp,
        limit: ReadLimit,
    ) -> Result<(Offset, Page), EngineError> {
        let mut from = from;
        let mut page = self.page(from, limit).await?;
        // What expired is skipped by the time index, not record by record.
        if arrival(&page)?.is_some_and(|oldest| oldest < horizon) {
            from = from.max(self.log.seek(horizon).await?);
            page = self.page(from, limit).await?;
        }
        Ok((from, page))
    }

    async fn page(&self, from: Offset, limit: ReadLimit) -> Result<Page, EngineError> {
        match self.tail.and_then(|tail| tail.read(from, limit)) {
            Some(page) => Ok(page),
            None => self.log.read(from, limit).await,
        }
    }
}

impl Reading {
    fn nothing(from: Offset, end: Offset) -> Self {
        let page = Page::new();
        let (sealed, ciphers) = (Vec::new(), Vec::new());
        let (count, payload_bytes, next) = (0, 0, from);
        let (is_cut, newest) = (false, None);
        Self { page, from, count, payload_bytes, next, end, is_cut, newest, sealed, ciphers }
    }

    fn of(mut page: Page, from: Offset, end: Offset, limit: Limit) -> Result<Self, EngineError> {
        let mut reading = Self::nothing(from, end);
        'page: for chunk in &page {
            let mut records = chunk.records()?;
            while let Some(record) = records.next_frame() {
                let record = record?;
                record.check()?;
                if record.offset < from {
                    continue;
                }
                let bytes = reading.payload_bytes + record.payload_bytes() as u64;
                let full = reading.count >= limit.records || bytes > limit.payload_bytes as u64;
                if full && reading.count > 0 {
                    reading.is_cut = true;
                    break 'page;
                }
                reading.count += 1;
                reading.payload_bytes = bytes;
                reading.next = record.offset.plus(1);
                reading.newest = Some(records.arrival());
                if let Some(seal) = &record.seal
                    && reading.sealed.iter().all(|(number, _)| *number != seal.data_key)
                {
                    reading.sealed.push((seal.data_key, record.offset));
                }
            }
        }
        // Nothing is stored from there to the end, and nothing will be: a gap.
        if page.is_empty() {
            reading.next = end;
        }
        // A chunk that is one large record may lie behind what fits.
        page.retain(|chunk| chunk.first < reading.next);
        reading.page = page;
        Ok(reading)
    }
}

/// When the first records of a page arrived.
fn arrival(page: &Page) -> Result<Option<Timestamp>, EngineError> {
    page.first().map(|chunk| Ok(chunk.records()?.arrival())).transpose()
}
