//! From ended spans to batches at the collector, at the collector's pace.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use prometheus::IntCounterVec;
use tokio::{
    sync::mpsc::{self, error::TrySendError},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::telemetry::Warning;

/// Spans that wait at most: a few mebibytes.
pub(super) const QUEUE_SPANS_MAX: usize = 8192;

/// Spans in one request to the collector.
pub(super) const BATCH_SPANS_MAX: usize = 1024;

/// How long a span waits for others at most.
const LINGER: Duration = Duration::from_secs(1);

/// What became of spans, as the counter's label says it.
pub(super) const SENT: &str = "sent";
pub(super) const LOST: &str = "lost";
pub(super) const DROPPED: &str = "dropped";

/// Where spans wait.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: IntCounterVec,
    full: Warning,
}

/// Takes them from there.
pub(super) struct Sender<E> {
    spans: mpsc::Receiver<SpanData>,
    exporter: E,
    counts: IntCounterVec,
    unreached: Warning,
    stop: CancellationToken,
}

impl Queue {
    pub(super) fn new<E: SpanExporter>(
        mut exporter: E,
        resource: &Resource,
        counts: IntCounterVec,
        stop: CancellationToken,
    ) -> (Self, Sender<E>) {
        exporter.set_resource(resource);
        let (queue, spans) = mpsc::channel(QUEUE_SPANS_MAX);
        let queue = Self { spans: queue, counts: counts.clone(), full: Warning::default() };
        (queue, Sender { spans, exporter, counts, unreached: Warning::default(), stop })
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let Err(refused) = self.spans.try_send(span) else { return };
        let dropped = self.counts.with_label_values(&[DROPPED]);
        dropped.inc();
        if matches!(refused, TrySendError::Full(_)) && self.full.is_due() {
            tracing::warn!(
                total = dropped.get(),
                "traces are dropped, as their collector is slower than requests"
            );
        }
    }

    // Its owner closes the queue and waits for the sender, without blocking a thread.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl<E: SpanExporter> Sender<E> {
    /// Sends until it is told to stop and nothing waits any more.
    pub(super) async fn run(mut self) {
        loop {
            let batch = self.batch().await;
            if batch.is_empty() {
                return;
            }
            let spans = batch.len() as u64;
            let outcome = match self.exporter.export(batch).await {
                Ok(()) => SENT,
                Err(error) => {
                    if self.unreached.is_due() {
                        tracing::warn!(%error, spans, "traces are lost: no collector took them");
                    }
                    LOST
                }
            };
            self.counts.with_label_values(&[outcome]).inc_by(spans);
        }
    }

    /// The next spans that go together; none when there will be none.
    async fn batch(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        if self.take(&mut batch).await {
            let fill =
                async { while batch.len() < BATCH_SPANS_MAX && self.take(&mut batch).await {} };
            // What has come by then goes.
            let _ = timeout(LINGER, fill).await;
        }
        batch
    }

    /// Takes what waits, or what comes; false when nothing will come any more.
    async fn take(&mut self, batch: &mut Vec<SpanData>) -> bool {
        let room = BATCH_SPANS_MAX - batch.len();
        tokio::select! {
            biased;
            () = self.stop.cancelled(), if !self.spans.is_closed() => self.spans.close(),
            taken = self.spans.recv_many(batch, room) => return taken > 0,
        }
        self.spans.recv_many(batch, room).await > 0
    }
}
