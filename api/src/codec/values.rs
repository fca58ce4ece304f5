//! How the vocabulary is written: blobs, timestamps, and text that is known to be plain.

use serde::{Serialize, Serializer, ser::Error as _};

use super::write::{PLAIN, TIME};
use crate::types::{Blob, SequenceNumber, ShardId, Timestamp};

impl Serialize for Blob<'_> {
    /// Bytes are written as such, which `Codec::Json` turns into base64 text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Base64(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            Self::Base64(_) => serializer.serialize_bytes(&self.to_vec()),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
        }
    }
}

impl Serialize for Timestamp {
    /// Seconds with up to three decimals where people read it, else milliseconds.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(TIME, &Time(*self))
    }
}

/// What stands within the newtype. The codecs ask for milliseconds there, and write a time.
struct Time(Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(time) = self;
        if !serializer.is_human_readable() {
            serializer.serialize_i64(time.millis())
        } else if time.millis() % 1000 == 0 {
            serializer.serialize_i64(time.seconds())
        } else {
            #[expect(clippy::cast_precision_loss, reason = "exact for 280,000 years around 1970")]
            let millis = time.millis() as f64;
            serializer.serialize_f64(millis / 1000.0)
        }
    }
}

impl Serialize for SequenceNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(PLAIN, &Plain(&self.to_text()))
    }
}

impl Serialize for ShardId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(PLAIN, &Plain(&self.to_text()))
    }
}

/// What stands within the newtype: ASCII without anything to escape. The codecs ask for its bytes
/// there, and write text.
struct Plain<'a>(&'a [u8]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(text) = self;
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(text);
        }
        serializer.serialize_str(std::str::from_utf8(text).map_err(S::Error::custom)?)
    }
}
