//! Binary members, as they stand in a request or a response.

use std::{borrow::Cow, fmt};

/// A binary member. In a JSON request it is the base64 text of the body, decoded only when and
/// where it is needed.
///
/// The codecs write it as base64 text or as bytes; other serializers have their own form of bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob<'a> {
    /// Standard base64 with padding, already known to be well formed.
    Base64(Cow<'a, str>),
    /// The bytes themselves: CBOR requests, and every response.
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Blob<'a> {
    /// A blob of base64 text.
    ///
    /// # Errors
    /// When the text isn't standard base64 with padding.
    pub fn from_base64(text: Cow<'a, str>) -> Result<Self, InvalidBase64> {
        match base64_simd::STANDARD.check(text.as_bytes()) {
            Ok(()) => Ok(Self::Base64(text)),
            Err(_) => Err(InvalidBase64),
        }
    }

    /// Length of the bytes that the blob stands for.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Base64(text) => {
                let padding = text.bytes().rev().take(2).filter(|c| *c == b'=').count();
                text.len() / 4 * 3 - padding
            }
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the blob stands for no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the bytes that the blob stands for to `out`: the one copy between a request's body
    /// and a record.
    ///
    /// # Panics
    /// Never for a blob that `from_base64` made.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::Base64(text) => {
                base64_simd::STANDARD
                    .decode_append(text.as_bytes(), out)
                    .expect("base64 was checked when the blob was made");
            }
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The bytes that the blob stands for.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.append_to(&mut bytes);
        bytes
    }
}

impl Default for Blob<'_> {
    fn default() -> Self {
        Self::Bytes(Cow::Borrowed(&[]))
    }
}

/// The text isn't standard base64 with padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidBase64;

impl fmt::Display for InvalidBase64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not standard base64 with padding")
    }
}

impl std::error::Error for InvalidBase64 {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_known_before_decoding() {
        for n in 0..50 {
            let bytes = vec![0xa5; n];
            let text = base64_simd::STANDARD.encode_to_string(&bytes);
            let blob = Blob::from_base64(text.into()).unwrap();
            assert_eq!(blob.len(), n);
            assert_eq!(blob.to_vec(), bytes);
        }
    }

    #[test]
    fn what_aws_refuses_is_refused() {
        for text in ["a", "abc", "ab=c", "a===", "YQ", "YR==", "YW-_", "YQ==\n", "Y Q="] {
            assert_eq!(Blob::from_base64(text.into()), Err(InvalidBase64), "{text}");
        }
    }
}
