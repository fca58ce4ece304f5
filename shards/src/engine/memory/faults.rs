//! How a test makes a [`MemoryEngine`](super::MemoryEngine) misbehave.

use std::{collections::VecDeque, mem, num::NonZeroU64};

use super::{Shared, image::Write};
use crate::engine::EngineError;

/// What a write can meet when its turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with [`EngineError::Full`].
    Full,
    /// It fails with [`EngineError::Failed`]; a log is poisoned by it.
    Failed {
        /// Whether the write is found after a crash all the same, as after a sync that failed late.
        stored: bool,
    },
}

/// Controls the faults of one engine. Copies control the same engine.
#[derive(Debug, Clone)]
pub struct Faults {
    shared: Shared,
}

impl Faults {
    pub(super) fn of(shared: Shared) -> Self {
        Self { shared }
    }

    /// From now on writes wait, unseen and not durable, for [`step`](Self::step) or
    /// [`release`](Self::release).
    pub fn hold(&self) {
        self.shared.lock().plan.held = true;
    }

    /// Syncs the oldest waiting write and resolves its commit. False when none waits.
    #[expect(clippy::must_use_candidate, reason = "most steps are taken for their effect")]
    pub fn step(&self) -> bool {
        self.shared.lock().sync_one()
    }

    /// Syncs all waiting writes, and later ones as they are made.
    pub fn release(&self) {
        let mut state = self.shared.lock();
        state.plan.held = false;
        state.sync_all();
    }

    /// Writes that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().queued()
    }

    /// The next write that is synced meets `fault`. Further calls are for the writes after it.
    pub fn next(&self, fault: Fault) {
        self.shared.lock().plan.next.push_back(fault);
    }

    /// Every `nth` append from now on is refused; `None` ends it.
    pub fn refuse_every(&self, nth: Option<NonZeroU64>) {
        let mut state = self.shared.lock();
        state.plan.refuse_every = nth;
        state.plan.appends = 0;
    }

    /// While full, appends and metadata are refused; trimming and dropping go on.
    pub fn set_full(&self, full: bool) {
        self.shared.lock().plan.full = full;
    }

    /// While set, logs and metadata can't be read.
    pub fn fail_reads(&self, fail: bool) {
        self.shared.lock().plan.reads = if fail { Reads::Fail } else { Reads::Go };
    }

    /// While set, reads of logs wait; writes go on.
    pub fn hold_reads(&self, hold: bool) {
        let reads = if hold { Reads::Wait { waiting: 0 } } else { Reads::Go };
        self.shared.lock().plan.reads = reads;
    }

    /// Reads that wait, or were given up while they did.
    #[must_use]
    pub fn waiting_reads(&self) -> usize {
        match self.shared.lock().plan.reads {
            Reads::Wait { waiting } => waiting,
            Reads::Go | Reads::Fail => 0,
        }
    }

    /// No later write or read meets any of the faults that were asked for. Writes that are held,
    /// gaps, and logs that are poisoned stay as they are.
    pub fn clear(&self) {
        let mut state = self.shared.lock();
        state.plan = Plan { held: state.plan.held, gap: state.plan.gap, ..Plan::default() };
    }

    /// From now on `positions` are left out between two appends of a log, as the contract allows.
    pub fn leave_gaps(&self, positions: u64) {
        self.shared.lock().plan.gap = positions;
    }
}

/// What becomes of reads.
#[derive(Debug, Default, PartialEq, Eq)]
enum Reads {
    #[default]
    Go,
    Fail,
    Wait {
        waiting: usize,
    },
}

/// The faults that are in force.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) held: bool,
    pub(super) gap: u64,
    full: bool,
    reads: Reads,
    next: VecDeque<Fault>,
    refuse_every: Option<NonZeroU64>,
    appends: u64,
}

impl Plan {
    /// The fault that this write meets, if any.
    pub(super) fn meet(&mut self, write: &Write) -> Option<Fault> {
        self.next.pop_front().or_else(|| self.is_refused(write).then_some(Fault::Full))
    }

    /// Whether a read is to wait, which has `waited` if it was told so before.
    pub(super) fn holds_read(&mut self, waited: &mut bool) -> bool {
        let Reads::Wait { waiting } = &mut self.reads else { return false };
        if !mem::replace(waited, true) {
            *waiting += 1;
        }
        true
    }

    pub(super) fn check_reads(&self) -> Result<(), EngineError> {
        if self.reads == Reads::Fail {
            Err(EngineError::failed("reads fail by request"))
        } else {
            Ok(())
        }
    }

    pub(super) fn check_space(&self) -> Result<(), EngineError> {
        if self.full { Err(Self::full()) } else { Ok(()) }
    }

    pub(super) fn full() -> EngineError {
        EngineError::Full("a fault was injected".into())
    }

    fn is_refused(&mut self, write: &Write) -> bool {
        match write {
            Write::Append(..) => {
                self.appends += 1;
                let nth = self.refuse_every;
                self.full || nth.is_some_and(|nth| self.appends.is_multiple_of(nth.get()))
            }
            Write::Metadata(_) => self.full,
            Write::Trim(..) | Write::Drop(_) => false,
        }
    }
}
