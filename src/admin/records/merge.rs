//! Records of several shards in the order of their arrival, and of one shard in its own.

use std::iter::Peekable;

use millpond_api::types::{ShardId, Timestamp};
use millpond_shards::{
    engine::Offset,
    record::RecordView,
    shard::{Reading, Shard},
};

/// A part of a shard.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) shard: &'a Shard,
    pub(super) reading: &'a Reading,
}

struct Strand<'a> {
    source: Source<'a>,
    records: Peekable<Box<dyn Iterator<Item = RecordView<'a>> + Send + 'a>>,
    next: Option<Offset>,
}

/// The parts of all shards, record by record. It stops where a shard has more than its part, as
/// nobody knows then which record is the next to have arrived.
pub(super) struct Merged<'a> {
    strands: Vec<Strand<'a>>,
    until: Option<(Timestamp, ShardId)>,
    current: Option<usize>,
    taken: usize,
}

impl<'a> Merged<'a> {
    /// The records of `sources` up to `until`.
    pub(super) fn new(
        sources: impl Iterator<Item = Source<'a>>,
        until: Option<(Timestamp, ShardId)>,
    ) -> Self {
        let strands = sources.map(|source| {
            let records: Box<dyn Iterator<Item = _> + Send> = Box::new(source.reading.records());
            Strand { source, records: records.peekable(), next: None }
        });
        Self { strands: strands.collect(), until, current: None, taken: 1 }
    }

    /// The next record, which is taken when it is accepted.
    pub(super) fn next(&mut self) -> Option<(Source<'a>, RecordView<'a>)> {
        let mut oldest: Option<((Timestamp, ShardId), usize)> = None;
        for (place, strand) in self.strands.iter_mut().enumerate() {
            match strand.records.peek() {
                None if strand.source.reading.at_end() => {}
                None => return None,
                Some(record) => {
                    let this = (record.arrival, strand.source.shard.id());
                    if oldest.is_none_or(|(oldest, _)| this < oldest) {
                        oldest = Some((this, place));
                    }
                }
            }
        }
        let (oldest, place) = oldest?;
        if self.until.is_some_and(|until| oldest > until) {
            return None;
        }
        self.current = Some(place);
        let strand = self.strands.get_mut(place)?;
        Some((strand.source, *strand.records.peek()?))
    }

    /// Takes the record that was the next.
    pub(super) fn accept(&mut self) {
        let strand = self.current.take().and_then(|place| self.strands.get_mut(place));
        if let Some(strand) = strand
            && let Some(record) = strand.records.next()
        {
            strand.next = Some(record.offset.plus(1));
            self.taken += 1;
        }
    }

    /// How many records were taken, with the one that is next.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Tells how far each shard was taken, where it was.
    pub(super) fn places(&mut self, mut reach: impl FnMut(ShardId, Offset)) {
        for strand in &mut self.strands {
            let place = match strand.records.peek() {
                // Gaps are skipped, too.
                None => Some(strand.source.reading.next()),
                Some(_) => strand.next,
            };
            if let Some(place) = place {
                reach(strand.source.shard.id(), place);
            }
        }
    }

    /// Whether some shard has more.
    pub(super) fn is_behind(&mut self) -> bool {
        let mut strands = self.strands.iter_mut();
        self.until.is_some()
            || strands
                .any(|strand| strand.records.peek().is_some() || !strand.source.reading.at_end())
    }
}
