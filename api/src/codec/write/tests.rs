//! Against the writers of serde_json and minicbor, which write everything, more slowly.

use std::{collections::BTreeMap, io};

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    Codec,
    operations::{GetRecordsOutput, PutRecordsOutput, PutRecordsResultEntry},
    shapes::{ChildShard, HashKeyRange, Record},
    types::{Blob, EncryptionType, SequenceNumber, ShardId, Timestamp},
};

/// JSON of serde_json, with base64 for bytes.
struct Base64;

impl serde_json::ser::Formatter for Base64 {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        write!(writer, "\"{}\"", base64_simd::STANDARD.encode_to_string(value))
    }
}

fn json_of_serde(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut json = serde_json::Serializer::with_formatter(&mut text, Base64);
    value.serialize(&mut json).unwrap();
    String::from_utf8(text).unwrap()
}

fn json(value: &impl Serialize) -> String {
    String::from_utf8(Codec::Json.encode(value)).unwrap()
}

fn assert_as_others_write(value: &impl Serialize) -> Result<(), TestCaseError> {
    prop_assert_eq!(json(value), json_of_serde(value));
    prop_assert_eq!(Codec::Cbor.encode(value), minicbor_serde::to_vec(value).unwrap());
    Ok(())
}

fn assert_is_text(value: &impl Serialize, text: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(json(value), json(&text));
    prop_assert_eq!(json_of_serde(value), json(&text));
    prop_assert_eq!(Codec::Cbor.encode(value), Codec::Cbor.encode(&text));
    Ok(())
}

/// A value of each kind that types of the model have, but for what has a form of its own.
#[derive(Debug, Serialize)]
struct Everything<'a> {
    text: String,
    is: bool,
    signed: i64,
    small: i32,
    unsigned: u64,
    float: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<&'a str>,
    null: Option<Blob<'a>>,
    bytes: Blob<'a>,
    list: Vec<String>,
    map: BTreeMap<String, Vec<u32>>,
    none: Nothing,
    kind: EncryptionType,
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// Text with all that has to be escaped, of many lengths.
fn text() -> impl Strategy<Value = String> {
    prop_oneof!["\\PC{0,70}", "[a-z0-9]{0,40}", "[\\x00-\\x7f]{0,40}", ".{0,9}", "[\"\\\\é]{1,9}"]
}

fn everything() -> impl Strategy<Value = Everything<'static>> {
    let texts = (text(), option::of(Just("a")), vec(text(), 0..3));
    let numbers = (any::<i64>(), any::<i32>(), any::<u64>(), any::<f64>(), any::<bool>());
    let bytes = vec(any::<u8>(), 0..99);
    let map = proptest::collection::btree_map(text(), vec(any::<u32>(), 0..3), 0..3);
    (texts, numbers, bytes, map).prop_map(|(texts, numbers, bytes, map)| {
        let (text, absent, list) = texts;
        let (signed, small, unsigned, float, is) = numbers;
        let bytes = Blob::Bytes(bytes.into());
        let kind = EncryptionType::Kms;
        let (null, none) = (is.then(|| bytes.clone()), Nothing {});
        Everything {
            text,
            is,
            signed,
            small,
            unsigned,
            float,
            absent,
            null,
            bytes,
            list,
            map,
            none,
            kind,
        }
    })
}

fn number() -> impl Strategy<Value = SequenceNumber> {
    (0..1_u64 << 36, any::<u64>(), 0..1_u64 << 36, any::<i32>()).prop_map(
        |(shard_created, index, arrival, shard)| {
            let shard = ShardId::new(shard);
            SequenceNumber { shard_created, index, arrival, shard }
        },
    )
}

fn record() -> impl Strategy<Value = Record<'static>> {
    let data = vec(any::<u8>(), 0..300);
    let arrival = option::of(0..1_i64 << 45);
    (number(), arrival, data, option::of(text()), any::<bool>()).prop_map(
        |(sequence_number, arrival, data, partition_key, sealed)| Record {
            sequence_number,
            approximate_arrival_timestamp: arrival.map(Timestamp::from_millis),
            data: Blob::Bytes(data.into()),
            partition_key: partition_key.map(Into::into),
            encryption_type: sealed.then_some(EncryptionType::Kms),
        },
    )
}

