//! What comes out is what was put in; what is damaged or too much stays as it is.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use proptest::{collection::vec, option, prelude::*};

use super::*;

const ALL: Unpacking = Unpacking { deaggregate: true, gunzip: true };

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

fn plain<'a>(key: &'a str, data: &'a [u8]) -> UserRecord<'a> {
    UserRecord {
        sub_sequence_number: None,
        partition_key: Some(key),
        explicit_hash_key: None,
        data: data.into(),
        was_gzip: false,
    }
}

/// The record of this key and data, all of it undone.
fn whole<'a>(key: &'a str, data: &'a [u8]) -> Payload<'a> {
    Payload::of(Some(key), Cow::Borrowed(data), ALL)
}

fn all<'a>(payload: &'a Payload<'_>) -> Vec<UserRecord<'a>> {
    payload.records().collect()
}

/// What stands in an aggregate, as one.
fn framed(body: &[u8]) -> Vec<u8> {
    let digest = <md5::Md5 as md5::Digest>::digest(body);
    [&[0xf3, 0x89, 0x9a, 0xc2][..], body, &digest].concat()
}

/// Three clicks of two users, as aws-kinesis-agg for Python writes them.
const OF_PYTHON: &str = "f3899ac20a06757365722d310a06757365722d3212023432120234331a0d080010001a07\
                         636c69636b20311a0d080110011a07636c69636b20321a0b08001a07636c69636b2033db\
                         0f03ca1e32990c67088939df60e025";

