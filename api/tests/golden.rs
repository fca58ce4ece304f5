//! Bytes on the wire: as clients send them, and as we answer.

use std::{borrow::Cow, collections::BTreeMap};

use millpond_api::{
    Codec, ErrorKind, OperationId,
    operations::*,
    shapes::{HashKeyRange, Record, SequenceNumberRange, Shard},
    types::{
        Blob, EncryptionType, SequenceNumber, ShardId, ShardIteratorType, StreamStatus, Timestamp,
    },
};

/// Bytes written as hexadecimal digits, with blanks for the eye.
fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[expect(clippy::ptr_arg, reason = "the question is what kind of Cow it is")]
fn assert_borrowed(text: &Cow<'_, str>) {
    assert!(matches!(text, Cow::Borrowed(_)), "{text} was copied");
}

#[test]
fn put_records_as_boto3_sends_it() {
    let body = concat!(
        r#"{"Records": [{"Data": "aGVsbG8=", "PartitionKey": "a"}, {"Data": "","#,
        r#" "PartitionKey": "b", "ExplicitHashKey": "0"}], "StreamName": "clicks"}"#
    )
    .as_bytes();
    let input = Codec::Json.decode::<PutRecords>(body).unwrap();
    assert_eq!(input.stream().name, Some("clicks"));
    let [first, second] = &input.records[..] else { panic!("two entries") };
    assert_eq!(first.data.to_vec(), b"hello");
    assert_eq!(first.partition_key.as_deref(), Some("a"));
    assert_eq!(first.explicit_hash_key, None);
    assert!(second.data.is_empty());
    assert_eq!(second.explicit_hash_key.as_deref(), Some("0"));
    assert_borrowed(first.partition_key.as_ref().unwrap());
    assert!(matches!(&first.data, Blob::Base64(Cow::Borrowed("aGVsbG8="))));
}

#[test]
fn escapes_of_json_are_resolved() {
    let body = br#"{"StreamName":"cl\u0069cks","Data":"\/\/\/\/","PartitionKey":"\ud83e\udd80"}"#;
    let input = Codec::Json.decode::<PutRecord>(body).unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("clicks"));
    assert_eq!(input.data.to_vec(), [0xff; 3]);
    assert_eq!(input.partition_key.as_deref(), Some("🦀"));
}

#[test]
fn put_records_as_javas_sdk_sends_it() {
    let body = hex("bf                                    # a map without length
           67 5265636f726473                   # Records
           9f                                  # a list without length
             bf
               64 44617461 45 68656c6c6f       # Data: hello
               6c 506172746974696f6e4b6579     # PartitionKey
               61 61                           # a
             ff
           ff
           6a 53747265616d4e616d65             # StreamName
           66 636c69636b73                     # clicks
         ff"
    .lines()
    .map(|line| line.split('#').next().unwrap())
    .collect::<String>()
    .as_str());
    let input = Codec::Cbor.decode::<PutRecords>(&body).unwrap();
    assert_eq!(input.stream().name, Some("clicks"));
    let [entry] = &input.records[..] else { panic!("one entry") };
    assert_eq!(entry.data, Blob::Bytes(Cow::Borrowed(b"hello")));
    assert!(matches!(&entry.data, Blob::Bytes(Cow::Borrowed(_))));
    assert_borrowed(entry.partition_key.as_ref().unwrap());
}

