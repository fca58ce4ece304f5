//! `millpond put`: what is given is stored, all of it, and what isn't is told.

use std::fs;

use serde_json::{Value, json};

use super::{
    child::{Millpond, run_to_end},
    looking::{DEV, data, going_on, objects, put},
    peer::peer,
};

#[test]
fn what_is_put_is_seen() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:4"));
    let one = put(&server, "put clicks one --key user-1", b"");
    assert!(one.starts_with("shardId-") && one.lines().count() == 1, "{one}");
    let told = put(&server, "put clicks --key user-2", b"two\n\nthree\r\n{\"n\": 4}");
    assert!(told.starts_with("3 records put: 3 to shardId-"), "{told}");
    let results = put(&server, "put clicks --whole --json --key user-3", b"\0five\n");
    assert!(serde_json::from_str::<Value>(&results).unwrap()["sequence_number"].is_string());
    let seen = objects(&server, "peek clicks");
    assert_eq!(data(&seen), ["one", "two", "three", "{\"n\": 4}", "AGZpdmUK"]);
    assert_eq!(seen[4]["encoding"], "base64");
    assert_eq!(data(&objects(&server, "peek clicks -n 2")), ["one", "two"]);
    let last = objects(&server, "peek clicks --last -n 2");
    assert_eq!(data(&last), ["{\"n\": 4}", "AGZpdmUK"]);
    assert_eq!(data(&objects(&server, "peek clicks --last -n 1 --key user-2")), ["{\"n\": 4}"]);
    assert_eq!(data(&objects(&server, "peek clicks --key user-?")).len(), 5);
    assert_eq!(data(&objects(&server, "peek clicks --since 1h -n 1")), ["one"]);
    let lines = put(&server, "peek clicks", b"");
    assert!(lines.lines().any(|line| line.ends_with("  user-2  two")), "{lines}");
    assert!(lines.contains("base64:AGZpdmUK"), "{lines}");

    // Without a key of their own, records go everywhere.
    let many: Vec<u8> = (0..2000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    let told = put(&server, "put clicks", &many);
    assert!(told.starts_with("2000 records put: ") && told.contains("shardId-000000000003"));
    assert_eq!(objects(&server, "peek clicks -n 5000").len(), 2005);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    fs::write(&file, "from\na file\n").unwrap();
    put(&server, &format!("put clicks --key f --file {}", file.display()), b"");
    assert_eq!(data(&objects(&server, "peek clicks --last -n 2 --key f")), ["from", "a file"]);
}

#[test]
fn throttled_records_are_put_again_in_order() {
    let flags = "dev --listen 127.0.0.1:0 --quotas strict --stream clicks:1";
    let server = Millpond::start(flags);
    let line = "x".repeat(200 << 10);
    let lines: Vec<u8> = (0..9).flat_map(|n| format!("{n}{line}\n").into_bytes()).collect();
    let told = put(&server, "put clicks --key k", &lines);
    assert_eq!(told, "9 records put: 9 to shardId-000000000000\n");
    let seen = objects(&server, "peek clicks");
    let first: String = data(&seen).iter().filter_map(|data| data.chars().next()).collect();
    assert_eq!(first, "012345678");
}

#[test]
fn all_is_put_although_nobody_reads_the_results() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:1"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    fs::write(&file, "x\n".repeat(2_000)).unwrap();
    let mut putting = going_on(&server, &format!("put clicks --json --file {}", file.display()));
    drop(putting.stdout.take());
    assert_eq!(putting.wait().unwrap().code(), Some(0));
    assert_eq!(objects(&server, "shards clicks")[0]["records"], 2_000);
}

#[test]
fn every_record_that_a_stream_takes_can_be_put() {
    let server = Millpond::start(DEV);
    let create = json!({"StreamName": "clicks", "ShardCount": 1, "MaxRecordSizeInKiB": 10_240});
    server.client().call("CreateStream", &create);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    let from = |more: &str| format!("put clicks --file {} {more}", file.display());
    // Together they are more than one call may have.
    let lines = [3_900 << 10, 7 << 20, 1].map(|bytes| "x".repeat(bytes));
    fs::write(&file, lines.join("\n")).unwrap();
    assert!(put(&server, &from(""), b"").starts_with("3 records put: "));
    // As text in JSON it would be six times as large.
    fs::write(&file, vec![0; (10 << 20) - 1]).unwrap();
    assert!(put(&server, &from("--whole --key k"), b"").starts_with("shardId-"));
    let peek = |server: &Millpond| objects(server, "peek clicks --raw");
    let sizes: Vec<_> = data(&peek(&server)).iter().map(|data| data.len()).collect();
    assert_eq!(sizes, [3_900 << 10, 7 << 20, 1, ((10 << 20) - 1usize).div_ceil(3) * 4]);
}

#[test]
fn a_line_that_is_too_long_takes_no_other_with_it() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:1"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    fs::write(&file, format!("one\ntwo\n{}\nthree\n", "x".repeat(11 << 20))).unwrap();
    let endpoint = format!("--endpoint http://{}", server.addr());
    let put = format!("put clicks --file {} {endpoint}", file.display());
    let (code, output, said) = run_to_end(&put);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert_eq!(said, "millpond: a record has at most 10 MiB; records put before: 2\n");
    assert_eq!(data(&objects(&server, "peek clicks")), ["one", "two"]);
}

#[test]
fn what_is_stored_is_told_although_others_of_its_call_are_refused() {
    let stored = |shard: u32| json!({"shard": format!("shardId-{shard:012}")});
    let refused = json!({"error": "InternalFailure", "message": "Something went wrong."});
    let throttled = json!({"error": "ProvisionedThroughputExceededException", "message": ""});
    let records = [stored(0), refused.clone(), throttled, stored(1), refused];
    let (addr, _requests) = peer(&json!({ "failed": 3, "records": records }).to_string());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    fs::write(&file, "a\nb\nc\nd\ne\n").unwrap();
    let put = format!("put clicks --json --file {} --endpoint http://{addr}", file.display());
    let (code, output, said) = run_to_end(&put);
    assert_eq!(code, Some(1));
    let told: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told, [stored(0), stored(1)]);
    assert_eq!(
        said,
        "millpond: of 5 records, 2 were refused and 1 throttled: InternalFailure Something went \
         wrong.; records put before: 2\n"
    );
}
