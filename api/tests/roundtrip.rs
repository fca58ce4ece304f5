//! What is written reads back, and whatever is sent is either accepted or explained.

use std::borrow::Cow;

use millpond_api::{
    Codec, Error, ErrorKind,
    operations::{
        AddTagsToStream, AddTagsToStreamInput, CreateStream, GetShardIterator,
        GetShardIteratorInput, PutRecords, PutRecordsInput, PutRecordsRequestEntry,
        RemoveTagsFromStream,
    },
    types::{Blob, ShardIteratorType, Timestamp},
};
use proptest::{
    prelude::*,
    sample::{Index, select},
};

fn entry() -> impl Strategy<Value = PutRecordsRequestEntry<'static>> {
    let data = prop::collection::vec(any::<u8>(), 0..200);
    (data, prop::option::of("\\PC{1,60}"), prop::option::of("0|[1-9][0-9]{0,38}")).prop_map(
        |(data, partition_key, explicit_hash_key)| PutRecordsRequestEntry {
            data: Blob::Bytes(Cow::Owned(data)),
            explicit_hash_key: explicit_hash_key.map(Cow::Owned),
            partition_key: partition_key.map(Cow::Owned),
        },
    )
}

/// The entry with its data as bytes, whichever form it came in.
fn plain(mut entry: PutRecordsRequestEntry<'_>) -> PutRecordsRequestEntry<'_> {
    entry.data = Blob::Bytes(Cow::Owned(entry.data.to_vec()));
    entry
}

/// Members of some operations, and one of none.
const NAMES: [&str; 15] = [
    "StreamName",
    "Records",
    "ShardCount",
    "Tags",
    "TagKeys",
    "Data",
    "PartitionKey",
    "DryRun",
    "ExplicitHashKey",
    "ShardIteratorType",
    "ShardId",
    "Timestamp",
    "StreamModeDetails",
    "StreamMode",
    "x",
];

/// Values of every type.
const LEAVES: [&str; 17] = [
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e30",
    "100001",
    "\"\"",
    "\"a\"",
    "\"YQ==\"",
    "\"YQ=\"",
    "\"é\"",
    "\"LATEST\"",
    "\"PROVISIONED\"",
    "[]",
    "{}",
    "\"1\"",
];

/// Bodies that nearly are inputs: members of some operations with values of every type.
fn body() -> impl Strategy<Value = String> {
    let leaf = select(&LEAVES[..]).prop_map(str::to_owned);
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4)
            .prop_map(|list| format!("[{}]", list.join(",")));
        let map = prop::collection::vec((select(&NAMES[..]), inner), 0..4).prop_map(|members| {
            let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        });
        prop_oneof![list, map]
    });
    prop::collection::vec((select(&NAMES[..]), value), 0..6).prop_map(|members| {
        let members = members.iter().map(|(name, value)| format!("\"{name}\":{value}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}

/// JSON as CBOR, with indefinite lengths where `indefinite` is set.
fn to_cbor(value: &serde_json::Value, indefinite: bool, out: &mut minicbor::Encoder<Vec<u8>>) {
    use serde_json::Value;
    let write = || -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        match value {
            Value::Null => out.null()?,
            Value::Bool(value) => out.bool(*value)?,
            Value::Number(number) => match number.as_i64() {
                Some(integer) => out.i64(integer)?,
                None => out.f64(number.as_f64().expect("a number"))?,
            },
            Value::String(text) => out.str(text)?,
            Value::Array(items) => {
                if indefinite {
                    out.begin_array()?
                } else {
                    out.array(items.len() as u64)?
                };
                for item in items {
                    to_cbor(item, indefinite, out);
                }
                if indefinite { out.end()? } else { out }
            }
            Value::Object(members) => {
                if indefinite {
                    out.begin_map()?
                } else {
                    out.map(members.len() as u64)?
                };
                for (name, value) in members {
                    out.str(name)?;
                    to_cbor(value, indefinite, out);
                }
                if indefinite { out.end()? } else { out }
            }
        };
        Ok(())
    };
    write().expect("memory takes everything");
}

/// An error says what is wrong: a body that is a map is never refused without a word.
fn assert_explained<T>(
    codec: Codec,
    body: &[u8],
    decoded: Result<T, Error>,
) -> Result<(), TestCaseError> {
    if let Err(error) = decoded {
        prop_assert!(
            matches!(error.kind, ErrorKind::Serialization | ErrorKind::Validation),
            "{error}"
        );
        prop_assert_eq!(error.message.is_some(), codec.is_map(body), "{}", error);
    }
    Ok(())
}

fn assert_all_explained(codec: Codec, body: &[u8]) -> Result<(), TestCaseError> {
    assert_explained(codec, body, codec.decode::<PutRecords>(body))?;
    assert_explained(codec, body, codec.decode::<CreateStream>(body))?;
    assert_explained(codec, body, codec.decode::<GetShardIterator>(body))?;
    assert_explained(codec, body, codec.decode::<AddTagsToStream>(body))?;
    assert_explained(codec, body, codec.decode::<RemoveTagsFromStream>(body))
}

proptest! {
    #[test]
    fn entries_read_back_as_they_were_written(
        records in prop::collection::vec(entry(), 1..20),
        stream_name in "[a-zA-Z0-9_.-]{1,128}",
    ) {
        let input = PutRecordsInput {
            records,
            stream_name: Some(stream_name.into()),
            ..Default::default()
        };
        for codec in [Codec::Json, Codec::Cbor] {
            let body = codec.encode(&input);
            let read = codec.decode::<PutRecords>(&body).unwrap();
            let records = read.records.into_iter().map(plain).collect();
            prop_assert_eq!(&PutRecordsInput { records, ..read }, &input);
        }
    }

    #[test]
    fn tags_and_timestamps_read_back_as_they_were_written(
        tags in prop::collection::btree_map("\\PC{1,20}", "\\PC{0,20}", 1..20),
        millis in -10_000_000_000_000_i64..10_000_000_000_000,
    ) {
        let tags = tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let tagged = AddTagsToStreamInput { tags, ..Default::default() };
        let iterator = GetShardIteratorInput {
            stream_name: None,
            shard_id: "s".into(),
            shard_iterator_type: ShardIteratorType::AtTimestamp,
            starting_sequence_number: None,
            timestamp: Some(Timestamp::from_millis(millis)),
            stream_arn: None,
            stream_id: None,
            dry_run: Some(true),
        };
        for codec in [Codec::Json, Codec::Cbor] {
            let body = codec.encode(&tagged);
            let read = codec.decode::<AddTagsToStream>(&body);
            prop_assert_eq!(read.as_ref(), Ok(&tagged));
            let body = codec.encode(&iterator);
            let read = codec.decode::<GetShardIterator>(&body);
            prop_assert_eq!(read.as_ref(), Ok(&iterator));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_refusal_is_explained(body in body()) {
        assert_all_explained(Codec::Json, body.as_bytes())?;
        // Of a member that comes twice, this keeps the last one.
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        for indefinite in [false, true] {
            let mut cbor = minicbor::Encoder::new(Vec::new());
            to_cbor(&json, indefinite, &mut cbor);
            let cbor = cbor.into_writer();
            prop_assert!(Codec::Cbor.is_map(&cbor));
            assert_all_explained(Codec::Cbor, &cbor)?;
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for codec in [Codec::Json, Codec::Cbor] {
            assert_all_explained(codec, &bytes)?;
        }
    }

    #[test]
    fn damaged_bodies_never_panic(body in body(), at: Index, byte: u8, cut: Index) {
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let mut cbor = minicbor::Encoder::new(Vec::new());
        to_cbor(&json, true, &mut cbor);
        let cbor = cbor.into_writer();
        for (codec, mut bytes) in [(Codec::Json, body.into_bytes()), (Codec::Cbor, cbor)] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            assert_all_explained(codec, &bytes)?;
            bytes.truncate(cut.index(bytes.len() + 1));
            assert_all_explained(codec, &bytes)?;
        }
    }
}

#[test]
fn nesting_is_refused_before_it_costs_anything() {
    const DEPTH: usize = 4_000_000;
    let bodies: [(Codec, Vec<u8>); 7] = [
        (Codec::Json, [b"{\"Records\":".to_vec(), b"[".repeat(DEPTH)].concat()),
        (Codec::Json, b"{\"Records\":".repeat(DEPTH / 10)),
        (Codec::Json, [b"{\"x\":".to_vec(), b"[".repeat(DEPTH)].concat()),
        (Codec::Cbor, [b"\xa1\x67Records".to_vec(), b"\x81".repeat(DEPTH)].concat()),
        (Codec::Cbor, [b"\xa1\x61x".to_vec(), b"\x9f".repeat(DEPTH)].concat()),
        (Codec::Cbor, b"\xa1\x61x".repeat(DEPTH / 3)),
        (Codec::Cbor, [b"\xa1\x61x".to_vec(), b"\xc1".repeat(DEPTH)].concat()),
    ];
    for (codec, body) in bodies {
        let error = codec.decode::<PutRecords>(&body).unwrap_err();
        assert_eq!(error, ErrorKind::Serialization.into());
    }
}

#[test]
fn lists_longer_than_the_model_allows_are_not_kept() {
    // 8,000,000 empty texts would take 200 MB as a list.
    let json = format!("{{\"StreamName\":\"a\",\"TagKeys\":[{}\"\"]}}", "\"\",".repeat(1_000_000));
    let error = Codec::Json.decode::<RemoveTagsFromStream>(json.as_bytes()).unwrap_err();
    let message = error.message.unwrap();
    assert!(message.contains("Member must have length less than or equal to 50"));
    assert!(message.len() < 200_000);
    let cbor = [
        b"\xa1\x67TagKeys\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\x60".repeat(1_000_000),
    ]
    .concat();
    let error = Codec::Cbor.decode::<RemoveTagsFromStream>(&cbor).unwrap_err();
    assert_eq!(error, ErrorKind::Serialization.into());
}
