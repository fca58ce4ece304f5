//! The one writer: gathers what waits, of all logs, into one write with one fsync.
//!
//! While one write is on its way to the disk the next gathers; then it waits a little for those
//! that have just been answered, if they were several. Positions are given out here, so that what
//! is refused leaves no gap, and metadata and trims pass through here too, so that there is one
//! order of everything.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use rocksdb::WriteBatch;

use super::{
    Core, Outcome,
    keys::{self, Minute},
    log::LogState,
    queue::{Change, Patience, Reply},
    reclaim::Garbage,
    space::Allowance,
    stats::Stopwatch,
    store::{Db, Family, TIERS},
    view::View,
};
use crate::{
    batch::Chunk,
    engine::{EngineError, LogId, MetadataChange, Offset},
};

/// Bytes of records in one write, unless a single append has more.
const COMMIT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// However long a write takes, the next one waits no longer than this for others to come.
const PATIENCE_MAX: Duration = Duration::from_millis(1);

/// A write that takes no longer than twice this, as without an fsync, isn't worth waiting: whoever
/// sleeps is woken this much too late.
const PATIENCE_MIN: Duration = Duration::from_micros(50);

/// Commits until the queue is closed and empty.
pub(super) fn run(core: &Core) {
    // Also when this thread panics: nobody may wait for it for ever.
    let _closing = Closing(core);
    let (mut allowance, mut fullness) = (Allowance::default(), Fullness::default());
    let mut patience = Patience::NONE;
    while let Some(changes) = core.queue.take(COMMIT_BYTES_MAX, patience) {
        let (stopwatch, gathered) = (Stopwatch::start(), changes.len());
        let committed = core.store.with(|db| {
            let records = commit(core, db, &mut allowance, &mut fullness, changes);
            fullness.look(core, db);
            Ok(records)
        });
        // A store that was closed under us has dropped the changes, and that answers them.
        core.stats.committed(committed.unwrap_or_default(), &stopwatch);
        patience = patience_after(gathered, stopwatch.elapsed());
    }
}

/// A write costs as much for one change as for many, and whoever was answered is likely to have
/// another: so the next round waits for as many changes as the last one had, for at most half as
/// long as that took. Who is alone never waits.
fn patience_after(gathered: usize, took: Duration) -> Patience {
    let limit = (took / 2).min(PATIENCE_MAX);
    if limit < PATIENCE_MIN { Patience::NONE } else { Patience { changes: gathered, limit } }
}

struct Closing<'a>(&'a Core);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
    }
}

/// Whether storage is full, as the log was told: once when it fills, once when it has space.
#[derive(Default)]
struct Fullness {
    /// Bytes of the largest append that was refused; there is space when they fit.
    lacking: Option<u64>,
    /// Bytes of the largest append in the commit at hand.
    admitted: u64,
}

impl Fullness {
    fn refused(&mut self, bytes: u64, error: &EngineError) {
        if let EngineError::Full(reason) = error {
            if self.lacking.is_none() {
                tracing::error!(%reason, "storage is full: writes are refused until it has space");
            }
            self.lacking = self.lacking.max(Some(bytes));
        }
    }

    /// Looks what a commit has come to.
    fn look(&mut self, core: &Core, db: &Db) {
        let admitted = std::mem::take(&mut self.admitted);
        match (core.health.check(), self.lacking) {
            (Err(error), _) => self.refused(0, &error),
            (Ok(()), Some(bytes)) if admitted >= bytes || core.space.holds(db, bytes) => {
                self.lacking = None;
                tracing::info!("storage has space again");
            }
            _ => {}
        }
    }
}

/// Returns how many records were stored.
fn commit(
    core: &Core,
    db: &Db,
    allowance: &mut Allowance,
    fullness: &mut Fullness,
    changes: Vec<Change>,
) -> u64 {
    let mut draft = Draft::new(db, changes.iter().map(Change::bytes).sum());
    for change in changes {
        match change {
            Change::Append { log, chunks, reply } => {
                let bytes = chunks.iter().map(|chunk| chunk.bytes().len() as u64).sum();
                let admitted = log.usable().and_then(|()| core.space.admit(db, allowance, bytes));
                match admitted {
                    Ok(()) => {
                        fullness.admitted = fullness.admitted.max(bytes);
                        draft.append(log, &chunks, reply);
                    }
                    Err(error) => {
                        fullness.refused(bytes, &error);
                        answer(reply, Err(error));
                    }
                }
            }
            Change::Trim { log, to, minute, reply } => match log.usable() {
                Ok(()) => draft.trim(log, to, minute, reply),
                Err(error) => answer(reply, Err(error)),
            },
            Change::Drop { logs, reply } => draft.drop_logs(logs, reply),
            Change::Metadata { changes, reply } => draft.change_metadata(changes, reply),
            Change::Probe => draft.batch.delete_cf(db.family(Family::Meta), keys::PROBE_ROW),
        }
    }
    draft.write(core)
}

/// One write in the making, and what is to follow it.
struct Draft<'a> {
    db: &'a Db,
    batch: WriteBatch,
    /// The logs as they will be.
    logs: HashMap<LogId, DraftLog>,
    replies: Vec<Pending>,
    garbage: Vec<Garbage>,
    records: u64,
}

struct DraftLog {
    state: Arc<LogState>,
    view: View,
    /// Whether the row changes with it.
    row: bool,
}

/// Who waits for the write.
enum Pending {
    Appended(Reply<Offset>, Offset),
    Done(Reply<()>),
}

impl<'a> Draft<'a> {
    fn new(db: &'a Db, bytes: usize) -> Self {
        Self {
            db,
            batch: WriteBatch::with_capacity_bytes(bytes),
            logs: HashMap::new(),
            replies: Vec::new(),
            garbage: Vec::new(),
            records: 0,
        }
    }

