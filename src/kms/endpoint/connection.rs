//! One request and its answer over a connection of its own: keys are asked for every few minutes.

use std::{net::IpAddr, path::Path, str::FromStr, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, uri::Scheme};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
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

use crate::process::StartError;

/// Bytes that an answer may have.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where a key management service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsUrl {
    is_tls: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// As it stands in the URL.
    authority: String,
}

impl FromStr for KmsUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or(
            "it is http:// or https://, a host, and perhaps a port, such as \
             https://kms.example.com:8443",
        )
    }
}

impl KmsUrl {
    /// Whether nobody can listen on the way there: it is TLS, or doesn't leave this host.
    #[must_use]
    pub fn is_private(&self) -> bool {
        let is_loopback = |addr: IpAddr| addr.to_canonical().is_loopback();
        self.is_tls || self.host == "localhost" || self.host.parse().is_ok_and(is_loopback)
    }

    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let is_plain = uri.path() == "/" && uri.query().is_none();
        if !is_plain || authority.host().is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host)?.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if is_tls => 443,
            None => 80,
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Self { is_tls, host, port, authority: authority.to_string() })
    }
}

/// Why there was no answer.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("it can't be connected to: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the connection failed: {0}")]
    Http(#[from] hyper::Error),
    #[error("its answer is cut off or has more than {ANSWER_BYTES_MAX} bytes")]
    Answer,
    #[error("it didn't answer in time")]
    TimedOut,
}

/// Makes connections to a service.
pub(super) struct Connector {
    url: KmsUrl,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    pub(super) fn new(url: &KmsUrl, ca: Option<&Path>) -> Result<Self, StartError> {
        let tls = url.is_tls.then(|| tls(&url.host, ca)).transpose()?;
        Ok(Self { url: url.clone(), tls })
    }

    /// The host, and the port where the URL names one: the host header.
    pub(super) fn authority(&self) -> &str {
        &self.url.authority
    }

    /// The URL without a path.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.url.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.url.authority)
    }

    /// Sends the request; the answer's status and body.
    pub(super) async fn exchange(
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
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async move {
        let response = sender.send_request(request.map(Full::new)).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|_| Failure::Answer)?.to_bytes()))
    };
    // The connection ends when nobody can send on it any more. How it ends doesn't matter when
    // there is an answer.
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}

fn tls(host: &str, ca: Option<&Path>) -> Result<(TlsConnector, ServerName<'static>), StartError> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| StartError::refused(format!("--kms-endpoint: {host} is no name of a host")))?;
    let roots = match ca {
        Some(path) => given_roots(path)?,
        None => platform_roots()?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(StartError::new)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn given_roots(path: &Path) -> Result<RootCertStore, StartError> {
    let unreadable = |reason: &dyn std::fmt::Display| {
        let path = path.display();
        StartError::refused(format!("--kms-ca: no PEM file with certificates: {path}: {reason}"))
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

fn platform_roots() -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(StartError::refused(
            "--kms-endpoint: this system trusts no authorities that could vouch for it; name one \
             with --kms-ca FILE",
        ));
    }
    Ok(roots)
}
