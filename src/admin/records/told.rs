//! A record as the admin API tells it.

use std::borrow::Cow;

use base64_simd::STANDARD as BASE64;
use millpond_api::types::{EncryptionType, Timestamp};
use millpond_shards::{record::RecordView, shard::Shard};
use serde::Serialize;

use crate::payload::UserRecord;

/// A record, or one of those in an aggregate.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    shard: String,
    sequence_number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_sequence_number: Option<u32>,
    arrival: Timestamp,
    partition_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<EncryptionType>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gunzipped: bool,
    /// `text` or `base64`.
    encoding: &'static str,
    data: Cow<'a, str>,
}

impl<'a> Told<'a> {
    pub(super) fn of(shard: &Shard, view: &RecordView<'_>, record: UserRecord<'a>) -> Self {
        let in_aggregate = record.sub_sequence_number.is_some();
        let own = view.explicit.filter(|_| !in_aggregate).map(|key| key.to_string());
        let (encoding, data) = data(record.data);
        Self {
            shard: shard.id().to_string(),
            sequence_number: shard.sequence_number(view.offset, view.arrival).to_string(),
            sub_sequence_number: record.sub_sequence_number,
            arrival: view.arrival,
            partition_key: record.partition_key,
            explicit_hash_key: record.explicit_hash_key.or(own),
            encryption_type: view.seal.map(|_| EncryptionType::Kms),
            gunzipped: record.was_gzip,
            encoding,
            data,
        }
    }
}

/// Text as it is; anything else, and what only looks like text, in base64.
fn data(data: Cow<'_, [u8]>) -> (&'static str, Cow<'_, str>) {
    let is_legible =
        |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    let base64 = |data: &[u8]| ("base64", Cow::Owned(BASE64.encode_to_string(data)));
    match data {
        Cow::Borrowed(data) => match std::str::from_utf8(data) {
            Ok(text) if is_legible(text) => ("text", Cow::Borrowed(text)),
            _ => base64(data),
        },
        Cow::Owned(data) => match String::from_utf8(data) {
            Ok(text) if is_legible(&text) => ("text", Cow::Owned(text)),
            Ok(text) => base64(text.as_bytes()),
            Err(error) => base64(error.as_bytes()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_can_read_is_text() {
        for (bytes, encoding, told) in [
            (&b"{\"a\": \"\xc3\xa4\"}\r\n\t"[..], "text", "{\"a\": \"ä\"}\r\n\t"),
            (b"", "text", ""),
            (b"\xff", "base64", "/w=="),
            (b"a\0b", "base64", "YQBi"),
            (b"\x1b[2J", "base64", "G1sySg=="),
        ] {
            assert_eq!(data(Cow::Borrowed(bytes)), (encoding, told.into()));
            assert_eq!(data(Cow::Owned(bytes.to_vec())), (encoding, told.into()));
        }
    }
}