    fn append(&mut self, state: Arc<LogState>, chunks: &[Chunk], reply: Reply<Offset>) {
        let (id, tier) = (state.id, state.tier());
        let log = draft_log(&mut self.logs, state);
        log.row |= log.view.place(tier);
        let family = Family::Data(log.view.tier().unwrap_or(tier));
        let (chunk_family, time_family) = (self.db.family(family), self.db.family(Family::Time));
        let first = log.view.end;
        for chunk in chunks {
            let at = log.view.end;
            if !log.view.has_minute(chunk.arrival()) {
                let minute = Minute::of(chunk.arrival());
                let key = keys::minute(id, minute);
                self.batch.put_cf(time_family, key, at.value().to_be_bytes());
            }
            self.batch.put_cf(chunk_family, keys::chunk(id, at), chunk.bytes());
            log.view.end = at.plus(chunk.records().into());
            log.view.last_arrival = log.view.last_arrival.max(chunk.arrival());
            self.records += u64::from(chunk.records());
        }
        self.replies.push(Pending::Appended(reply, first));
    }

    fn trim(&mut self, state: Arc<LogState>, to: Offset, minute: Minute, reply: Reply<()>) {
        let id = state.id;
        let log = draft_log(&mut self.logs, state);
        for span in log.view.spans(Offset::ZERO..to) {
            let [low, high] = [span.offsets.start, span.offsets.end].map(|at| keys::chunk(id, at));
            self.batch.delete_range_cf(self.db.family(Family::Data(span.tier)), low, high);
            let numbers = span.offsets.start.value()..span.offsets.end.value();
            self.garbage.push(Garbage { family: Family::Data(span.tier), log: id, numbers });
        }
        let (low, high) = (keys::log_start(id), keys::minute(id, minute));
        self.batch.delete_range_cf(self.db.family(Family::Time), low, high);
        self.garbage.push(Garbage { family: Family::Time, log: id, numbers: 0..minute.number() });
        log.view.trim(to);
        log.row = true;
        self.replies.push(Pending::Done(reply));
    }

    fn drop_logs(&mut self, states: Vec<Arc<LogState>>, reply: Reply<()>) {
        for state in states {
            self.drop_log(state);
        }
        self.replies.push(Pending::Done(reply));
    }

    /// Deletes wherever data could lie: a log that can't be read any more must go too.
    fn drop_log(&mut self, state: Arc<LogState>) {
        let id = state.id;
        let (low, high) = (keys::log_start(id), keys::log_end(id));
        for family in [Family::Time].into_iter().chain(TIERS.map(Family::Data)) {
            let cf = self.db.family(family);
            self.batch.delete_range_cf(cf, low.as_slice(), high.as_slice());
            self.garbage.push(Garbage { family, log: id, numbers: 0..u64::MAX });
        }
        self.batch.delete_cf(self.db.family(Family::Meta), keys::log_row(id));
        let log = draft_log(&mut self.logs, state);
        log.view = View::default();
        log.row = false;
    }

    fn change_metadata(&mut self, changes: Vec<MetadataChange>, reply: Reply<()>) {
        let meta = self.db.family(Family::Meta);
        for change in changes {
            match change {
                MetadataChange::Put { key, value } => {
                    self.batch.put_cf(meta, keys::metadata_row(&key), value);
                }
                MetadataChange::Delete { key } => {
                    self.batch.delete_cf(meta, keys::metadata_row(&key));
                }
            }
        }
        self.replies.push(Pending::Done(reply));
    }

    /// Writes, publishes, answers. Returns how many records were stored.
    fn write(mut self, core: &Core) -> u64 {
        for (id, log) in self.logs.iter().filter(|(_, log)| log.row) {
            let meta = self.db.family(Family::Meta);
            self.batch.put_cf(meta, keys::log_row(*id), log.view.to_row());
        }
        let written = if self.batch.is_empty() {
            Ok(())
        } else {
            let written = self.db.write(self.batch);
            core.health.note(&written);
            written
        };
        match &written {
            Ok(()) => publish(self.logs),
            // Nothing was stored, and RocksDB takes writes again when there is space.
            Err(EngineError::Full(_)) => {}
            Err(error) => self.logs.values().for_each(|log| log.state.fail(error.clone())),
        }
        let records = if written.is_ok() { self.records } else { 0 };
        for reply in self.replies {
            match reply {
                Pending::Appended(reply, first) => answer(reply, written.clone().map(|()| first)),
                Pending::Done(reply) => answer(reply, written.clone()),
            }
        }
        if written.is_ok() {
            core.reclaim.add(self.garbage);
        }
        records
    }
}

fn draft_log(logs: &mut HashMap<LogId, DraftLog>, state: Arc<LogState>) -> &mut DraftLog {
    match logs.entry(state.id) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let view = View::clone(&state.view());
            entry.insert(DraftLog { state, view, row: false })
        }
    }
}

fn publish(logs: HashMap<LogId, DraftLog>) {
    for log in logs.into_values() {
        log.state.publish(log.view);
    }
}

fn answer<T>(reply: Reply<T>, outcome: Outcome<T>) {
    // Whoever asked may have stopped waiting; the change stands all the same.
    let _ = reply.send(outcome);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_waits_half_as_long_as_the_last_one_took_within_bounds() {
        let patience = |micros| patience_after(3, Duration::from_micros(micros));
        let waits = |micros| Patience { changes: 3, limit: Duration::from_micros(micros) };
        assert_eq!(patience(300), waits(150));
        assert_eq!(patience(10_000_000), waits(1000));
        assert_eq!(patience(20), Patience::NONE);
    }
}
