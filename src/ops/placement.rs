//! Which shard takes an entry, if it has room: the one that owns its hash key, or, where the
//! service picks, the shards in turn.

use millpond_quotas::{Refusal, Time};
use millpond_shards::{directory::Stream, observed::Meters};

use super::write::Entry;

/// Bytes of a request that stay together where the service picks: many entries make few batches,
/// and a large request is spread over many shards.
const RUN_BYTES_MAX: usize = 64 * 1024;

/// An entry and the place of its shard in the routing table.
pub(super) struct Placed<'a> {
    pub(super) owner: usize,
    pub(super) index: usize,
    pub(super) entry: &'a Entry<'a>,
}

/// What became of the entries that were to be placed.
#[derive(Default)]
pub(super) struct Placement<'a> {
    /// Those that have a place, in order of their shards and within each of the request.
    pub(super) placed: Vec<Placed<'a>>,
    /// Those that their shards have no room for, and why.
    pub(super) throttled: Vec<(Placed<'a>, Refusal)>,
}

/// Finds places for the entries of these indices. Room is asked for at this time, unless it was
/// before.
pub(super) fn place<'a>(
    stream: &Stream,
    entries: &'a [Entry<'a>],
    waiting: &[usize],
    asked_at: Option<Time>,
) -> Placement<'a> {
    let waiting: Vec<_> =
        waiting.iter().filter_map(|&index| Some((index, entries.get(index)?))).collect();
    let mut placement = if stream.state().spreads_records() {
        Spreading::new(stream, asked_at).place(&waiting)
    } else {
        by_hash_key(stream, &waiting, asked_at)
    };
    // Those of one shard stay in the order of the request.
    placement.placed.sort_by_key(|placed| placed.owner);
    if let Some((now, meters)) = asked_at.zip(stream.meters()) {
        meter(meters, now, &placement);
    }
    placement
}

/// Counts what the request wants, and what of it is written.
fn meter(meters: &Meters, now: Time, Placement { placed, throttled }: &Placement<'_>) {
    let bytes = |placed: &Placed<'_>| placed.entry.payload_bytes() as u64;
    let refused = throttled.iter().map(|(placed, _)| placed);
    let all = placed.iter().chain(refused);
    meters.note_offered(now, (placed.len() + throttled.len()) as u64, all.map(bytes).sum());
    meters.note_put(now, placed.iter().map(bytes));
}

fn by_hash_key<'a>(
    stream: &Stream,
    waiting: &[(usize, &'a Entry<'a>)],
    asked_at: Option<Time>,
) -> Placement<'a> {
    let routing = stream.routing();
    let keys: Vec<_> = waiting.iter().map(|(_, entry)| entry.routing_key()).collect();
    let owners = routing.indices_of(&keys);
    let mut placement =
        Placement { placed: Vec::with_capacity(owners.len()), throttled: Vec::new() };
    for (owner, &(index, entry)) in owners.into_iter().zip(waiting) {
        let placed = Placed { owner, index, entry };
        let admitted = match (asked_at, routing.shards().get(owner)) {
            (Some(now), Some(shard)) => shard.admit_write(now, entry.payload_bytes() as u64),
            _ => Ok(()),
        };
        match admitted {
            Ok(()) => placement.placed.push(placed),
            Err(refusal) => placement.throttled.push((placed, refusal)),
        }
    }
    placement
}

/// Gives entries to shards in turn.
struct Spreading<'s> {
    stream: &'s Stream,
    asked_at: Option<Time>,
    /// The shard of the current run, as its place in the routing table and a multiple of their
    /// number.
    turn: usize,
    run_bytes: usize,
    /// Bytes of the smallest entry that every shard has refused: one that isn't smaller tries one
    /// shard only.
    refused_bytes: usize,
}

impl<'s> Spreading<'s> {
    fn new(stream: &'s Stream, asked_at: Option<Time>) -> Self {
        let turn = stream.take_turn();
        Self { stream, asked_at, turn, run_bytes: 0, refused_bytes: usize::MAX }
    }

    fn place<'a>(mut self, waiting: &[(usize, &'a Entry<'a>)]) -> Placement<'a> {
        let mut placement = Placement::default();
        let shards = self.stream.routing().shards().len();
        if shards == 0 {
            return placement;
        }
        for &(index, entry) in waiting {
            let bytes = entry.payload_bytes();
            if self.run_bytes > 0 && self.run_bytes + bytes > RUN_BYTES_MAX {
                self.pass_on();
            }
            self.note_offered(bytes);
            let tries = if bytes < self.refused_bytes { shards } else { 1 };
            match self.find(shards, tries, bytes) {
                Ok(turn) => {
                    self.run_bytes = if turn == self.turn { self.run_bytes + bytes } else { bytes };
                    self.turn = turn;
                    placement.placed.push(Placed { owner: turn % shards, index, entry });
                }
                Err(refusal) => {
                    let owner = self.turn % shards;
                    self.refused_bytes = self.refused_bytes.min(bytes);
                    self.count_throttle(owner);
                    self.pass_on();
                    placement.throttled.push((Placed { owner, index, entry }, refusal));
                }
            }
        }
        placement
    }

    /// The first turn, of so many, whose shard has room; else why the first of them has none.
    fn find(&self, shards: usize, tries: usize, bytes: usize) -> Result<usize, Refusal> {
        let mut turns = (0..tries).map(|step| self.turn.wrapping_add(step));
        let first = self.has_room(self.turn % shards, bytes);
        let Err(refusal) = first else { return Ok(self.turn) };
        turns.next();
        turns.find(|turn| self.has_room(turn % shards, bytes).is_ok()).ok_or(refusal)
    }

    fn has_room(&self, owner: usize, bytes: usize) -> Result<(), Refusal> {
        match (self.asked_at, self.stream.routing().shards().get(owner)) {
            (Some(now), Some(shard)) => shard.offer_write(now, bytes as u64),
            _ => Ok(()),
        }
    }

    /// Counts an entry for the shard whose turn it is: which one takes it makes no difference.
    fn note_offered(&self, bytes: usize) {
        let shards = self.stream.routing().shards();
        let shard = shards.get(self.turn % shards.len().max(1));
        if let Some((now, shard)) = self.asked_at.zip(shard) {
            shard.note_offered(now, bytes as u64);
        }
    }

    fn pass_on(&mut self) {
        self.turn = self.stream.take_turn();
        self.run_bytes = 0;
    }

    fn count_throttle(&self, owner: usize) {
        if let Some(shard) = self.stream.routing().shards().get(owner) {
            shard.meter().count_write_throttles(1);
        }
    }
}
