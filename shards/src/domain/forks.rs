//! What becomes of whole streams at once: forks, truncation, reset. No record is copied.

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use millpond_api::types::{AccountId, Region, StreamArn, StreamStatus};

use super::Domain;
use crate::{
    Error,
    directory::Stream,
    engine::LogId,
    holds::{Hold, holds},
    state::{Command, Fork, ForkKey, ShardEnd},
    stream::Namespace,
};

/// How often something may come between the look at a stream and its fork.
const ATTEMPTS_MAX: usize = 5;

/// Streams that are got ready, or logs that are trimmed, at a time: each may ask the key service,
/// or the disk.
const AT_A_TIME: usize = 16;

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
    /// Those of [`fork`](Self::fork): also when one of the streams is still being created.
    pub async fn fork_account(
        &self,
        from: AccountId,
        to: AccountId,
        region: Option<&Region>,
    ) -> Result<Vec<StreamArn>, Error> {
        let mut attempts = 0;
        loop {
            let forks = self.forks_of(from, to, region);
            attempts += 1;
            let forked = if forks.is_empty() { Ok(()) } else { self.fork_all(&forks).await };
            match forked {
                Err(error) if is_deletion(&error) && attempts < ATTEMPTS_MAX => {}
                outcome => return outcome.map(|()| forks.into_iter().map(|(_, to)| to).collect()),
            }
        }
    }

    /// Each stream of an account that isn't being deleted, and what its fork is called in another.
    fn forks_of(
        &self,
        from: AccountId,
        to: AccountId,
        region: Option<&Region>,
    ) -> Vec<(StreamArn, StreamArn)> {
        let snapshot = self.directory.snapshot();
        let streams = snapshot.streams().map(|stream| stream.state()).filter(|stream| {
            stream.arn.account == from
                && region.is_none_or(|region| stream.arn.region == *region)
                && stream.status != StreamStatus::Deleting
        });
        let fork = |arn: &StreamArn| (arn.clone(), StreamArn { account: to, ..arn.clone() });
        streams.map(|stream| fork(&stream.arn)).collect()
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
        let (stream, log_number) = (arn.clone(), stream.state().log_number);
        self.control.submit(Command::Truncate { stream, log_number, ends }).await?;
        self.give_back(arn).await;
        Ok(())
    }

    /// Deletes every stream, and forgets what accounts have settled and what streams had to take:
    /// the server is as empty as it was when it first started.
    ///
    /// # Errors
    /// Faults of storage; nothing has changed then, unless it is stored all the same.
    pub async fn reset(&self) -> Result<(), Error> {
        self.control.reset().await
    }

    async fn fork_all(&self, forks: &[(StreamArn, StreamArn)]) -> Result<(), Error> {
        let mut attempts = 0;
        loop {
            let drafts: Vec<_> = forks.iter().map(|(from, to)| self.draft(from, to)).collect();
            let forks = stream::iter(drafts).buffered(AT_A_TIME).try_collect().await?;
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
                let wrapped = self.crypt.new_data_key(key_id, to).await?;
                Some(ForkKey { key_id: key_id.clone(), wrapped })
            }
        };
        // Last: what is acknowledged meanwhile is in the fork, too.
        let ends = open_ends(&stream).await?;
        let (from, to, log_number) = (from.clone(), to.clone(), state.log_number);
        Ok(Fork { from, log_number, to, ends, key })
    }

    /// Gives back the space of what nobody can read any more in the logs of this stream. What can't
    /// be given back now is from time to time.
    async fn give_back(&self, arn: &StreamArn) {
        // A snapshot that is under way takes long, and needs what is there.
        let Ok(_keeping) = self.services.keeping.try_read() else { return };
        let snapshot = self.directory.snapshot();
        let holds = holds(snapshot.streams().map(|stream| stream.state()), self.now());
        let stream = snapshot.stream(&Namespace::of(arn), arn.name.as_str());
        let shards = stream.into_iter().flat_map(|stream| stream.state().shards.values());
        let logs = shards.flat_map(|shard| &shard.segments).map(|segment| segment.log);
        let trims = logs.filter_map(|log| Some((log, holds.get(&log)?)));
        let trim = async |(log, hold): (LogId, &Hold)| {
            if let Err(error) = hold.trim(self.services.engine.as_ref(), log).await {
                tracing::warn!(stream = %arn, ?log, %error, "not trimmed");
            }
        };
        stream::iter(trims).for_each_concurrent(AT_A_TIME, trim).await;
    }
}

/// Whether it is due to a stream that was deleted meanwhile.
fn is_deletion(error: &Error) -> bool {
    let is_deleting = |error: &Error| {
        matches!(error, Error::StreamNotActive { status: StreamStatus::Deleting, .. })
    };
    matches!(error, Error::StreamNotFound { .. }) || is_deleting(error)
}

/// Where the open shards of a stream end now.
async fn open_ends(stream: &Stream) -> Result<Vec<ShardEnd>, Error> {
    let open = stream.routing().shards().iter();
    Ok(try_join_all(open.map(async |shard| shard.ends_now().await)).await?)
}

#[cfg(test)]
pub(crate) mod tests;