#[test]
fn cbor_may_be_written_in_every_way() {
    // Self-described, a definite map, chunked text and bytes, tags, undefined, a wide integer.
    let body = hex("d9d9f7 a5
           6a 53747265616d4e616d65 7f 63 636c69 63 636b73 ff
           64 44617461 5f 42 6865 43 6c6c6f ff
           6c 506172746974696f6e4b6579 d818 61 61
           66 447279 52756e f7
           67 556e6b6e6f776e bf 61 61 9f fb 7ff0000000000000 f97e00 ff ff");
    let input = Codec::Cbor.decode::<PutRecord>(&body).unwrap();
    assert_eq!(input.stream_name.as_deref(), Some("clicks"));
    assert_eq!(input.data.to_vec(), b"hello");
    assert_eq!(input.partition_key.as_deref(), Some("a"));
    assert_eq!(input.dry_run, None);
    for count in
        ["05", "1805", "190005", "1a00000005", "1b0000000000000005", "f94500", "fa40a00000"]
    {
        let body =
            hex(&format!("a2 6a 53747265616d4e616d65 61 61 6a 5368617264436f756e74 {count}"));
        let input = Codec::Cbor.decode::<CreateStream>(&body).unwrap();
        assert_eq!(input.shard_count, Some(5), "{count}");
    }
    let body = hex("a2 6a 53747265616d4e616d65 61 61 6a 5368617264436f756e74 1bffffffffffffffff");
    let error = Codec::Cbor.decode::<CreateStream>(&body).unwrap_err();
    assert!(error.message.unwrap().contains("Value '2147483647' at 'shardCount'"));
}

fn iterator_at(codec: Codec, timestamp: &[u8]) -> Timestamp {
    let (head, tail) = match codec {
        Codec::Json => {
            let head = r#"{"ShardId":"s","ShardIteratorType":"AT_TIMESTAMP","Timestamp":"#;
            (head.as_bytes().to_vec(), "}")
        }
        Codec::Cbor => {
            let head = "a3 67 53686172644964 61 73
                71 53686172644974657261746f7254797065 6c 41545f54494d455354414d50
                69 54696d657374616d70";
            (hex(head), "")
        }
    };
    let body = [&head, timestamp, tail.as_bytes()].concat();
    let input = codec.decode::<GetShardIterator>(&body).expect("an input");
    assert_eq!(input.shard_iterator_type, ShardIteratorType::AtTimestamp);
    input.timestamp.expect("a timestamp was sent")
}

#[test]
fn timestamps_are_seconds_in_json_and_milliseconds_in_cbor() {
    let expected = Timestamp::from_millis(1_704_164_645_678);
    for text in ["1704164645.678901", "1704164645.678", "1.704164645678E9", "1704164645678e-3"] {
        assert_eq!(iterator_at(Codec::Json, text.as_bytes()), expected, "{text}");
    }
    assert_eq!(iterator_at(Codec::Json, b"1704164645"), Timestamp::from_millis(1_704_164_645_000));
    for bytes in ["c1 1b 0000018cc820db2e", "1b 0000018cc820db2e", "c1 fb 41d964df496b645a"] {
        assert_eq!(iterator_at(Codec::Cbor, &hex(bytes)), expected, "{bytes}");
    }
}

/// A record's, of a shard's first.
const NUMBER: &str = "49646437577108476416916876405825929425585429676275269634";

fn number() -> SequenceNumber {
    NUMBER.parse().expect("a number of AWS")
}

fn record(data: Blob<'_>) -> Record<'_> {
    Record {
        sequence_number: number(),
        approximate_arrival_timestamp: None,
        data,
        partition_key: None,
        encryption_type: None,
    }
}

fn page() -> GetRecordsOutput<'static> {
    GetRecordsOutput {
        records: vec![Record {
            approximate_arrival_timestamp: Some(Timestamp::from_millis(1_704_164_645_678)),
            partition_key: Some("a".into()),
            ..record(Blob::Bytes(Cow::Borrowed(b"hello")))
        }],
        next_shard_iterator: Some("AAA=".into()),
        millis_behind_latest: Some(0),
        ..Default::default()
    }
}

#[test]
fn get_records_answers_in_both_formats() {
    let json = [
        r#"{"Records":[{"SequenceNumber":""#,
        NUMBER,
        r#"","ApproximateArrivalTimestamp":1704164645.678,"Data":"aGVsbG8=","#,
        r#""PartitionKey":"a"}],"NextShardIterator":"AAA=","MillisBehindLatest":0}"#,
    ];
    assert_eq!(String::from_utf8(Codec::Json.encode(&page())).unwrap(), json.concat());
    let cbor = hex("a3 67 5265636f726473 81 a4
             6e 53657175656e63654e756d626572 7838
             34393634363433373537373130383437363431363931363837363430
             35383235393239343235353835343239363736323735323639363334
             78 1b 417070726f78696d6174654172726976616c54696d657374616d70 c1 1b 0000018cc820db2e
             64 44617461 45 68656c6c6f
             6c 506172746974696f6e4b6579 61 61
           71 4e6578745368617264497465 7261746f72 64 4141413d
           72 4d696c6c6973426568696e644c6174657374 00");
    assert_eq!(Codec::Cbor.encode(&page()), cbor);
}

#[test]
fn put_records_answers_with_results_and_errors() {
    let ok = PutRecordsResultEntry {
        sequence_number: Some(number()),
        shard_id: Some(ShardId::new(0)),
        ..Default::default()
    };
    let throttled = PutRecordsResultEntry {
        error_code: Some("ProvisionedThroughputExceededException".into()),
        error_message: Some("slow \"down\"".into()),
        ..Default::default()
    };
    let output = PutRecordsOutput {
        failed_record_count: Some(1),
        records: vec![ok, throttled],
        encryption_type: Some(EncryptionType::None),
    };
    let json = [
        r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":""#,
        NUMBER,
        r#"","ShardId":"shardId-000000000000"},"#,
        r#"{"ErrorCode":"ProvisionedThroughputExceededException","#,
        r#""ErrorMessage":"slow \"down\""}],"EncryptionType":"NONE"}"#,
    ];
    assert_eq!(String::from_utf8(Codec::Json.encode(&output)).unwrap(), json.concat());
}

#[test]
fn list_shards_leaves_out_what_is_not_there() {
    let shard = Shard {
        shard_id: ShardId::new(0),
        parent_shard_id: None,
        adjacent_parent_shard_id: None,
        hash_key_range: HashKeyRange { starting_hash_key: "0".into(), ending_hash_key: "9".into() },
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: number(),
            ending_sequence_number: None,
        },
    };
    let output = ListShardsOutput { shards: Some(vec![shard]), next_token: None };
    let json = [
        r#"{"Shards":[{"ShardId":"shardId-000000000000","#,
        r#""HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"9"},"#,
        r#""SequenceNumberRange":{"StartingSequenceNumber":""#,
        NUMBER,
        r#""}}]}"#,
    ];
    assert_eq!(String::from_utf8(Codec::Json.encode(&output)).unwrap(), json.concat());
}

#[test]
fn long_blobs_are_one_piece_of_base64() {
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n * 7) as u8).collect();
    for length in [0, 1, 2, 3, 3071, 3072, 3073, 6144, 20_000] {
        let data = Blob::Bytes(Cow::Borrowed(&bytes[..length]));
        let with_bytes = record(data.clone());
        let json: serde_json::Value =
            serde_json::from_slice(&Codec::Json.encode(&with_bytes)).unwrap();
        let text = json["Data"].as_str().unwrap();
        let read = Blob::from_base64(text.into()).unwrap();
        assert_eq!(read.to_vec(), data.to_vec(), "{length}");
        // Text that came as base64 goes out as it is, or as bytes where there is no base64.
        let with_text = record(read);
        assert_eq!(Codec::Json.encode(&with_text), Codec::Json.encode(&with_bytes));
        assert_eq!(Codec::Cbor.encode(&with_text).len(), Codec::Cbor.encode(&with_bytes).len());
    }
}

