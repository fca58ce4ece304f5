//! What the program logs: what an operator must know, and nothing of it a thousand times.

use serde_json::json;

use super::{DEV, child::Millpond, client::Client};
use crate::wire;

/// Entries of each request that meets the full storage.
const ENTRIES: usize = 40;

/// Puts records until some are refused, and tells how many in that request.
fn fill(client: &mut Client) -> u64 {
    let entry = json!({"PartitionKey": "k", "Data": wire::blob(&"x".repeat(100_000))});
    let input = json!({"StreamName": "clicks", "Records": vec![entry; ENTRIES]});
    loop {
        let output = client.call("PutRecords", &input);
        if let failed @ 1.. = output["FailedRecordCount"].as_u64().unwrap() {
            return failed;
        }
    }
}

#[test]
fn full_storage_is_a_line_when_it_fills_one_a_commit_and_one_when_it_has_space() {
    let flags = format!("{DEV} --memory-limit 32MiB --stream clicks --stream other");
    let server = Millpond::start(&flags);
    let mut client = server.client();
    for _ in 0..3 {
        assert_eq!(fill(&mut client), ENTRIES as u64);
    }
    client.call("DeleteStream", &json!({"StreamName": "clicks"}));
    while client.get("/_millpond/health/ready").status != 200 {
        std::thread::yield_now();
    }
    client.put("other", "k", "there is room");
    let log = server.stop();
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("storage is full: writes are refused"), 1, "{log}");
    assert_eq!(lines("storage has space again"), 1, "{log}");
    let place = "stream=arn:aws:kinesis:us-east-1:000000000000:stream/clicks \
                 shard=shardId-000000000000";
    assert_eq!(lines(place), 3, "{log}");
    assert_eq!(lines("ERROR") + lines("WARN"), lines("limit of"), "{log}");
}
