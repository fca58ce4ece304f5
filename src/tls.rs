//! TLS for those who speak it, on the port that speaks HTTP too.

mod authority;

use std::{
    collections::BTreeSet,
    fmt,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    sync::Arc,
};

use millpond_api::types::Timestamp;
use rcgen::SanType;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

pub use self::authority::{Authority, AuthorityError};
use crate::process::StartError;

/// What is agreed on within TLS, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsSettings {
    /// Our own authority issues them.
    SelfSigned {
        /// Where it is kept; without a place, there is another one at each start.
        dir: Option<PathBuf>,
        /// What this host is called beside the names that it always has.
        names: Vec<HostName>,
    },
    /// They are given.
    Files {
        /// The certificate and those that it depends on, as PEM.
        chain: PathBuf,
        /// Its private key, as PEM.
        key: PathBuf,
    },
}

/// A DNS name, perhaps with a wildcard, or an IP address: what a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(SanType);

impl FromStr for HostName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(SanType::IpAddress(address)));
        }
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
        let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(legal);
        let is_name =
            text.len() <= 253 && text.strip_prefix("*.").unwrap_or(text).split('.').all(label);
        let name = is_name.then(|| text.try_into().ok()).flatten();
        name.map(|name| Self(SanType::DnsName(name))).ok_or(
            "a name of this host is an IP address or a DNS name, such as millpond.example.com",
        )
    }
}

/// What turns connections into TLS connections.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    authority: Option<Arc<str>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads or makes the certificate of a server that listens at `listen`. `now` is wall time.
    ///
    /// # Errors
    /// When a file can't be read or written, or doesn't hold what it should.
    pub fn open(
        settings: &TlsSettings,
        listen: SocketAddr,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        match settings {
            TlsSettings::Files { chain, key } => {
                let certificates = CertificateDer::pem_file_iter(chain)
                    .and_then(Iterator::collect)
                    .map_err(|error| unreadable("a certificate", chain, &error))?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| unreadable("a private key", key, &error))?;
                Ok(Self { acceptor: acceptor(certificates, key)?, authority: None })
            }
            TlsSettings::SelfSigned { dir, names } => {
                let authority = match dir {
                    Some(dir) => Authority::open(dir, now),
                    None => Authority::new(now),
                };
                let authority = authority.map_err(StartError::new)?;
                let given = names.iter().map(|HostName(name)| name.clone());
                let names = own_names(listen.ip()).into_iter().chain(given).collect();
                let (certificate, key) = authority.issue(names, now).map_err(StartError::new)?;
                let acceptor = acceptor(vec![certificate], key)?;
                Ok(Self { acceptor, authority: Some(authority.pem().into()) })
            }
        }
    }

    /// Does the handshakes.
    #[must_use]
    pub fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// The certificate of our own authority, as PEM: whoever trusts it trusts this server.
    #[must_use]
    pub fn authority(&self) -> Option<&Arc<str>> {
        self.authority.as_ref()
    }
}

fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, StartError> {
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| {
        StartError::refused(format!("--tls: the certificate can't be used: {error}"))
    })?;
    config.alpn_protocols = PROTOCOLS.map(Vec::from).into();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unreadable(what: &str, path: &std::path::Path, error: &dyn fmt::Display) -> StartError {
    StartError::refused(format!("--tls: no PEM file with {what}: {}: {error}", path.display()))
}

/// What this host is called anyway: on itself, by its host name, and where it listens.
fn own_names(listen: IpAddr) -> Vec<SanType> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let names = ["localhost", "*.localhost", host.as_str()];
    let addresses = [[127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into(), listen];
    let names = names.iter().filter_map(|name| name.parse().ok()).map(|HostName(name)| name);
    let addresses = addresses.into_iter().filter(|address| !address.is_unspecified());
    let addresses: BTreeSet<_> = addresses.collect();
    names.chain(addresses.into_iter().map(SanType::IpAddress)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_this_host_is_a_dns_name_or_an_address() {
        for name in ["millpond", "a.example.com", "*.example.com", "10.0.0.1", "fe80::1"] {
            assert!(name.parse::<HostName>().is_ok(), "{name}");
        }
        for text in ["", ".", "a..b", "*.*.example.com", "a b", "a/b", "*", "https://a.example"] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }
}