#[test]
fn an_aggregate_of_another_hand_is_read() {
    let nibble = |digit: &u8| (*digit as char).to_digit(16).unwrap() as u8;
    let pairs = OF_PYTHON.as_bytes().chunks(2);
    let data: Vec<u8> = pairs.map(|pair| nibble(&pair[0]) << 4 | nibble(&pair[1])).collect();
    let payload = whole("a", &data);
    let records = all(&payload);
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let key = record.partition_key.unwrap();
            (record.sub_sequence_number, key, record.explicit_hash_key, &*record.data)
        })
        .collect();
    let expected = [
        (Some(0), "user-1", Some("42"), &b"click 1"[..]),
        (Some(1), "user-2", Some("43"), b"click 2"),
        (Some(2), "user-1", None, b"click 3"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn gzip_is_undone_within_an_aggregate_and_without_one() {
    let packed = gzip(b"text");
    assert_eq!(all(&whole("k", &packed)), [UserRecord { was_gzip: true, ..plain("k", b"text") }]);
    let aggregate = Aggregate::write(&[("a", None, &packed), ("b", Some("7"), b"plain")]);
    let payload = whole("k", &aggregate);
    let records = all(&payload);
    assert_eq!(records.iter().map(|r| &*r.data).collect::<Vec<_>>(), [&b"text"[..], b"plain"]);
    assert_eq!(records.iter().map(|r| r.was_gzip).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn nothing_is_undone_that_nobody_asked_for() {
    let packed = gzip(b"text");
    let aggregate = Aggregate::write(&[("a", None, b"x")]);
    for data in [&packed, &aggregate] {
        let payload = Payload::of(Some("k"), Cow::Borrowed(data), Unpacking::default());
        assert_eq!(all(&payload), [plain("k", data)]);
    }
}

#[test]
fn what_would_be_too_large_stays_packed_and_costs_no_more_than_what_is_not() {
    let bomb = gzip(&vec![0; 4 * UNPACKED_BYTES_MAX]);
    assert!(bomb.len() < 400_000);
    let payload = whole("k", &bomb);
    let mut records = payload.records();
    assert_eq!(records.next(), Some(plain("k", &bomb)));
    assert_eq!(records.inflated_bytes(), UNPACKED_BYTES_MAX + 1, "no further than to see it");
    // Together they would be, and what was inflated for nothing counts.
    let half = gzip(&vec![0; UNPACKED_BYTES_MAX / 2 + 1]);
    for (first, was_gzip) in [(&half, true), (&bomb, false)] {
        let (text, plain) = (gzip(b"text"), &b"x"[..]);
        let parts = [first, &half, &text, plain].map(|data: &[u8]| ("a", None, data));
        let aggregate = Aggregate::write(&parts);
        let payload = whole("k", &aggregate);
        let mut records = payload.records();
        let were_gzip: Vec<_> = records.by_ref().map(|r| r.was_gzip).collect();
        assert_eq!(were_gzip, [was_gzip, false, false, false]);
        assert!(records.inflated_bytes() <= UNPACKED_BYTES_MAX + 1);
    }
}

#[test]
fn what_is_unpacked_has_no_more_room_than_it_may_come_to() {
    for bytes in [0, 100, GROWING_BYTES_MAX, 9 << 20, UNPACKED_BYTES_MAX, 2 * UNPACKED_BYTES_MAX] {
        let packed = gzip(&vec![0; bytes]);
        let damaged = &packed[..packed.len() / 2];
        for bytes_max in [0, bytes / 2, GROWING_BYTES_MAX, UNPACKED_BYTES_MAX] {
            let mut unpacked = Vec::new();
            gunzip(&packed, bytes_max, &mut unpacked).unwrap();
            assert_eq!(unpacked.len(), bytes.min(bytes_max + 1));
            let room = (bytes_max + 1).max(2 * GROWING_BYTES_MAX);
            assert!(unpacked.capacity() <= room, "{bytes}, {bytes_max}: {}", unpacked.capacity());
            let mut unpacked = Vec::new();
            gunzip(damaged, bytes_max, &mut unpacked).ok();
            assert!(unpacked.len() <= bytes_max + 1 && unpacked.capacity() <= room);
        }
    }
}

#[test]
fn an_aggregate_counts_with_its_keys_and_with_every_record() {
    let key = "k".repeat(256);
    for (key, keys_max) in [(key.as_str(), 16_384), ("", 65_536)] {
        let few = vec![(key, None, &b""[..]); keys_max];
        for (records, is_read) in [(&few[..], true), (&[&few[..], &few[..1]].concat(), false)] {
            let aggregate = Aggregate::write(records);
            let payload = whole("k", &aggregate);
            let expected = if is_read { records.len() } else { 1 };
            assert_eq!(payload.records().count(), expected, "{} bytes", aggregate.len());
        }
    }
    let long = "ä".repeat(257);
    for (key, explicit) in [(long.as_str(), None), ("k", Some(long.as_str()))] {
        let aggregate = Aggregate::write(&[("k", None, b"x"), (key, explicit, b"x")]);
        assert_eq!(all(&whole("k", &aggregate)), [plain("k", &aggregate)], "nobody makes those");
    }
    let aggregate = Aggregate::write(&[("k", None, &vec![0; 1 << 20])]);
    assert_eq!(all(&whole("k", &aggregate)), [plain("k", &aggregate)], "it is too large");
}

#[test]
fn an_aggregate_of_no_records_is_a_record_itself() {
    // Its tenth member, which nobody knows.
    let unknown = framed(b"\x52\x01x");
    for data in [Aggregate::write(&[]), unknown] {
        assert_eq!(all(&whole("k", &data)), [plain("k", &data)]);
    }
}

proptest! {
    #[test]
    fn an_aggregate_comes_apart_as_it_was_put_together(
        records in vec((".{1,9}", option::of("[0-9]{1,9}"), vec(any::<u8>(), 0..40)), 1..20),
    ) {
        let written: Vec<_> = records
            .iter()
            .map(|(key, explicit, data)| (key.as_str(), explicit.as_deref(), data.as_slice()))
            .collect();
        let data = Aggregate::write(&written);
        let unpacking = Unpacking { deaggregate: true, gunzip: false };
        let payload = Payload::of(None, data.into(), unpacking);
        let read = all(&payload);
        let read: Vec<_> = read
            .iter()
            .map(|record| {
                (record.partition_key.unwrap(), record.explicit_hash_key, &*record.data)
            })
            .collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn a_damaged_aggregate_stays_as_it_is(
        records in vec((".{1,9}", vec(any::<u8>(), 0..40)), 1..9),
        place: prop::sample::Index,
        by in 1..=u8::MAX,
    ) {
        let records: Vec<_> =
            records.iter().map(|(key, data)| (key.as_str(), None, data.as_slice())).collect();
        let mut data = Aggregate::write(&records);
        let place = place.index(data.len());
        data[place] ^= by;
        let payload = whole("k", &data);
        prop_assert_eq!(all(&payload), [plain("k", &data)]);
    }

    #[test]
    fn any_bytes_are_survived(body in vec(any::<u8>(), 0..200), is_gzip: bool) {
        let aggregate = framed(&body);
        let gzip = [&GZIP[..], &body].concat();
        let data = if is_gzip { gzip } else { aggregate };
        prop_assert!(whole("k", &data).records().count() <= 200);
    }
}
