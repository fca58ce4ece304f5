//! Once a minute: retention gives up expired records, and shards that have expired as a whole;
//! shards at rest give back the memory of their newest records.

use std::{collections::HashMap, sync::Arc, time::Duration};

use millpond_api::types::{ShardId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    control::Control,
    directory::{Directory, Stream},
    services::Services,
    state::{Command, EncryptionCommand},
    stream::{ShardState, StreamNumber, retention},
};

/// How often all streams are gone through.
const PERIOD: Duration = Duration::from_mins(1);

/// What one server does by itself, from time to time.
pub(crate) struct Maintenance {
    directory: Arc<Directory>,
    control: Control,
    services: Services,
    // The horizon that each shard was last trimmed to.
    trimmed: HashMap<(StreamNumber, ShardId), Timestamp>,
}

impl Maintenance {
    pub(crate) fn new(directory: Arc<Directory>, control: Control, services: Services) -> Self {
        Self { directory, control, services, trimmed: HashMap::new() }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let clock = self.services.clock.clone();
        let maintain = async {
            loop {
                clock.sleep(PERIOD).await;
                self.maintain().await;
            }
        };
        // What is left off is taken up after the next start.
        stop.run_until_cancelled(maintain).await;
    }

    async fn maintain(&mut self) {
        let now = self.services.now();
        let snapshot = self.directory.snapshot();
        for stream in snapshot.streams() {
            self.forget_expired_shards(stream, now).await;
            self.forget_expired_keys(stream, now).await;
            self.trim(stream, now).await;
            let idle = Timestamp::from_millis(now.millis() - PERIOD.as_millis() as i64);
            stream.shards().for_each(|shard| shard.forget_if_idle(idle));
        }
        self.trimmed.retain(|(number, shard), _| {
            let stream = snapshot.stream_of_number(*number);
            stream.is_some_and(|stream| stream.shard(*shard).is_some())
        });
    }

    async fn forget_expired_shards(&self, stream: &Stream, now: Timestamp) {
        let state = stream.state();
        let horizon = state.horizon(now);
        if !state.shards.values().any(|shard| shard.is_expired(horizon)) {
            return;
        }
        let (arn, number) = (state.arn.clone(), state.number);
        let command = Command::ForgetShards { stream: arn, number, now };
        if let Err(error) = self.control.submit(command).await {
            tracing::warn!(stream = %state.arn, %error, "expired shards not forgotten");
        }
    }

    async fn forget_expired_keys(&self, stream: &Stream, now: Timestamp) {
        if let Some(vault) = stream.vault() {
            vault.forget_expired(self.services.clock.now());
        }
        let state = stream.state();
        if !state.encryption.has_expired_keys(state.horizon(now)) {
            return;
        }
        let (arn, number) = (state.arn.clone(), state.number);
        let forget = EncryptionCommand::ForgetKeys { stream: arn, number, now };
        if let Err(error) = self.control.submit(Command::Encryption(forget)).await {
            tracing::warn!(stream = %state.arn, %error, "data keys not forgotten");
        }
    }

    async fn trim(&mut self, stream: &Stream, now: Timestamp) {
        let state = stream.state();
        let horizon = state.horizon(now);
        for shard in state.shards.values() {
            let key = (state.number, shard.id);
            let last = self.trimmed.get(&key).copied();
            let Some(handle) = stream.shard(shard.id) else { continue };
            if !is_due(shard, state.retention_hours, last, horizon) {
                continue;
            }
            match handle.trim(horizon).await {
                Ok(()) => {
                    self.trimmed.insert(key, horizon);
                }
                Err(error) => {
                    tracing::warn!(stream = %state.arn, shard = %shard.id, %error, "not trimmed");
                }
            }
        }
    }
}

/// Whether enough may have expired since the shard was last trimmed to be worth the trouble. A
/// shard that is younger than its retention period holds nothing that has expired; one that has
/// expired as a whole is forgotten instead.
fn is_due(shard: &ShardState, hours: u32, last: Option<Timestamp>, horizon: Timestamp) -> bool {
    let since = last.unwrap_or(shard.created).millis();
    let step = if last.is_some() { retention::trim_step_millis(hours) } else { 1 };
    !shard.is_expired(horizon) && horizon.millis() - since >= step
}

#[cfg(test)]
mod tests {
    use millpond_api::types::{Blob, StreamArn};
    use millpond_quotas::{Clock, Time};

    use super::*;
    use crate::{
        batch::RecordBatch,
        domain::tests::{open, writes_of},
        engine::{Offset, memory::MemoryEngine},
        state::{NewMode, NewStream, tests::stream_of},
        stream::{Closing, Namespace},
    };

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_shard_that_is_forgotten_is_not_trimmed() {
        let stream = stream_of(1);
        let mut shard = stream.open_shards().next().unwrap().clone();
        let horizon = Timestamp::from_millis(shard.created.millis() + DAY.as_millis() as i64);
        assert!(is_due(&shard, 24, None, horizon));
        shard.closed = Some(Closing { at: shard.created, end: Offset::new(1) });
        assert!(!is_due(&shard, 24, None, horizon));
    }

    #[tokio::test]
    async fn stopping_waits_for_no_more_than_the_write_under_way() {
        let (engine, clock) = (MemoryEngine::new(), Clock::manual(Time::from_seconds(1000)));
        let domain = open(&engine, &clock).await;
        let arn: StreamArn = "arn:aws:kinesis:us-east-1:000000000000:stream/a".parse().unwrap();
        let (namespace, now, tags) = (Namespace::of(&arn), domain.now(), Vec::new());
        let name = arn.name.clone();
        let new = NewStream {
            arn,
            mode: NewMode::Provisioned { shards: 5 },
            max_record_kib: 1024,
            tags,
            now,
            due: now,
        };
        domain.control().submit(Command::CreateStream(new)).await.unwrap();
        for shard in domain.directory().stream(&namespace, &name).unwrap().shards() {
            let mut batch = RecordBatch::default();
            batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
            shard.append(batch).await.unwrap();
        }
        let faults = engine.faults();
        faults.hold();
        clock.advance(2 * DAY);
        // The time, and a trim.
        while faults.queued() < 2 {
            tokio::task::yield_now().await;
        }
        // The time is noted once more.
        assert_eq!(writes_of(&faults, domain.close()).await, (Ok(()), 3));
    }
}
