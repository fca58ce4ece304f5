//! The services that a request can be signed for.

use http::request::Parts;

use super::authorization::Authorization;

/// A service of AWS that this server is, or stands in for in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Kinesis Data Streams.
    Kinesis,
    /// CloudWatch, for the metrics of Kinesis' clients.
    CloudWatch,
    /// The Security Token Service, for who is calling.
    Sts,
}

impl Service {
    /// The name that its requests are signed with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::CloudWatch => "monitoring",
            Self::Sts => "sts",
        }
    }

    /// The service that a request claims to be signed for; Kinesis, if it names none of these.
    #[must_use]
    pub fn claimed_by(request: &Parts) -> Self {
        let authorization = Authorization::find(request).ok();
        let scope = authorization.as_ref().and_then(|authorization| authorization.scope().ok());
        let name = scope.map_or("", |scope| scope.service);
        let mut others = [Self::CloudWatch, Self::Sts].into_iter();
        others.find(|service| service.name() == name).unwrap_or(Self::Kinesis)
    }
}
