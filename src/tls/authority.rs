//! An authority of our own, for those who have no certificate: made on first use, kept in two
//! files, trusted by whoever is given the first.
//!
//! | file | what it is |
//! |---|---|
//! | `ca.pem` | the authority's certificate, for clients |
//! | `ca-key.pem` | its private key, for this server only |

use std::{
    fs::{self, File},
    io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_api::types::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use crate::secret_file::{self, NotRead};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca-key.pem";

/// Bytes that a key's file may have; ours has some 250.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// How long clients may trust the authority.
const AUTHORITY_LIFE: Duration = Duration::days(3650);

/// How long a certificate holds; each start makes another. The most that all clients take.
const CERTIFICATE_LIFE: Duration = Duration::days(820);

/// How far a client's clock may be behind ours.
const SKEW: Duration = Duration::days(1);

/// Why there is no authority.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A file can't be read or written.
    #[error("the authority for TLS can't be kept in {path}: {error}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },

    /// Its key is a secret that can't be read, or that others can.
    #[error("the key of the authority for TLS, {path}, isn't used: {fault}")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with it.
        fault: NotRead,
    },

    /// The key is none, or a certificate can't be made with it.
    #[error("the authority for TLS can't issue a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// A certificate authority.
pub struct Authority {
    key: KeyPair,
    pem: String,
    is_new: bool,
}

impl Authority {
    /// A new one, kept nowhere.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn new(now: Timestamp) -> Result<Self, AuthorityError> {
        Self::of(KeyPair::generate()?, now)
    }

    /// The one that is kept in `dir`, made there if there is none.
    ///
    /// # Errors
    /// When its files can't be read or written, or others than their owner can read the key.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        // Two that start at once agree on one.
        let _locked = lock(dir).map_err(|error| AuthorityError::Io { path: dir.into(), error })?;
        let (key_file, certificate_file) = (dir.join(KEY), dir.join(CERTIFICATE));
        let mut key = if let Some(pem) = read_key(&key_file)? {
            KeyPair::from_pem(&pem)?
        } else {
            let key = KeyPair::generate()?;
            write(&key_file, &key.serialize_pem())?;
            key
        };
        if let Some(pem) = read(&certificate_file)? {
            let kept = Self { key, pem, is_new: false };
            if kept.is_whole(now)? {
                return Ok(kept);
            }
            let file = certificate_file.display();
            tracing::warn!(%file, "this is no certificate of the key beside it; made anew");
            key = kept.key;
        }
        let made = Self::of(key, now)?;
        write(&certificate_file, &made.pem)?;
        Ok(made)
    }

    /// Whether who trusts the certificate trusts what the key signs.
    fn is_whole(&self, now: Timestamp) -> Result<bool, AuthorityError> {
        let (issued, _) = self.issue(own_names(), now)?;
        let mut roots = RootCertStore::empty();
        let pem = CertificateDer::from_pem_slice(self.pem.as_bytes());
        if !pem.is_ok_and(|certificate| roots.add(certificate).is_ok()) {
            return Ok(false);
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build();
        let verifier = verifier.expect("there is a root, and no list of revocations");
        let now = std::time::Duration::from_millis(now.millis().unsigned_abs());
        let (name, now) = (ServerName::from(PROBE), UnixTime::since_unix_epoch(now));
        Ok(verifier.verify_server_cert(&issued, &[], &name, &[], now).is_ok())
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether it, or its certificate, was made just now.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// A certificate for a server of these names, with its private key.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn issue(
        &self,
        names: Vec<SanType>,
        now: Timestamp,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = params("millpond", now, CERTIFICATE_LIFE);
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::new(authority_params(&self.key, now), &self.key);
        let certificate: Certificate = params.signed_by(&key, &issuer)?;
        Ok((certificate.into(), PrivateKeyDer::Pkcs8(key.serialize_der().into())))
    }

    fn of(key: KeyPair, now: Timestamp) -> Result<Self, AuthorityError> {
        let pem = authority_params(&key, now).self_signed(&key)?.pem();
        Ok(Self { key, pem, is_new: true })
    }
}

