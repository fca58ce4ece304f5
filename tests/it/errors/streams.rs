//! Errors of streams: those that aren't there, and what can't be made of one.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::server::TestServer;

const NOT_FOUND: &str = "ResourceNotFoundException";
const IN_USE: &str = "ResourceInUseException";
const INVALID: &str = "InvalidArgumentException";
const VALIDATION: &str = "ValidationException";
const LIMIT: &str = "LimitExceededException";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = missing();
    cases.extend(creation());
    cases.extend(retention());
    cases.push(record_size());
    cases.extend(rates());
    cases
}

/// What each operation needs beside a stream.
fn least_input(operation: &str) -> Value {
    match operation {
        "AddTagsToStream" => json!({"Tags": {"a": "b"}}),
        "RemoveTagsFromStream" => json!({"TagKeys": ["a"]}),
        "IncreaseStreamRetentionPeriod" | "DecreaseStreamRetentionPeriod" => {
            json!({"RetentionPeriodHours": 24})
        }
        "MergeShards" => json!({"ShardToMerge": "0", "AdjacentShardToMerge": "1"}),
        "PutRecord" => json!({"PartitionKey": "k", "Data": ""}),
        "PutRecords" => json!({"Records": [{"PartitionKey": "k", "Data": ""}]}),
        "SplitShard" => json!({"ShardToSplit": "0", "NewStartingHashKey": "9"}),
        "UpdateShardCount" => json!({"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"}),
        _ => json!({}),
    }
}

fn missing() -> Vec<Case> {
    let operations = [
        "AddTagsToStream",
        "DecreaseStreamRetentionPeriod",
        "DeleteStream",
        "DescribeStream",
        "DescribeStreamSummary",
        "IncreaseStreamRetentionPeriod",
        "ListShards",
        "ListTagsForStream",
        "MergeShards",
        "PutRecord",
        "PutRecords",
        "RemoveTagsFromStream",
        "SplitShard",
        "UpdateShardCount",
    ];
    let condition = "stream does not exist";
    let call = |operation| {
        Case::call(operation, condition, NOT_FOUND, Scene::Empty, least_input(operation))
    };
    let mut cases: Vec<_> = operations.into_iter().map(call).collect();
    let condition = "StreamARN of a missing stream (CBOR request): name printed, not ARN";
    let arn = json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks"});
    let by_arn = Case::call("DescribeStream", condition, NOT_FOUND, Scene::Empty, arn);
    cases.push(by_arn.in_cbor());
    for operation in ["PutRecord", "PutRecords"] {
        let input = least_input(operation);
        let condition = "stream is CREATING";
        cases.push(Case::call(operation, condition, NOT_FOUND, Scene::Creating, input));
    }
    cases
}

fn creation() -> Vec<Case> {
    let create = |condition: &str, code, scene, input| {
        Case::call("CreateStream", condition, code, scene, input)
    };
    let on_demand = json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "ShardCount": 1});
    let auto = json!({"RecordDistributionStrategy": "AUTO", "ShardCount": 1});
    vec![
        create("name exists", IN_USE, Scene::Active, json!({"ShardCount": 9})),
        create("no StreamName", VALIDATION, Scene::Empty, json!({"StreamName": null})),
        create("ShardCount 0", VALIDATION, Scene::Empty, json!({"ShardCount": 0})),
        create(
            "ShardCount 100000000000",
            VALIDATION,
            Scene::Empty,
            json!({"ShardCount": 100_000_000_000_u64}),
        ),
        create("ON_DEMAND with ShardCount", "(unsure)", Scene::Empty, on_demand),
        create("AUTO distribution on provisioned", INVALID, Scene::Empty, auto),
        create(
            "account shard quota",
            LIMIT,
            Scene::Active,
            json!({"StreamName": "orders", "ShardCount": 3}),
        )
        .fill("n", 3)
        .fill("limit", 5)
        .fill("k", 3),
        Case::new("CreateStream", "> 5 streams CREATING", LIMIT, |codec| async move {
            let server = TestServer::with("--transition 1h").await.speaking(codec);
            for n in 0..5 {
                server.create(&format!("clicks-{n}"), 1).await;
            }
            let sixth = json!({"StreamName": "clicks", "ShardCount": 1});
            refused(&server, "CreateStream", sixth).await
        }),
        Case::new("CreateStream", "on-demand stream quota", LIMIT, |codec| async move {
            let server = TestServer::new().await.speaking(codec);
            for n in 0..50 {
                server.create_on_demand(&format!("clicks-{n}")).await;
            }
            refused(&server, "CreateStream", json!({"StreamName": "clicks"})).await
        })
        .fill("n", 50)
        .fill("limit", 50),
        Case::new("UpdateStreamMode", "third switch in 24 h", LIMIT, |codec| async move {
            let server = TestServer::new().await.with_stream("clicks", 1).await.speaking(codec);
            let to = |mode: &str| {
                let details = json!({"StreamMode": mode});
                json!({"StreamARN": server.arn("clicks"), "StreamModeDetails": details})
            };
            for mode in ["ON_DEMAND", "PROVISIONED"] {
                server.call("UpdateStreamMode", to(mode)).await;
            }
            refused(&server, "UpdateStreamMode", to("ON_DEMAND")).await
        }),
        Case::excused("DeleteStream", "queues exist", IN_USE, "queues are not served yet"),
    ]
}

