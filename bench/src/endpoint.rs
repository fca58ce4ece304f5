//! Where a server is reached, in the clear or over TLS.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use crate::clock::Clock;

/// A connection's bytes, in the clear or not.
pub(crate) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A server that listens.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    tls: Option<TlsConnector>,
}

impl Endpoint {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, clock: Clock::start(), tls: None }
    }

    /// Over TLS, with the authority whose certificate is in this file.
    pub(crate) fn tls(address: SocketAddr, authority: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(authority);
        roots.add(certificate.with_context(|| format!("reading {}", authority.display()))?)?;
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        Ok(Self { tls: Some(Arc::new(config).into()), ..Self::plain(address) })
    }

    pub(crate) async fn connect(&self) -> Result<Stream> {
        let stream = TcpStream::connect(self.address).await.context("connecting to the server")?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Either::Left(stream)) };
        let name = ServerName::from(self.address.ip());
        let stream = tls.connect(name, stream).await.context("agreeing on TLS")?;
        Ok(Either::Right(Box::new(stream)))
    }
}
