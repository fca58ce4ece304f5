//! Looks and full decodes agree, and neither lets a bad answer pass.

use super::*;

const PUT: &str = r#"{"FailedRecordCount":0,"Records":[
    {"SequenceNumber":"495","ShardId":"shardId-000000000000"},
    {"SequenceNumber":"496","ShardId":"shardId-000000000001"}]}"#;
const GET: &str = r#"{"Records":[{"ApproximateArrivalTimestamp":1.5,"Data":"aGVsbG8=",
    "PartitionKey":"a","SequenceNumber":"495"},{"ApproximateArrivalTimestamp":1.5,
    "Data":"aGVsbG8=","PartitionKey":"b","SequenceNumber":"496"}],
    "NextShardIterator":"AAA/+=","MillisBehindLatest":0}"#;

/// The same answer in CBOR, as a server may write it: timestamps are tagged integers.
fn cbor_page(numbers: &[&str]) -> Vec<u8> {
    let mut out = minicbor::Encoder::new(Vec::new());
    out.begin_map().unwrap().str("Records").unwrap().begin_array().unwrap();
    for number in numbers {
        out.map(4).unwrap().str("SequenceNumber").unwrap().str(number).unwrap();
        out.str("ApproximateArrivalTimestamp").unwrap();
        out.tag(minicbor::data::Tag::new(1)).unwrap().u64(1_700_000_000_123).unwrap();
        out.str("Data").unwrap().bytes(b"hello").unwrap();
        out.str("PartitionKey").unwrap().str("a").unwrap();
    }
    out.end().unwrap().str("NextShardIterator").unwrap().str("AAA").unwrap();
    out.str("MillisBehindLatest").unwrap().u32(7).unwrap().end().unwrap();
    out.into_writer()
}

#[test]
fn a_good_put_passes() {
    Codec::Json.look_put_records(PUT.as_bytes()).unwrap();
    Codec::Json.check_put_records(PUT.as_bytes(), 2).unwrap();
    assert_eq!(Codec::Json.sequence_number(PUT.as_bytes()).unwrap(), "495");
    let cbor = b"\xbf\x71FailedRecordCount\x00\x67Records\x80\xff";
    Codec::Cbor.look_put_records(cbor).unwrap();
    Codec::Cbor.check_put_records(cbor, 0).unwrap();
}

#[test]
fn a_put_that_failed_in_part_does_not_pass() {
    let failed = PUT.replace("Count\":0", "Count\":10");
    assert!(Codec::Json.look_put_records(failed.as_bytes()).is_err());
    assert!(Codec::Json.check_put_records(failed.as_bytes(), 2).is_err());
    assert!(Codec::Json.look_put_records(PUT.replace(":0,", ":01,").as_bytes()).is_err());
    assert!(Codec::Json.look_put_records(b"{}").is_err());
    assert!(Codec::Cbor.look_put_records(b"\xa1\x71FailedRecordCount\x01").is_err());
    assert!(Codec::Json.check_put_records(PUT.as_bytes(), 3).is_err(), "a result is missing");
    assert!(
        Codec::Json.check_put_record(br#"{"SequenceNumber":"","ShardId":"shardId-0"}"#).is_err()
    );
    Codec::Json.check_put_record(br#"{"SequenceNumber":"1","ShardId":"shardId-0"}"#).unwrap();
}

#[test]
fn pages_are_looked_at_and_checked_in_json() {
    let page = Codec::Json.look_get_records(GET.as_bytes(), 2).unwrap();
    assert_eq!(page, Page { records: 2, next: "AAA/+=", at_tail: true });
    Codec::Json.check_get_records(GET.as_bytes(), &page, 5).unwrap();
    assert!(Codec::Json.check_get_records(GET.as_bytes(), &page, 9).is_err(), "data is short");
    let other = Page { records: 3, ..page };
    assert!(Codec::Json.check_get_records(GET.as_bytes(), &other, 5).is_err(), "miscounted");
    let reversed = GET.replace("495", "499");
    assert!(Codec::Json.check_get_records(reversed.as_bytes(), &page, 5).is_err(), "out of order");
    let behind = GET.replace("Latest\":0", "Latest\":50");
    assert!(!Codec::Json.look_get_records(behind.as_bytes(), 2).unwrap().at_tail);
}

#[test]
fn what_stands_before_many_records_is_found_as_well() {
    let records = r#"{"Data":"aGVsbG8="}"#.repeat(TAIL_BYTES);
    let page =
        format!(r#"{{"MillisBehindLatest":0,"NextShardIterator":"AAA","Records":[{records}]}}"#);
    let page = Codec::Json.look_get_records(page.as_bytes(), 0).unwrap();
    assert_eq!((page.next, page.at_tail), ("AAA", true));
}

#[test]
fn records_are_counted_once_wherever_a_page_is_cut() {
    for (codec, page) in
        [(Codec::Json, GET.as_bytes().to_vec()), (Codec::Cbor, cbor_page(&["495", "496"]))]
    {
        let mut counter = codec.counter();
        for (cut, _) in page.iter().enumerate() {
            counter.see(&page[..cut]);
            assert_eq!(counter.end(&page), 2, "cut at {cut}");
        }
        (0..page.len()).for_each(|cut| counter.see(&page[..cut]));
        assert_eq!(counter.end(&page), 2, "a byte at a time");
    }
}

#[test]
fn pages_are_looked_at_and_checked_in_cbor() {
    let answer = cbor_page(&["495", "496"]);
    let page = Codec::Cbor.look_get_records(&answer, 2).unwrap();
    assert_eq!(page, Page { records: 2, next: "AAA", at_tail: false });
    Codec::Cbor.check_get_records(&answer, &page, 5).unwrap();
    assert!(Codec::Cbor.check_get_records(&answer, &page, 6).is_err(), "data is short");
    let answer = cbor_page(&["496", "495"]);
    assert!(Codec::Cbor.check_get_records(&answer, &page, 5).is_err(), "out of order");
}
