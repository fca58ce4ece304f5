//! The way to a collector for OpenTelemetry's exporter.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Request, Response, Uri, header};
use opentelemetry_http::{HttpClient, HttpError};

use crate::outbound::{Connector, Failure, TlsFault, Url};

/// How long one attempt may take.
const ATTEMPT_LIFE: Duration = Duration::from_secs(3);

#[derive(Clone)]
pub(super) struct Client(Arc<Connector>);

impl Client {
    pub(super) fn new(url: &Url) -> Result<Self, TlsFault> {
        Connector::new(url, None).map(Arc::new).map(Self)
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let url = self.0.url();
        let host = HeaderValue::from_str(url.authority())?;
        request.headers_mut().insert(header::HOST, host);
        // On a connection to the service itself a request names the path only.
        *request.uri_mut() = url.path().parse::<Uri>()?;
        let exchange = tokio::time::timeout(ATTEMPT_LIFE, self.0.exchange(request));
        let answer = exchange.await.unwrap_or(Err(Failure::TimedOut));
        let (status, body) = answer.inspect_err(|failure| {
            tracing::debug!(%failure, "collector of traces not reached");
        })?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        Ok(response)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.0.url())
    }
}

// As the macro of `async-trait` writes it.
impl HttpClient for Client {
    fn send_bytes<'a, 'f>(
        &'a self,
        request: Request<Bytes>,
    ) -> BoxFuture<'f, Result<Response<Bytes>, HttpError>>
    where
        'a: 'f,
        Self: 'f,
    {
        self.exchange(request).boxed()
    }
}
