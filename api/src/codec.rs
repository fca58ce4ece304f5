//! The two wire formats: JSON 1.1, and the CBOR 1.1 of AWS' Java SDKs.

mod cbor;
mod explain;
mod json;
mod parts;
mod plain;
pub(crate) mod receive;
pub(crate) mod scalar;
mod values;
pub(crate) mod write;

use std::marker::PhantomData;

use serde::{Deserialize, Serialize, de::DeserializeSeed};

use crate::{
    Error, ErrorKind,
    codec::receive::Receiver,
    decode::{AsStructure, Decode},
    operation::Operation,
    schema::Structure,
};
pub use parts::Parts;
pub use write::Output;
use write::Writer;

/// Most bodies are smaller, and so are written without growing.
const SMALL_BYTES: usize = 256;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// `application/x-amz-json-1.1`
    Json,
    /// `application/x-amz-cbor-1.1`
    Cbor,
}

impl Codec {
    /// The media type of bodies in this format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// The format of this media type; parameters after `;`, blanks and case don't matter.
    #[must_use]
    pub fn from_content_type(value: &str) -> Option<Self> {
        let media_type = value.split(';').next().unwrap_or_default().trim();
        [Self::Json, Self::Cbor]
            .into_iter()
            .find(|codec| media_type.eq_ignore_ascii_case(codec.content_type()))
    }

    /// Reads the input of an operation. Text and bytes borrow from the body wherever they stand
    /// there unescaped.
    ///
    /// # Errors
    /// `SerializationException` for a body that isn't a map, can't be parsed, or has a member of
    /// the wrong type; `ValidationException`, with every violation up to ten, for members that
    /// break the model's constraints.
    pub fn decode<O: Operation>(self, body: &[u8]) -> Result<O::Input<'_>, Error> {
        self.decode_structure(body)
    }

    fn decode_structure<'a, S: Decode<'a>>(self, body: &'a [u8]) -> Result<S, Error> {
        self.read(body, Receiver(AsStructure(PhantomData)))
            .flatten()
            .ok_or_else(|| self.refusal(S::SHAPE, body))
    }

    /// Reads what `T` wants of a body, past the model and its constraints; `None` when that isn't
    /// there as `T` wants it. Members of the body keep their names on the wire, and CBOR has no
    /// options: an absent member is one that serde fills in.
    #[must_use]
    pub fn glimpse<'a, T: Deserialize<'a>>(self, body: &'a [u8]) -> Option<T> {
        match self {
            // What is asked for may have options, enums and the like.
            Self::Json => serde_json::from_slice(body).ok(),
            Self::Cbor => self.read(body, PhantomData),
        }
    }

    /// Whether the body is one map and nothing else, whatever may be in it.
    #[must_use]
    pub fn is_map(self, body: &[u8]) -> bool {
        self.read(body, Receiver(explain::IsMap)) == Some(true)
    }

    /// Writes what an operation answers with: the body is empty for operations without an output.
    #[must_use]
    pub fn encode_output<O: Operation>(self, output: &O::Output<'_>) -> Vec<u8> {
        if O::HAS_OUTPUT { self.encode(output) } else { Vec::new() }
    }

    /// Writes an output, an event or an error body.
    #[must_use]
    pub fn encode(self, value: &impl Serialize) -> Vec<u8> {
        let mut body = Vec::with_capacity(SMALL_BYTES);
        self.encode_into(value, &mut body);
        body
    }

    /// Appends an output, an event or an error body to `body`.
    ///
    /// # Panics
    /// When the value is of a kind that no type of the model is of, like an enum with data in it.
    pub fn encode_into(self, value: &impl Serialize, body: &mut impl Output) {
        let written = match self {
            Self::Json => value.serialize(Writer::<_, write::Json>::new(body)),
            Self::Cbor => value.serialize(Writer::<_, write::Cbor>::new(body)),
        };
        written.expect("types of the model are written by either format");
    }

    /// Why `decode` refused the body.
    #[cold]
    fn refusal(self, shape: &'static Structure, body: &[u8]) -> Error {
        let unparsable = Error::from(ErrorKind::Serialization);
        if !self.is_map(body) {
            return unparsable;
        }
        let mut findings = explain::Findings::default();
        let read = self.read(body, Receiver(findings.walk(shape)));
        read.and_then(|_| findings.into_error()).unwrap_or(unparsable)
    }

    /// Reads the one value that the body consists of; `None` when it can't be parsed or `seed`
    /// refuses it.
    fn read<'a, S: DeserializeSeed<'a>>(self, body: &'a [u8], seed: S) -> Option<S::Value> {
        match self {
            Self::Json => {
                let text = std::str::from_utf8(body).ok()?;
                let mut reader = json::Reader::new(text);
                let value = seed.deserialize(&mut reader).ok()?;
                reader.end().ok().map(|()| value)
            }
            Self::Cbor => {
                let mut reader = cbor::Reader::new(body);
                let value = seed.deserialize(&mut reader).ok()?;
                reader.end().ok().map(|()| value)
            }
        }
    }
}
