//! Kinesis' own metrics: once a minute, what each stream has taken and given goes to the metrics of
//! the stream's owner, under CloudWatch's names.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use millpond_api::types::{MetricsName, ShardId};
use millpond_quotas::Clock;
use millpond_shards::{
    directory::Stream,
    shard::Shard,
    stream::{Namespace, StreamNumber},
};
use tokio_util::sync::CancellationToken;

use super::{Metric, Statistics};
use crate::{
    app::App,
    companions::tree::approximate,
    metrics::{SHARD_COUNTERS, ShardCounter},
};

const PERIOD: Duration = Duration::from_mins(1);

/// Puts the metrics of all streams once a minute of service time, until `stop`. What was counted
/// since the last minute is lost then.
pub fn sample_streams(app: Arc<App>, stop: CancellationToken) -> impl Future<Output = ()> + Send {
    let attendant = app.clock().attendant("gathering metrics");
    let mut last = app.clock().now();
    let mut sampler = Sampler { app, last: HashMap::new() };
    let sample = async move {
        let mut idle = None;
        loop {
            attendant.next_round(&mut last, PERIOD, idle).await;
            // Nothing is counted in minutes in which nobody calls.
            idle = Some(attendant.look().idle_until(Clock::END));
            sampler.sample();
        }
    };
    async move {
        stop.run_until_cancelled(sample).await;
    }
}

struct Sampler {
    app: Arc<App>,
    // What each shard had counted at the last look.
    last: HashMap<(StreamNumber, ShardId), (Weak<Shard>, [u64; SHARD_COUNTERS.len()])>,
}

impl Sampler {
    fn sample(&mut self) {
        let snapshot = self.app.domain().directory().snapshot();
        let mut last = HashMap::new();
        for stream in snapshot.streams() {
            let mut of_stream = [0; SHARD_COUNTERS.len()];
            for shard in stream.shards() {
                let key = (stream.state().number, shard.id());
                let known = self.last.remove(&key).filter(|(seen, _)| shard.is(seen));
                let mut counts = known.map(|(_, counts)| counts).unwrap_or_default();
                let usage = shard.meter().snapshot();
                let counters = SHARD_COUNTERS.iter().zip(&mut counts).zip(&mut of_stream);
                for ((counter, count), of_stream) in counters {
                    let more = (counter.value)(&usage).saturating_sub(*count);
                    *count += more;
                    *of_stream += more;
                    self.put(stream, Some(shard.id()), counter, more);
                }
                last.insert(key, (Arc::downgrade(shard), counts));
            }
            for (counter, more) in SHARD_COUNTERS.iter().zip(of_stream) {
                self.put(stream, None, counter, more);
            }
        }
        self.last = last;
    }

    /// Puts what was counted since the last look, if that is something and anybody asked for it.
    fn put(&self, stream: &Stream, shard: Option<ShardId>, counter: &ShardCounter, more: u64) {
        let state = stream.state();
        let is_wanted = match shard {
            Some(_) => state.shard_level_metrics.contains(&counter.metric),
            // What is read from a stream has other names, by operation, which aren't counted.
            None => {
                !matches!(counter.metric, MetricsName::OutgoingRecords | MetricsName::OutgoingBytes)
            }
        };
        if more == 0 || !is_wanted {
            return;
        }
        let mut dimensions = vec![("StreamName".to_owned(), state.arn.name.to_string())];
        dimensions.extend(shard.map(|shard| ("ShardId".to_owned(), shard.to_string())));
        dimensions.sort();
        let metric = Metric {
            namespace: "AWS/Kinesis".to_owned(),
            name: counter.metric.to_string(),
            dimensions,
        };
        let now = self.app.domain().now();
        let values = Statistics::of(approximate(more.into()), 1.0);
        let owner = Namespace::of(&state.arn);
        self.app.metric_store().put(&owner, metric, counter.unit, now, values, now);
    }
}