/// What the authority's certificate says. Its name follows from its key, so that it is the same
/// whenever it is asked for, and another authority has another.
fn authority_params(key: &KeyPair, now: Timestamp) -> CertificateParams {
    let digest: [u8; 32] = Sha256::digest(key.subject_public_key_info()).into();
    let mark = u128::from_be_bytes(*digest.first_chunk().expect("it has 32 bytes"));
    let mut params = params(&format!("millpond authority {mark:032x}"), now, AUTHORITY_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(name: &str, now: Timestamp, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::UNIX_EPOCH + Duration::seconds(now.seconds());
    (params.not_before, params.not_after) = (now - SKEW, now + life);
    params
}

/// What the authority issues to itself to see whether it is whole.
const PROBE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn own_names() -> Vec<SanType> {
    vec![SanType::IpAddress(PROBE)]
}

/// Keeps others out of the directory, which is made if absent, until the lock is dropped.
fn lock(dir: &Path) -> io::Result<File> {
    fs::create_dir_all(dir)?;
    let dir = File::open(dir)?;
    dir.lock()?;
    Ok(dir)
}

/// The key, which must be its owner's alone.
fn read_key(path: &Path) -> Result<Option<String>, AuthorityError> {
    let key = secret_file::find(path, KEY_BYTES_MAX);
    key.map_err(|fault| AuthorityError::Key { path: path.to_owned(), fault })
}

fn read(path: &Path) -> Result<Option<String>, AuthorityError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(AuthorityError::Io { path: path.to_owned(), error }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let written = secret_file::write(path, text);
    written.map_err(|error| AuthorityError::Io { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// Whether whoever trusts `authority` trusts `certificate` for `name`.
    fn trusts(authority: &str, certificate: &CertificateDer<'_>, name: &str) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let name = ServerName::try_from(name).unwrap();
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_700_000_000));
        verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
    }

    #[test]
    fn it_issues_for_the_names_that_are_asked_for_and_no_others() {
        let authority = Authority::new(NOW).unwrap();
        let names = ["localhost", "127.0.0.1"];
        let sans = names.map(|name| name.parse::<crate::tls::HostName>().unwrap().0);
        let (certificate, _) = authority.issue(sans.into(), NOW).unwrap();
        for name in names {
            assert!(trusts(authority.pem(), &certificate, name), "{name}");
        }
        assert!(!trusts(authority.pem(), &certificate, "example.com"));
        let another = Authority::new(NOW).unwrap();
        assert!(!trusts(another.pem(), &certificate, "localhost"));
    }

    #[test]
    fn who_trusted_it_before_a_restart_trusts_it_after() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("made/by/it");
        let before = Authority::open(&dir, NOW).unwrap();
        let after = Authority::open(&dir, NOW).unwrap();
        assert_eq!(before.pem(), after.pem());
        fs::remove_file(dir.join(CERTIFICATE)).unwrap();
        let mended = Authority::open(&dir, NOW).unwrap();
        let name = "localhost".parse::<crate::tls::HostName>().unwrap().0;
        for issuer in [after, mended] {
            let (certificate, _) = issuer.issue(vec![name.clone()], NOW).unwrap();
            assert!(trusts(before.pem(), &certificate, "localhost"));
        }
    }

    #[test]
    fn nobody_else_reads_the_key() {
        let dir = tempfile::tempdir().unwrap();
        Authority::open(dir.path(), NOW).unwrap();
        let mode = dir.path().join(KEY).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Authority::open(dir.path(), NOW).unwrap();
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(dir.path().join(KEY), open).unwrap();
        let refusal = Authority::open(dir.path(), NOW).err().unwrap().to_string();
        assert!(refusal.contains("run: chmod 600"), "{refusal}");
    }

    #[test]
    fn a_certificate_of_another_key_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let another = Authority::new(NOW).unwrap();
        for strange in [another.pem(), "no certificate"] {
            Authority::open(dir.path(), NOW).unwrap();
            fs::write(dir.path().join(CERTIFICATE), strange).unwrap();
            let mended = Authority::open(dir.path(), NOW).unwrap();
            assert_ne!(mended.pem(), strange);
            assert_eq!(fs::read_to_string(dir.path().join(CERTIFICATE)).unwrap(), mended.pem());
            assert!(mended.is_whole(NOW).unwrap());
        }
    }

    #[test]
    fn those_that_open_it_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Authority::open(dir.path(), NOW).unwrap().pem;
        std::thread::scope(|scope| {
            let opened = [(); 8].map(|()| scope.spawn(open)).map(|opened| opened.join().unwrap());
            assert!(opened.iter().all(|pem| *pem == opened[0]));
        });
    }

    #[test]
    fn a_file_that_is_no_key_is_said_so() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join(KEY), "not a key").unwrap();
        let refusal = Authority::open(dir.path(), NOW).err().unwrap();
        assert!(refusal.to_string().contains("can't issue a certificate"), "{refusal}");
    }
}
