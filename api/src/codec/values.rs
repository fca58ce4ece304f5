//! How the vocabulary is written: blobs, timestamps.

use minicbor_serde::tag::Required;
use serde::{Serialize, Serializer};

use crate::types::{Blob, Timestamp};

/// CBOR's tag of points in time.
const EPOCH: u64 = 1;

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
    /// Seconds with up to three decimals for JSON, tagged milliseconds for CBOR.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            Required::<EPOCH, i64>::new(self.millis()).serialize(serializer)
        } else if self.millis() % 1000 == 0 {
            serializer.serialize_i64(self.seconds())
        } else {
            #[expect(clippy::cast_precision_loss, reason = "exact for 280,000 years around 1970")]
            let millis = self.millis() as f64;
            serializer.serialize_f64(millis / 1000.0)
        }
    }
}
