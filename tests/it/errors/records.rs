//! Errors of records: writing them, iterators, and reading.

use std::time::Duration;

use futures::future::BoxFuture;
use millpond_shards::engine::memory::Fault;
use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::{
    server::{TestServer, shard_id},
    wire::{self, Refusal},
};

const NOT_FOUND: &str = "ResourceNotFoundException";
const INVALID: &str = "InvalidArgumentException";
const VALIDATION: &str = "ValidationException";
const THROTTLED: &str = "ProvisionedThroughputExceededException";
const DRY_RUN: &str = "DryRunOperationException";

/// The largest record of the scenes' streams, data and partition key together.
const RECORD_BYTES_MAX: usize = 1 << 20;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = entries();
    cases.extend(puts());
    cases.extend(encryption());
    cases.extend(iterators());
    cases.extend(reading());
    cases
}

/// What is wrong with an entry, alone or as the second of two.
fn entries() -> Vec<Case> {
    let past = "340282366920938463463374607431768211456";
    let large = wire::blob(vec![0; RECORD_BYTES_MAX]);
    let long = "k".repeat(257);
    let bad = [
        ("ExplicitHashKey >= 2^128", INVALID, json!({"ExplicitHashKey": past}), past),
        ("ExplicitHashKey pattern", VALIDATION, json!({"ExplicitHashKey": "-1"}), "-1"),
        ("PartitionKey > 256", VALIDATION, json!({ "PartitionKey": long }), &long),
        ("PartitionKey empty", VALIDATION, json!({"PartitionKey": ""}), ""),
        (
            "Data over the stream limit, newer text without value (1 MiB stream: 1048576)",
            VALIDATION,
            json!({ "Data": large }),
            "",
        ),
        ("DryRun and all checks pass", DRY_RUN, json!({"DryRun": true}), ""),
    ];
    let mut cases = Vec::new();
    for (condition, code, members, v) in bad {
        let entry = |members: &Value| {
            let mut entry = json!({"PartitionKey": "k", "Data": ""});
            entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            entry
        };
        let single = entry(&members);
        let mut several = json!({"Records": [entry(&json!({})), single]});
        if condition.starts_with("DryRun") {
            several = json!({"Records": [entry(&json!({}))], "DryRun": true});
        }
        for (operation, input) in [("PutRecord", single), ("PutRecords", several)] {
            let case = Case::call(operation, condition, code, Scene::Active, input);
            cases.push(case.fill("v", v).fill("i", 2).fill("streamMaxBytes", RECORD_BYTES_MAX));
        }
    }
    for operation in ["PutRecord", "PutRecords"] {
        cases.push(Case::excused(
            operation,
            "Data over 1 MiB (when recorded)",
            VALIDATION,
            "AWS no longer prints the value; the newer text has a row of its own",
        ));
    }
    cases
}

fn puts() -> Vec<Case> {
    let entry = json!({"PartitionKey": "k", "Data": ""});
    let mebibyte = json!({"PartitionKey": "k", "Data": wire::blob(vec![0; RECORD_BYTES_MAX - 1])});
    let records = |entry: &Value, count: usize| json!({"Records": vec![entry; count]});
    let number = "9".repeat(50);
    vec![
        Case::call(
            "PutRecords",
            "more than 500 records",
            VALIDATION,
            Scene::Active,
            records(&entry, 501),
        )
        .fill("hash", "…"),
        Case::call("PutRecords", "empty list", VALIDATION, Scene::Active, records(&entry, 0)),
        Case::call(
            "PutRecords",
            "total size over limit",
            INVALID,
            Scene::Active,
            records(&mebibyte, 11),
        ),
        Case::call(
            "PutRecord",
            "SequenceNumberForOrdering invalid or in the future",
            INVALID,
            Scene::Active,
            json!({"PartitionKey": "k", "Data": "", "SequenceNumberForOrdering": number}),
        )
        .fill("v", &number),
        Case::new("PutRecord", "shard write limit", THROTTLED, |codec| async move {
            let server = TestServer::with("--quotas strict").await.speaking(codec);
            server.create("clicks", 1).await;
            server.put("clicks", "k", &"x".repeat(RECORD_BYTES_MAX - 1)).await;
            let input = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""});
            refused(&server, "PutRecord", input).await
        }),
        Case::new("PutRecords (entry)", "shard write limit", THROTTLED, |codec| async move {
            let server = TestServer::with("--quotas strict").await.speaking(codec);
            server.create("clicks", 1).await;
            server.put("clicks", "k", &"x".repeat(RECORD_BYTES_MAX - 1)).await;
            failed_entry(&server).await
        }),
        Case::new("PutRecords (entry)", "internal error", "InternalFailure", |codec| async move {
            let server = Scene::Active.set(codec).await;
            server.engine().faults().next(Fault::Failed { stored: false });
            failed_entry(&server).await
        }),
    ]
}

