//! What a request claims about its signature, from the `Authorization` header or from the query.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use memchr::{memchr, memchr2};
use millpond_api::types::Region;
use millpond_quotas::limits;

use super::{
    ALGORITHM, DATE, SECURITY_TOKEN, Service, TARGET, TERMINATOR,
    canonical_request::query_pairs,
    date::AmzDate,
    refusal::{Refusal, ScopeFault},
};

/// The longest life of a presigned request.
const PRESIGNED_SECONDS_MAX: u32 = limits::PRESIGNED_LIFE_MAX.as_secs() as u32;

/// The parts of a signature, none of them empty, and nothing of them checked yet.
pub(super) struct Authorization<'a> {
    /// Whether it came in the query, which the signature then covers but for itself.
    pub(super) presigned: bool,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) token: Option<Cow<'a, str>>,
    algorithm: Cow<'a, str>,
    credential: Cow<'a, str>,
    date: Cow<'a, str>,
    expires: Option<Cow<'a, str>>,
}

/// The elements of a credential: `keyid/date/region/service/aws4_request`.
pub(super) struct Scope<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) region: &'a str,
    day: &'a str,
    pub(super) service: &'a str,
    terminator: &'a str,
}

impl<'a> Authorization<'a> {
    /// Finds the one authorization of a request, and all its parts.
    pub(super) fn find(request: &'a Parts) -> Result<Self, Refusal> {
        let header = request.headers.get(header::AUTHORIZATION).filter(|raw| !raw.is_empty());
        let query = request.uri.query().and_then(QueryParameters::read);
        match (header, query) {
            (None, None) => Err(Refusal::Missing),
            (Some(_), Some(_)) => Err(Refusal::HeaderAndQuery),
            (Some(raw), None) => Self::from_header(raw, &request.headers),
            (None, Some(parameters)) => Self::from_query(parameters),
        }
    }

    fn from_header(raw: &'a HeaderValue, headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(raw.as_bytes()).unwrap_or_default();
        let mut words = words(text);
        let algorithm = words.next().unwrap_or_default();
        let (mut credential, mut signature, mut signed_headers) = ("", "", "");
        for word in words {
            match word.split_once('=') {
                Some(("Credential", value)) => credential = value,
                Some(("Signature", value)) => signature = value,
                Some(("SignedHeaders", value)) => signed_headers = value,
                _ => {}
            }
        }
        let date = text_of(headers, DATE).or_else(|| text_of(headers, header::DATE));
        let missing = names_of_empty([
            ("Credential", credential),
            ("Signature", signature),
            ("SignedHeaders", signed_headers),
        ]);
        match date {
            Some(date) if missing.is_empty() => Ok(Self {
                presigned: false,
                algorithm: algorithm.into(),
                credential: credential.into(),
                signed_headers: signed_headers.into(),
                signature: signature.into(),
                token: text_of(headers, SECURITY_TOKEN).map(Cow::Borrowed),
                date: date.into(),
                expires: None,
            }),
            date => Err(Refusal::IncompleteHeader {
                missing,
                undated: date.is_none(),
                raw: String::from_utf8_lossy(raw.as_bytes()).into_owned(),
            }),
        }
    }

    fn from_query(parameters: QueryParameters) -> Result<Self, Refusal> {
        let missing = names_of_empty([
            ("X-Amz-Algorithm", &parameters.algorithm),
            ("X-Amz-Credential", &parameters.credential),
            ("X-Amz-Signature", &parameters.signature),
            ("X-Amz-SignedHeaders", &parameters.signed_headers),
            ("X-Amz-Date", &parameters.date),
        ]);
        if !missing.is_empty() {
            return Err(Refusal::IncompleteQuery { missing });
        }
        Ok(Self {
            presigned: true,
            algorithm: parameters.algorithm.into(),
            credential: parameters.credential.into(),
            signed_headers: parameters.signed_headers.into(),
            signature: parameters.signature.into(),
            token: Some(parameters.token).filter(|token| !token.is_empty()).map(Cow::Owned),
            date: parameters.date.into(),
            expires: parameters.expires.map(Cow::Owned),
        })
    }

