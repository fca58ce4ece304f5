//! Requests and answers as bytes: JSON values written and read in both of Kinesis' formats.

use axum::body::Body;
use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use millpond_api::Codec;
use minicbor::{Decoder, Encoder, data::Tag, data::Type};
use serde_json::{Map, Value, json};

/// The tag of a point in time.
const TIMESTAMP: Tag = Tag::new(1);

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    /// Empty when there is none.
    pub(crate) message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(response: http::Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    /// The value of a header, empty when it isn't there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as a value; null when there is none.
    pub(crate) fn value(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        let codec = Codec::from_content_type(self.header("content-type"));
        read(codec.expect("an answer has a media type of Kinesis"), &self.body)
    }

    /// The output of the operation, or why it was refused.
    pub(crate) fn outcome(&self) -> Result<Value, Refusal> {
        if self.status == StatusCode::OK { Ok(self.value()) } else { Err(self.refusal()) }
    }

    /// Why the request was refused, in whichever of AWS' forms that is said.
    pub(crate) fn refusal(&self) -> Refusal {
        let status = self.status.as_u16();
        let (code, message) = match self.header("content-type") {
            _ if self.body.is_empty() => Default::default(),
            "" => self.xml(),
            "application/json" => {
                let body: Value = serde_json::from_slice(&self.body).unwrap();
                (text(&body["Output"], "__type"), String::new())
            }
            _ => {
                let body = self.value();
                let code = text(&body, "__type");
                // AWS' own deserialiser writes the member with a capital, all others don't.
                let member = if code == "SerializationException" { "Message" } else { "message" };
                let message = text(&body, member);
                (code, message)
            }
        };
        Refusal { status, code, message }
    }

    /// `<Code/>`, or `<Code>` around a `<Message>`.
    fn xml(&self) -> (String, String) {
        let body = self.text();
        let end = body.find(['>', '/']).unwrap();
        let code = &body[1..end];
        let message = body.split(['<', '>']).skip_while(|piece| *piece != "Message").nth(1);
        let message = message.unwrap_or_default();
        let written = match message {
            "" => format!("<{code}/>\n"),
            _ => format!("<{code}>\n  <Message>{message}</Message>\n</{code}>\n"),
        };
        assert_eq!(body, written);
        (code.to_owned(), message.to_owned())
    }
}

fn text(body: &Value, member: &str) -> String {
    body[member].as_str().unwrap_or_default().to_owned()
}

/// A request as a client without a signature would send it, but for what is added.
pub(crate) fn request(headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
    let mut request = Request::post("/").header("host", "127.0.0.1:4567");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body: Bytes = body.into();
    request = request.header("content-length", body.len());
    request.body(Body::from(body)).unwrap()
}

/// A body as a client writes it. CBOR is written as Java's SDK does it: maps and lists of
/// indefinite length, blobs as bytes, times as integers.
pub(crate) fn write(codec: Codec, value: &Value) -> Vec<u8> {
    match codec {
        Codec::Json => serde_json::to_vec(value).unwrap(),
        Codec::Cbor => {
            let mut out = Encoder::new(Vec::new());
            write_cbor(&mut out, "", value);
            out.into_writer()
        }
    }
}

fn write_cbor(out: &mut Encoder<Vec<u8>>, member: &str, value: &Value) {
    match value {
        Value::Null => out.null(),
        Value::Bool(value) => out.bool(*value),
        Value::Number(number) if is_time(member) => {
            let millis = (number.as_f64().unwrap() * 1000.0).round() as i64;
            out.tag(TIMESTAMP).unwrap().i64(millis)
        }
        Value::Number(number) => match number.as_i64() {
            Some(integer) => out.i64(integer),
            None => out.f64(number.as_f64().unwrap()),
        },
        Value::String(text) if is_blob(member) => out.bytes(&BASE64.decode_to_vec(text).unwrap()),
        Value::String(text) => out.str(text),
        Value::Array(items) => {
            out.begin_array().unwrap();
            for item in items {
                write_cbor(out, "", item);
            }
            out.end()
        }
        Value::Object(members) => {
            out.begin_map().unwrap();
            for (name, value) in members {
                out.str(name).unwrap();
                write_cbor(out, name, value);
            }
            out.end()
        }
    }
    .unwrap();
}

/// A body as a client reads it.
pub(crate) fn read(codec: Codec, body: &[u8]) -> Value {
    match codec {
        Codec::Json => serde_json::from_slice(body).unwrap(),
        Codec::Cbor => {
            let mut reader = Decoder::new(body);
            let value = read_cbor(&mut reader);
            assert_eq!(reader.position(), body.len(), "nothing follows the value");
            value
        }
    }
}

fn read_cbor(reader: &mut Decoder<'_>) -> Value {
    match reader.datatype().unwrap() {
        Type::Bool => json!(reader.bool().unwrap()),
        Type::String => json!(reader.str().unwrap()),
        Type::Bytes => json!(BASE64.encode_to_string(reader.bytes().unwrap())),
        Type::Tag => {
            assert_eq!(reader.tag().unwrap(), TIMESTAMP);
            seconds(reader.i64().expect("Java reads no fractions here"))
        }
        Type::Array | Type::ArrayIndef => {
            let length = reader.array().unwrap();
            Value::Array(items(reader, length, read_cbor))
        }
        Type::Map | Type::MapIndef => {
            let length = reader.map().unwrap();
            let entry =
                |reader: &mut Decoder<'_>| (reader.str().unwrap().to_owned(), read_cbor(reader));
            Value::Object(Map::from_iter(items(reader, length, entry)))
        }
        _ => json!(reader.i64().unwrap()),
    }
}

fn items<T>(
    reader: &mut Decoder<'_>,
    length: Option<u64>,
    item: impl Fn(&mut Decoder<'_>) -> T,
) -> Vec<T> {
    if let Some(length) = length {
        return (0..length).map(|_| item(reader)).collect();
    }
    let mut items = Vec::new();
    while reader.datatype().unwrap() != Type::Break {
        items.push(item(reader));
    }
    reader.skip().unwrap();
    items
}

/// A time as JSON has it.
pub(crate) fn seconds(millis: i64) -> Value {
    match (millis / 1000, millis % 1000) {
        (seconds, 0) => json!(seconds),
        (seconds, rest) => serde_json::from_str(&format!("{seconds}.{rest:03}")).unwrap(),
    }
}

/// A blob as JSON has it.
pub(crate) fn blob(bytes: impl AsRef<[u8]>) -> Value {
    json!(BASE64.encode_to_string(bytes.as_ref()))
}

/// The bytes of a blob.
pub(crate) fn bytes(blob: &Value) -> Vec<u8> {
    BASE64.decode_to_vec(blob.as_str().unwrap()).unwrap()
}

fn is_time(member: &str) -> bool {
    member.ends_with("Timestamp")
}

fn is_blob(member: &str) -> bool {
    member == "Data"
}
