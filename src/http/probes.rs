//! What operators and their tools ask: is it alive, is it ready, what has it counted, and whom
//! to trust.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

use super::local::is_local;

/// The text format of Prometheus.
const METRICS_CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum MetricsAccess {
    /// Clients on a loopback address of the same host, unless a proxy there passes others on.
    Local,
    /// Whoever reaches the port.
    Open,
}

/// The answers to probes, as functions of the server's state at that moment.
#[derive(Clone)]
pub struct Probes {
    access: MetricsAccess,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    ready: Arc<dyn Fn() -> Result<(), &'static str> + Send + Sync>,
    authority: Option<Arc<str>>,
}

impl Probes {
    /// `metrics` writes Prometheus' text; `ready` says in a sentence what is not ready; `authority`
    /// is the certificate that clients of TLS must trust, if it is our own.
    pub fn new(
        access: MetricsAccess,
        metrics: impl Fn() -> String + Send + Sync + 'static,
        ready: impl Fn() -> Result<(), &'static str> + Send + Sync + 'static,
        authority: Option<Arc<str>>,
    ) -> Self {
        Self { access, metrics: Arc::new(metrics), ready: Arc::new(ready), authority }
    }

    pub(super) fn metrics(
        &self,
    ) -> impl Fn(Request) -> Ready<Response> + Clone + Send + Sync + use<> {
        let Self { access, metrics, .. } = self.clone();
        move |request| ready(answer_metrics(access, &request, &*metrics))
    }

    #[expect(clippy::unused_self, reason = "liveness depends on nothing, and says so here")]
    pub(super) fn live(&self) -> impl Fn() -> Ready<&'static str> + Clone + Send + Sync + use<> {
        || ready("live\n")
    }

    pub(super) fn authority(&self) -> impl Fn() -> Ready<Response> + Clone + Send + Sync + use<> {
        let authority = self.authority.clone();
        move || ready(answer_authority(authority.as_ref()))
    }

    pub(super) fn ready(&self) -> impl Fn() -> Ready<Response> + Clone + Send + Sync + use<> {
        let is_ready = Arc::clone(&self.ready);
        move || {
            ready(match is_ready() {
                Ok(()) => "ready\n".into_response(),
                Err(reason) => {
                    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
                }
            })
        }
    }
}

fn answer_authority(authority: Option<&Arc<str>>) -> Response {
    let Some(pem) = authority else {
        let hint = "this server has no authority of its own: start it with --tls self-signed\n";
        return (StatusCode::NOT_FOUND, hint).into_response();
    };
    ([(header::CONTENT_TYPE, "application/x-pem-file")], pem.to_string()).into_response()
}

fn answer_metrics(
    access: MetricsAccess,
    request: &Request,
    metrics: &dyn Fn() -> String,
) -> Response {
    if access == MetricsAccess::Local && !is_local(request) {
        let hint = "metrics are served to this host only; start with --metrics open\n";
        return (StatusCode::FORBIDDEN, hint).into_response();
    }
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], metrics()).into_response()
}
