//! Calls to the admin API of a server, over one connection that is opened anew when it was closed.

use std::{fmt::Write as _, io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::Value;
use tokio::time::timeout;

use super::{Ended, Outcome, Server};
use crate::{
    admin,
    config::Secret,
    http::AUTHORITY_PATH,
    outbound::{Connection, Connector, Failure},
};

/// How long an answer may take, beside what the request itself wants to wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes that an answer may have: more than any has.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A client of the admin API.
pub struct Client {
    connector: Connector,
    token: Option<Secret>,
    /// The account and region that it means, where the server's own aren't.
    scope: Vec<(&'static str, String)>,
    connection: Option<Connection>,
}

impl Client {
    /// A client of this server. Nothing is sent yet.
    ///
    /// # Errors
    /// When the token's file can't be read, or the authorities that would vouch for the server.
    pub fn new(server: &Server) -> Outcome<Self> {
        let connector = Connector::new(server.endpoint.url(), server.ca.as_deref());
        let connector = connector.map_err(|error| Ended::Failed(error.to_string()))?;
        let account = server.account.map(|account| ("account", account.to_string()));
        let region = server.region.as_ref().map(|region| ("region", region.to_string()));
        let scope = account.into_iter().chain(region).collect();
        Ok(Self { connector, token: server.token()?, scope, connection: None })
    }

    /// What whoever asks had better know: that others can read the token on its way.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let url = self.connector.url();
        let is_exposed = self.token.is_some() && !url.is_private();
        is_exposed.then(|| {
            format!(
                "the admin token goes to {url} in the clear, and others may read it on its way: \
                 https:// keeps it"
            )
        })
    }

    /// What the admin API answers at `path`, which begins without a slash, with these parameters.
    ///
    /// # Errors
    /// A sentence that says what to do, when there is no such answer.
    pub async fn get(&mut self, path: &str, query: &[(&str, &str)]) -> Outcome<Value> {
        self.call(Method::GET, path, query, None, Duration::ZERO).await
    }

    /// The same, of a request that may wait for so long until there is something to answer.
    ///
    /// # Errors
    /// Those of `get`.
    pub async fn wait(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
        wait: Duration,
    ) -> Outcome<Value> {
        self.call(Method::GET, path, query, None, wait).await
    }

    /// The same with another method and perhaps a body. It is sent once.
    ///
    /// # Errors
    /// Those of `get`.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Outcome<Value> {
        self.call(method, path, query, body, Duration::ZERO).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        wait: Duration,
    ) -> Outcome<Value> {
        let request = self.request(method, path, query, body)?;
        let within = ANSWER_WITHIN + wait;
        let exchanged = timeout(within, self.exchange(request)).await;
        let exchanged = exchanged.unwrap_or(Err(Failure::TimedOut));
        if exchanged.is_err() {
            self.connection = None;
        }
        let (status, body) = exchanged.map_err(|failure| self.unreachable(&failure))?;
        let output: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, output) {
            (status, Some(output)) if status.is_success() => Ok(output),
            (status, output) => Err(self.refused(status, output.as_ref())),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Outcome<Request<Bytes>> {
        let url = self.connector.url();
        let mut target = format!("{}{}/{path}", url.path().trim_end_matches('/'), admin::PATH);
        let scope = self.scope.iter().map(|(name, value)| (*name, value.as_str()));
        let mut query_text = form_urlencoded::Serializer::new(String::new());
        query_text.extend_pairs(scope.chain(query.iter().copied()));
        let query_text = query_text.finish();
        if !query_text.is_empty() {
            write!(target, "?{query_text}").map_err(|error| Ended::failed(error.to_string()))?;
        }
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, url.authority())
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut bearer = bearer.map_err(|_| {
                Ended::failed("the admin token is one word of visible ASCII characters")
            })?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        request.body(body.into()).map_err(|error| Ended::failed(error.to_string()))
    }

    async fn exchange(&mut self, request: Request<Bytes>) -> Result<(StatusCode, Bytes), Failure> {
        let kept = self.connection.take().filter(Connection::is_open);
        if let Some(mut connection) = kept {
            match connection.exchange(request.clone(), ANSWER_BYTES_MAX).await {
                // The server may have closed it at this very moment; what reads can be sent again.
                Err(Failure::Http(_)) if request.method() == Method::GET => {}
                answer => {
                    self.connection = Some(connection);
                    return answer;
                }
            }
        }
        let mut connection = self.connector.open().await?;
        let answer = connection.exchange(request, ANSWER_BYTES_MAX).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn unreachable(&self, failure: &Failure) -> Ended {
        let url = self.connector.url();
        Ended::failed(match failure {
            // What rustls says arrives in this kind.
            Failure::Connect(error) if error.kind() == io::ErrorKind::InvalidData => format!(
                "the certificate of {url} isn't trusted ({error}): --ca FILE names the authority \
                 that vouches for it, as a millpond shows its own at {AUTHORITY_PATH}"
            ),
            Failure::Connect(error) => format!(
                "no server answers at {url} ({error}): start one with 'millpond dev', or name \
                 another with --endpoint URL"
            ),
            other => format!("{url} can't be spoken to: {other}"),
        })
    }

    /// What the server says, and what is ours to add.
    fn refused(&self, status: StatusCode, output: Option<&Value>) -> Ended {
        let message = output.and_then(|output| output.get("message")?.as_str());
        let Some(message) = message else {
            let url = self.connector.url();
            return Ended::failed(format!(
                "{url} answers {status} and not as millpond's admin API does: name another server \
                 with --endpoint URL"
            ));
        };
        Ended::failed(match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => format!(
                "{message}; here that is --admin-token TOKEN, or --data-dir DIR to take it from \
                 there"
            ),
            _ => message.to_owned(),
        })
    }
}