fn retention() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in ["IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod"] {
        for (condition, code, hours) in [
            ("hours < 24", INVALID, 23),
            ("hours > 8760", INVALID, 8761),
            ("hours < 1", VALIDATION, 0),
        ] {
            let input = json!({ "RetentionPeriodHours": hours });
            let case = Case::call(operation, condition, code, Scene::Active, input);
            cases.push(case.fill("n", hours));
        }
        cases.push(Case::excused(
            operation,
            "hours > 168 (old recording; the model now has no range)",
            VALIDATION,
            "AWS has raised the limit to 8,760 hours since",
        ));
    }
    for (operation, condition, now, hours) in [
        ("IncreaseStreamRetentionPeriod", "hours below current (equal succeeds)", 48, 47),
        ("DecreaseStreamRetentionPeriod", "hours above current", 24, 25),
    ] {
        let case = Case::new(operation, condition, INVALID, move |codec| async move {
            let server = TestServer::new().await.with_stream("clicks", 1).await.speaking(codec);
            let period =
                |hours: i32| json!({"StreamName": "clicks", "RetentionPeriodHours": hours});
            server.call("IncreaseStreamRetentionPeriod", period(now)).await;
            refused(&server, operation, period(hours)).await
        });
        cases.push(case.fill("n", hours).fill("cur", now));
    }
    cases
}

fn record_size() -> Case {
    let (operation, condition) = ("UpdateMaxRecordSize", "outside 1024..10240");
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
    let input = json!({"StreamARN": arn, "MaxRecordSizeInKiB": 1023});
    let words = "Value '1023' at 'maxRecordSizeInKiB' failed to satisfy constraint: Member must \
        have value greater than or equal to 1024";
    let answer = format!("400 {VALIDATION}: 1 validation error detected: {words}");
    Case::call(operation, condition, VALIDATION, Scene::Active, input).spelled(&answer)
}

fn rates() -> Vec<Case> {
    let too_often = |row, operation: &'static str, admitted: usize, input: Value| {
        Case::new(row, "rate", LIMIT, move |codec| {
            let input = input.clone();
            async move {
                let server = TestServer::with("--quotas strict").await.speaking(codec);
                let server = server.with_stream("clicks", 1).await;
                for _ in 0..admitted {
                    server.call(operation, input.clone()).await;
                }
                let refusal = refused(&server, operation, input.clone()).await;
                server.advance(Duration::from_secs(1)).await;
                server.call(operation, input).await;
                assert!(refusal.message.starts_with("Rate exceeded"), "{refusal}");
                refusal
            }
        })
    };
    let clicks = json!({"StreamName": "clicks"});
    vec![
        too_often("ListShards", "ListShards", 1000, clicks.clone()),
        too_often("*stream-addressed control call*", "DescribeStreamSummary", 20, clicks),
        too_often("*account-level control call*", "DescribeLimits", 1, json!({})),
    ]
}
