//! The three protocols of SDKs: forms answered with XML, JSON, and CBOR.

mod cbor;
mod json;
mod query;

use crate::auth::Service;

use super::{fault::Fault, tree::Tree};

/// What the names of CloudWatch's operations begin with in `X-Amz-Target`, and what stands before
/// them in paths.
pub const CLOUDWATCH: &str = "GraniteServiceVersion20100801";

/// How many maps an input may have, which take up to 250 times their bytes in memory. The largest
/// input of PutMetricData has some 33,000, as a form.
const MAPS_MAX: usize = 40_000;

/// How many values of all kinds it may have.
const VALUES_MAX: usize = 400_000;

fn too_many() -> Fault {
    Fault::malformed(format!(
        "The body has more than {MAPS_MAX} structures or {VALUES_MAX} values."
    ))
}

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// A form, answered with XML; its `Action` names the operation.
    Query,
    /// JSON, with the operation in `X-Amz-Target`.
    Json,
    /// CBOR, with the operation in the path: Smithy's RPC protocol.
    Cbor,
}

/// What an operation answers with.
pub struct Answer<'a> {
    /// Whose operation it is.
    pub service: Service,
    /// The operation's name.
    pub operation: &'a str,
    /// Its output, if it has one.
    pub output: Option<Tree>,
}

impl Wire {
    /// The protocol of a request, and the operation, where that isn't in the body.
    #[must_use]
    pub fn of<'a>(path: &'a str, target: Option<&'a str>) -> (Self, Option<&'a str>) {
        let in_path = path.strip_prefix("/service/").and_then(|path| path.split_once('/'));
        let in_path = in_path.filter(|(service, _)| *service == CLOUDWATCH);
        if let Some(operation) = in_path.and_then(|(_, rest)| rest.strip_prefix("operation/")) {
            return (Self::Cbor, Some(operation));
        }
        match target.map(|target| target.split_once('.').unwrap_or(("", target))) {
            Some((_, operation)) => (Self::Json, Some(operation)),
            None => (Self::Query, None),
        }
    }

    /// The media type of answers.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Query => "text/xml",
            Self::Json => "application/x-amz-json-1.0",
            Self::Cbor => "application/cbor",
        }
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// When it isn't what the protocol has.
    pub fn read(self, body: &[u8]) -> Result<Tree, Fault> {
        match self {
            Self::Query => query::read(body),
            Self::Json => json::read(body),
            Self::Cbor => cbor::read(body),
        }
    }

    /// The body of an answer; none in CBOR, when there is no output.
    #[must_use]
    pub fn write(self, answer: Answer<'_>, request_id: &str) -> Vec<u8> {
        match self {
            Self::Query => query::write(&answer, request_id),
            Self::Json => json::write(answer.output.unwrap_or(Tree::map([]))),
            Self::Cbor => answer.output.map(|output| cbor::write(&output)).unwrap_or_default(),
        }
    }

    /// The body of an answer that tells a fault.
    #[must_use]
    pub fn write_fault(self, service: Service, fault: &Fault, request_id: &str) -> Vec<u8> {
        let tree =
            || Tree::map([("__type", fault.shape.into()), ("message", (&*fault.message).into())]);
        match self {
            Self::Query => query::write_fault(service, fault, request_id),
            Self::Json => json::write(tree()),
            Self::Cbor => cbor::write(&tree()),
        }
    }
}

#[cfg(test)]
mod tests;
