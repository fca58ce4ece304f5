//! The reference frame, damaged frames, and the way there and back.

use proptest::prelude::*;

use super::*;
use crate::ErrorKind;

/// An initial response as botocore decodes it.
const REFERENCE: &str = concat!(
    "0000007200000060ab820d9e0d3a6d6573736167652d747970650700056576656e740b3a6576656e742d7479",
    "7065070010696e697469616c2d726573706f6e73650d3a636f6e74656e742d7479706507001a6170706c6963",
    "6174696f6e2f782d616d7a2d6a736f6e2d312e317b7de16e66e4",
);

fn bytes_of(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// A sound frame around any bytes as headers.
fn raw_frame(headers: &[u8]) -> Vec<u8> {
    let mut out = prelude(OVERHEAD_BYTES + headers.len(), headers.len()).to_vec();
    out.extend_from_slice(headers);
    let checksum = crc32fast::hash(&out);
    out.extend(checksum.to_be_bytes());
    out
}

#[test]
fn the_initial_response_is_the_reference_frame() {
    assert_eq!(initial_response(Codec::Json), bytes_of(REFERENCE));
}

#[test]
fn an_exception_names_its_shape_and_carries_its_message() {
    let error = ErrorKind::ResourceInUse.with("taken");
    let bytes = exception(&error, Codec::Json).unwrap();
    let (message, length) = Message::decode(&bytes).unwrap();
    assert_eq!(length, bytes.len());
    assert_eq!(message.text(":message-type"), Some("exception"));
    assert_eq!(message.text(":exception-type"), Some("ResourceInUseException"));
    assert_eq!(message.payload, br#"{"message":"taken"}"#);
}

#[test]
fn an_event_carries_its_payload_in_its_format() {
    let bytes = event("SubscribeToShardEvent", Codec::Cbor, &Nothing {}, 0).unwrap();
    let (message, _) = Message::decode(&bytes).unwrap();
    assert_eq!(message.text(":event-type"), Some("SubscribeToShardEvent"));
    assert_eq!(message.text(":content-type"), Some("application/x-amz-cbor-1.1"));
    assert_eq!(message.payload, [0xa0]);
}

#[test]
fn any_changed_bit_is_noticed() {
    let sound = initial_response(Codec::Json);
    for at in 0..sound.len() {
        for bit in 0..8 {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            assert!(Message::decode(&bytes).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_frame_that_is_cut_short_is_incomplete() {
    let sound = initial_response(Codec::Json);
    for length in 0..sound.len() {
        assert_eq!(Message::decode(&sound[..length]), Err(InvalidFrame::Incomplete), "{length}");
    }
}

#[test]
fn lengths_out_of_bounds_are_refused_before_anything_is_awaited() {
    for (total, headers) in [(15_u32, 0_u32), (16, 1), (u32::MAX, 0), (300_000, 200_000)] {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        assert_eq!(Message::decode(&bytes), Err(InvalidFrame::Lengths), "{total} {headers}");
    }
}

#[test]
fn what_no_client_would_accept_is_not_written() {
    let mut out = Vec::new();
    let long = "x".repeat(40_000);
    for (name, value) in [("", "a"), (&long[..256], "a"), ("a", &long)] {
        let headers = vec![Header { name, value: Value::Text(value) }];
        assert_eq!(Message { headers, payload: &[] }.encode(&mut out), Err(InvalidFrame::Header));
    }
    let headers = vec![Header { name: "a", value: Value::Bytes(&long.as_bytes()[..32_767]) }; 5];
    assert_eq!(Message { headers, payload: &[] }.encode(&mut out), Err(InvalidFrame::Lengths));
    assert_eq!(
        event("e", Codec::Json, &vec![0; PAYLOAD_BYTES_MAX + 1], 0),
        Err(InvalidFrame::Lengths)
    );
    assert!(out.is_empty());
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    for headers in [&[0][..], &[1], b"\x01a", b"\x01a\x0a", b"\x01a\x07\0\x05abc", b"\x01\xff\0"] {
        let out = raw_frame(headers);
        assert_eq!(Message::decode(&out), Err(InvalidFrame::Header), "{headers:?}");
    }
}

/// A header's value that owns what it says.
fn any_value() -> impl Strategy<Value = (u8, i64, Vec<u8>, String)> {
    (0_u8..10, any::<i64>(), prop::collection::vec(any::<u8>(), 0..40), ".{0,20}")
}

fn value((kind, number, bytes, text): &(u8, i64, Vec<u8>, String)) -> Value<'_> {
    match kind {
        0 => Value::Boolean(true),
        1 => Value::Boolean(false),
        2 => Value::Byte(*number as i8),
        3 => Value::Short(*number as i16),
        4 => Value::Integer(*number as i32),
        5 => Value::Long(*number),
        6 => Value::Bytes(bytes),
        7 => Value::Text(text),
        8 => Value::Timestamp(*number),
        _ => Value::Uuid(i128::from(*number).to_be_bytes()),
    }
}

proptest! {
    #[test]
    fn a_message_reads_back_as_it_was_written(
        headers in prop::collection::vec(("[a-z:-]{1,30}", any_value()), 0..6),
        payload in prop::collection::vec(any::<u8>(), 0..200),
        after in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let headers: Vec<_> =
            headers.iter().map(|(name, of)| Header { name, value: value(of) }).collect();
        let message = Message { headers, payload: &payload };
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        let length = bytes.len();
        bytes.extend(after);
        prop_assert_eq!(Message::decode(&bytes), Ok((message, length)));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::decode(&bytes);
        let _ = Message::decode(&raw_frame(&bytes));
    }
}
