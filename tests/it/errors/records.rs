//! Errors of records as they are written.

use std::time::Duration;

use millpond_api::Codec;
use millpond_shards::{
    crypt::{KmsFault, testing::TestKeys},
    engine::memory::Fault,
};
use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::{
    ops::start_stream_encryption::FAULTS,
    server::TestServer,
    wire::{self, Refusal},
};

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
    let operations = ["PutRecord", "PutRecords", "GetRecords", "StartStreamEncryption"];
    let case = |operation, (fault, code)| {
        Case::new(operation, "KMS failure", code, move |codec| without_key(operation, fault, codec))
    };
    operations.into_iter().flat_map(|op| FAULTS.map(|fault| case(op, fault))).collect()
}

/// What the operation is told of an encrypted stream when its key can't be used.
async fn without_key(operation: &'static str, fault: KmsFault, codec: Codec) -> Refusal {
    let keys = TestKeys::default();
    let server = TestServer::with_keys("", keys.clone()).await.speaking(codec);
    server.create("clicks", 1).await;
    let start = json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": "alias/a"});
    server.call("StartStreamEncryption", start.clone()).await;
    server.put("clicks", "k", "sealed").await;
    keys.set("alias/a", Some(fault));
    // Longer than a key may be used before it is asked for again; iterators live as long.
    server.advance(Duration::from_mins(6)).await;
    let entry = json!({"PartitionKey": "k", "Data": ""});
    let input = match operation {
        "PutRecord" => json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""}),
        "PutRecords" => json!({"StreamName": "clicks", "Records": [entry]}),
        "GetRecords" => {
            json!({"ShardIterator": server.iterator("clicks", 0, "TRIM_HORIZON").await})
        }
        _ => start,
    };
    refused(&server, operation, input).await
}
