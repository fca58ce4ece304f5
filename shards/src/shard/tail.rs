//! The newest records of a shard, kept in memory: who reads at the tip never touches storage.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use millpond_api::types::Timestamp;
use tokio::sync::{Notify, futures::Notified};

use crate::engine::{Offset, Page, ReadLimit, StoredChunk};

/// Bytes of chunks that one shard keeps at most.
const SHARD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What all tails together may keep; shared by every shard of a server.
#[derive(Debug)]
pub struct TailBudget {
    used: AtomicUsize,
    // Tails that keep anything.
    tails: AtomicUsize,
    bytes_max: usize,
}

impl TailBudget {
    /// A budget of this many bytes of chunks.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::default(), tails: AtomicUsize::default(), bytes_max })
    }

    /// Bytes kept now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn is_exceeded(&self) -> bool {
        self.used() > self.bytes_max
    }

    /// What one tail may keep. When little is left they share alike, so that who comes late finds
    /// room: the others shrink as they go on writing.
    fn share(&self) -> usize {
        let shared = self.bytes_max / 4 * 3;
        if self.used() <= shared {
            return SHARD_BYTES_MAX;
        }
        SHARD_BYTES_MAX.min(shared / self.tails.load(Ordering::Relaxed).max(1))
    }
}

/// The ring of a shard's newest chunks. The shard's actor publishes them; maintenance clears a ring
/// at rest.
#[derive(Debug)]
pub(crate) struct Tail {
    // Held only to push, drop or clone a few pointers, never while waiting.
    ring: Mutex<Ring>,
    budget: Arc<TailBudget>,
    published: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    chunks: VecDeque<StoredChunk>,
    bytes: usize,
    newest: Timestamp,
    // The position after the last record that was published.
    end: Offset,
}

impl Tail {
    /// An empty tail of a shard whose next record gets position `end`.
    pub(crate) fn new(end: Offset, budget: Arc<TailBudget>) -> Self {
        let ring = Mutex::new(Ring { end, ..Ring::default() });
        Self { ring, budget, published: Notify::new() }
    }

    /// Publishes committed chunks. `end` is the position after their last record.
    pub(crate) fn advance(&self, chunks: Vec<StoredChunk>, end: Offset, arrival: Timestamp) {
        let mut ring = self.ring();
        let contiguous = chunks.first().is_some_and(|first| ring.end == first.first);
        if !contiguous {
            ring.clear(&self.budget);
        }
        for chunk in chunks {
            ring.push(chunk, &self.budget);
        }
        ring.newest = arrival;
        ring.end = end;
        while ring.is_too_large(&self.budget) {
            ring.drop_oldest(&self.budget);
        }
        drop(ring);
        self.published.notify_waiters();
    }

    /// Ends when chunks are published after this call.
    pub(crate) fn published(&self) -> Notified<'_> {
        self.published.notified()
    }

    /// The chunks from the one that holds `from`, or `None` where that is no longer, or not yet, in
    /// memory.
    pub(crate) fn read(&self, from: Offset, limit: ReadLimit) -> Option<Page> {
        let ring = self.ring();
        // A record is committed a moment before it is published here: until then the log has it.
        if from >= ring.end || ring.chunks.front().is_none_or(|oldest| from < oldest.first) {
            return None;
        }
        let first = ring.chunks.partition_point(|chunk| chunk.first <= from) - 1;
        let mut left = limit;
        let mut page = Page::new();
        for chunk in ring.chunks.range(first..) {
            if !page.is_empty() && (left.records == 0 || left.bytes == 0) {
                break;
            }
            let records = chunk.count_from(from);
            left.records = left.records.saturating_sub(records);
            left.bytes = left.bytes.saturating_sub(chunk.bytes.len());
            page.push(chunk.clone());
        }
        Some(page)
    }

    /// Gives the memory back when nothing has arrived since `before`.
    pub(crate) fn forget_if_idle(&self, before: Timestamp) {
        let mut ring = self.ring();
        if ring.newest < before {
            ring.clear(&self.budget);
        }
    }

    /// Gives the memory of records back that lie before `begin`.
    pub(crate) fn forget_before(&self, begin: Offset) {
        let mut ring = self.ring();
        while ring.oldest_end().is_some_and(|end| end <= begin) {
            ring.drop_oldest(&self.budget);
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().expect("nothing panics while it holds the ring")
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let budget = Arc::clone(&self.budget);
        self.ring().clear(&budget);
    }
}

impl Ring {
    fn is_too_large(&self, budget: &TailBudget) -> bool {
        match self.chunks.len() {
            0 => false,
            1 => self.bytes > SHARD_BYTES_MAX || budget.is_exceeded(),
            _ => self.bytes > budget.share() || budget.is_exceeded(),
        }
    }

    fn push(&mut self, chunk: StoredChunk, budget: &TailBudget) {
        if self.chunks.is_empty() {
            budget.tails.fetch_add(1, Ordering::Relaxed);
        }
        self.bytes += chunk.bytes.len();
        budget.used.fetch_add(chunk.bytes.len(), Ordering::Relaxed);
        self.chunks.push_back(chunk);
    }

