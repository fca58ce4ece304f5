//! Calls over HTTP/1.1. To services of others goes one request over a connection of its own, as
//! there is one every few seconds or minutes; commands keep theirs.

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use millpond_shards::tasks::Tasks;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Bytes that an answer may have.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    is_tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// As it stands in the URL.
    authority: String,
    path: String,
}

impl Url {
    /// `http://` or `https://`, a host, perhaps a port and a path; without a user or a query.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let is_plain = uri.query().is_none() && !authority.as_str().contains('@');
        if !is_plain || authority.host().is_empty() {
            return None;
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host)?.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if is_tls => 443,
            None => 80,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (authority, path) = (authority.to_string(), uri.path().to_owned());
        Some(Self { is_tls, host, port, authority, path })
    }

    /// Whether nobody can listen on the way there: it is TLS, or doesn't leave this host.
    pub(crate) fn is_private(&self) -> bool {
        self.is_tls || self.is_local()
    }

    /// Whether the service is on this host.
    pub(crate) fn is_local(&self) -> bool {
        let is_loopback = |addr: IpAddr| addr.to_canonical().is_loopback();
        self.host == "localhost" || self.host.parse().is_ok_and(is_loopback)
    }

    /// The host, and the port where the URL names one: the host header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// `/` at the least.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The same service at a path below this one, which has no slash at its beginning.
    pub(crate) fn below(mut self, path: &str) -> Self {
        if !self.path.ends_with('/') {
            self.path.push('/');
        }
        self.path.push_str(path);
        self
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// Why there was no answer.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("it can't be connected to: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is cut off or has more than {0} bytes")]
    Answer(usize),
    #[error("it didn't answer in time")]
    TimedOut,
}

/// Why nobody could be trusted to be the service.
#[derive(Debug, Error)]
pub(crate) enum TlsFault {
    #[error("{0} is no name of a host")]
    Name(String),
    #[error("no PEM file with certificates: {path}: {reason}")]
    Authorities { path: String, reason: String },
    #[error("this system trusts no authorities that could vouch for it")]
    NoAuthorities,
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// Makes connections to a service.
pub(crate) struct Connector {
    url: Url,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// Over TLS the service is trusted if one of the authorities of `ca` vouches for it, or else
    /// of the platform.
    pub(crate) fn new(url: &Url, ca: Option<&Path>) -> Result<Self, TlsFault> {
        let tls = url.is_tls.then(|| tls(&url.host, ca)).transpose()?;
        Ok(Self { url: url.clone(), tls })
    }

    /// Where the service is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// A connection for several requests.
    pub(crate) async fn open(&self) -> Result<Connection, Failure> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        match &self.tls {
            None => Connection::over(stream).await,
            Some((tls, name)) => Connection::over(tls.connect(name.clone(), stream).await?).await,
        }
    }

    /// Sends the request; the answer's status and body.
    pub(crate) async fn exchange(
        &self,
        request: Request<Bytes>,
    ) -> Result<(StatusCode, Bytes), Failure> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        match &self.tls {
            None => exchange_over(stream, request).await,
            Some((tls, name)) => {
                exchange_over(tls.connect(name.clone(), stream).await?, request).await
            }
        }
    }
}

async fn exchange_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Bytes>,
) -> Result<(StatusCode, Bytes), Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends when nobody can send on it any more. How it ends doesn't matter when
    // there is an answer.
    let exchange = async move { Connection(sender).exchange(request, ANSWER_BYTES_MAX).await };
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}

/// A connection that takes one request after the other.
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

impl Connection {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, Failure> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender; whoever sends on it is told how.
        Tasks::default().spawn("connection", async { drop(connection.await) });
        Ok(Self(sender))
    }

    /// Whether it is open as far as anybody knows.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    /// Sends the request; the answer's status and body, which has so many bytes at most.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Bytes>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), Failure> {
        self.0.ready().await?;
        let response = self.0.send_request(request.map(Full::new)).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), bytes_max).collect().await;
        Ok((status, body.map_err(|_| Failure::Answer(bytes_max))?.to_bytes()))
    }
}

fn tls(host: &str, ca: Option<&Path>) -> Result<(TlsConnector, ServerName<'static>), TlsFault> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|_| TlsFault::Name(host.to_owned()))?;
    let roots = match ca {
        Some(path) => given_roots(path)?,
        None => platform_roots()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn given_roots(path: &Path) -> Result<RootCertStore, TlsFault> {
    let unreadable = |reason: &dyn fmt::Display| TlsFault::Authorities {
        path: path.display().to_string(),
        reason: reason.to_string(),
    };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"there is none in it"));
    }
    Ok(roots)
}

fn platform_roots() -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsFault::NoAuthorities);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_written_as_it_was() {
        for (text, authority, path, is_private) in [
            ("https://kms.example.com", "kms.example.com", "/", true),
            ("http://10.0.0.1:4318/otel/", "10.0.0.1:4318", "/otel/", false),
            ("http://[::1]:8080/a", "[::1]:8080", "/a", true),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.authority(), url.path()), (authority, path));
            assert_eq!(url.is_private(), is_private, "{text}");
            assert_eq!(url.to_string().trim_end_matches('/'), text.trim_end_matches('/'));
        }
        for text in
            ["", "localhost:1", "ftp://h", "http://", "http://u@h", "http://h?q", "http://h:x"]
        {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_path_below_keeps_what_stands_before_it() {
        for (text, below) in [
            ("http://h:1", "http://h:1/v1/traces"),
            ("http://h:1/", "http://h:1/v1/traces"),
            ("http://h:1/otel", "http://h:1/otel/v1/traces"),
        ] {
            assert_eq!(Url::parse(text).unwrap().below("v1/traces").to_string(), below);
        }
    }
}
