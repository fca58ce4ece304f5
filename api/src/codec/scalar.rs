//! Single values as either wire format carries them, and what Kinesis makes of them.

use std::{borrow::Cow, fmt};

use crate::types::{Blob, Timestamp};

/// A value that is neither a list nor a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

impl<'a> Scalar<'a> {
    /// The value as text; `None` for null, as in all of these.
    pub(crate) fn text(self) -> Result<Option<Cow<'a, str>>, Mismatch<'a>> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            other => Err(Mismatch(other, Wanted::Text)),
        }
    }

    /// The value as an integer: fractions are rounded down and what 32 bits can't hold is clamped.
    pub(crate) fn integer(self) -> Result<Option<i32>, Mismatch<'a>> {
        match self {
            Self::Null => Ok(None),
            Self::Integer(value) => Ok(Some(clamp(value))),
            Self::Float(value) => Ok(Some(value.floor() as i32)),
            other => Err(Mismatch(other, Wanted::Integer)),
        }
    }

    /// The value as a boolean, of which AWS also takes some words.
    pub(crate) fn boolean(self) -> Result<Option<bool>, Mismatch<'a>> {
        match self {
            Self::Null => Ok(None),
            Self::Boolean(value) => Ok(Some(value)),
            Self::Float(value) => Ok(Some(value != 0.0)),
            Self::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "1" => Ok(Some(true)),
                "false" | "no" | "0" => Ok(Some(false)),
                _ => Err(Mismatch(Self::Text(text), Wanted::Boolean)),
            },
            other => Err(Mismatch(other, Wanted::Boolean)),
        }
    }

    /// The value as bytes: those of CBOR, or base64 text.
    pub(crate) fn blob(self) -> Result<Option<Blob<'a>>, Mismatch<'a>> {
        match self {
            Self::Null => Ok(None),
            Self::Bytes(bytes) => Ok(Some(Blob::Bytes(bytes))),
            // The text moves into the blob, so a refusal has to keep a copy of it; only its words
            // need one.
            Self::Text(text) if base64_simd::STANDARD.check(text.as_bytes()).is_ok() => {
                Ok(Some(Blob::Base64(text)))
            }
            other => Err(Mismatch(other, Wanted::Blob)),
        }
    }

    /// The value as a point in time. Fractional numbers are seconds in both formats; integers are
    /// seconds where people read them (JSON) and milliseconds elsewhere (CBOR), as AWS' SDKs write
    /// them.
    pub(crate) fn timestamp(self, human: bool) -> Result<Option<Timestamp>, Mismatch<'a>> {
        match self {
            Self::Null => Ok(None),
            Self::Integer(seconds) if human => {
                Ok(Some(Timestamp::from_millis(seconds.saturating_mul(1000))))
            }
            Self::Integer(millis) => Ok(Some(Timestamp::from_millis(millis))),
            Self::Float(seconds) => Ok(Some(Timestamp::from_millis(millis(seconds)))),
            other => Err(Mismatch(other, Wanted::Timestamp)),
        }
    }
}

/// A value of the wrong type; displayed in AWS' words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mismatch<'a>(pub(crate) Scalar<'a>, pub(crate) Wanted);

/// What a member takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Text,
    Integer,
    Boolean,
    Blob,
    Timestamp,
    List,
    Map,
    Structure,
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(got, wanted) = self;
        let target = match wanted {
            Wanted::List => return f.write_str("Expected list or null"),
            Wanted::Map => return f.write_str("Expected map or null"),
            Wanted::Structure => return f.write_str("Expected null"),
            Wanted::Timestamp => "milliseconds since epoch",
            Wanted::Text => "an String",
            Wanted::Integer => "an Integer",
            Wanted::Boolean => "an Boolean",
            Wanted::Blob => "a Blob",
        };
        let class = match got {
            Scalar::Text(text) if *wanted == Wanted::Boolean => {
                let word = excerpt(text).to_uppercase();
                return write!(f, "'{word}' can not be converted to an Boolean");
            }
            Scalar::Text(text) if *wanted == Wanted::Blob => {
                write!(f, "'{}' can not be converted to a Blob: ", excerpt(text))?;
                return base64_fault(text, f);
            }
            Scalar::Null => "null",
            Scalar::Boolean(_) => "class java.lang.Boolean",
            Scalar::Integer(_) | Scalar::Float(_) => {
                "class com.amazon.coral.value.json.numbers.TruncatingBigNumber"
            }
            Scalar::Text(_) => "class java.lang.String",
            Scalar::Bytes(_) => "class java.nio.HeapByteBuffer",
        };
        write!(f, "{class} can not be converted to {target}")
    }
}

/// Bytes of a value that a message repeats at most, so that an answer stays small whatever was
/// sent.
pub(crate) const PRINTED_BYTES_MAX: usize = 64 * 1024;

/// As much of the text as a message repeats.
pub(crate) fn excerpt(text: &str) -> &str {
    text.get(..text.floor_char_boundary(PRINTED_BYTES_MAX)).unwrap_or(text)
}

/// The words for text that isn't base64.
fn base64_fault(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let length = text.len();
    if !length.is_multiple_of(4) {
        let rule = "Base64 encoded length is expected a multiple of 4 bytes but found";
        return write!(f, "{rule}: {length}");
    }
    let mut padded = false;
    for c in text.chars() {
        match c {
            '=' => padded = true,
            _ if padded => return f.write_str("Invalid Base64 character: '='"),
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' => {}
            _ => return write!(f, "Invalid Base64 character: '{c}'"),
        }
    }
    f.write_str("Invalid last non-pad Base64 character dectected")
}

fn clamp(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

/// Milliseconds of fractional seconds, cut and not rounded, except that the binary fraction nearest
/// to a whole millisecond counts as that millisecond.
#[expect(clippy::float_cmp, reason = "asks whether this very fraction is the nearest")]
fn millis(seconds: f64) -> i64 {
    let scaled = seconds * 1000.0;
    let nearest = scaled.round();
    let is_whole = nearest / 1000.0 == seconds;
    (if is_whole { nearest } else { scaled.floor() }) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_their_milliseconds() {
        for (seconds, expected) in [
            (1_704_164_645.678_901, 1_704_164_645_678),
            (1_704_164_645.678, 1_704_164_645_678),
            (1_704_164_645.001, 1_704_164_645_001),
            (-0.0005, -1),
            (0.0, 0),
            (f64::INFINITY, i64::MAX),
            (f64::NAN, 0),
        ] {
            assert_eq!(millis(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn every_millisecond_survives_the_trip_through_seconds() {
        for start in [1_767_225_600_000_i64, 8_955_411_547_000, -62_135_596_800_000] {
            for expected in start..start + 2000 {
                let text = format!("{expected}e-3");
                assert_eq!(millis(text.parse().unwrap()), expected);
            }
        }
    }
}
