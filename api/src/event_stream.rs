//! Frames of `application/vnd.amazon.eventstream`: a prelude with its checksum, headers, a payload,
//! a checksum.
//!
//! All numbers are big-endian, and both checksums are CRC-32 as in zip. The layout is that of AWS'
//! SDKs: <https://smithy.io/2.0/aws/amazon-eventstream.html>

mod header;

use std::fmt;

pub use header::{Header, Value};
use serde::Serialize;

use crate::{Codec, Error};

/// The media type of event streams.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Bytes of headers in one message, as SDKs accept them.
pub const HEADERS_BYTES_MAX: usize = 128 * 1024;

/// Bytes of payload in one message, as SDKs accept them.
pub const PAYLOAD_BYTES_MAX: usize = 24 * 1024 * 1024;

/// Total length and length of the headers.
const LENGTHS_BYTES: usize = 8;

/// The lengths and their checksum.
const PRELUDE_BYTES: usize = LENGTHS_BYTES + CHECKSUM_BYTES;

const CHECKSUM_BYTES: usize = 4;

/// What a frame has beside headers and payload.
const OVERHEAD_BYTES: usize = PRELUDE_BYTES + CHECKSUM_BYTES;

/// Room for overhead, headers and a payload that nobody foretold.
const SMALL_BYTES: usize = 256;

/// A message of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// Its headers.
    pub headers: Vec<Header<'a>>,
    /// Its payload.
    pub payload: &'a [u8],
}

/// Why bytes aren't a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidFrame {
    /// More bytes are needed.
    Incomplete,
    /// The lengths are impossible, or larger than [`HEADERS_BYTES_MAX`] and [`PAYLOAD_BYTES_MAX`].
    Lengths,
    /// A checksum differs.
    Checksum,
    /// A header can't be read.
    Header,
}

impl fmt::Display for InvalidFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Incomplete => "the frame is incomplete",
            Self::Lengths => "the frame's lengths are out of bounds",
            Self::Checksum => "a checksum of the frame differs",
            Self::Header => "a header of the frame can't be read",
        })
    }
}

impl std::error::Error for InvalidFrame {}

impl<'a> Message<'a> {
    /// Appends the message's frame to `out`.
    ///
    /// # Errors
    /// When the message is larger than SDKs accept, or a header's name or value longer than the
    /// layout allows; `out` is then as before.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), InvalidFrame> {
        let start = out.len();
        write(out, &self.headers, |out| out.extend_from_slice(self.payload))
            .inspect_err(|_| out.truncate(start))
    }

    /// The message at the start of `bytes`, and how many of them it takes.
    ///
    /// # Errors
    /// When there is no whole and sound frame. Bytes that start no frame are refused as soon as the
    /// prelude shows it.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize), InvalidFrame> {
        let (lengths, rest) =
            bytes.split_at_checked(LENGTHS_BYTES).ok_or(InvalidFrame::Incomplete)?;
        let (total, headers_length) = (number(bytes)?, number(rest_of(bytes, 4)?)?);
        if number(rest)? != crc32fast::hash(lengths) {
            return Err(InvalidFrame::Checksum);
        }
        let (total, headers_length) = (total as usize, headers_length as usize);
        let body = total.checked_sub(OVERHEAD_BYTES).ok_or(InvalidFrame::Lengths)?;
        let payload = body.checked_sub(headers_length).ok_or(InvalidFrame::Lengths)?;
        if headers_length > HEADERS_BYTES_MAX || payload > PAYLOAD_BYTES_MAX {
            return Err(InvalidFrame::Lengths);
        }
        let whole = bytes.get(..total).ok_or(InvalidFrame::Incomplete)?;
        let (sealed, checksum) = whole.split_at(total - CHECKSUM_BYTES);
        if number(checksum)? != crc32fast::hash(sealed) {
            return Err(InvalidFrame::Checksum);
        }
        let (headers, payload) = rest_of(sealed, PRELUDE_BYTES)?.split_at(headers_length);
        Ok((Self { headers: Header::decode_all(headers)?, payload }, total))
    }

    /// The text of the header of this name, if it is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|header| header.name == name).and_then(|header| {
            match header.value {
                Value::Text(text) => Some(text),
                _ => None,
            }
        })
    }
}

