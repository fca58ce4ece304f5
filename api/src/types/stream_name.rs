//! Stream names, unique within an account and a region.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// A stream's name: 1 to 128 characters of `[a-zA-Z0-9_.-]`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Characters in the longest name.
    pub const LENGTH_MAX: usize = 128;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = InvalidStreamName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
        let length_ok = (1..=Self::LENGTH_MAX).contains(&text.len());
        if length_ok && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidStreamName)
        }
    }
}

impl Borrow<str> for StreamName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text cannot name a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidStreamName;

impl fmt::Display for InvalidStreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stream name is 1 to 128 letters, digits, underscores, periods and hyphens")
    }
}

impl std::error::Error for InvalidStreamName {}
