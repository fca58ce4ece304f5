//! What is known of a log at one moment, and the row that makes it outlast the log's data.
//!
//! | bytes | row |
//! |---|---|
//! | 1 | version, 1 |
//! | 8 | position of the next record, little-endian |
//! | 8 | arrival of the last record, milliseconds since the epoch, little-endian |
//! | 8 | trim point, little-endian |
//! | 1 | number of placements |
//! | 1 + 8 each | tier (0 = 24 hours, 1 = 7 days, 2 = 365 days), first position, little-endian |

use std::ops::Range;

use bytes::{Buf, BufMut};
use millpond_api::types::Timestamp;

use super::keys::Minute;
use crate::engine::{EngineError, Offset, RetentionTier};

/// Placements that a log remembers. One more change of tier than this, before old data is trimmed,
/// leaves new data where the last was put: placement is a hint.
const PLACEMENTS_MAX: usize = 64;

const VERSION: u8 = 1;

/// A log at one moment. Replaced as a whole, so that no reader sees half of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct View {
    /// The trim point, always the first position of a chunk or the end.
    pub(super) start: Offset,
    /// The position after the last record.
    pub(super) end: Offset,
    /// Arrival of the last record there ever was.
    pub(super) last_arrival: Timestamp,
    /// Where data lies, ascending; none before the first append.
    placements: Vec<Placement>,
}

/// From `from` on, data lies in the column family of `tier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placement {
    tier: RetentionTier,
    from: Offset,
}

/// Consecutive positions whose chunks lie in one column family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) tier: RetentionTier,
    pub(super) offsets: Range<Offset>,
}

impl View {
    /// A log that nothing was appended to, whose first record gets position `first`.
    pub(super) fn beginning_at(first: Offset) -> Self {
        Self { start: first, end: first, ..Self::default() }
    }

    /// Where the next chunk will lie.
    pub(super) fn tier(&self) -> Option<RetentionTier> {
        self.placements.last().map(|placement| placement.tier)
    }

    /// Whether the time index already has a position for the minute of `arrival`, as far as that
    /// matters: of a minute of which all was trimmed it may be put anew.
    pub(super) fn has_minute(&self, arrival: Timestamp) -> bool {
        let holds_any = self.placements.first().is_some_and(|first| first.from < self.end);
        holds_any && Minute::of(arrival) <= Minute::of(self.last_arrival)
    }

    /// Puts what comes from now on into `tier`. Tells whether that changed anything.
    pub(super) fn place(&mut self, tier: RetentionTier) -> bool {
        if self.tier() == Some(tier) {
            return false;
        }
        // One that holds nothing is replaced.
        self.placements.pop_if(|last| last.from == self.end);
        if self.placements.len() == PLACEMENTS_MAX {
            return false;
        }
        self.placements.push(Placement { tier, from: self.end });
        true
    }

    /// Moves the trim point up to `to` and forgets the placements below it.
    pub(super) fn trim(&mut self, to: Offset) {
        self.start = self.start.max(to);
        let covering = self.placements.iter().rposition(|placement| placement.from <= self.start);
        self.placements.drain(..covering.unwrap_or(0));
    }

    /// The stored positions among `offsets`, by where they lie.
    pub(super) fn spans(&self, offsets: Range<Offset>) -> impl Iterator<Item = Span> {
        let ends = self.placements.iter().skip(1).map(|next| next.from).chain([self.end]);
        let low = offsets.start.max(self.start);
        let high = offsets.end.min(self.end);
        self.placements.iter().zip(ends).filter_map(move |(placement, end)| {
            let offsets = placement.from.max(low)..end.min(high);
            (!offsets.is_empty()).then_some(Span { tier: placement.tier, offsets })
        })
    }

    /// The row that keeps all of this.
    pub(super) fn to_row(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(26 + 9 * self.placements.len());
        row.put_u8(VERSION);
        row.put_u64_le(self.end.value());
        row.put_i64_le(self.last_arrival.millis());
        row.put_u64_le(self.start.value());
        row.put_u8(self.placements.len() as u8);
        for placement in &self.placements {
            row.put_u8(tier_to_byte(placement.tier));
            row.put_u64_le(placement.from.value());
        }
        row
    }

    /// What a row keeps.
    pub(super) fn from_row(row: &[u8]) -> Result<Self, EngineError> {
        parse(row).ok_or_else(|| EngineError::Corrupt("a log's row doesn't read as one".into()))
    }
}

fn parse(mut row: &[u8]) -> Option<View> {
    if row.try_get_u8().ok()? != VERSION {
        return None;
    }
    let mut view = View {
        end: Offset::new(row.try_get_u64_le().ok()?),
        last_arrival: Timestamp::from_millis(row.try_get_i64_le().ok()?),
        start: Offset::new(row.try_get_u64_le().ok()?),
        placements: Vec::new(),
    };
    for _ in 0..row.try_get_u8().ok()? {
        let tier = tier_from_byte(row.try_get_u8().ok()?)?;
        view.placements.push(Placement { tier, from: Offset::new(row.try_get_u64_le().ok()?) });
    }
    row.is_empty().then_some(view)
}

// Stored: these numbers keep their meaning for ever.
fn tier_to_byte(tier: RetentionTier) -> u8 {
    match tier {
        RetentionTier::Standard => 0,
        RetentionTier::Extended => 1,
        RetentionTier::LongTerm => 2,
    }
}

fn tier_from_byte(byte: u8) -> Option<RetentionTier> {
    match byte {
        0 => Some(RetentionTier::Standard),
        1 => Some(RetentionTier::Extended),
        2 => Some(RetentionTier::LongTerm),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
