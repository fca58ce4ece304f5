//! Errors of shards: splitting, merging, counting and listing them.

use std::time::Duration;

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};
use crate::server::{TestServer, shard_id};

const NOT_FOUND: &str = "ResourceNotFoundException";
const IN_USE: &str = "ResourceInUseException";
const INVALID: &str = "InvalidArgumentException";
const LIMIT: &str = "LimitExceededException";

const HASH_KEY_MAX: &str = "340282366920938463463374607431768211455";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = addressing();
    cases.extend(resharding());
    cases.extend(scaling());
    cases.extend(listing());
    cases
}

fn split(shard: &str, key: &str) -> Value {
    json!({"ShardToSplit": shard, "NewStartingHashKey": key})
}

fn merge(lower: &str, upper: &str) -> Value {
    json!({"ShardToMerge": lower, "AdjacentShardToMerge": upper})
}

fn iterator(shard: &str) -> Value {
    json!({"ShardId": shard, "ShardIteratorType": "LATEST"})
}

/// Shards that are not there, or that can't be.
fn addressing() -> Vec<Case> {
    let mut cases = Vec::new();
    for (operation, input) in [
        ("GetShardIterator", iterator as fn(&str) -> Value),
        ("SplitShard", |shard| split(shard, "9")),
        ("MergeShards", |shard| merge(shard, "1")),
    ] {
        let condition = "shard id not numeric or > 2147483647 (before stream lookup)";
        let case = Case::new(operation, condition, NOT_FOUND, move |codec| async move {
            let server = Scene::Empty.set(codec).await;
            let ask = async |shard: &str| {
                let mut input = input(shard);
                input["StreamName"] = json!("clicks");
                refused(&server, operation, input).await
            };
            let refusal = ask("shardId-2147483648").await;
            assert_eq!(
                refusal.message,
                ask("x").await.message.replace(" x ", " shardId-2147483648 ")
            );
            refusal
        });
        cases.push(case.fill("inputShardId", "shardId-2147483648"));
    }
    let condition = "stream is CREATING, or stream or shard missing";
    let case = Case::new("GetShardIterator", condition, NOT_FOUND, |codec| async move {
        let mut input = iterator("7");
        input["StreamName"] = json!("clicks");
        let mut refusals = Vec::new();
        for scene in [Scene::Creating, Scene::Empty, Scene::Active] {
            let server = scene.set(codec).await;
            refusals.push(refused(&server, "GetShardIterator", input.clone()).await);
        }
        assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
        refusals.remove(0)
    });
    cases.push(case.fill("shard", shard_id(7)));
    cases
}

fn resharding() -> Vec<Case> {
    let mut cases = Vec::new();
    for (operation, missing, there) in [
        ("SplitShard", split("7", "9"), split("0", "9")),
        ("MergeShards", merge("1", "7"), merge("0", "1")),
    ] {
        let call = |condition: &str, code, scene, input: &Value| {
            Case::call(operation, condition, code, scene, input.clone())
        };
        cases.extend([
            call("shard index not in stream", NOT_FOUND, Scene::Active, &missing)
                .fill("shard", shard_id(7)),
            call("stream is CREATING", IN_USE, Scene::Creating, &missing),
            call("stream is UPDATING", IN_USE, Scene::Updating, &missing),
            call("shard already closed", INVALID, Scene::Split, &there),
        ]);
    }
    let inside = "113427455640312821154458202477256070484";
    cases.push(
        Case::call(
            "SplitShard",
            "hash key not in (start+1, end)",
            INVALID,
            Scene::Active,
            split("0", inside),
        )
        .fill("key", inside)
        .fill("start", 0)
        .fill("end", inside),
    );
    cases.push(
        Case::call(
            "MergeShards",
            "not adjacent, or adjacency inverted",
            INVALID,
            Scene::Active,
            merge("1", "0"),
        )
        .fill("shardToMerge", shard_id(1))
        .fill("adjacentShard", shard_id(0)),
    );
    let quota = Case::new("SplitShard", "account shard quota (k=1)", LIMIT, |codec| async move {
        let server = TestServer::with("--shard-limit 2").await.speaking(codec);
        let mut input = split("0", HASH_KEY_MAX);
        input["StreamName"] = json!("clicks");
        server.create("clicks", 2).await;
        refused(&server, "SplitShard", input).await
    });
    cases.push(quota);
    cases
}

