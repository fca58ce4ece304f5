//! Kinesis' own metrics: once a minute, what each stream has taken and given goes to the metrics of
//! the stream's owner, under CloudWatch's names.

use std::{collections::HashMap, sync::Arc, time::Duration};

use millpond_api::types::{MetricsName, ShardId};
use millpond_quotas::Usage;
use millpond_shards::{
    directory::Stream,
    stream::{Namespace, StreamNumber},
};
use tokio_util::sync::CancellationToken;

use super::{Metric, Statistics};
use crate::{app::App, companions::tree::approximate};

const PERIOD: Duration = Duration::from_mins(1);

/// A number that shards count.
struct Counter {
    name: MetricsName,
    unit: &'static str,
    /// Whether a stream has the metric, too, and not only a shard with enhanced monitoring.
    is_of_streams: bool,
    value: fn(&Usage) -> u64,
}

const COUNTERS: [Counter; 6] = [
    Counter {
        name: MetricsName::IncomingRecords,
        unit: "Count",
        is_of_streams: true,
        value: |usage| usage.incoming_records,
    },
    Counter {
        name: MetricsName::IncomingBytes,
        unit: "Bytes",
        is_of_streams: true,
        value: |usage| usage.incoming_bytes,
    },
    Counter {
        name: MetricsName::OutgoingRecords,
        unit: "Count",
        is_of_streams: false,
        value: |usage| usage.outgoing_records,
    },
    Counter {
        name: MetricsName::OutgoingBytes,
        unit: "Bytes",
        is_of_streams: false,
        value: |usage| usage.outgoing_bytes,
    },
    Counter {
        name: MetricsName::WriteProvisionedThroughputExceeded,
        unit: "Count",
        is_of_streams: true,
        value: |usage| usage.write_throttles,
    },
    Counter {
        name: MetricsName::ReadProvisionedThroughputExceeded,
        unit: "Count",
        is_of_streams: true,
        value: |usage| usage.read_throttles,
    },
];

/// Goes on until `stop`.
pub async fn sample_streams(app: Arc<App>, stop: CancellationToken) {
    let clock = app.clock().clone();
    let mut sampler = Sampler { app, last: HashMap::new() };
    let sample = async {
        loop {
            clock.sleep(PERIOD).await;
            sampler.sample();
        }
    };
    stop.run_until_cancelled(sample).await;
}

struct Sampler {
    app: Arc<App>,
    // What each shard had counted at the last look.
    last: HashMap<(StreamNumber, ShardId), [u64; COUNTERS.len()]>,
}

impl Sampler {
    fn sample(&mut self) {
        let snapshot = self.app.domain().directory().snapshot();
        let mut last = HashMap::new();
        for stream in snapshot.streams() {
            let mut of_stream = [0; COUNTERS.len()];
            for shard in stream.shards() {
                let key = (stream.state().number, shard.id());
                let mut counts = self.last.remove(&key).unwrap_or_default();
                let usage = shard.meter().snapshot();
                let counters = COUNTERS.iter().zip(&mut counts).zip(&mut of_stream);
                for ((counter, count), of_stream) in counters {
                    let more = (counter.value)(&usage).saturating_sub(*count);
                    *count += more;
                    *of_stream += more;
                    self.put(stream, Some(shard.id()), counter, more);
                }
                last.insert(key, counts);
            }
            for (counter, more) in COUNTERS.iter().zip(of_stream) {
                self.put(stream, None, counter, more);
            }
        }
        self.last = last;
    }

    /// Puts what was counted since the last look, if that is something and anybody asked for it.
    fn put(&self, stream: &Stream, shard: Option<ShardId>, counter: &Counter, more: u64) {
        let state = stream.state();
        let is_wanted = match shard {
            Some(_) => state.shard_level_metrics.contains(&counter.name),
            None => counter.is_of_streams,
        };
        if more == 0 || !is_wanted {
            return;
        }
        let mut dimensions = vec![("StreamName".to_owned(), state.arn.name.to_string())];
        dimensions.extend(shard.map(|shard| ("ShardId".to_owned(), shard.to_string())));
        dimensions.sort();
        let metric = Metric {
            namespace: "AWS/Kinesis".to_owned(),
            name: counter.name.to_string(),
            dimensions,
        };
        let now = self.app.domain().now();
        let values = Statistics::of(approximate(more.into()), 1.0);
        let owner = Namespace::of(&state.arn);
        self.app.metric_store().put(&owner, metric, counter.unit, now, values, now);
    }
}