/// What the one entry of a PutRecords is told.
async fn failed_entry(server: &TestServer) -> Refusal {
    let entry = json!({"PartitionKey": "k", "Data": ""});
    let input = json!({"StreamName": "clicks", "Records": [entry]});
    let output = server.call("PutRecords", input).await;
    let text = |member: &str| output["Records"][0][member].as_str().unwrap().to_owned();
    Refusal { status: 200, code: text("ErrorCode"), message: text("ErrorMessage") }
}

fn encryption() -> Vec<Case> {
    let codes = [
        "KMSAccessDeniedException",
        "KMSDisabledException",
        "KMSInvalidStateException",
        "KMSNotFoundException",
        "KMSOptInRequired",
        "KMSThrottlingException",
    ];
    let operations = ["PutRecord", "PutRecords", "GetRecords"];
    let excused =
        |operation, code| Case::excused(operation, "KMS failure", code, "nothing is encrypted yet");
    operations.into_iter().flat_map(|op| codes.map(|code| excused(op, code))).collect()
}

fn iterators() -> Vec<Case> {
    let case = |condition: &str, code, members: Value| {
        let mut input = json!({"ShardId": "0"});
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Case::call("GetShardIterator", condition, code, Scene::Active, input)
    };
    let at = "AT_SEQUENCE_NUMBER";
    let numbered =
        |number: &str| json!({"ShardIteratorType": at, "StartingSequenceNumber": number});
    // The numbers that shards 1 and, in a stream made a second later, 0 begin with.
    let of_other = "49646437577130777162115407028967465143858078037781250066";
    let mut cases = vec![
        case(
            "AT/AFTER without StartingSequenceNumber",
            INVALID,
            json!({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER"}),
        )
        .fill("TYPE", "AFTER_SEQUENCE_NUMBER"),
        case(
            "LATEST/TRIM_HORIZON with StartingSequenceNumber",
            INVALID,
            json!({"ShardIteratorType": "LATEST", "StartingSequenceNumber": of_other}),
        )
        .fill("TYPE", "LATEST"),
        case("sequence number of another shard", INVALID, numbered(of_other))
            .fill("otherShard", shard_id(1)),
        case("sequence number unparsable", INVALID, numbered(&"9".repeat(50)))
            .fill("v", "9".repeat(50)),
        case("bad ShardIteratorType", VALIDATION, json!({"ShardIteratorType": "NEWEST"}))
            .fill("v", "NEWEST"),
        case("StartingSequenceNumber pattern", VALIDATION, numbered("-1")).fill("v", "-1"),
        case(
            "AT_TIMESTAMP without Timestamp",
            INVALID,
            json!({"ShardIteratorType": "AT_TIMESTAMP"}),
        ),
        // An hour has passed in this scene.
        case(
            "Timestamp in the future",
            INVALID,
            json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_003_600.5}),
        )
        .fill("ms", 1_700_003_600_500_u64)
        .fill("now", 1_700_003_600_000_u64),
    ];
    let start = |server: TestServer| async move {
        let shards = server.shards("clicks").await;
        shards[0]["SequenceNumberRange"]["StartingSequenceNumber"].as_str().unwrap().to_owned()
    };
    let first = "49646437577108476416916876405825929425585429676275269634";
    let condition = "right shard index, other stream creation";
    let other_stream = Case::new("GetShardIterator", condition, INVALID, move |codec| async move {
        let server = Scene::Active.set(codec).await;
        assert_ne!(start(server.clone()).await, first);
        let input = json!({"StreamName": "clicks", "ShardId": "0",
            "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": first});
        refused(&server, "GetShardIterator", input).await
    });
    cases.push(other_stream.fill("v", first));
    cases.push(case("legacy tiny sequence number \"0\"", "InternalFailure", numbered("0")).unlike(
        "a fault of AWS that helps nobody",
        "400 InvalidArgumentException: StartingSequenceNumber 0 used in GetShardIterator on \
             shard shardId-000000000000 in stream clicks under account 000000000000 is invalid \
             because it did not come from this stream.",
    ));
    cases
}

