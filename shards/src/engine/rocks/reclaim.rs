//! Gives back the space of what was trimmed or dropped: compacts the index of those ranges, after
//! which RocksDB unlinks the blob files that nothing points into any more.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Core, keys,
    space::Space,
    stats::Stopwatch,
    store::{Db, Family, TIERS},
};
use crate::engine::{EngineError, LogId};

/// The thread rests this many times as long as it worked, so that it never takes more than a
/// twentieth of a core.
const REST_PER_WORK: u32 = 20;
const REST_MIN: Duration = Duration::from_millis(100);
/// What an earlier process left waits for this long: a start has other work for the processor.
const START: Duration = Duration::from_secs(1);
/// Ranges with less index than this between them are compacted as one: they share files, which
/// would be rewritten for each.
const GAP_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Keys of a log that were given up in one column family, by the numbers in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Garbage {
    pub(super) family: Family,
    pub(super) log: LogId,
    pub(super) numbers: Range<u64>,
}

/// What waits to be given back, at most one range a log and column family.
#[derive(Debug, Default)]
pub(super) struct Reclaim {
    state: Mutex<State>,
    changed: Condvar,
}

type Ranges = BTreeMap<(Family, LogId), Range<u64>>;

#[derive(Debug, Default)]
struct State {
    ranges: Ranges,
    closed: bool,
}

impl Reclaim {
    pub(super) fn add(&self, garbage: Vec<Garbage>) {
        if garbage.is_empty() {
            return;
        }
        let mut state = self.lock();
        for Garbage { family, log, numbers } in garbage {
            match state.ranges.entry((family, log)) {
                Entry::Vacant(entry) => drop(entry.insert(numbers)),
                Entry::Occupied(mut entry) => {
                    let known = entry.get_mut();
                    *known = known.start.min(numbers.start)..known.end.max(numbers.end);
                }
            }
        }
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for garbage; `None` once closed.
    fn take(&self) -> Option<Ranges> {
        let nothing = |state: &mut State| state.ranges.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.lock(), nothing);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        (!state.closed).then(|| std::mem::take(&mut state.ranges))
    }

    fn rest(&self, length: Duration) {
        let open = |state: &mut State| !state.closed;
        drop(self.changed.wait_timeout_while(self.lock(), length, open));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Losing a range to a panic would only delay giving back its space.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back space until closed.
pub(super) fn run(core: &Core) {
    core.reclaim.rest(START);
    work(core, |db| sweep_all(db, &core.space));
    while let Some(ranges) = core.reclaim.take() {
        work(core, |db| sweep(db, ranges));
    }
}

/// Gives back what `sweep` finds, and rests.
fn work(core: &Core, sweep: impl FnOnce(&Db)) {
    let stopwatch = Stopwatch::start();
    let swept = core.store.with(|db| {
        sweep(db);
        TIERS.into_iter().try_for_each(|tier| collect(db, &core.space, Family::Data(tier)))
    });
    match swept {
        Ok(()) | Err(EngineError::Closed) => {}
        Err(error) => tracing::warn!(%error, "space could not be given back"),
    }
    core.reclaim.rest((stopwatch.elapsed() * REST_PER_WORK).max(REST_MIN));
}

/// Nobody remembers what still waited when the engine was closed, but the files tell whether
/// anything did.
fn sweep_all(db: &Db, space: &Space) {
    let large = |family: &Family| db.file_bytes(*family).0 > space.slack_bytes();
    let waits = |family: &Family| large(family) && db.has_deleted_ranges(*family);
    Family::ALL.into_iter().filter(waits).for_each(|family| db.compact_all(family));
}

fn sweep(db: &Db, ranges: Ranges) {
    let mut runs: Vec<(Family, Range<keys::Key>)> = Vec::new();
    for ((family, log), numbers) in ranges {
        let [low, high] = [numbers.start, numbers.end].map(|number| keys::pair(log, number));
        match runs.last_mut() {
            Some((last, run)) if *last == family && is_near(db, family, &run.end, &low) => {
                run.end = high;
            }
            _ => runs.push((family, low..high)),
        }
    }
    for (family, run) in runs {
        db.compact(family, &run.start, &run.end);
    }
}

/// Rewrites a column family of which more than half is garbage, so that what lives is written at
/// most once for as much that died. Records that were written together usually die together, and
/// then whole files go and nothing is rewritten; this is for dropped streams, whose records lie
/// between those of others.
fn collect(db: &Db, space: &Space, family: Family) -> Result<(), EngineError> {
    let (bytes, garbage) = db.file_bytes(family);
    let alive = bytes.saturating_sub(garbage);
    if garbage > space.slack_bytes().max(alive) && space.holds(db, alive) {
        db.rewrite(family)?;
    }
    Ok(())
}

fn is_near(db: &Db, family: Family, low: &keys::Key, high: &keys::Key) -> bool {
    db.index_bytes(family, low, high) <= GAP_BYTES_MAX
}
