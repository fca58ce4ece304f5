//! Keeps house once a minute: gives back the space of expired records, forgets shards that have
//! expired, and the newest records of shards at rest.

use std::{collections::HashMap, sync::Arc, time::Duration};

use millpond_api::types::{ShardId, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    control::Control,
    directory::{Directory, Stream},
    shard::Shared,
    state::Command,
    stream::{ShardState, StreamNumber, retention},
};

/// How often the house is kept.
const PERIOD: Duration = Duration::from_mins(1);

/// The housekeeper of one server.
pub(crate) struct Maintenance {
    directory: Arc<Directory>,
    control: Control,
    shared: Shared,
    // The horizon that each shard was last trimmed to.
    trimmed: HashMap<(StreamNumber, ShardId), Timestamp>,
}

impl Maintenance {
    pub(crate) fn new(directory: Arc<Directory>, control: Control, shared: Shared) -> Self {
        Self { directory, control, shared, trimmed: HashMap::new() }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let clock = self.shared.clock.clone();
        while stop.run_until_cancelled(clock.sleep(PERIOD)).await.is_some() {
            self.keep_house().await;
        }
    }

    async fn keep_house(&mut self) {
        let now = self.shared.now();
        let snapshot = self.directory.snapshot();
        for stream in snapshot.streams() {
            self.forget_expired_shards(stream, now).await;
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
/// shard that is younger than its retention period holds nothing that has expired.
fn is_due(shard: &ShardState, hours: u32, last: Option<Timestamp>, horizon: Timestamp) -> bool {
    let since = last.unwrap_or(shard.created).millis();
    let step = if last.is_some() { retention::trim_step_millis(hours) } else { 1 };
    horizon.millis() - since >= step
}
