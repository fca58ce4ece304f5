//! Prometheus metrics: Kinesis' own names, per stream and shard, and what the server itself does.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use millpond_api::types::MetricsName;
use millpond_quotas::Usage;
use millpond_shards::directory::{Directory, Snapshot, Stream};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
    core::Collector,
};

/// Seconds, from a fast read to a slow disk.
const LATENCY_BUCKETS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];

/// Every metric of the server.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    latency: HistogramVec,
    spans: IntCounterVec,
    faults: IntCounterVec,
}

/// A number that each shard counts.
pub(crate) struct ShardCounter {
    /// What Kinesis calls it.
    pub(crate) metric: MetricsName,
    /// Its unit, as CloudWatch names it.
    pub(crate) unit: &'static str,
    /// Where it is read from.
    pub(crate) value: fn(&Usage) -> u64,
    /// What Prometheus calls it, without prefix and suffix, and what it is told of it.
    name: &'static str,
    help: &'static str,
}

pub(crate) const SHARD_COUNTERS: [ShardCounter; 6] = [
    ShardCounter {
        metric: MetricsName::IncomingRecords,
        unit: "Count",
        value: |usage| usage.incoming_records,
        name: "incoming_records",
        help: "Records stored: IncomingRecords.",
    },
    ShardCounter {
        metric: MetricsName::IncomingBytes,
        unit: "Bytes",
        value: |usage| usage.incoming_bytes,
        name: "incoming_bytes",
        help: "Bytes of data and partition keys stored: IncomingBytes.",
    },
    ShardCounter {
        metric: MetricsName::OutgoingRecords,
        unit: "Count",
        value: |usage| usage.outgoing_records,
        name: "outgoing_records",
        help: "Records read: OutgoingRecords.",
    },
    ShardCounter {
        metric: MetricsName::OutgoingBytes,
        unit: "Bytes",
        value: |usage| usage.outgoing_bytes,
        name: "outgoing_bytes",
        help: "Bytes of data and partition keys read: OutgoingBytes.",
    },
    ShardCounter {
        metric: MetricsName::WriteProvisionedThroughputExceeded,
        unit: "Count",
        value: |usage| usage.write_throttles,
        name: "write_provisioned_throughput_exceeded",
        help: "Records refused: WriteProvisionedThroughputExceeded.",
    },
    ShardCounter {
        metric: MetricsName::ReadProvisionedThroughputExceeded,
        unit: "Count",
        value: |usage| usage.read_throttles,
        name: "read_provisioned_throughput_exceeded",
        help: "GetRecords calls refused: ReadProvisionedThroughputExceeded.",
    },
];

impl Default for Metrics {
    fn default() -> Self {
        let requests = Opts::new("millpond_requests_total", "Requests answered.");
        let requests = IntCounterVec::new(requests, &["operation", "error"]);
        let latency = HistogramOpts::new(
            "millpond_request_duration_seconds",
            "Time from a request's head to its answer.",
        );
        let latency = HistogramVec::new(latency.buckets(LATENCY_BUCKETS.to_vec()), &["operation"]);
        let requests = requests.expect("the metric's name and labels are legal");
        let latency = latency.expect("the metric's name and labels are legal");
        let spans = Opts::new(
            "millpond_spans_total",
            "Spans that a collector took (sent), that none took (lost), or that found no room in \
             the queue (dropped).",
        );
        let spans = IntCounterVec::new(spans, &["outcome"]);
        let spans = spans.expect("the metric's name and labels are legal");
        let faults = Opts::new(
            "millpond_faults_injected_total",
            "Calls and deliveries that a fault of the script did something to.",
        );
        let faults = IntCounterVec::new(faults, &["effect"]);
        let faults = faults.expect("the metric's name and labels are legal");
        let registry = Registry::new();
        let collectors: [Box<dyn Collector>; 4] = [
            Box::new(requests.clone()),
            Box::new(latency.clone()),
            Box::new(spans.clone()),
            Box::new(faults.clone()),
        ];
        for collector in collectors {
            registry.register(collector).expect("the metrics have different names");
        }
        Self { registry, requests, latency, spans, faults }
    }
}

impl Metrics {
    /// A request was answered; `operation` and `error` are empty when there is none.
    pub fn request(&self, operation: &str, error: &str, took: Duration) {
        self.requests.with_label_values(&[operation, error]).inc();
        self.latency.with_label_values(&[operation]).observe(took.as_secs_f64());
    }

    /// Counts what became of spans.
    #[must_use]
    pub fn spans(&self) -> IntCounterVec {
        self.spans.clone()
    }

    /// Counts what faults do, by effect.
    #[must_use]
    pub fn faults(&self) -> IntCounterVec {
        self.faults.clone()
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn text(&self, directory: &Directory) -> String {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("metrics are written to memory");
        let mut text = String::from_utf8(text).expect("metrics are text");
        write_shards(&directory.snapshot(), &mut text).expect("a string takes all that is written");
        text
    }
}

fn write_shards(snapshot: &Snapshot, text: &mut String) -> std::fmt::Result {
    writeln!(text, "# HELP millpond_open_shards Shards that take records.")?;
    writeln!(text, "# TYPE millpond_open_shards gauge")?;
    for stream in snapshot.streams() {
        let open = stream.state().open_shards().count();
        writeln!(text, "millpond_open_shards{{{}}} {open}", labels(stream))?;
    }
    for ShardCounter { name, help, value, .. } in SHARD_COUNTERS {
        writeln!(text, "# HELP millpond_{name}_total {help}")?;
        writeln!(text, "# TYPE millpond_{name}_total counter")?;
        for stream in snapshot.streams() {
            let labels = labels(stream);
            for shard in stream.shards() {
                let value = value(&shard.meter().snapshot());
                let shard = shard.id();
                writeln!(text, "millpond_{name}_total{{{labels},shard=\"{shard}\"}} {value}")?;
            }
        }
    }
    Ok(())
}

/// Account, region and stream have no character that needs escaping.
fn labels(stream: &Arc<Stream>) -> String {
    let arn = &stream.state().arn;
    format!("account=\"{}\",region=\"{}\",stream=\"{}\"", arn.account, arn.region, arn.name)
}
