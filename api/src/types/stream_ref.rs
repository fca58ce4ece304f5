//! How a request names its stream: by name, by ARN, or by both.

/// The `StreamName` and `StreamARN` members of a request, as given; `StreamId` is accepted and
/// ignored, as the model says that it is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamRef<'a> {
    /// `StreamName`, already checked against the model's constraints.
    pub name: Option<&'a str>,
    /// `StreamARN`, already checked against the model's constraints.
    pub arn: Option<&'a str>,
}
