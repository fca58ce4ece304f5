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
        partition_key: Some(key.into()),
        explicit_hash_key: None,
        data: data.into(),
        was_gzip: false,
    }
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
    let records = unpack(Some("a"), data.into(), ALL);
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let key = record.partition_key.as_deref().unwrap();
            (record.sub_sequence_number, key, record.explicit_hash_key.as_deref(), &*record.data)
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
    let alone = unpack(Some("k"), Cow::Borrowed(&packed), ALL);
    assert_eq!(alone, [UserRecord { was_gzip: true, ..plain("k", b"text") }]);
    let aggregate = Aggregate::write(&[("a", None, &packed), ("b", Some("7"), b"plain")]);
    let records = unpack(Some("k"), aggregate.into(), ALL);
    assert_eq!(records.iter().map(|r| &*r.data).collect::<Vec<_>>(), [&b"text"[..], b"plain"]);
    assert_eq!(records.iter().map(|r| r.was_gzip).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn nothing_is_undone_that_nobody_asked_for() {
    let packed = gzip(b"text");
    let aggregate = Aggregate::write(&[("a", None, b"x")]);
    for data in [&packed, &aggregate] {
        let records = unpack(Some("k"), Cow::Borrowed(data), Unpacking::default());
        assert_eq!(records, [plain("k", data)]);
    }
}

#[test]
fn what_would_be_too_large_stays_packed() {
    let bomb = gzip(&vec![0; UNPACKED_BYTES_MAX + 1]);
    assert!(bomb.len() < 200_000);
    assert_eq!(unpack(Some("k"), Cow::Borrowed(&bomb), ALL), [plain("k", &bomb)]);
    // Together they would be.
    let half = gzip(&vec![0; UNPACKED_BYTES_MAX / 2 + 1]);
    let aggregate = Aggregate::write(&[("a", None, &half), ("b", None, &half), ("c", None, b"x")]);
    let records = unpack(Some("k"), aggregate.into(), ALL);
    assert_eq!(records.iter().map(|r| r.was_gzip).collect::<Vec<_>>(), [true, false, false]);
    let key = "k".repeat(1 << 20);
    let many: Vec<_> = (0..40).map(|_| (key.as_str(), None, &b"x"[..])).collect();
    let aggregate = Aggregate::write(&many);
    assert_eq!(unpack(Some("a"), Cow::Borrowed(&aggregate), ALL), [plain("a", &aggregate)]);
}

proptest! {
    #[test]
    fn an_aggregate_comes_apart_as_it_was_put_together(
        records in vec((".{1,9}", option::of("[0-9]{1,9}"), vec(any::<u8>(), 0..40)), 0..20),
    ) {
        let written: Vec<_> = records
            .iter()
            .map(|(key, explicit, data)| (key.as_str(), explicit.as_deref(), data.as_slice()))
            .collect();
        let data = Aggregate::write(&written);
        let read = unpack(None, data.into(), Unpacking { deaggregate: true, gunzip: false });
        let read: Vec<_> = read
            .iter()
            .map(|record| {
                let key = record.partition_key.as_deref().unwrap();
                (key, record.explicit_hash_key.as_deref(), &*record.data)
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
        prop_assert_eq!(unpack(Some("k"), Cow::Borrowed(&data), ALL), [plain("k", &data)]);
    }

    #[test]
    fn any_bytes_are_survived(body in vec(any::<u8>(), 0..200), is_gzip: bool) {
        let mut aggregate = [&[0xf3, 0x89, 0x9a, 0xc2][..], &body].concat();
        aggregate.extend(<md5::Md5 as md5::Digest>::digest(&body));
        let gzip = [&GZIP[..], &body].concat();
        let data = if is_gzip { gzip } else { aggregate };
        prop_assert!(unpack(Some("k"), data.into(), ALL).len() <= 200);
    }
}
