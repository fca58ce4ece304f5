//! Traces: a span for each request, sent to an OpenTelemetry collector if one is named.
//!
//! Without a collector there is nothing here that costs. With one, a span waits in a bounded queue
//! for its batch: requests never wait for the collector, and what finds no room is counted.

mod client;
mod sender;

use std::{fmt, str::FromStr, time::Duration};

use http::{HeaderMap, StatusCode};
use millpond_api::types::StreamName;
use millpond_shards::tasks::Tasks;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    resource::EnvResourceDetector,
    trace::{SdkTracer, SdkTracerProvider, SpanExporter},
};
use prometheus::IntCounterVec;
use uuid::Uuid;

use self::{client::Client, sender::Queue};
use crate::{auth::Service, outbound::Url, process::StartError};

/// Who we are to a collector, unless OTEL_SERVICE_NAME says another name.
const SERVICE: &str = "millpond";

/// Bytes of a caller's `tracestate` that are carried on: what W3C asks for at the least.
const TRACE_STATE_BYTES_MAX: usize = 512;

/// Where a collector takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorUrl(Url);

impl FromStr for CollectorUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Url::parse(text).map(Self).ok_or(
            "it is http:// or https://, a host, perhaps a port and a path, such as \
             http://127.0.0.1:4318",
        )
    }
}

impl CollectorUrl {
    /// Where spans go, if this is where all signals begin, or says so itself.
    #[must_use]
    pub fn of_traces(self) -> Self {
        if self.0.path().ends_with("/v1/traces") { self } else { Self(self.0.below("v1/traces")) }
    }
}

impl fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where spans are sent, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSettings {
    /// The whole URL.
    pub url: CollectorUrl,
    /// `service.name`, unless it is ours.
    pub service: Option<String>,
}

/// Makes spans and sends them.
pub struct Traces {
    tracer: SdkTracer,
    tasks: Tasks,
}

impl Traces {
    /// Sends spans to the collector from now on; `counts` learns what became of each.
    ///
    /// # Errors
    /// When the collector can't be trusted, or a variable of OpenTelemetry's is no use.
    pub fn open(settings: &TraceSettings, counts: IntCounterVec) -> Result<Self, StartError> {
        let url = &settings.url.0;
        let client = Client::new(url).map_err(|fault| {
            StartError::refused(format!("the collector of traces at {url}: {fault}"))
        })?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(url.to_string())
            .build()
            .map_err(|error| StartError::refused(format!("traces can't be sent: {error}")))?;
        Ok(Self::over(exporter, settings.service.as_deref(), counts))
    }

    fn over(
        exporter: impl SpanExporter + 'static,
        service: Option<&str>,
        counts: IntCounterVec,
    ) -> Self {
        let (tasks, resource) = (Tasks::default(), resource(service));
        let (queue, sender) = Queue::new(exporter, &resource, counts, tasks.stop());
        tasks.spawn("traces", sender.run());
        let provider = SdkTracerProvider::builder().with_span_processor(queue);
        let tracer = provider.with_resource(resource).build().tracer(SERVICE);
        Self { tracer, tasks }
    }

    /// The span of a request to this service that begins now. It goes on with its caller's trace.
    #[must_use]
    pub fn begin(&self, headers: &HeaderMap, service: Service, id: Uuid) -> Span {
        let caller =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
        let service = rpc_service(service);
        let attributes = [
            KeyValue::new("rpc.system", "aws-api"),
            KeyValue::new("rpc.service", service),
            KeyValue::new("aws.request_id", id.to_string()),
        ];
        let span = self.tracer.span_builder(service).with_kind(SpanKind::Server);
        let span = span.with_attributes(attributes).start_with_context(&self.tracer, &caller);
        Span(Some(Begun { service, context: Context::new().with_span(span) }))
    }

    /// Sends what waits, for up to this long.
    pub async fn close(&self, within: Duration) {
        if tokio::time::timeout(within, self.tasks.finish()).await.is_err() {
            tracing::warn!("the last traces were not taken by their collector in time");
        }
    }
}

/// What the collector is told about us. OTEL_RESOURCE_ATTRIBUTES adds to it.
fn resource(service: Option<&str>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(version)
        .with_detector(Box::new(EnvResourceDetector::new()));
    match service {
        Some(service) => resource.with_service_name(service.to_owned()).build(),
        None => resource.build(),
    }
}

/// What AWS calls a service, with which the names of spans begin.
const fn rpc_service(service: Service) -> &'static str {
    match service {
        Service::Kinesis => "Kinesis",
        Service::CloudWatch => "CloudWatch",
        Service::Sts => "STS",
    }
}

/// The span of one request; nothing where no collector is named.
#[derive(Default)]
pub struct Span(Option<Begun>);

struct Begun {
    service: &'static str,
    context: Context,
}

impl Span {
    /// The request asks for this operation.
    pub(crate) fn operation(&self, name: &'static str) {
        if let Some(Begun { service, context }) = &self.0 {
            context.span().update_name(format!("{service}/{name}"));
            context.span().set_attribute(KeyValue::new("rpc.method", name));
        }
    }

    /// The request is about this stream.
    pub(crate) fn stream(&self, name: &StreamName) {
        if let Some(Begun { context, .. }) = &self.0 {
            let stream = KeyValue::new("aws.kinesis.stream_name", name.to_string());
            context.span().set_attribute(stream);
        }
    }

    /// The request is answered; with the error's name, if it is one.
    pub(crate) fn end(self, status: StatusCode, error: Option<&'static str>) {
        let Some(Begun { context, .. }) = self.0 else { return };
        let span = context.span();
        let code = i64::from(status.as_u16());
        span.set_attribute(KeyValue::new("http.response.status_code", code));
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.type", error));
        }
        // What the client is to blame for is no error of the server's span.
        if status.is_server_error() {
            span.set_status(Status::error(error.unwrap_or_default()));
        }
        span.end();
    }
}

/// The headers of a request that say which trace it belongs to.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key).and_then(|value| value.to_str().ok());
        value.filter(|value| value.len() <= TRACE_STATE_BYTES_MAX)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests;
