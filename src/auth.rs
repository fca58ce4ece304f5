//! Who is calling: SigV4 in the header or in a presigned query, checked around the body.
//!
//! [`Verifier::examine`] refuses what the head of a request alone shows to be unacceptable, so
//! that nobody waits for the body of a stranger. [`Claim::confirm`] then checks the signature
//! over head and body, and answers who the [`Caller`] is. Neither does I/O or takes a lock.

mod authorization;
mod canonical_request;
mod credentials;
mod date;
mod refusal;
mod service;
mod signing_keys;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{HeaderName, request::Parts};
use millpond_api::types::{AccountId, Region, Timestamp};
use millpond_quotas::limits;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use self::{
    authorization::Authorization,
    canonical_request::canonical_request,
    signing_keys::{KeyScope, SigningKey, SigningKeys},
};
use crate::policy::{Policy, Principal};

pub use self::{
    credentials::{
        Credential, Credentials, Identity, InvalidCredential, InvalidFile, Mistake, Name,
    },
    date::AmzDate,
    refusal::{Refusal, ScopeFault},
    service::Service,
    source::{Files, InvalidCredentials, Source},
};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";

const UNSIGNED_PAYLOAD: &[u8] = b"UNSIGNED-PAYLOAD";

/// The header that names the operation.
pub(crate) const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Whom to let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Known access key ids with a right signature.
    Verify,
    /// Those, and every unknown access key id in a well-formed authorization.
    Any,
}

/// How requests are authenticated.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whom to let in.
    pub mode: Mode,
    /// The account of a caller that has no other.
    pub account: AccountId,
    /// The region of a caller that does not sign for one.
    pub region: Region,
    /// How far a request's date may be from the server's wall clock; AWS' own value is
    /// [`Settings::SKEW_MINUTES_MAX`].
    pub skew_minutes_max: u16,
}

impl Settings {
    /// The clock skew that AWS' texts name.
    pub const SKEW_MINUTES_MAX: u16 = (limits::SIGNATURE_SKEW_MAX.as_secs() / 60) as u16;
}

/// Who signed a request, and for which region.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The account that owns what the caller creates.
    pub account: AccountId,
    /// The region that the caller means.
    pub region: Region,
    /// The access key id that the caller signed with, or in [`Mode::Any`] claims to have.
    pub access_key_id: Arc<str>,
    /// What is known of the caller beside that.
    pub identity: Option<Arc<Identity>>,
}

impl Caller {
    /// The policies of the caller. One without any may do everything in its account.
    #[must_use]
    pub fn policies(&self) -> Option<&[Policy]> {
        self.identity.as_ref()?.policies.as_deref()
    }

    /// The caller, as policies name it: a user that is called like its key, unless its credential
    /// says otherwise.
    #[must_use]
    pub fn principal(&self) -> Principal {
        let Self { account, region, access_key_id, identity } = self;
        let user = |name: &str| format!("arn:{}:iam::{account}:user/{name}", region.partition());
        let arn = match identity.as_ref().and_then(|identity| identity.name.as_ref()) {
            None => user(access_key_id).into(),
            Some(Name::User(name)) => user(name).into(),
            Some(Name::Arn(arn)) => Arc::clone(arn),
        };
        Principal::new(arn, *account, Arc::clone(access_key_id))
    }
}

/// Checks signatures against the credentials of this server.
pub struct Verifier {
    known: ArcSwap<Known>,
    settings: Settings,
}

/// Credentials, and signing keys that were derived from these and no others.
struct Known {
    credentials: Credentials,
    keys: SigningKeys,
}

impl Known {
    fn new(credentials: Credentials) -> Self {
        Self { credentials, keys: SigningKeys::new() }
    }
}

impl Verifier {
    /// A verifier that knows `credentials`.
    #[must_use]
    pub fn new(credentials: Credentials, settings: Settings) -> Self {
        Self { known: ArcSwap::from_pointee(Known::new(credentials)), settings }
    }

