//! What becomes of whole streams at once: forks, truncation, reset. No record is copied.

use futures::future::{join_all, try_join_all};
use millpond_api::types::{AccountId, Region, StreamArn, StreamStatus};

use super::Domain;
use crate::{
    Error,
    directory::Stream,
    holds::holds,
    state::{Command, Fork, ForkKey, ShardEnd},
    stream::Namespace,
};

/// How often the data key of a stream may change while it is forked.
const ATTEMPTS_MAX: usize = 5;

impl Domain {
    /// Makes the stream `to`, with the settings, tags, consumers and shards of `from`, and every
    /// record of it that was acknowledged before this call. What is written to one of them later
    /// never shows in the other. Policies aren't taken over, as they name the ARN that they are on.
    ///
    /// # Errors
    /// `StreamNotFound` and `StreamNotActive` of `from`, `StreamExists` of `to`, limits of the
    /// account of `to`, `Kms` when `from` is encrypted under a key that can't be used, and faults
    /// of storage. Nothing has changed then.
    pub async fn fork(&self, from: &StreamArn, to: &StreamArn) -> Result<(), Error> {
        self.fork_all(&[(from.clone(), to.clone())]).await
    }

    /// Forks every stream of an account, in one region or in all, to the same names of another:
    /// all of them or none. Streams that are being deleted are left out. Answers with the forks'
    /// ARNs.
    ///
    /// # Errors
    /// Those of [`fork`](Self::fork).
    pub async fn fork_account(
        &self,
        from: AccountId,
        to: AccountId,
        region: Option<&Region>,
    ) -> Result<Vec<StreamArn>, Error> {
        let snapshot = self.directory.snapshot();
        let streams = snapshot.streams().map(|stream| stream.state()).filter(|stream| {
            stream.arn.account == from
                && region.is_none_or(|region| stream.arn.region == *region)
                && stream.status != StreamStatus::Deleting
        });
        let forks: Vec<_> = streams
            .map(|stream| (stream.arn.clone(), StreamArn { account: to, ..stream.arn.clone() }))
            .collect();
        if !forks.is_empty() {
            self.fork_all(&forks).await?;
        }
        Ok(forks.into_iter().map(|(_, to)| to).collect())
    }

    /// Gives up every record of the stream that was acknowledged before this call: it can't be read
    /// any more when this answers, and its space is given back as far as no fork needs it.
    /// Iterators read on with what comes next, and sequence numbers ascend from where they were.
    ///
    /// # Errors
    /// `StreamNotFound`, `StreamNotActive`, and faults of storage; nothing has changed then.
    pub async fn truncate(&self, arn: &StreamArn) -> Result<(), Error> {
        let stream = self.directory.stream(&Namespace::of(arn), &arn.name)?;
        let mut ends = open_ends(&stream).await?;
        let closed = stream.state().shards.values().filter_map(|shard| {
            let closing = shard.closed?;
            Some(ShardEnd { shard: shard.id, end: closing.end, last_arrival: closing.at })
        });
        ends.extend(closed);
        let (stream, number) = (arn.clone(), stream.state().number);
        self.control.submit(Command::Truncate { stream, number, ends }).await?;
        self.give_back(arn).await;
        Ok(())
    }

    /// Deletes every stream, and forgets what accounts have settled: the server is as empty as it
    /// was when it first started.
    ///
    /// # Errors
    /// Faults of storage; nothing has changed then, unless it is stored all the same.
    pub async fn reset(&self) -> Result<(), Error> {
        self.control.submit(Command::Reset).await
    }

    async fn fork_all(&self, forks: &[(StreamArn, StreamArn)]) -> Result<(), Error> {
        let mut attempts = 0;
        loop {
            let made = forks.iter().map(|(from, to)| self.draft(from, to));
            let forks = try_join_all(made).await?;
            let now = self.now();
            attempts += 1;
            match self.control.submit(Command::Fork { forks, now }).await {
                Err(Error::DataKeyChanged { .. }) if attempts < ATTEMPTS_MAX => {}
                outcome => return outcome,
            }
        }
    }

    async fn draft(&self, from: &StreamArn, to: &StreamArn) -> Result<Fork, Error> {
        let stream = self.directory.stream(&Namespace::of(from), &from.name)?;
        let state = stream.state();
        let key = match &state.encryption.key_id {
            None => None,
            Some(key_id) => {
                let wrapped = self.crypt.data_key_of(&stream, key_id, to).await?;
                Some(ForkKey { key_id: key_id.clone(), wrapped })
            }
        };
        // Last: what is acknowledged meanwhile is in the fork, too.
        let ends = open_ends(&stream).await?;
        Ok(Fork { from: from.clone(), number: state.number, to: to.clone(), ends, key })
    }

    /// Gives back the space of what nobody can read any more in the logs of this stream. What can't
    /// be given back now is from time to time.
    async fn give_back(&self, arn: &StreamArn) {
        let keeping = self.services.keeping.read().await;
        let snapshot = self.directory.snapshot();
        let holds = holds(snapshot.streams().map(|stream| stream.state()), self.now());
        let stream = snapshot.stream(&Namespace::of(arn), arn.name.as_str());
        let shards = stream.into_iter().flat_map(|stream| stream.state().shards.values());
        let logs = shards.flat_map(|shard| &shard.segments).map(|segment| segment.log);
        let trims = logs.filter_map(|log| Some((log, holds.get(&log)?)));
        let trims = trims.map(async |(log, hold)| {
            if let Err(error) = hold.trim(self.services.engine.as_ref(), log).await {
                tracing::warn!(stream = %arn, ?log, %error, "not trimmed");
            }
        });
        join_all(trims).await;
        drop(keeping);
    }
}

/// Where the open shards of a stream end now.
async fn open_ends(stream: &Stream) -> Result<Vec<ShardEnd>, Error> {
    let open = stream.routing().shards().iter();
    Ok(try_join_all(open.map(async |shard| shard.ends_now().await)).await?)
}

#[cfg(test)]
pub(super) mod tests;