/// Makes GetRecords refuse the iterator, on a server with one shard.
type Spoil = fn(&TestServer) -> BoxFuture<'_, ()>;

fn reading() -> Vec<Case> {
    let get = |condition: &str, code, flags: &'static str, spoil: Spoil| {
        Case::new("GetRecords", condition, code, move |codec| async move {
            let server = TestServer::with(flags).await.with_stream("clicks", 1).await;
            let server = server.speaking(codec);
            let iterator = server.iterator("clicks", 0, "LATEST").await;
            spoil(&server).await;
            for _ in 0..5 {
                let input = json!({ "ShardIterator": iterator });
                if let Err(refusal) = server.outcome("GetRecords", input).await {
                    return refusal;
                }
            }
            refused(&server, "GetRecords", json!({ "ShardIterator": iterator })).await
        })
    };
    let delete: Spoil = |server| {
        Box::pin(async {
            server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
        })
    };
    let recreate: Spoil = |server| {
        Box::pin(async {
            server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
            server.create("clicks", 1).await;
        })
    };
    let wait: Spoil = |server| Box::pin(server.advance(Duration::from_millis(300_001)));
    let nothing: Spoil = |_| Box::pin(async {});
    let direct = |condition: &str, code, iterator: &str| {
        let input = json!({ "ShardIterator": iterator });
        Case::call("GetRecords", condition, code, Scene::Active, input)
    };
    let date = "EEE MMM dd HH:mm:ss UTC yyyy";
    let long = "A".repeat(513);
    vec![
        get("shard read limit (newer text)", THROTTLED, "--quotas strict", nothing),
        Case::excused(
            "GetRecords",
            "shard read limit (older text)",
            THROTTLED,
            "AWS has a newer text, which has a row of its own",
        ),
        get("iterator older than 300 s", "ExpiredIteratorException", "", wait).fill(date, "…"),
        get("stream deleted or shard missing", NOT_FOUND, "", delete),
        get("iterator of a deleted and re-created stream", "InternalFailure", "", recreate).unlike(
            "a fault of AWS; the stream that the iterator is of is gone all the same",
            "400 ResourceNotFoundException: Shard shardId-000000000000 in stream clicks under \
             account 000000000000 does not exist",
        ),
        direct("iterator not decodable", INVALID, "AAAA"),
        direct("empty iterator", VALIDATION, ""),
        direct("iterator > 512 chars", VALIDATION, &long).fill("v", &long),
        Case::call(
            "GetRecords",
            "Limit > 10000",
            VALIDATION,
            Scene::Active,
            json!({"ShardIterator": "AAAA", "Limit": 10_001}),
        )
        .fill("n", 10_001),
    ]
}
