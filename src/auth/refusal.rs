//! Why a request was not let in: the facts, and Amazon's name and sentence for each.

use std::fmt;

use millpond_api::ErrorKind;
use thiserror::Error;

use super::date::AmzDate;

/// A request that could not be authenticated.
///
/// `Display` is the message of the error on the wire, [`Refusal::kind`] its code; both are those
/// of AWS' JSON services.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Neither an `Authorization` header nor an `X-Amz-Algorithm` parameter.
    #[error("Missing Authentication Token")]
    Missing,

    /// Both an `Authorization` header and an `X-Amz-Algorithm` parameter.
    #[error(
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    )]
    HeaderAndQuery,

    /// The `Authorization` header lacks parts, or no header tells the time.
    #[error(
        "{}{}Authorization={raw}",
        each(.missing, |name| format!("Authorization header requires '{name}' parameter. ")),
        undated_sentence(*.undated)
    )]
    IncompleteHeader {
        /// Names of the missing parts.
        missing: Vec<&'static str>,
        /// Whether `X-Amz-Date` and `Date` are both missing.
        undated: bool,
        /// The header as it came.
        raw: String,
    },

    /// The query lacks parameters of a presigned request.
    #[error(
        "{}Re-examine the query-string parameters.",
        each(.missing, |name| format!("AWS query-string parameters must include '{name}'. "))
    )]
    IncompleteQuery {
        /// Names of the missing parameters.
        missing: Vec<&'static str>,
    },

    /// The request's date is neither ISO 8601 in basic format nor an HTTP date.
    #[error(
        "Date must be in ISO-8601 'basic format'. Got '{date}'. \
         See http://en.wikipedia.org/wiki/ISO_8601"
    )]
    DateFormat {
        /// The date as it came.
        date: String,
    },

    /// `X-Amz-Expires` is not a whole number of seconds.
    #[error("X-Amz-Expires should be a number")]
    ExpiresFormat,

    /// `X-Amz-Expires` is longer than `seconds_max`.
    #[error(
        "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires \
         must be less than {seconds_max} seconds"
    )]
    ExpiresTooLong {
        /// The longest life of a presigned request.
        seconds_max: u32,
    },

    /// The request's date lies too far in the past.
    #[error(
        "Signature expired: {date} is now earlier than {} ({now} - {skew_minutes_max} min.)",
        minutes_from(.now, -i64::from(*.skew_minutes_max))
    )]
    Expired {
        /// The request's date.
        date: AmzDate,
        /// The server's wall clock.
        now: AmzDate,
        /// How far apart the two may be.
        skew_minutes_max: u16,
    },

    /// The request's date lies too far in the future.
    #[error(
        "Signature not yet current: {date} is still later than {} \
         ({now} + {skew_minutes_max} min.)",
        minutes_from(.now, i64::from(*.skew_minutes_max))
    )]
    NotYetCurrent {
        /// The request's date.
        date: AmzDate,
        /// The server's wall clock.
        now: AmzDate,
        /// How far apart the two may be.
        skew_minutes_max: u16,
    },

    /// A presigned request outlived its `X-Amz-Expires`.
    #[error("Signature expired: {end} is now earlier than {now}")]
    PresignedExpired {
        /// When it expired.
        end: AmzDate,
        /// The server's wall clock.
        now: AmzDate,
    },

    /// `SignedHeaders` names neither `host` nor `:authority`.
    #[error("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")]
    HostNotSigned,

    /// The algorithm is not `AWS4-HMAC-SHA256`. (AWS ends this sentence with a blank.)
    #[error("Unsupported AWS 'algorithm': '{algorithm}' (only AWS4-HMAC-SHA256 for now). ")]
    Algorithm {
        /// The algorithm as it came.
        algorithm: String,
    },

    /// The credential does not have five elements.
    #[error(
        "Credential must have exactly 5 slash-delimited elements, \
         e.g. keyid/date/region/service/term, got '{credential}'"
    )]
    CredentialElements {
        /// The credential as it came.
        credential: String,
    },

    /// The scope of the credential is not that of this request.
    #[error("{}", joined(.faults))]
    Scope {
        /// Everything that is wrong with it; never empty.
        faults: Vec<ScopeFault>,
    },

    /// No credential has this access key id, or the session token is not the credential's.
    #[error("The security token included in the request is invalid.")]
    InvalidToken,

    /// The session token of the credential has expired.
    #[error("The security token included in the request is expired")]
    ExpiredToken,

    /// `x-amz-content-sha256` is `UNSIGNED-PAYLOAD` or announces signed chunks (`STREAMING-…`).
    #[error("The value '{declared}' of 'x-amz-content-sha256' is not supported.")]
    PayloadNotSigned {
        /// The value as it came.
        declared: String,
    },

    /// The body's SHA-256 is not the one that `x-amz-content-sha256` declares.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    PayloadMismatch,

    /// The signature is not the one that this request and this secret make.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check \
         your AWS Secret Access Key and signing method. Consult the service documentation for \
         details."
    )]
    SignatureMismatch,
}

/// One thing that is wrong with the scope of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScopeFault {
    /// The region cannot be one.
    #[error("Credential should be scoped to a valid region.")]
    Region,

    /// The service is another one.
    #[error("Credential should be scoped to correct service: '{expected}'.")]
    Service {
        /// The name that this service signs with.
        expected: &'static str,
    },

    /// The last element is not `aws4_request`.
    #[error(
        "Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'."
    )]
    Terminator {
        /// The element as it came.
        terminator: String,
    },

    /// The day of the scope is not the day of the request's date.
    #[error(
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
         HTTP: '{day}' != '{}', from '{date}'.",
        .date.day()
    )]
    Day {
        /// The day as it came.
        day: String,
        /// The request's date.
        date: AmzDate,
    },
}

impl Refusal {
    /// The kind of error on the wire.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing => ErrorKind::MissingAuthenticationToken,
            Self::IncompleteHeader { .. }
            | Self::IncompleteQuery { .. }
            | Self::DateFormat { .. }
            | Self::ExpiresFormat
            | Self::Algorithm { .. }
            | Self::CredentialElements { .. } => ErrorKind::IncompleteSignature,
            Self::HeaderAndQuery
            | Self::ExpiresTooLong { .. }
            | Self::Expired { .. }
            | Self::NotYetCurrent { .. }
            | Self::PresignedExpired { .. }
            | Self::HostNotSigned
            | Self::Scope { .. }
            | Self::PayloadNotSigned { .. }
            | Self::PayloadMismatch
            | Self::SignatureMismatch => ErrorKind::InvalidSignature,
            Self::InvalidToken => ErrorKind::UnrecognizedClient,
            Self::ExpiredToken => ErrorKind::ExpiredToken,
        }
    }
}

fn each(names: &[&str], sentence: impl Fn(&str) -> String) -> String {
    names.iter().map(|name| sentence(name)).collect()
}

fn undated_sentence(undated: bool) -> &'static str {
    if undated {
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
    } else {
        ""
    }
}

fn minutes_from(date: &AmzDate, minutes: i64) -> AmzDate {
    date.plus_seconds(60 * minutes)
}

fn joined(faults: &[impl fmt::Display]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
