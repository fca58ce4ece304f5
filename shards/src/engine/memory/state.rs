//! The queue of writes, and what becomes of each when its turn comes.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use tokio::sync::oneshot;

use super::{
    faults::{Fault, Plan},
    image::{Image, StoredLog, Write},
};
use crate::engine::{EngineError, LogId, MetadataRows, Offset};

type Outcome = Result<Offset, EngineError>;

/// Everything that an engine knows.
#[derive(Debug, Default)]
pub(super) struct State {
    /// What readers see. It lags behind the disk where a failed write was stored all the same.
    visible: Image,
    disk: Image,
    queue: VecDeque<Queued>,
    poisoned: BTreeMap<LogId, EngineError>,
    closed: bool,
    pub(super) plan: Plan,
}

#[derive(Debug)]
struct Queued {
    write: Write,
    answer: oneshot::Sender<Outcome>,
}

impl State {
    pub(super) fn submit(&mut self, write: Write) -> oneshot::Receiver<Outcome> {
        let (answer, outcome) = oneshot::channel();
        if !self.closed {
            self.queue.push_back(Queued { write, answer });
        }
        if !self.plan.held {
            self.sync_all();
        }
        outcome
    }

    /// Gives the oldest waiting write its turn; whether there was one.
    pub(super) fn sync_one(&mut self) -> bool {
        let Some(Queued { write, answer }) = self.queue.pop_front() else { return false };
        let outcome = self.write(&write);
        // Nobody listens when the commit was dropped, which doesn't undo the write.
        let _ = answer.send(outcome);
        true
    }

    pub(super) fn sync_all(&mut self) {
        while self.sync_one() {}
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn crash(&mut self, seed: u64) -> Self {
        let mut waiting = mem::take(&mut self.queue);
        waiting.truncate((seed % (waiting.len() as u64 + 1)) as usize);
        for queued in waiting {
            // Stored, perhaps; acknowledged never.
            let _ = self.write(&queued.write);
        }
        self.closed = true;
        let disk = self.disk.clone();
        Self { visible: disk.clone(), disk, ..Self::default() }
    }

    pub(super) fn close(&mut self) -> Result<(), EngineError> {
        self.check_open()?;
        self.sync_all();
        self.closed = true;
        Ok(())
    }

    pub(super) fn open_log(&mut self, id: LogId, first: Offset) -> Result<(), EngineError> {
        self.check_open()?;
        self.visible.open(id, first);
        Ok(())
    }

    pub(super) fn writable(&self) -> Result<(), EngineError> {
        self.check_open()?;
        self.plan.check_space()
    }

    pub(super) fn metadata(&self) -> Result<MetadataRows, EngineError> {
        self.check_open()?;
        self.plan.check_reads()?;
        Ok(self.visible.metadata.clone().into_iter().collect())
    }

    /// An open log, to read from.
    pub(super) fn log(&self, id: LogId) -> Result<&StoredLog, EngineError> {
        self.check_open()?;
        self.plan.check_reads()?;
        self.visible.logs.get(&id).ok_or(EngineError::Closed)
    }

    /// What is known of a log at any time; nothing when it was dropped.
    pub(super) fn peek(&self, id: LogId) -> Option<&StoredLog> {
        self.visible.logs.get(&id)
    }

    pub(super) fn logs(&self) -> Vec<(LogId, usize)> {
        self.disk.logs.iter().map(|(id, log)| (*id, log.chunks())).collect()
    }

    fn check_open(&self) -> Result<(), EngineError> {
        if self.closed { Err(EngineError::Closed) } else { Ok(()) }
    }

    fn write(&mut self, write: &Write) -> Outcome {
        self.check_log(write)?;
        match self.plan.meet(write) {
            None => {
                self.disk.apply(write, self.plan.gap);
                Ok(self.visible.apply(write, self.plan.gap))
            }
            Some(Fault::Full) => Err(Plan::full()),
            Some(Fault::Failed { stored }) => {
                if stored {
                    self.disk.apply(write, self.plan.gap);
                }
                Err(self.fail(write))
            }
        }
    }

    fn check_log(&self, write: &Write) -> Result<(), EngineError> {
        let (Write::Append(id, ..) | Write::Trim(id, _)) = write else { return Ok(()) };
        if !self.visible.logs.contains_key(id) {
            return Err(EngineError::Closed);
        }
        match self.poisoned.get(id) {
            Some(first) if matches!(write, Write::Append(..)) => Err(first.clone()),
            _ => Ok(()),
        }
    }

    fn fail(&mut self, write: &Write) -> EngineError {
        let error = EngineError::failed("a fault was injected");
        if let Write::Append(id, ..) = write {
            self.poisoned.insert(*id, error.clone());
        }
        error
    }
}