    fn drop_oldest(&mut self, budget: &TailBudget) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.bytes -= chunk.bytes.len();
            budget.used.fetch_sub(chunk.bytes.len(), Ordering::Relaxed);
            if self.chunks.is_empty() {
                budget.tails.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// The position after the oldest chunk.
    fn oldest_end(&self) -> Option<Offset> {
        self.chunks.front()?;
        Some(self.chunks.get(1).map_or(self.end, |next| next.first))
    }

    fn clear(&mut self, budget: &TailBudget) {
        if !self.chunks.is_empty() {
            budget.tails.fetch_sub(1, Ordering::Relaxed);
        }
        budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.chunks = VecDeque::new();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use millpond_api::types::Blob;

    use super::*;
    use crate::batch::RecordBatch;

    const ALL: ReadLimit = ReadLimit { records: 1000, bytes: usize::MAX };

    fn chunk(first: u64, bytes: usize) -> (Vec<StoredChunk>, Offset) {
        let mut batch = RecordBatch::default();
        batch.push("key", None, &Blob::Bytes(vec![0; bytes].into()));
        let chunks = batch.stamp(Timestamp::from_millis(1));
        let first = Offset::new(first);
        let stored =
            |chunk: crate::batch::Chunk| StoredChunk { first, bytes: chunk.bytes().clone() };
        (chunks.into_iter().map(stored).collect(), first.plus(1))
    }

    fn push(tail: &Tail, first: u64, bytes: usize) {
        let (chunks, end) = chunk(first, bytes);
        tail.advance(chunks, end, Timestamp::from_millis(1));
    }

    #[test]
    fn what_was_published_is_read() {
        let tail = Tail::new(Offset::ZERO, TailBudget::new(1 << 20));
        assert_eq!(tail.read(Offset::ZERO, ALL), None);
        (0..10).for_each(|i| push(&tail, i, 10));
        assert_eq!(tail.read(Offset::new(3), ALL).unwrap().len(), 7);
        let two = ReadLimit { records: 2, bytes: usize::MAX };
        assert_eq!(tail.read(Offset::new(3), two).unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_published_yet_is_not_taken_for_nothing() {
        let tail = Tail::new(Offset::ZERO, TailBudget::new(1 << 20));
        push(&tail, 0, 10);
        assert_eq!(tail.read(Offset::new(1), ALL), None);
    }

    #[test]
    fn memory_is_bounded_and_given_back() {
        let budget = TailBudget::new(1 << 20);
        let tail = Tail::new(Offset::ZERO, Arc::clone(&budget));
        let other = Tail::new(Offset::ZERO, Arc::clone(&budget));
        push(&other, 0, 400_000);
        (0..10).for_each(|i| push(&tail, i, 100_000));
        assert!(budget.used() <= 1 << 20);
        assert_eq!(tail.read(Offset::ZERO, ALL), None);
        assert!(tail.read(Offset::new(9), ALL).is_some());
        tail.forget_if_idle(Timestamp::from_millis(1));
        assert!(tail.read(Offset::new(9), ALL).is_some());
        tail.forget_if_idle(Timestamp::from_millis(2));
        assert_eq!(tail.read(Offset::new(9), ALL), None);
        drop(other);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn who_comes_late_gets_a_share() {
        let budget = TailBudget::new(1 << 20);
        let [early, late] = [0, 1].map(|_| Tail::new(Offset::ZERO, Arc::clone(&budget)));
        (0..10).for_each(|i| push(&early, i, 100_000));
        for i in 0..5 {
            push(&late, i, 100_000);
            push(&early, 10 + i, 100_000);
            assert!(budget.used() <= 1 << 20);
        }
        assert_eq!(late.read(Offset::new(3), ALL).unwrap().len(), 2);
        assert_eq!(early.read(Offset::new(13), ALL).unwrap().len(), 2);
        drop(late);
        drop(early);
        assert_eq!((budget.used(), budget.tails.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn what_was_truncated_takes_no_memory() {
        let budget = TailBudget::new(1 << 20);
        let tail = Tail::new(Offset::ZERO, Arc::clone(&budget));
        (0..3).for_each(|i| push(&tail, i, 10));
        let each = budget.used() / 3;
        tail.forget_before(Offset::new(2));
        assert_eq!((budget.used(), tail.read(Offset::new(1), ALL)), (each, None));
        assert_eq!(tail.read(Offset::new(2), ALL).unwrap().len(), 1);
        tail.forget_before(Offset::new(3));
        assert_eq!((budget.used(), tail.read(Offset::new(2), ALL)), (0, None));
        push(&tail, 3, 10);
        assert!(tail.read(Offset::new(3), ALL).is_some());
    }

    #[test]
    fn a_gap_starts_the_tail_anew() {
        let tail = Tail::new(Offset::ZERO, TailBudget::new(1 << 20));
        push(&tail, 0, 10);
        push(&tail, 5, 10);
        assert_eq!(tail.read(Offset::ZERO, ALL), None);
        assert_eq!(tail.read(Offset::new(5), ALL).unwrap().len(), 1);
    }
}
