//! A record as the admin API tells it.

use std::borrow::Cow;

use millpond_api::types::{Blob, EncryptionType, Timestamp};
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
    partition_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explicit_hash_key: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_type: Option<EncryptionType>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    gunzipped: bool,
    /// `text` or `base64`.
    encoding: &'static str,
    data: Data<'a>,
}

/// Data as it is written: `millpond_api::Codec` makes base64 of bytes, piece by piece.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Text(Cow<'a, str>),
    Bytes(Blob<'a>),
}

impl<'a> Told<'a> {
    pub(super) fn of(shard: &Shard, view: &RecordView<'_>, record: UserRecord<'a>) -> Self {
        let in_aggregate = record.sub_sequence_number.is_some();
        let own = view.explicit.filter(|_| !in_aggregate).map(|key| key.to_string().into());
        let data = data(record.data);
        Self {
            shard: shard.id().to_string(),
            sequence_number: shard.sequence_number(view.offset, view.arrival).to_string(),
            sub_sequence_number: record.sub_sequence_number,
            arrival: view.arrival,
            partition_key: record.partition_key,
            explicit_hash_key: record.explicit_hash_key.map(Cow::Borrowed).or(own),
            encryption_type: view.seal.map(|_| EncryptionType::Kms),
            gunzipped: record.was_gzip,
            encoding: match data {
                Data::Text(_) => "text",
                Data::Bytes(_) => "base64",
            },
            data,
        }
    }
}

/// Text as it is; anything else, and what only looks like text, in base64.
fn data(data: Cow<'_, [u8]>) -> Data<'_> {
    let is_legible =
        |text: &str| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    let bytes = |data| Data::Bytes(Blob::Bytes(data));
    match data {
        Cow::Borrowed(data) => match std::str::from_utf8(data) {
            Ok(text) if is_legible(text) => Data::Text(Cow::Borrowed(text)),
            _ => bytes(Cow::Borrowed(data)),
        },
        Cow::Owned(data) => match String::from_utf8(data) {
            Ok(text) if is_legible(&text) => Data::Text(Cow::Owned(text)),
            Ok(text) => bytes(Cow::Owned(text.into_bytes())),
            Err(error) => bytes(Cow::Owned(error.into_bytes())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_can_read_is_text() {
        for (bytes, told) in [
            (&b"{\"a\": \"\xc3\xa4\"}\r\n\t"[..], Some("{\"a\": \"ä\"}\r\n\t")),
            (b"", Some("")),
            (b"\xff", None),
            (b"a\0b", None),
            (b"\x1b[2J", None),
        ] {
            let told = match told {
                Some(text) => Data::Text(text.into()),
                None => Data::Bytes(Blob::Bytes(bytes.into())),
            };
            assert_eq!(data(Cow::Borrowed(bytes)), told);
            assert_eq!(data(Cow::Owned(bytes.to_vec())), told);
        }
    }
}
