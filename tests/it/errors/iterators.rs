//! Errors of shard iterators, and of reading with them.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::server::{TestServer, shard_id};

const NOT_FOUND: &str = "ResourceNotFoundException";
const INVALID: &str = "InvalidArgumentException";
const VALIDATION: &str = "ValidationException";
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// The numbers that the first two shards of a stream begin with that was made a second before tests
/// begin.
const FIRST: [&str; 2] = [
    "49646437576751664493740386435561357933223055823460106242",
    "49646437576773965238938917058702893651495704184966086674",
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = starts();
    cases.extend(numbers());
    cases.extend(texts());
    cases.extend(reading());
    cases
}

/// A GetShardIterator for the first shard.
fn start(condition: &str, code: &'static str, mut input: Value) -> Case {
    input["ShardId"] = json!("0");
    Case::call("GetShardIterator", condition, code, Scene::Active, input)
}

fn starts() -> Vec<Case> {
    let kind = |kind: &str| json!({ "ShardIteratorType": kind });
    let numbered = json!({"ShardIteratorType": "LATEST", "StartingSequenceNumber": FIRST[0]});
    let late = json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_003_600.5});
    vec![
        start("AT/AFTER without StartingSequenceNumber", INVALID, kind("AFTER_SEQUENCE_NUMBER"))
            .fill("TYPE", "AFTER_SEQUENCE_NUMBER"),
        start("LATEST/TRIM_HORIZON with StartingSequenceNumber", INVALID, numbered)
            .fill("TYPE", "LATEST"),
        start("bad ShardIteratorType", VALIDATION, kind("NEWEST")).fill("v", "NEWEST"),
        start("AT_TIMESTAMP without Timestamp", INVALID, kind("AT_TIMESTAMP")),
        // An hour has passed in this scene.
        start("Timestamp in the future", INVALID, late)
            .fill("ms", 1_700_003_600_500_u64)
            .fill("now", 1_700_003_600_000_u64),
    ]
}

fn numbers() -> Vec<Case> {
    let at = |condition: &str, code, number: &str| {
        let kind = "AT_SEQUENCE_NUMBER";
        let members = json!({"ShardIteratorType": kind, "StartingSequenceNumber": number});
        start(condition, code, members).fill("v", number)
    };
    let tiny = "legacy tiny sequence number \"0\"";
    vec![
        at("sequence number of another shard", INVALID, FIRST[1]).fill("otherShard", shard_id(1)),
        at("sequence number unparsable", INVALID, &"9".repeat(50)),
        at("StartingSequenceNumber pattern", VALIDATION, "-1"),
        at("right shard index, other stream creation", INVALID, FIRST[0]),
        at(tiny, "InternalFailure", "0").unlike(
            "a fault of AWS that helps nobody",
            "400 InvalidArgumentException: StartingSequenceNumber 0 used in GetShardIterator on \
             shard shardId-000000000000 in stream clicks under account 000000000000 is invalid \
             because it did not come from this stream.",
        ),
    ]
}

/// Iterators that can't be any.
fn texts() -> Vec<Case> {
    let get = |condition: &str, code, iterator: &str| {
        let input = json!({ "ShardIterator": iterator });
        Case::call("GetRecords", condition, code, Scene::Active, input).fill("v", iterator)
    };
    let limited = json!({"ShardIterator": "AAAA", "Limit": 10_001});
    vec![
        get("iterator not decodable", INVALID, "AAAA"),
        get("empty iterator", VALIDATION, ""),
        get("iterator > 512 chars", VALIDATION, &"A".repeat(513)),
        Case::call("GetRecords", "Limit > 10000", VALIDATION, Scene::Active, limited)
            .fill("n", 10_001),
    ]
}

/// Something that happens between an iterator's issue and its use.
type Event = fn(&TestServer) -> BoxFuture<'_, ()>;

/// GetRecords by an iterator of a stream of one shard, as often as needed to be refused.
fn get_after(condition: &str, code: &'static str, flags: &'static str, event: Event) -> Case {
    Case::new("GetRecords", condition, code, move |codec| async move {
        let server = TestServer::with(flags).await.with_stream("clicks", 1).await;
        let server = server.speaking(codec);
        let iterator = server.iterator("clicks", 0, "LATEST").await;
        event(&server).await;
        for _ in 0..5 {
            let input = json!({ "ShardIterator": iterator });
            if let Err(refusal) = server.outcome("GetRecords", input).await {
                return refusal;
            }
        }
        refused(&server, "GetRecords", json!({ "ShardIterator": iterator })).await
    })
}

async fn delete(server: &TestServer) {
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
}

fn reading() -> Vec<Case> {
    let recreate: Event = |server| {
        Box::pin(async {
            delete(server).await;
            server.create("clicks", 1).await;
        })
    };
    let wait: Event = |server| Box::pin(server.advance(Duration::from_millis(300_001)));
    let nothing: Event = |_| Box::pin(async {});
    let date = "EEE MMM dd HH:mm:ss UTC yyyy";
    let recreated = "iterator of a deleted and re-created stream";
    vec![
        get_after("shard read limit (newer text)", THROTTLED, "--quotas strict", nothing),
        Case::excused(
            "GetRecords",
            "shard read limit (older text)",
            THROTTLED,
            "AWS has a newer text, which has a row of its own",
        ),
        get_after("iterator older than 300 s", "ExpiredIteratorException", "", wait)
            .fill(date, "…"),
        get_after("stream deleted or shard missing", NOT_FOUND, "", |server| {
            Box::pin(delete(server))
        }),
        get_after(recreated, "InternalFailure", "", recreate).unlike(
            "a fault of AWS; the stream that the iterator is of is gone all the same",
            "400 ResourceNotFoundException: Shard shardId-000000000000 in stream clicks under \
             account 000000000000 does not exist",
        ),
    ]
}
