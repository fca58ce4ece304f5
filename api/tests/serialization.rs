//! Bodies that can't be read as an operation's input, and the words for each mismatch of types.

use millpond_api::{Codec, Error, ErrorKind, Operation, operations::*};

fn refusal<O: Operation>(codec: Codec, body: &[u8]) -> Error {
    codec.decode::<O>(body).err().expect("the body is refused")
}

/// Asserts what is said of a member that has this value.
fn assert_mistyped<O: Operation>(member: &str, value: &str, message: &str) {
    let body = format!(r#"{{"{member}":{value}}}"#);
    let error = refusal::<O>(Codec::Json, body.as_bytes());
    assert_eq!(error, ErrorKind::Serialization.with(message.to_owned()), "{body}");
}

const NUMBER: &str = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";
const STRING: &str = "class java.lang.String";
const BOOLEAN: &str = "class java.lang.Boolean";
const NO_LIST: &str = "Start of list found where not expected";
const NO_MAP: &str = "Start of structure or map found where not expected.";

/// Values of each type for a member that takes a scalar, with the target that messages name.
fn assert_scalar_column<O: Operation>(member: &str, target: &str, accepted: &[&str]) {
    let scalars = [("true", BOOLEAN), ("3451", NUMBER), ("34.51", NUMBER), ("\"a\"", STRING)];
    for (value, class) in scalars {
        if !accepted.contains(&value) {
            let message = format!("{class} can not be converted to {target}");
            assert_mistyped::<O>(member, value, &message);
        }
    }
    assert_mistyped::<O>(member, "[]", NO_LIST);
    assert_mistyped::<O>(member, "[[],{\"a\":[1]}]", NO_LIST);
    assert_mistyped::<O>(member, "{}", NO_MAP);
    assert_mistyped::<O>(member, "{\"a\":[{}]}", NO_MAP);
}

#[test]
fn texts() {
    assert_scalar_column::<PutRecord>("PartitionKey", "an String", &["\"a\""]);
    assert_scalar_column::<GetShardIterator>("ShardIteratorType", "an String", &["\"a\""]);
}

#[test]
fn integers() {
    assert_scalar_column::<CreateStream>("ShardCount", "an Integer", &["3451", "34.51"]);
}

#[test]
fn booleans() {
    assert_scalar_column::<PutRecord>("DryRun", "an Boolean", &["true", "34.51", "\"a\""]);
    let message = "'MAYBE Ü' can not be converted to an Boolean";
    assert_mistyped::<PutRecord>("DryRun", "\"maybe ü\"", message);
    let words =
        [("true", true), ("YES", true), ("1", true), ("False", false), ("no", false), ("0", false)];
    for (text, expected) in words {
        let body = format!(r#"{{"Data":"","DryRun":"{text}"}}"#);
        let input = Codec::Json.decode::<PutRecord>(body.as_bytes()).unwrap();
        assert_eq!(input.dry_run, Some(expected));
    }
}

#[test]
fn blobs() {
    assert_scalar_column::<PutRecord>("Data", "a Blob", &["\"a\""]);
    let assert_fault = |text: &str, fault: &str| {
        let message = format!("'{text}' can not be converted to a Blob: {fault}");
        assert_mistyped::<PutRecord>("Data", &format!("\"{text}\""), &message);
    };
    let length = "Base64 encoded length is expected a multiple of 4 bytes but found";
    assert_fault("YQ", &format!("{length}: 2"));
    assert_fault("YQ===", &format!("{length}: 5"));
    assert_fault("=+/=", "Invalid Base64 character: '='");
    assert_fault("+/+=A===", "Invalid Base64 character: '='");
    assert_fault("YW-_", "Invalid Base64 character: '-'");
    assert_fault("Y Q=", "Invalid Base64 character: ' '");
    assert_fault("+++=", "Invalid last non-pad Base64 character dectected");
    assert_fault("+a==", "Invalid last non-pad Base64 character dectected");
}

#[test]
fn timestamps() {
    let target = "milliseconds since epoch";
    assert_scalar_column::<GetShardIterator>("Timestamp", target, &["3451", "34.51"]);
}

#[test]
fn lists() {
    for value in ["true", "3451", "34.51", "\"a\""] {
        assert_mistyped::<PutRecords>("Records", value, "Expected list or null");
    }
    assert_mistyped::<PutRecords>("Records", "{}", NO_MAP);
    assert_mistyped::<RemoveTagsFromStream>("TagKeys", "\"a\"", "Expected list or null");
    assert_mistyped::<RemoveTagsFromStream>("TagKeys", "[[]]", NO_LIST);
    assert_mistyped::<RemoveTagsFromStream>("TagKeys", "[{}]", NO_MAP);
    let message = format!("{NUMBER} can not be converted to an String");
    assert_mistyped::<RemoveTagsFromStream>("TagKeys", "[\"a\",1]", &message);
}

#[test]
fn maps() {
    for value in ["true", "3451", "34.51", "\"a\""] {
        assert_mistyped::<AddTagsToStream>("Tags", value, "Expected map or null");
    }
    assert_mistyped::<AddTagsToStream>("Tags", "[]", NO_LIST);
    let message = format!("{BOOLEAN} can not be converted to an String");
    assert_mistyped::<AddTagsToStream>("Tags", "{\"a\":true}", &message);
    assert_mistyped::<AddTagsToStream>("Tags", "{\"a\":[]}", NO_LIST);
}

#[test]
fn structures() {
    for value in ["true", "3451", "34.51", "\"a\""] {
        assert_mistyped::<SubscribeToShard>("StartingPosition", value, "Expected null");
        assert_mistyped::<PutRecords>("Records", &format!("[{value}]"), "Expected null");
    }
    assert_mistyped::<SubscribeToShard>("StartingPosition", "[]", NO_LIST);
    assert_mistyped::<PutRecords>("Records", "[[]]", NO_LIST);
}

#[test]
fn the_first_mismatch_is_told_and_goes_before_violations() {
    let body = br#"{"StreamName":"","Records":[{"Data":"","PartitionKey":1},{"Data":true}]}"#;
    let error = refusal::<PutRecords>(Codec::Json, body);
    let message = format!("{NUMBER} can not be converted to an String");
    assert_eq!(error, ErrorKind::Serialization.with(message));
}

#[test]
fn what_cannot_be_parsed_has_no_message() {
    let bodies: [&[u8]; 13] = [
        b"",
        b" ",
        b"null",
        b"[]",
        b"1",
        b"\"a\"",
        b"{",
        b"{}}",
        b"{}{}",
        b"{\"StreamName\":\"a\",}",
        b"{\"StreamName\":\"a\xff\"}",
        b"{\"other\":\"\xff\"}",
        b"{\"DryRun\":tru}",
    ];
    for body in bodies {
        let error = refusal::<PutRecord>(Codec::Json, body);
        let text = String::from_utf8_lossy(body);
        assert_eq!(error, ErrorKind::Serialization.into(), "{text}");
        assert!(!Codec::Json.is_map(body), "{text}");
    }
    // A mismatch doesn't hide that the rest can't be parsed.
    let error = refusal::<PutRecord>(Codec::Json, b"{\"PartitionKey\":1");
    assert_eq!(error, ErrorKind::Serialization.into());
}

#[test]
fn what_is_not_cbor_has_no_message() {
    let bodies: [&[u8]; 13] = [
        b"",
        b"\xf6",
        b"\x80",
        b"\x01",
        b"\xa1",
        b"\xa0\xa0",
        b"\xa0\x00",
        b"\xbf",
        b"\xa1\x01\x01",
        b"\xa1\x64Data",
        b"\xa1\x64Data\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for body in bodies {
        let error = refusal::<PutRecord>(Codec::Cbor, body);
        assert_eq!(error, ErrorKind::Serialization.into(), "{body:x?}");
        assert!(!Codec::Cbor.is_map(body), "{body:x?}");
    }
}

#[test]
fn cbor_is_told_in_the_same_words() {
    let not_text = "class java.nio.HeapByteBuffer can not be converted to an String";
    let number = format!("{NUMBER} can not be converted to an String");
    let cases: [(&[u8], &str); 5] = [
        (b"\xa1\x64Data\xf5", "class java.lang.Boolean can not be converted to a Blob"),
        (b"\xa1\x64Data\x80", NO_LIST),
        (b"\xbf\x64Data\xbf\xff\xff", NO_MAP),
        (b"\xa1\x6cPartitionKey\x19\x01\x00", &number),
        (b"\xa1\x6cPartitionKey\x41a", not_text),
    ];
    for (body, message) in cases {
        let error = refusal::<PutRecord>(Codec::Cbor, body);
        assert_eq!(error, ErrorKind::Serialization.with(message.to_owned()), "{body:x?}");
    }
}

#[test]
fn any_map_is_a_map() {
    for body in ["{}", " {} ", r#"{"Nothing":[{"a":null}]}"#] {
        assert!(Codec::Json.is_map(body.as_bytes()), "{body}");
    }
    for body in [&b"\xa0"[..], b"\xbf\xff", b"\xd9\xd9\xf7\xa0", b"\xa1\x61a\xf7"] {
        assert!(Codec::Cbor.is_map(body), "{body:x?}");
    }
}