    /// The elements of the credential, if the algorithm is the one that is served.
    pub(super) fn scope(&self) -> Result<Scope<'_>, Refusal> {
        if self.algorithm != ALGORITHM {
            return Err(Refusal::Algorithm { algorithm: self.algorithm.clone().into_owned() });
        }
        let credential = self.credential.trim_end_matches('/');
        let mut elements = split(credential, |rest| memchr(b'/', rest));
        let mut next = || elements.next().unwrap_or_default();
        let (access_key_id, day, region) = (next(), next(), next());
        let (service, terminator) = (next(), next());
        if terminator.is_empty() || elements.next().is_some() {
            let credential = self.credential.clone().into_owned();
            return Err(Refusal::CredentialElements { credential });
        }
        Ok(Scope { access_key_id, region, day, service, terminator })
    }

    /// What stands before the first slash of the credential.
    pub(super) fn access_key_id(&self) -> &str {
        split(&self.credential, |rest| memchr(b'/', rest)).next().unwrap_or_default()
    }

    /// When the request was signed.
    pub(super) fn date(&self) -> Result<AmzDate, Refusal> {
        AmzDate::parse(&self.date)
            .ok_or_else(|| Refusal::DateFormat { date: self.date.clone().into_owned() })
    }

    /// How long a presigned request lives, in seconds, if it says so.
    pub(super) fn expires_seconds(&self) -> Result<Option<u32>, Refusal> {
        let Some(text) = &self.expires else { return Ok(None) };
        let seconds: u32 = text.parse().map_err(|_| Refusal::ExpiresFormat)?;
        if seconds > PRESIGNED_SECONDS_MAX {
            return Err(Refusal::ExpiresTooLong { seconds_max: PRESIGNED_SECONDS_MAX });
        }
        Ok(Some(seconds))
    }

    /// Without the host in it, a signature would be good for any server.
    pub(super) fn check_host_is_signed(&self) -> Result<(), Refusal> {
        let signed = self.signs(|name| matches!(name, b"host" | b":authority"));
        if signed { Ok(()) } else { Err(Refusal::HostNotSigned) }
    }

    /// Without the target in it, a signature would be good for any operation with the same body.
    pub(super) fn check_target_is_signed(&self, request: &Parts) -> Result<(), Refusal> {
        let signed = !request.headers.contains_key(TARGET)
            || self.signs(|name| name == TARGET.as_str().as_bytes());
        if signed { Ok(()) } else { Err(Refusal::SignatureMismatch) }
    }

    /// Whether the name of a header like this is among the signed ones.
    fn signs(&self, is_meant: impl Fn(&[u8]) -> bool) -> bool {
        self.signed_headers.as_bytes().split(|byte| *byte == b';').any(is_meant)
    }
}

impl Scope<'_> {
    /// Compares the scope with the service and the request's date; answers its region.
    pub(super) fn check(&self, service: Service, date: &AmzDate) -> Result<Region, Refusal> {
        let region: Option<Region> = self.region.parse().ok();
        let in_order = self.service == service.name()
            && self.terminator == TERMINATOR
            && self.day == date.day();
        match region {
            Some(region) if in_order => Ok(region),
            region => Err(Refusal::Scope { faults: self.faults(region.as_ref(), service, date) }),
        }
    }

    fn faults(&self, region: Option<&Region>, service: Service, date: &AmzDate) -> Vec<ScopeFault> {
        let mut faults = Vec::new();
        if region.is_none() {
            faults.push(ScopeFault::Region);
        }
        if self.service != service.name() {
            faults.push(ScopeFault::Service { expected: service.name() });
        }
        if self.terminator != TERMINATOR {
            faults.push(ScopeFault::Terminator { terminator: self.terminator.to_owned() });
        }
        if self.day != date.day() {
            faults.push(ScopeFault::Day { day: self.day.to_owned(), date: *date });
        }
        faults
    }
}

/// The parameters of a presigned request, decoded; empty where absent.
#[derive(Default)]
struct QueryParameters {
    algorithm: String,
    credential: String,
    signed_headers: String,
    signature: String,
    date: String,
    token: String,
    expires: Option<String>,
}

impl QueryParameters {
    /// Reads a query that has `X-Amz-Algorithm`, even if empty: that makes it a presigned one.
    fn read(query: &str) -> Option<Self> {
        let mut presigned = false;
        let mut parameters = Self::default();
        for (name, value) in query_pairs(query) {
            let value = String::from_utf8_lossy(&value).into_owned();
            match name.as_ref() {
                b"X-Amz-Algorithm" => {
                    presigned = true;
                    parameters.algorithm = value;
                }
                b"X-Amz-Credential" => parameters.credential = value,
                b"X-Amz-SignedHeaders" => parameters.signed_headers = value,
                b"X-Amz-Signature" => parameters.signature = value,
                b"X-Amz-Date" => parameters.date = value,
                b"X-Amz-Security-Token" => parameters.token = value,
                b"X-Amz-Expires" => parameters.expires = Some(value),
                _ => {}
            }
        }
        presigned.then_some(parameters)
    }
}

/// What stands between commas and blanks.
fn words(text: &str) -> impl Iterator<Item = &str> {
    split(text, |rest| memchr2(b',', b' ', rest)).filter(|word| !word.is_empty())
}

/// What stands between separators of one byte, which `find` finds: for short texts that takes fewer
/// steps than `str::split`.
pub(super) fn split(
    text: &str,
    find: impl Fn(&[u8]) -> Option<usize>,
) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let end = find(text.as_bytes());
        rest = end.and_then(|end| text.get(end + 1..));
        text.get(..end.unwrap_or(text.len()))
    })
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

fn names_of_empty<const N: usize>(parts: [(&'static str, &str); N]) -> Vec<&'static str> {
    parts.into_iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name).collect()
}
