//! Replacing everything: by nothing, or by what a snapshot holds. One commit, whole or nothing.

use futures::future::join_all;
use millpond_quotas::Time;
use tokio::sync::OwnedRwLockWriteGuard;

use super::{Beside, Retries, Sealed, Writer};
use crate::{
    Error,
    domain::TOKEN_KEY,
    engine::{LogId, MetadataChange},
    state::{
        State,
        replace::{Restored, emptied, restored, staged},
    },
    token::KEY_BYTES,
};

/// What a server is to hold instead of what it holds.
pub(crate) struct Replacement {
    /// Streams, whose records are in logs that were staged, and settings.
    pub(crate) restored: Restored,
    /// The key of tokens, if another.
    pub(crate) token_key: Option<[u8; KEY_BYTES]>,
    /// Service time is to go on from there, unless it is later.
    pub(crate) seen: Time,
    /// Keeps the staged logs from being dropped until they are in use.
    pub(crate) keeping: OwnedRwLockWriteGuard<()>,
}

impl Writer {
    /// New logs, about to be filled.
    pub(super) async fn stage(&mut self, logs: usize) -> Result<Vec<LogId>, Error> {
        let (next, logs) = staged(&self.state, logs);
        self.make(next).await?;
        Ok(logs)
    }

    /// Deletes everything.
    pub(super) async fn reset(&mut self) -> Result<(), Error> {
        let now = self.services.clock.now();
        self.replace(emptied(&self.state), Beside::at(now), None).await
    }

    /// Replaces everything by what a snapshot holds.
    pub(super) async fn restore(&mut self, by: Replacement) -> Result<(), Error> {
        let Replacement { restored: streams, token_key, seen, keeping } = by;
        let mut beside = Beside::at(seen.max(self.services.clock.now()));
        if let Some(key) = token_key {
            let put = |key: [u8; KEY_BYTES]| MetadataChange::Put {
                key: TOKEN_KEY.into(),
                value: key.into(),
            };
            beside.changes.push(put(key));
            // Not the stored one: that may be of a restore that failed, and isn't taken back yet.
            beside.amends.push(put(self.tokens.key()));
        }
        self.replace(restored(&self.state, streams), beside, token_key).await?;
        drop(keeping);
        Ok(())
    }

    /// Requests that were routed before must not bring back a log that was dropped, so all shards
    /// are sealed.
    async fn replace(
        &mut self,
        next: State,
        beside: Beside,
        token_key: Option<[u8; KEY_BYTES]>,
    ) -> Result<(), Error> {
        let sealed = self.seal_all().await;
        let time = beside.time;
        if let Err(error) = self.store(&next, beside).await {
            self.release(sealed).await;
            return Err(error);
        }
        self.state = next;
        self.retries = Retries::default();
        self.sealed.clear();
        self.services.clock.not_before(time);
        // First: who comes with a token of before must not find what came after.
        if let Some(key) = token_key {
            self.tokens.change_key(&key);
        }
        // A stream of the same number is another one: no handle is kept.
        self.directory.publish_anew(&self.state);
        self.attendant.acted();
        Ok(())
    }

    /// Seals every open shard.
    async fn seal_all(&self) -> Sealed {
        let streams = self.state.streams();
        let open = streams.map(|stream| {
            let shards: Vec<_> = stream.open_shards().map(|shard| shard.id).collect();
            (stream, shards)
        });
        let open: Vec<_> = open.collect();
        // Where a shard ends doesn't matter any more, or why nobody knows.
        join_all(open.iter().map(|(stream, shards)| self.seal(stream, shards))).await;
        open.into_iter().map(|(stream, ids)| (stream.number, ids.into_iter().collect())).collect()
    }
}