    /// Knows these credentials from now on, and no others. Whoever was let in before is.
    pub fn replace(&self, credentials: Credentials) {
        self.known.store(Arc::new(Known::new(credentials)));
    }

    /// Keeps a signing key, if its credential still stands.
    fn remember(&self, key: Arc<SigningKey>) {
        let known = self.known.load();
        let current = known.credentials.get(key.credential.id());
        if current.is_some_and(|current| Arc::ptr_eq(current, &key.credential)) {
            known.keys.remember(key);
        }
    }

    /// Whether credentials have policies that anybody can pass by, with a key that is unknown.
    #[must_use]
    pub fn has_moot_policies(&self) -> bool {
        self.settings.mode == Mode::Any && self.known.load().credentials.have_policies()
    }

    /// Checks all that needs no body: form, date, scope, access key id and session token.
    ///
    /// `service` is the one that the request must be signed for, `now` the wall clock's time.
    ///
    /// # Errors
    /// The first fault in AWS' order: missing parts, date, signed host, algorithm, scope, access
    /// key id, session token, declared payload, signed target.
    pub fn examine<'a>(
        &'a self,
        request: &'a Parts,
        service: Service,
        now: Timestamp,
    ) -> Result<Claim<'a>, Refusal> {
        let authorization = Authorization::find(request)?;
        let known = self.known.load();
        let credential = known.credentials.get(authorization.access_key_id());
        if credential.is_none() && self.settings.mode == Mode::Any {
            return self.admit_stranger(&authorization);
        }
        let date = authorization.date()?;
        self.check_age(&authorization, date, now)?;
        authorization.check_host_is_signed()?;
        let scope = authorization.scope()?;
        let region = scope.check(service, &date)?;
        let credential = credential.ok_or(Refusal::InvalidToken)?;
        credential.check_token(authorization.token.as_deref(), now)?;
        let payload = declared_payload(request)?;
        authorization.check_target_is_signed(request)?;
        let scope = KeyScope { service, region, date };
        let key = known.keys.get(credential, &scope);
        let key_is_new = key.is_none();
        let key = key.unwrap_or_else(|| Arc::new(SigningKey::derive(credential, scope)));
        let claim =
            Signed { verifier: self, request, authorization, date, payload, key, key_is_new };
        Ok(Claim(Standing::Signed(claim)))
    }

    fn admit_stranger(&self, authorization: &Authorization<'_>) -> Result<Claim<'static>, Refusal> {
        let scope = authorization.scope()?;
        Ok(Claim(Standing::Admitted(Caller {
            account: self.account_of(scope.access_key_id, None),
            region: scope.region.parse().unwrap_or_else(|_| self.settings.region.clone()),
            access_key_id: scope.access_key_id.into(),
            identity: None,
        })))
    }

    /// An access key id that is an account number speaks for that account, as users of local
    /// AWS tools expect.
    fn account_of(&self, access_key_id: &str, named: Option<AccountId>) -> AccountId {
        named.or_else(|| access_key_id.parse().ok()).unwrap_or(self.settings.account)
    }

    fn check_age(
        &self,
        authorization: &Authorization<'_>,
        date: AmzDate,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let skew_minutes_max = self.settings.skew_minutes_max;
        let skew = i64::from(skew_minutes_max) * 60;
        let life = authorization.expires_seconds()?.map(i64::from);
        let age = now.seconds() - date.seconds();
        if age < -skew {
            return Err(Refusal::NotYetCurrent { date, now: AmzDate::at(now), skew_minutes_max });
        }
        match life {
            None if age > skew => {
                Err(Refusal::Expired { date, now: AmzDate::at(now), skew_minutes_max })
            }
            Some(life) if age > life => Err(Refusal::PresignedExpired {
                end: date.plus_seconds(life),
                now: AmzDate::at(now),
            }),
            _ => Ok(()),
        }
    }
}

