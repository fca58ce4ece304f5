//! Spans as a collector would get them.

use std::sync::{Arc, Mutex};

use http::HeaderValue;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::{
    error::{OTelSdkError, OTelSdkResult},
    trace::SpanData,
};
use tokio::sync::Semaphore;

use super::{
    sender::{BATCH_SPANS_MAX, DROPPED, LOST, QUEUE_SPANS_MAX, SENT},
    *,
};
use crate::metrics::Metrics;

/// Keeps what it is sent. It takes as many batches as it has permits.
#[derive(Debug, Clone)]
struct Collector {
    batches: Arc<Mutex<Vec<Vec<SpanData>>>>,
    permits: Arc<Semaphore>,
    is_down: bool,
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.permits.acquire().await.unwrap().forget();
        if self.is_down {
            return Err(OTelSdkError::InternalFailure("it is down".to_owned()));
        }
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }
}

impl Collector {
    fn taking(batches: usize) -> Self {
        let permits = Arc::new(Semaphore::new(batches));
        Self { batches: Arc::default(), permits, is_down: false }
    }

    fn open(&self) -> (Traces, IntCounterVec) {
        let counts = Metrics::default().spans();
        (Traces::over(self.clone(), None, counts.clone()), counts)
    }

    fn batch_sizes(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(Vec::len).collect()
    }

    /// The only span that came.
    fn span(&self) -> SpanData {
        let batches = self.batches.lock().unwrap();
        let spans: Vec<_> = batches.iter().flatten().collect();
        assert_eq!(spans.len(), 1, "{spans:?}");
        spans[0].clone()
    }
}

fn put_record(traces: &Traces, headers: &HeaderMap) -> Span {
    let span = traces.begin(headers, Service::Kinesis, Uuid::nil());
    span.operation("PutRecord");
    span
}

fn attributes(span: &SpanData) -> Vec<String> {
    span.attributes.iter().map(|KeyValue { key, value, .. }| format!("{key}={value}")).collect()
}

/// More time than any test needs.
const LONG: Duration = Duration::from_mins(1);

#[tokio::test(start_paused = true)]
async fn a_span_says_what_was_asked_and_answered() {
    let collector = Collector::taking(1);
    let (traces, _) = collector.open();
    let span = put_record(&traces, &HeaderMap::new());
    span.stream(&"clicks".parse().unwrap());
    span.end(StatusCode::BAD_REQUEST, Some("ResourceNotFoundException"));
    traces.close(LONG).await;
    let span = collector.span();
    assert_eq!((span.name.as_ref(), &span.span_kind), ("Kinesis/PutRecord", &SpanKind::Server));
    assert_eq!((span.parent_span_id, &span.status), (SpanId::INVALID, &Status::Unset));
    assert_eq!(
        attributes(&span),
        [
            "rpc.system=aws-api",
            "rpc.service=Kinesis",
            "aws.request_id=00000000-0000-0000-0000-000000000000",
            "rpc.method=PutRecord",
            "aws.kinesis.stream_name=clicks",
            "http.response.status_code=400",
            "error.type=ResourceNotFoundException",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_server_s_own_faults_are_errors() {
    let collector = Collector::taking(1);
    let (traces, _) = collector.open();
    let span = traces.begin(&HeaderMap::new(), Service::CloudWatch, Uuid::nil());
    span.end(StatusCode::INTERNAL_SERVER_ERROR, Some("InternalFailureException"));
    traces.close(LONG).await;
    let span = collector.span();
    assert_eq!(span.name, "CloudWatch");
    assert_eq!(span.status, Status::error("InternalFailureException"));
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn caller(flags: &str, state: &str) -> HeaderMap {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-{flags}");
    let headers = [("traceparent", parent.as_str()), ("tracestate", state)];
    headers
        .map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        })
        .into_iter()
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_caller_s_trace_goes_on() {
    let long = format!("vendor={}", "x".repeat(TRACE_STATE_BYTES_MAX));
    for (state, kept) in [("vendor=1", "vendor=1"), (long.as_str(), "")] {
        let collector = Collector::taking(1);
        let (traces, _) = collector.open();
        put_record(&traces, &caller("01", state)).end(StatusCode::OK, None);
        traces.close(LONG).await;
        let span = collector.span();
        assert_eq!(span.span_context.trace_id(), TraceId::from_hex(TRACE).unwrap());
        assert_eq!(span.parent_span_id, SpanId::from_hex("b7ad6b7169203331").unwrap());
        assert_eq!(span.span_context.trace_state().header(), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_decides_that_nothing_is_sent() {
    let collector = Collector::taking(1);
    let (traces, counts) = collector.open();
    put_record(&traces, &caller("00", "")).end(StatusCode::OK, None);
    traces.close(LONG).await;
    assert!(collector.batch_sizes().is_empty());
    assert_eq!(counts.with_label_values(&[DROPPED]).get(), 0);
}

#[tokio::test(start_paused = true)]
async fn spans_go_together_and_not_late() {
    let collector = Collector::taking(10);
    let (traces, counts) = collector.open();
    let put = |count| {
        for _ in 0..count {
            put_record(&traces, &HeaderMap::new()).end(StatusCode::OK, None);
        }
    };
    put(2);
    tokio::time::sleep(Duration::from_millis(900)).await;
    put(1);
    assert!(collector.batch_sizes().is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(collector.batch_sizes(), [3]);
    put(BATCH_SPANS_MAX + 1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(collector.batch_sizes(), [3, BATCH_SPANS_MAX]);
    traces.close(LONG).await;
    assert_eq!(collector.batch_sizes(), [3, BATCH_SPANS_MAX, 1]);
    assert_eq!(counts.with_label_values(&[SENT]).get(), 4 + BATCH_SPANS_MAX as u64);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted_and_nobody_waits() {
    let collector = Collector::taking(0);
    let (traces, counts) = collector.open();
    for _ in 0..QUEUE_SPANS_MAX + 5 {
        put_record(&traces, &HeaderMap::new()).end(StatusCode::OK, None);
    }
    assert_eq!(counts.with_label_values(&[DROPPED]).get(), 5);
    // The end comes in time, although the collector takes nothing.
    traces.close(Duration::from_secs(5)).await;
    assert!(collector.batch_sizes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_collector_does_not_take_is_counted() {
    let collector = Collector { is_down: true, ..Collector::taking(1) };
    let (traces, counts) = collector.open();
    put_record(&traces, &HeaderMap::new()).end(StatusCode::OK, None);
    traces.close(LONG).await;
    assert_eq!(counts.with_label_values(&[LOST]).get(), 1);
    assert_eq!(counts.with_label_values(&[SENT]).get(), 0);
}
