//! Accounts and regions: the two namespaces that every stream lives in.

use std::{fmt, str::FromStr, sync::Arc};

/// A 12-digit AWS account number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId([u8; Self::DIGITS]);

impl AccountId {
    /// Digits in every account number.
    pub const DIGITS: usize = 12;

    /// The account as text, always twelve digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an account number is made of ASCII digits")
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: [u8; Self::DIGITS] =
            text.as_bytes().try_into().map_err(|_| InvalidAccountId)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(InvalidAccountId) }
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not twelve ASCII digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidAccountId;

impl fmt::Display for InvalidAccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account id is twelve digits, such as 123456789012")
    }
}

impl std::error::Error for InvalidAccountId {}

/// A region name such as `us-east-1`: 1 to 32 lower-case letters, digits and hyphens.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

impl Region {
    /// The longest name that is accepted; AWS' own stay under 20.
    pub const LENGTH_MAX: usize = 32;

    /// The region's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that ARNs of this region name: `aws`, `aws-cn` or `aws-us-gov`.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        match self.as_str() {
            name if name.starts_with("cn-") => "aws-cn",
            name if name.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl FromStr for Region {
    type Err = InvalidRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let length_ok = (1..=Self::LENGTH_MAX).contains(&text.len());
        if length_ok && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidRegion)
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text cannot name a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidRegion;

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a region is 1 to 32 lower-case letters, digits and hyphens, such as us-east-1")
    }
}

impl std::error::Error for InvalidRegion {}