fn declared_payload(request: &Parts) -> Result<Payload<'_>, Refusal> {
    let Some(declared) = request.headers.get(CONTENT_SHA256) else {
        return Ok(Payload::Undeclared);
    };
    let declared = declared.as_bytes();
    if declared == UNSIGNED_PAYLOAD || declared.starts_with(b"STREAMING-") {
        let declared = String::from_utf8_lossy(declared).into_owned();
        return Err(Refusal::PayloadNotSigned { declared });
    }
    Ok(Payload::Declared(declared))
}

/// A request whose head is in order. It says who is calling; `confirm` finds whether it is true.
pub struct Claim<'a>(Standing<'a>);

enum Standing<'a> {
    /// Let in unverified.
    Admitted(Caller),
    /// To be verified.
    Signed(Signed<'a>),
}

struct Signed<'a> {
    verifier: &'a Verifier,
    request: &'a Parts,
    authorization: Authorization<'a>,
    date: AmzDate,
    payload: Payload<'a>,
    key: Arc<SigningKey>,
    key_is_new: bool,
}

/// What `x-amz-content-sha256` says of the body.
enum Payload<'a> {
    Undeclared,
    Declared(&'a [u8]),
}

impl Claim<'_> {
    /// Checks the signature over the head of the request and its whole body.
    ///
    /// # Errors
    /// When the body is not the declared one, or the signature is not right.
    pub fn confirm(self, body: &[u8]) -> Result<Caller, Refusal> {
        match self.0 {
            Standing::Admitted(caller) => Ok(caller),
            Standing::Signed(signed) => signed.confirm(body),
        }
    }
}

impl Signed<'_> {
    fn confirm(self, body: &[u8]) -> Result<Caller, Refusal> {
        match self.payload {
            Payload::Undeclared => self.check_signature(&sha256_hex(body))?,
            Payload::Declared(hash) if hash != sha256_hex(body) => {
                return Err(Refusal::PayloadMismatch);
            }
            Payload::Declared(hash) => self.check_signature(hash)?,
        }
        Ok(self.into_caller())
    }

    fn check_signature(&self, payload_hash: &[u8]) -> Result<(), Refusal> {
        let request = canonical_request(self.request, &self.authorization, payload_hash)
            .ok_or(Refusal::SignatureMismatch)?;
        let expected = hex(self.key.sign(&self.string_to_sign(&request)));
        let given = self.authorization.signature.as_bytes();
        let equal = bool::from(expected.ct_eq(given));
        if equal { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }

    fn string_to_sign(&self, canonical_request: &[u8]) -> Vec<u8> {
        let KeyScope { service, region, .. } = &self.key.scope;
        let scope = [self.date.day(), region.as_str(), service.name(), TERMINATOR].join("/");
        let hash = sha256_hex(canonical_request);
        [ALGORITHM.as_bytes(), self.date.as_str().as_bytes(), scope.as_bytes(), &hash].join(&b'\n')
    }

    /// A key is remembered only once a request has proved that it is used in earnest.
    fn into_caller(self) -> Caller {
        let credential = &self.key.credential;
        let caller = Caller {
            account: self.verifier.account_of(credential.id(), credential.account()),
            region: self.key.scope.region.clone(),
            access_key_id: Arc::clone(credential.id()),
            identity: credential.identity().cloned(),
        };
        if self.key_is_new {
            self.verifier.remember(self.key);
        }
        caller
    }
}

fn sha256_hex(bytes: &[u8]) -> [u8; 64] {
    hex(Sha256::digest(bytes).into())
}

fn hex(digest: [u8; 32]) -> [u8; 64] {
    // Without a table or a branch, so that many digits are made at a time.
    let digit = |nibble: u8| nibble + b'0' + u8::from(nibble > 9) * (b'a' - b'9' - 1);
    let mut hex = [0; 64];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    hex
}
