//! Why a companion doesn't do what it is asked for, under the two names that its protocols have.

use millpond_api::ErrorKind;

use crate::{
    auth::{Refusal, Service},
    error, policy,
};

/// An error of CloudWatch or STS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name in the query protocol.
    pub code: &'static str,
    /// Its name in the others.
    pub shape: &'static str,
    /// The status that it is answered with.
    pub status: u16,
    /// What is wrong, in a sentence.
    pub message: String,
}

impl Fault {
    fn new(code: &'static str, shape: &'static str, message: impl Into<String>) -> Self {
        Self { code, shape, status: 400, message: message.into() }
    }

    /// A value that can't be.
    #[must_use]
    pub fn invalid(message: String) -> Self {
        Self::new("InvalidParameterValue", "InvalidParameterValueException", message)
    }

    /// A value that must be there.
    #[must_use]
    pub fn missing(message: String) -> Self {
        Self::new("MissingParameter", "MissingRequiredParameterException", message)
    }

    /// Values that exclude each other.
    #[must_use]
    pub fn combination(message: String) -> Self {
        Self::new("InvalidParameterCombination", "InvalidParameterCombinationException", message)
    }

    /// A value of the wrong type, or a body that can't be read.
    #[must_use]
    pub fn malformed(message: String) -> Self {
        Self::new("MalformedInput", "SerializationException", message)
    }

    /// A value that is right, and that millpond can't deal with.
    #[must_use]
    pub fn unsupported(message: String) -> Self {
        Self::new("ValidationError", "ValidationException", message)
    }

    /// A token that no answer had.
    #[must_use]
    pub fn next_token() -> Self {
        Self::new("InvalidNextToken", "InvalidNextToken", "The parameter NextToken is invalid.")
    }

    /// There is no such operation here.
    #[must_use]
    pub fn unknown_operation(service: Service, name: &str) -> Self {
        let (service, served) = match service {
            Service::Sts => ("sts", "GetCallerIdentity"),
            _ => ("cloudwatch", "PutMetricData, GetMetricData and ListMetrics"),
        };
        let message = format!("millpond does not serve {service}:{name}, but {served}.");
        Self::new("InvalidAction", "UnknownOperationException", message)
    }

    /// A body of more than so many bytes.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        let message = format!("The body has more than {bytes_max} bytes.");
        let fault = Self::new("RequestEntityTooLarge", "RequestEntityTooLargeException", message);
        Self { status: 413, ..fault }
    }

    /// Others hold the room for answers for too long.
    #[must_use]
    pub fn busy() -> Self {
        let message = "No room for the answer now, as clients take others too slowly.";
        let fault = Self::new("ServiceUnavailable", "ServiceUnavailableException", message);
        Self { status: 503, ..fault }
    }

    /// A policy forbids it.
    #[must_use]
    pub fn access_denied(request: &policy::Request<'_>, denial: policy::Denial) -> Self {
        let message = error::access_denied(request, denial).0.message.unwrap_or_default();
        let denied = Self::new("AccessDenied", "AccessDeniedException", message);
        Self { status: 403, ..denied }
    }
}

impl From<&Refusal> for Fault {
    fn from(refusal: &Refusal) -> Self {
        let (code, status) = match refusal.kind() {
            ErrorKind::MissingAuthenticationToken => ("MissingAuthenticationToken", 403),
            ErrorKind::IncompleteSignature => ("IncompleteSignature", 400),
            ErrorKind::UnrecognizedClient => ("InvalidClientTokenId", 403),
            ErrorKind::ExpiredToken => ("ExpiredToken", 403),
            _ => ("SignatureDoesNotMatch", 403),
        };
        let shape = refusal.kind().wire_name();
        Self { code, shape, status, message: refusal.to_string() }
    }
}
