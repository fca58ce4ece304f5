//! What has come about in a life: one in which nothing does keeps every promise.

use millpond_shards::state::{CapacityCommand, Command};

/// What clients and the service have achieved.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) records_stored: usize,
    pub(crate) commands_done: usize,
    pub(crate) reshards: usize,
    /// Shards of on-demand streams that were split.
    pub(crate) splits: usize,
    /// Pairs of them that were merged.
    pub(crate) merges: usize,
    pub(crate) forks: usize,
    pub(crate) truncations: usize,
}

impl Deeds {
    /// The command took effect.
    pub(crate) fn count(&mut self, command: &Command) {
        match command {
            Command::Settle { ends, .. } => self.reshards += usize::from(!ends.is_empty()),
            Command::Capacity(CapacityCommand::Scale { splits, merges, .. }) => {
                self.splits += splits.len();
                self.merges += merges.len();
            }
            Command::Fork { forks, .. } => self.forks += forks.len(),
            Command::Truncate { .. } => self.truncations += 1,
            _ => {}
        }
    }
}
