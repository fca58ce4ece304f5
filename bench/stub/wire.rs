//! Inputs and outputs of the stub, all operations in one: what is absent is not written.

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Codec {
    Json,
    Cbor,
}

impl Codec {
    pub(crate) fn of(content_type: &str) -> Result<Self> {
        match content_type {
            "application/x-amz-json-1.1" => Ok(Self::Json),
            "application/x-amz-cbor-1.1" => Ok(Self::Cbor),
            _ => Err("unknown content type".into()),
        }
    }

    pub(crate) fn decode(self, body: &[u8]) -> Result<Input> {
        match self {
            Self::Json => Ok(serde_json::from_slice(body)?),
            Self::Cbor => Ok(minicbor_serde::from_slice(body)?),
        }
    }

    pub(crate) fn encode(self, output: &Output) -> Result<Vec<u8>> {
        match self {
            Self::Json => Ok(serde_json::to_vec(output)?),
            Self::Cbor => Ok(minicbor_serde::to_vec(output)?),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Input {
    pub(crate) stream_name: Option<String>,
    pub(crate) shard_count: Option<usize>,
    pub(crate) shard_id: Option<String>,
    pub(crate) shard_iterator: Option<String>,
    pub(crate) shard_iterator_type: Option<String>,
    pub(crate) partition_key: Option<String>,
    pub(crate) data: Option<Blob>,
    pub(crate) records: Option<Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    pub(crate) partition_key: String,
    pub(crate) data: Blob,
}

/// A record as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) sequence_number: String,
    pub(crate) partition_key: String,
    pub(crate) data: Blob,
}

/// An output, a result or a record: whichever members are there.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_description_summary: Option<StreamSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shards: Option<Vec<Shard>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shard_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shard_iterator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_record_count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) records: Option<Vec<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_shard_iterator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) millis_behind_latest: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) partition_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Blob>,
}

impl From<Record> for Output {
    fn from(Record { sequence_number, partition_key, data }: Record) -> Self {
        let sequence_number = Some(sequence_number);
        let (partition_key, data) = (Some(partition_key), Some(data));
        Self { sequence_number, partition_key, data, ..Self::default() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StreamSummary {
    pub(crate) stream_status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Shard {
    pub(crate) shard_id: String,
}

/// Data of a record: base64 in JSON, bytes in CBOR.
#[derive(Clone, Debug)]
pub(crate) struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let data = base64_simd::STANDARD.decode_to_vec(text).map_err(D::Error::custom)?;
            Ok(Self(data))
        } else {
            deserializer.deserialize_bytes(Bytes)
        }
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Blob;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> std::result::Result<Blob, E> {
        Ok(Blob(bytes.to_vec()))
    }
}
