//! Forks and truncations, asked for as `Domain` does: by where the shards end at the moment.

use millpond_api::types::{ShardId, StreamArn};
use millpond_shards::{
    state::{Command, Fork, ForkKey, ShardEnd},
    stream::{ShardState, StreamNumber, StreamState},
};

use crate::world::World;

impl World {
    /// Somebody forks a stream, if its storage can be read.
    pub(crate) fn fork(&mut self, base: &StreamState, to: &StreamArn) {
        let Some(ends) = self.ends(base) else { return };
        let is_open =
            |end: &&ShardEnd| base.shards.get(&end.shard).is_some_and(ShardState::is_open);
        let ends = ends.iter().filter(is_open).copied().collect();
        let wrapped = (0..32).map(|_| self.dice.u8(..)).collect();
        let key = base.encryption.key_id.clone();
        let key = key.map(|key_id| ForkKey { key_id, wrapped });
        let (from, to, log_number) = (base.arn.clone(), to.clone(), base.log_number);
        let now = self.now();
        let forks = vec![Fork { from, log_number, to, ends, key }];
        self.ask(Command::Fork { forks, now });
    }

    /// Somebody truncates a stream, likewise.
    pub(crate) fn truncate(&mut self, stream: &StreamState) {
        let Some(ends) = self.ends(stream) else { return };
        let (stream, log_number) = (stream.arn.clone(), stream.log_number);
        self.ask(Command::Truncate { stream, log_number, ends });
    }

    /// Where all shards of a stream end now.
    fn ends(&mut self, stream: &StreamState) -> Option<Vec<ShardEnd>> {
        let mut ends = Vec::new();
        for shard in stream.shards.values() {
            ends.push(match shard.closed {
                Some(closing) => {
                    ShardEnd { shard: shard.id, end: closing.end, last_arrival: closing.at }
                }
                None => self.ends_now(stream.number, shard.id)?,
            });
        }
        Some(ends)
    }

    /// Where an open shard ends; all of it that was acknowledged lies before.
    fn ends_now(&self, number: StreamNumber, id: ShardId) -> Option<ShardEnd> {
        let snapshot = self.domain().directory().snapshot();
        let shard = snapshot.stream_of_number(number)?.shard(id)?;
        let end = self.process.runtime.block_on(shard.ends_now()).ok()?;
        self.ledger.check_fork_point((number, id), end.end);
        Some(end)
    }

    /// Forks that were made share what their bases have.
    pub(crate) fn note_forks(&mut self, command: &Command) {
        let Command::Fork { forks, .. } = command else { return };
        for fork in forks {
            // It may be gone again where several commands are seen at once.
            if let Some(made) = self.mirror.streams().iter().find(|s| s.arn == fork.to) {
                self.ledger.forked(fork.log_number, made.number);
            }
        }
    }
}
