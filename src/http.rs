//! HTTP without Kinesis: the listener, the routes, and how bodies are read.
//!
//! Everything that isn't for an operator goes to one function, the gateway, whatever its method
//! and path, because AWS looks at neither. The gateway gets the request's head and a
//! [`RequestBody`] that it may refuse to read.

mod answer;
mod body;
mod budget;
mod connection;
mod local;
mod pace;
mod probes;
mod server;

use std::{convert::Infallible, sync::Arc};

use axum::{Extension, Router, extract::Request, response::Response, routing::get};
use futures::future::BoxFuture;
use http::request::Parts;
use tower_service::Service as _;

pub use answer::Ends;
pub use body::{BodyLimits, BodyReader, BodyRefused, RequestBody};
pub use budget::BodyBudget;
pub use connection::Peer;
pub(crate) use local::is_local;
pub use probes::{MetricsAccess, Probes};
pub use server::{ConnectionLimits, serve};

/// Where a server shows the certificate of its own authority for TLS.
pub const AUTHORITY_PATH: &str = "/_millpond/ca.pem";

/// Where SDKs send every call.
const CALLS_PATH: &str = "/";

/// What one port answers. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    gateway: Arc<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>,
    routes: Router,
}

impl Site {
    /// What `probes` answer, what `admin` has below its path, and all the rest for `gateway`.
    pub fn new<G, A>(gateway: G, admin: (&str, Router), probes: &Probes, bodies: BodyReader) -> Self
    where
        G: Fn(Parts, RequestBody) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let for_admin = bodies.clone();
        let gateway = move |request: Request| {
            let (head, body) = request.into_parts();
            let body = bodies.body(body, &head.headers);
            gateway(head, body)
        };
        let (admin_path, admin) = admin;
        let routes = Router::new()
            .route("/metrics", get(probes.metrics()).fallback(gateway.clone()))
            .route(AUTHORITY_PATH, get(probes.authority()).fallback(gateway.clone()))
            .route("/_millpond/health/live", get(probes.live()).fallback(gateway.clone()))
            .route("/_millpond/health/ready", get(probes.ready()).fallback(gateway.clone()))
            .nest(admin_path, admin.layer(Extension(for_admin)))
            .fallback(gateway.clone());
        Self { gateway: Arc::new(move |request| Box::pin(gateway(request))), routes }
    }

    /// Answers one request.
    pub async fn call(mut self, request: Request) -> Response {
        // No route has this path, and looking for one costs as much as reading the head.
        if request.uri().path() == CALLS_PATH {
            return (self.gateway)(request).await;
        }
        self.routes.call(request).await.unwrap_or_else(|never: Infallible| match never {})
    }
}

#[cfg(test)]
mod tests;
