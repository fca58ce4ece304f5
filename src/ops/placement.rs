//! Which shard takes an entry, if it has room: the one that owns its hash key, or, where the
//! service picks, the shards in turn.

use millpond_shards::directory::Stream;

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
    /// Those that their shards have no room for.
    pub(super) throttled: Vec<Placed<'a>>,
}

/// Finds places for the entries of these indices. Room is asked for unless it was before.
pub(super) fn place<'a>(
    stream: &Stream,
    entries: &'a [Entry<'a>],
    waiting: &[usize],
    has_room: bool,
) -> Placement<'a> {
    let waiting = waiting.iter().filter_map(|&index| Some((index, entries.get(index)?)));
    let mut placement = if stream.state().spreads_records() {
        Spreading::new(stream, has_room).place(waiting)
    } else {
        by_hash_key(stream, waiting, has_room)
    };
    placement.placed.sort_unstable_by_key(|placed| (placed.owner, placed.index));
    placement
}

fn by_hash_key<'a>(
    stream: &Stream,
    waiting: impl Iterator<Item = (usize, &'a Entry<'a>)>,
    has_room: bool,
) -> Placement<'a> {
    let routing = stream.routing();
    let mut placed: Vec<_> = waiting
        .filter_map(|(index, entry)| {
            let owner = routing.index_of(entry.hash_key())?;
            Some(Placed { owner, index, entry })
        })
        .collect();
    let mut throttled = Vec::new();
    if !has_room {
        let refused = placed.extract_if(.., |Placed { owner, entry, .. }| {
            let shard = routing.shards().get(*owner);
            shard.is_none_or(|shard| shard.admit_write(entry.payload_bytes() as u64).is_err())
        });
        throttled.extend(refused);
    }
    Placement { placed, throttled }
}

/// Gives entries to shards in turn.
struct Spreading<'s> {
    stream: &'s Stream,
    has_room: bool,
    turn: usize,
    run_bytes: usize,
    // Once every shard has refused an entry, each later one tries one shard only.
    is_exhausted: bool,
}

impl<'s> Spreading<'s> {
    fn new(stream: &'s Stream, has_room: bool) -> Self {
        let turn = stream.take_turn();
        Self { stream, has_room, turn, run_bytes: 0, is_exhausted: false }
    }

    fn place<'a>(mut self, waiting: impl Iterator<Item = (usize, &'a Entry<'a>)>) -> Placement<'a> {
        let mut placement = Placement::default();
        let shards = self.stream.routing().shards().len();
        for (index, entry) in waiting {
            let bytes = entry.payload_bytes();
            if self.run_bytes > 0 && self.run_bytes + bytes > RUN_BYTES_MAX {
                self.pass_on();
            }
            let tries = if self.is_exhausted { shards.min(1) } else { shards };
            let first = self.turn;
            let owner = (0..tries).find_map(|_| self.offer(bytes, shards));
            self.is_exhausted |= owner.is_none();
            match owner {
                Some(owner) => placement.placed.push(Placed { owner, index, entry }),
                None if shards > 0 => {
                    let owner = first % shards;
                    self.count_throttle(owner);
                    placement.throttled.push(Placed { owner, index, entry });
                }
                None => {}
            }
        }
        placement
    }

    /// The shard whose turn it is, if it has room; or it is the next one's turn.
    fn offer(&mut self, bytes: usize, shards: usize) -> Option<usize> {
        let owner = self.turn % shards;
        let shard = self.stream.routing().shards().get(owner)?;
        if self.has_room || shard.offer_write(bytes as u64).is_ok() {
            self.run_bytes += bytes;
            return Some(owner);
        }
        self.pass_on();
        None
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