/// The message that opens every stream: botocore fails without it.
#[must_use]
pub fn initial_response(codec: Codec) -> Vec<u8> {
    let kind = [(":message-type", "event"), (":event-type", "initial-response")];
    message(kind, codec, &Nothing {}, 0).expect("the payload is a few bytes")
}

/// An event of this type, encoded in place; it takes about `bytes`.
///
/// # Errors
/// When the event is larger than SDKs accept.
pub fn event(
    event_type: &str,
    codec: Codec,
    event: &impl Serialize,
    bytes: usize,
) -> Result<Vec<u8>, InvalidFrame> {
    message([(":message-type", "event"), (":event-type", event_type)], codec, event, bytes)
}

/// An exception, after which the stream ends.
///
/// # Errors
/// When the error's message is larger than SDKs accept.
pub fn exception(error: &Error, codec: Codec) -> Result<Vec<u8>, InvalidFrame> {
    let kind = [(":message-type", "exception"), (":exception-type", error.kind.wire_name())];
    message(kind, codec, &error.message_alone(), 0)
}

/// A structure without members.
#[derive(Serialize)]
struct Nothing {}

/// A message whose payload takes about `bytes`.
fn message(
    kind: [(&str, &str); 2],
    codec: Codec,
    payload: &impl Serialize,
    bytes: usize,
) -> Result<Vec<u8>, InvalidFrame> {
    let [a, b] = kind;
    let headers = [a, b, (":content-type", codec.content_type())]
        .map(|(name, value)| Header { name, value: Value::Text(value) });
    let mut out = Vec::with_capacity(SMALL_BYTES + bytes);
    write(&mut out, &headers, |out| codec.encode_into(payload, out)).map(|()| out)
}

/// Appends a frame whose payload `write_payload` appends.
fn write(
    out: &mut Vec<u8>,
    headers: &[Header<'_>],
    write_payload: impl FnOnce(&mut Vec<u8>),
) -> Result<(), InvalidFrame> {
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE_BYTES]);
    for header in headers {
        header.encode(out)?;
    }
    let headers_length = out.len() - start - PRELUDE_BYTES;
    write_payload(out);
    let total = out.len() - start + CHECKSUM_BYTES;
    let payload = total - OVERHEAD_BYTES - headers_length;
    if headers_length > HEADERS_BYTES_MAX || payload > PAYLOAD_BYTES_MAX {
        return Err(InvalidFrame::Lengths);
    }
    let frame = out.get_mut(start..).and_then(|frame| frame.first_chunk_mut());
    *frame.expect("the frame starts with its prelude") = prelude(total, headers_length);
    let checksum = crc32fast::hash(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_be_bytes());
    Ok(())
}

fn prelude(total: usize, headers_length: usize) -> [u8; PRELUDE_BYTES] {
    let lengths = u64::from(total as u32) << 32 | u64::from(headers_length as u32);
    let checksum = crc32fast::hash(&lengths.to_be_bytes());
    let [prelude @ .., _, _, _, _] =
        (u128::from(lengths) << 64 | u128::from(checksum) << 32).to_be_bytes();
    prelude
}

/// The 32-bit number at the start of `bytes`.
fn number(bytes: &[u8]) -> Result<u32, InvalidFrame> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or(InvalidFrame::Incomplete)
}

fn rest_of(bytes: &[u8], at: usize) -> Result<&[u8], InvalidFrame> {
    bytes.get(at..).ok_or(InvalidFrame::Incomplete)
}

#[cfg(test)]
mod tests;
