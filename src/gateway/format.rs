//! The media type of a request, which decides how it is read and answered.

use http::{HeaderMap, header};
use millpond_api::Codec;

/// What `Content-Type` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A format that operations are served in.
    Served(Codec),
    /// `application/json`, which AWS answers in a form of its own, and never serves.
    PlainJson,
    /// Anything else, or nothing.
    Other,
}

impl Format {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let value = value.unwrap_or_default();
        if let Some(codec) = Codec::from_content_type(value) {
            return Self::Served(codec);
        }
        let media_type = value.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/json") {
            Self::PlainJson
        } else {
            Self::Other
        }
    }

    /// The format of answers that have one: CBOR for all but JSON, as AWS does it.
    pub(super) fn codec(self) -> Codec {
        match self {
            Self::Served(codec) => codec,
            Self::PlainJson | Self::Other => Codec::Cbor,
        }
    }
}