fn scaling() -> Vec<Case> {
    let target = |count: u32| json!({"TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"});
    let scale = |condition: &str, code, count: u32| {
        let case = Case::call("UpdateShardCount", condition, code, Scene::Active, target(count));
        case.fill("c", 3).fill("t", count)
    };
    let eleventh =
        Case::new("UpdateShardCount", "more than 10 per 24 h", LIMIT, move |codec| async move {
            let server = TestServer::new().await.with_stream("clicks", 1).await.speaking(codec);
            let mut input = target(1);
            input["StreamName"] = json!("clicks");
            for _ in 0..10 {
                server.call("UpdateShardCount", input.clone()).await;
            }
            refused(&server, "UpdateShardCount", input).await
        });
    let other_type = json!({"TargetShardCount": 1, "ScalingType": "HALVING"});
    vec![
        scale("target > 2x open", LIMIT, 7),
        scale("target < half of open", LIMIT, 1),
        scale("target over quota", LIMIT, 6).fill("limit", 5),
        Case::call(
            "UpdateShardCount",
            "ScalingType invalid",
            "ValidationException",
            Scene::Active,
            other_type,
        )
        .fill("v", "HALVING"),
        eleventh,
        Case::new(
            "UpdateShardCount",
            "on-demand stream",
            "ValidationException",
            move |codec| async move {
                let server = TestServer::new().await.speaking(codec);
                server.create_on_demand("clicks").await;
                let mut input = target(5);
                input["StreamName"] = json!("clicks");
                refused(&server, "UpdateShardCount", input).await
            },
        ),
    ]
}

fn listing() -> Vec<Case> {
    let both = |condition: &str, member: &str, value: Value| {
        let mut input = json!({"NextToken": "AAAA"});
        input[member] = value;
        Case::call("ListShards", condition, INVALID, Scene::Active, input)
    };
    let arn = json!("arn:aws:kinesis:us-east-1:000000000000:stream/clicks");
    vec![
        Case::call(
            "ListShards",
            "neither NextToken nor stream",
            INVALID,
            Scene::Active,
            json!({"StreamName": null}),
        ),
        both("NextToken with StreamName", "StreamName", json!("clicks")),
        both("NextToken with StreamARN", "StreamARN", arn),
        both("NextToken with ExclusiveStartShardId", "ExclusiveStartShardId", json!("shardId-0")),
        both("NextToken with ShardFilter", "ShardFilter", json!({"Type": "AT_LATEST"})),
        Case::call("ListShards", "stream CREATING/DELETING", IN_USE, Scene::Creating, json!({})),
        Case::new(
            "ListShards",
            "token older than 300 s",
            "ExpiredNextTokenException",
            |codec| async move {
                let server = Scene::Active.set(codec).await;
                let input = json!({"StreamName": "clicks", "MaxResults": 1});
                let page = server.call("ListShards", input).await;
                server.advance(Duration::from_millis(300_001)).await;
                let next = json!({"NextToken": page["NextToken"]});
                refused(&server, "ListShards", next).await
            },
        ),
        Case::call(
            "ListShards",
            "MaxResults > 10000",
            "ValidationException",
            Scene::Active,
            json!({"MaxResults": 10_001}),
        )
        .fill("n", 10_001),
        Case::call(
            "DescribeStream",
            "Limit > 10000",
            "ValidationException",
            Scene::Active,
            json!({"Limit": 10_001}),
        )
        .fill("n", 10_001),
        Case::call(
            "ListStreams",
            "Limit > 10000",
            "ValidationException",
            Scene::Active,
            json!({"Limit": 10_001}),
        )
        .fill("n", 10_001),
    ]
}
