//! Where a key management service listens, as a flag says it.

use std::str::FromStr;

use crate::outbound::Url;

/// The URL of a key management service, which has no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsUrl(pub(super) Url);

impl FromStr for KmsUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Url::parse(text).filter(|url| url.path() == "/").map(Self).ok_or(
            "it is http:// or https://, a host, and perhaps a port, such as \
             https://kms.example.com:8443",
        )
    }
}

impl KmsUrl {
    /// Whether nobody can listen on the way there: it is TLS, or doesn't leave this host.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.0.is_private()
    }
}
