//! What the program logs: what an operator must know, and nothing of it a thousand times.

use serde_json::json;

use super::{DEV, child::Millpond, client::Client, serve};
use crate::wire;

/// Entries of each request that meets the full storage.
const ENTRIES: usize = 40;

/// Puts so many large records at once, again and again until this many of them are refused.
fn put_until(client: &mut Client, stream: &str, refused: usize) {
    let entry = json!({"PartitionKey": "k", "Data": wire::blob("x".repeat(100_000))});
    let input = json!({"StreamName": stream, "Records": vec![entry; ENTRIES]});
    while client.call("PutRecords", &input)["FailedRecordCount"] != refused {}
}

#[test]
fn full_storage_is_a_line_when_it_fills_one_a_commit_and_one_when_it_has_space() {
    let flags = format!("{DEV} --memory-limit 32MiB --stream clicks --stream other");
    let server = Millpond::start(&flags);
    let mut client = server.client();
    for _ in 0..3 {
        put_until(&mut client, "clicks", ENTRIES);
    }
    client.call("DeleteStream", &json!({"StreamName": "clicks"}));
    put_until(&mut client, "other", 0);
    let log = server.stop();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("storage is full: writes are refused"), 1, "{log}");
    assert_eq!(lines("storage has space again"), 1, "{log}");
    let place = "stream=arn:aws:kinesis:us-east-1:000000000000:stream/clicks \
                 shard=shardId-000000000000";
    assert_eq!(lines(place), 3, "{log}");
    assert_eq!(lines("ERROR") + lines("WARN"), lines("limit of"), "{log}");
}

#[test]
fn a_life_is_told_in_three_lines() {
    let directory = tempfile::tempdir().unwrap();
    for (recovered, more) in [(false, "--stream clicks --stream other"), (true, "")] {
        let server = Millpond::start(&format!("{} {more}", serve(directory.path())));
        let addr = server.addr();
        let log = server.stop();
        let [started, stopping, stopped] = log.lines().collect::<Vec<_>>()[..] else {
            panic!("{log}");
        };
        assert!(started.contains("started"), "{log}");
        let data = directory.path().display();
        for field in [
            format!("endpoint=\"http://{addr}\""),
            format!("data=\"{data}\""),
            format!("recovered={recovered}"),
            "streams=2".to_owned(),
            "ms=".to_owned(),
        ] {
            assert!(started.contains(&field), "no {field}: {log}");
        }
        assert!(stopping.contains("stopping signal=\"SIGTERM\""), "{log}");
        assert!(stopped.contains("stopped"), "{log}");
    }
}

#[test]
fn logs_for_machines_have_no_banner_beside_them() {
    let (output, log) = Millpond::say_all(&format!("{DEV} --log-format json"));
    assert_eq!(output, "");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("{line}"));
    }
    assert!(log.contains(r#""message":"started","endpoint":"http://127.0.0.1:"#), "{log}");
}

#[test]
fn refused_credentials_are_a_warning_but_not_each_time() {
    let server = Millpond::start("serve --in-memory --listen 127.0.0.1:0");
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(client.send("ListStreams", "{}").status, 400);
    }
    let log = server.stop();
    let refused: Vec<_> = log.lines().filter(|line| line.contains("refused")).collect();
    assert_eq!(refused.len(), 1, "{log}");
    let words = "credentials refused error=\"InvalidSignatureException\" peer=127.0.0.1:";
    assert!(refused[0].contains("WARN") && refused[0].contains(words), "{log}");
}

#[test]
fn a_variable_that_means_nothing_is_a_warning() {
    let mistyped = [("MILLPOND_QUOTA", "strict"), ("MILLPOND_REGION", "eu-west-1")];
    let log = Millpond::start_in(DEV, &mistyped).stop();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    let words = "variable=\"MILLPOND_QUOTA\" nearest=\"MILLPOND_QUOTAS\"";
    assert!(warnings[0].contains(words), "{log}");
}
