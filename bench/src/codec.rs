//! Request bodies in both of Kinesis' wire forms.

use minicbor::Encoder;
use minicbor::encode::Error;

/// The wire form of bodies, named by the content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Json,
    Cbor,
}

/// One record to put.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) partition_key: String,
    pub(crate) data: Vec<u8>,
}

type Result = std::result::Result<(), Error<std::convert::Infallible>>;

impl Codec {
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    pub(crate) fn put_record(self, stream: &str, entry: &Entry) -> Vec<u8> {
        match self {
            Self::Json => {
                let Entry { partition_key, data } = entry;
                let data = base64_simd::STANDARD.encode_to_string(data);
                let record = format!(r#""Data":"{data}","PartitionKey":"{partition_key}""#);
                format!(r#"{{"StreamName":"{stream}",{record}}}"#).into_bytes()
            }
            Self::Cbor => cbor(|out| {
                out.begin_map()?.str("StreamName")?.str(stream)?;
                members(out, entry)?;
                out.end()?.ok()
            }),
        }
    }

    pub(crate) fn put_records(self, stream: &str, entries: &[Entry]) -> Vec<u8> {
        match self {
            Self::Json => {
                let records: Vec<String> = entries.iter().map(json_entry).collect();
                let records = records.join(",");
                format!(r#"{{"Records":[{records}],"StreamName":"{stream}"}}"#).into_bytes()
            }
            Self::Cbor => cbor(|out| {
                out.begin_map()?.str("Records")?.begin_array()?;
                for entry in entries {
                    out.begin_map()?;
                    members(out, entry)?;
                    out.end()?;
                }
                out.end()?.str("StreamName")?.str(stream)?.end()?.ok()
            }),
        }
    }

    pub(crate) fn get_records(self, shard_iterator: &str) -> Vec<u8> {
        match self {
            Self::Json => format!(r#"{{"ShardIterator":"{shard_iterator}"}}"#).into_bytes(),
            Self::Cbor => {
                cbor(|out| out.begin_map()?.str("ShardIterator")?.str(shard_iterator)?.end()?.ok())
            }
        }
    }
}

fn json_entry(Entry { partition_key, data }: &Entry) -> String {
    let data = base64_simd::STANDARD.encode_to_string(data);
    format!(r#"{{"Data":"{data}","PartitionKey":"{partition_key}"}}"#)
}

/// Maps and lists are of indefinite length, as the Java SDK writes them.
fn cbor(write: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    write(&mut out).expect("a vector takes all that is written");
    out.into_writer()
}

fn members(out: &mut Encoder<Vec<u8>>, entry: &Entry) -> Result {
    out.str("Data")?.bytes(&entry.data)?.str("PartitionKey")?.str(&entry.partition_key)?.ok()
}

#[cfg(test)]
mod tests {
    use minicbor::Decoder;
    use serde_json::{Value, json};

    use super::*;

    fn entry(key: &str, data: &[u8]) -> Entry {
        Entry { partition_key: key.into(), data: data.into() }
    }

    fn json_of(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn json_bodies_are_what_kinesis_takes() {
        let (a, b) = (entry("a", b"hello"), entry("b", b""));
        assert_eq!(
            json_of(&Codec::Json.put_record("s", &a)),
            json!({"StreamName": "s", "Data": "aGVsbG8=", "PartitionKey": "a"})
        );
        assert_eq!(
            json_of(&Codec::Json.put_records("s", &[a, b])),
            json!({"StreamName": "s", "Records": [
                {"Data": "aGVsbG8=", "PartitionKey": "a"}, {"Data": "", "PartitionKey": "b"}]})
        );
        assert_eq!(json_of(&Codec::Json.get_records("it")), json!({"ShardIterator": "it"}));
    }

    #[test]
    fn cbor_bodies_hold_raw_bytes_in_indefinite_maps() {
        let body = Codec::Cbor.put_records("s", &[entry("a", b"hello")]);
        let mut body = Decoder::new(&body);
        let shown: Vec<String> = body.tokens().map(|token| token.unwrap().to_string()).collect();
        let expected = [
            "?M[",
            "\"Records\"",
            "?A[",
            "?M[",
            "\"Data\"",
            "h'68 65 6c 6c 6f'",
            "\"PartitionKey\"",
            "\"a\"",
            "]",
            "]",
            "\"StreamName\"",
            "\"s\"",
            "]",
        ];
        assert_eq!(shown, expected);
        assert!(!Codec::Cbor.put_record("s", &entry("a", b"hello")).is_empty());
        assert_eq!(Codec::Cbor.get_records("it"), b"\xbf\x6dShardIterator\x62it\xff");
    }
}