#[test]
fn timestamps_have_no_exponent_and_at_most_three_decimals() {
    for (millis, text) in [
        (0, "0"),
        (1, "0.001"),
        (-1, "-0.001"),
        (1_704_164_645_000, "1704164645"),
        (1_704_164_645_670, "1704164645.67"),
        (1_704_164_645_678, "1704164645.678"),
        (99_999_999_999_999, "99999999999.999"),
    ] {
        let json = Codec::Json.encode(&Timestamp::from_millis(millis));
        assert_eq!(String::from_utf8(json).unwrap(), text);
    }
    let cbor = Codec::Cbor.encode(&Timestamp::from_millis(-1));
    assert_eq!(cbor, hex("c1 20"));
}

#[test]
fn errors_have_the_form_that_clients_parse() {
    let error = ErrorKind::ResourceNotFound.with("Stream a under account 1 not found.");
    assert_eq!(error.kind.status(), 400);
    assert_eq!(
        String::from_utf8(error.encode(Codec::Json)).unwrap(),
        r#"{"__type":"ResourceNotFoundException","message":"Stream a under account 1 not found."}"#
    );
    let error = ErrorKind::Serialization.with("Expected null");
    let json = br#"{"__type":"SerializationException","Message":"Expected null"}"#;
    assert_eq!(error.encode(Codec::Json), json);
    let error = millpond_api::Error::from(ErrorKind::UnknownOperation);
    assert_eq!(error.encode(Codec::Json), br#"{"__type":"UnknownOperationException"}"#);
    assert_eq!(
        error.encode(Codec::Cbor),
        hex("a1 66 5f5f74797065 78 19 556e6b6e6f776e4f7065726174696f6e457863657074696f6e")
    );
    assert_eq!(ErrorKind::InternalFailure.wire_name(), "InternalFailure");
    assert_eq!(ErrorKind::InternalFailure.status(), 500);
    assert_eq!(ErrorKind::InternalFailureException.wire_name(), "InternalFailureException");
    assert_eq!(ErrorKind::InternalFailureException.status(), 500);
    assert_eq!(ErrorKind::ServiceUnavailable.status(), 503);
    assert_eq!(ErrorKind::KmsOptInRequired.wire_name(), "KMSOptInRequired");
    assert_eq!(ErrorKind::AccessDenied.status(), 400);
}

#[test]
fn operations_are_known_by_name() {
    for (index, operation) in OperationId::ALL.into_iter().enumerate() {
        assert_eq!(operation as usize, index);
        assert_eq!(OperationId::from_name(operation.name()), Some(operation));
    }
    assert_eq!(OperationId::COUNT, 57);
    assert_eq!(OperationId::from_name("putRecords"), None);
    let data_plane =
        ["GetRecords", "GetShardIterator", "PutRecord", "PutRecords", "SubscribeToShard"];
    for name in data_plane {
        let operation = OperationId::from_name(name).unwrap();
        assert!(operation.is_data_plane() && operation.has_dry_run(), "{name}");
    }
    assert!(!OperationId::ListShards.is_data_plane());
    assert!(!OperationId::ListShards.has_dry_run());
}

#[test]
fn operations_without_an_output_answer_with_nothing() {
    assert_eq!(Codec::Json.encode_output::<CreateStream>(&()), b"");
    assert_eq!(Codec::Cbor.encode_output::<CreateStream>(&()), b"");
    let output = DescribeAccountSettingsOutput::default();
    assert_eq!(Codec::Json.encode_output::<DescribeAccountSettings>(&output), b"{}");
    assert_eq!(Codec::Cbor.encode_output::<DescribeAccountSettings>(&output), [0xa0]);
}

#[test]
fn tags_are_a_map_and_the_last_of_a_name_counts() {
    let body = br#"{"StreamName":"a","Tags":{"k":"1","l":"","k":"2"}}"#;
    let input = Codec::Json.decode::<AddTagsToStream>(body).unwrap();
    let expected = BTreeMap::from([("k".into(), "2".into()), ("l".into(), "".into())]);
    assert_eq!(input.tags, expected);
    assert_eq!(StreamStatus::Active.to_string(), "ACTIVE");
    assert_eq!("ACTIVE".parse(), Ok(StreamStatus::Active));
}

#[test]
fn media_types_name_the_format() {
    for (text, codec) in [
        ("application/x-amz-json-1.1", Some(Codec::Json)),
        (" Application/X-AMZ-JSON-1.1 ; charset=utf-8", Some(Codec::Json)),
        ("application/x-amz-cbor-1.1", Some(Codec::Cbor)),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(Codec::from_content_type(text), codec, "{text}");
    }
}