fn children() -> impl Strategy<Value = Vec<ChildShard<'static>>> {
    let child = (any::<i32>(), vec(any::<i32>(), 0..3), text()).prop_map(|(id, parents, key)| {
        let hash_key_range =
            HashKeyRange { starting_hash_key: key.clone().into(), ending_hash_key: key.into() };
        let parent_shards = parents.into_iter().map(ShardId::new).collect();
        ChildShard { shard_id: ShardId::new(id), parent_shards, hash_key_range }
    });
    vec(child, 0..3)
}

proptest! {
    #[test]
    fn all_that_types_have_is_written_as_others_write_it(value in everything()) {
        assert_as_others_write(&value)?;
    }

    #[test]
    fn pages_are_written_as_others_write_them(
        records in vec(record(), 0..9),
        next in option::of(text()),
        behind in option::of(any::<i64>()),
        child_shards in option::of(children()),
    ) {
        let page = GetRecordsOutput {
            records,
            next_shard_iterator: next.map(Into::into),
            millis_behind_latest: behind,
            child_shards,
        };
        prop_assert_eq!(json(&page), json_of_serde(&page));
    }

    #[test]
    fn results_are_written_as_others_write_them(
        results in vec((option::of(number()), option::of(any::<i32>()), option::of(text())), 0..9),
        failed_record_count: Option<i32>,
    ) {
        let result = |(sequence_number, shard, error): (_, Option<i32>, Option<String>)| {
            PutRecordsResultEntry {
                sequence_number,
                shard_id: shard.map(ShardId::new),
                error_code: error.clone().map(Into::into),
                error_message: error.map(Into::into),
            }
        };
        let output = PutRecordsOutput {
            failed_record_count,
            records: results.into_iter().map(result).collect(),
            encryption_type: Some(EncryptionType::None),
        };
        prop_assert_eq!(json(&output), json_of_serde(&output));
    }

    #[test]
    fn times_are_written_as_others_write_seconds(millis in -1_i64 << 45..1_i64 << 45) {
        for millis in [millis, millis / 1000 * 1000, millis / 100 * 100, millis / 10 * 10] {
            let at = Timestamp::from_millis(millis);
            prop_assert_eq!(json(&at), json_of_serde(&at));
        }
    }

    #[test]
    fn floats_are_written_as_others_write_them(value: f64) {
        assert_as_others_write(&value)?;
    }

    #[test]
    fn texts_are_written_as_others_write_them(text in text(), times in 0..200_usize) {
        assert_as_others_write(&text)?;
        assert_as_others_write(&text.repeat(times))?;
    }

    #[test]
    fn ids_are_text_in_either_format(number in number(), shard: i32) {
        let shard = ShardId::new(shard);
        assert_is_text(&number, &number.to_string())?;
        assert_is_text(&shard, &shard.to_string())?;
    }

    #[test]
    fn integers_are_written_as_others_write_them(value: i64, bits in 0..64_u32) {
        for value in [value >> bits, 1 << bits, -1 << bits, !(-1 << bits)] {
            assert_as_others_write(&value)?;
            assert_as_others_write(&value.cast_unsigned())?;
        }
    }
}

#[test]
fn every_byte_of_ascii_is_escaped_as_others_do_it() {
    for (at, c) in (0..40).flat_map(|at| (0..=0x7f_u8).map(move |c| (at, char::from(c)))) {
        let text = format!("{}{c}{}", "a".repeat(at), "b".repeat(40 - at));
        assert_eq!(json(&text), json_of_serde(&text));
    }
}

#[test]
fn long_bytes_are_written_as_others_write_them() {
    let bytes: Vec<u8> = (0..20_000_u32).map(|n| (n * 7) as u8).collect();
    for length in [0, 1, 2, 3, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 20_000] {
        let blob = Blob::Bytes(bytes.get(..length).unwrap().into());
        assert_as_others_write(&blob).unwrap();
    }
}

#[test]
fn names_of_entries_are_text() {
    let map = BTreeMap::from([(1, "a")]);
    for codec in [Codec::Json, Codec::Cbor] {
        let mut out = Vec::new();
        let written = match codec {
            Codec::Json => map.serialize(Writer::<_, Json>::new(&mut out)).map(drop),
            Codec::Cbor => map.serialize(Writer::<_, Cbor>::new(&mut out)).map(drop),
        };
        assert!(written.is_err(), "{codec:?}");
    }
}

#[test]
fn lists_of_unknown_length_are_written() {
    struct Odd;

    impl Serialize for Odd {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..9).filter(|n| n % 2 == 1))
        }
    }

    assert_as_others_write(&Odd).unwrap();
}
