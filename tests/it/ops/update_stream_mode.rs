//! UpdateStreamMode.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing::{Resource, check_arn},
    server::{ACCOUNT, TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_arn() {
    let details = json!({"StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    check_arn("UpdateStreamMode", "StreamARN", Resource::Stream, details).await;
}

#[tokio::test]
async fn a_stream_of_few_shards_gets_four_and_keeps_its_records() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.put("clicks", "k", "before").await;
        let answer = server.answer("UpdateStreamMode", &to("ON_DEMAND")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let summary = server.summary("clicks").await;
        assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "ON_DEMAND"}));
        assert_eq!(summary["OpenShardCount"], 4);
        assert_eq!(server.read("clicks", 0).await, ["before"]);
        let open: Vec<_> = open(&server).await;
        assert!(open.iter().all(|shard| shard.get("ParentShardId").is_some()), "{open:?}");
        server.put("clicks", "k", "after").await;
        server.call("UpdateStreamMode", to("PROVISIONED")).await;
        let summary = server.summary("clicks").await;
        assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "PROVISIONED"}));
        assert_eq!(summary["OpenShardCount"], 4);
        assert!(summary.get("RecordDistributionStrategy").is_none());
    })
    .await;
}

#[tokio::test]
async fn the_mode_counts_at_once_and_the_stream_is_updating_meanwhile() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 5).await;
    let refusal = server.refusal("UpdateStreamMode", to("ON_DEMAND")).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state CREATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call("UpdateStreamMode", to("PROVISIONED")).await;
    assert_eq!(server.status("clicks").await, "ACTIVE", "nothing changed");
    server.call("UpdateStreamMode", to("ON_DEMAND")).await;
    let summary = server.summary("clicks").await;
    assert_eq!(summary["StreamStatus"], "UPDATING");
    assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "ON_DEMAND"}));
    let server = server.after_crash().await;
    server.advance(Duration::from_secs(20)).await;
    let summary = server.summary("clicks").await;
    assert_eq!(
        (&summary["StreamStatus"], &summary["OpenShardCount"]),
        (&json!("ACTIVE"), &json!(5))
    );
    assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "ON_DEMAND"}));
}

#[tokio::test]
async fn two_switches_in_24_hours_are_admitted() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("UpdateStreamMode", to("ON_DEMAND")).await;
    server.advance(Duration::from_hours(1)).await;
    server.call("UpdateStreamMode", to("PROVISIONED")).await;
    let refusal = server.refusal("UpdateStreamMode", to("ON_DEMAND")).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
    server.call("UpdateStreamMode", to("PROVISIONED")).await;
    let server = server.after_crash().await;
    server.advance(Duration::from_millis(23 * 3_600_000 - 1)).await;
    server.refusal("UpdateStreamMode", to("ON_DEMAND")).await;
    server.advance(Duration::from_millis(1)).await;
    server.call("UpdateStreamMode", to("ON_DEMAND")).await;
}

#[tokio::test]
async fn shards_of_an_on_demand_stream_are_not_for_its_owner_to_change() {
    let server = TestServer::new().await;
    server.create_on_demand("clicks").await;
    for (operation, input) in [
        ("SplitShard", json!({"ShardToSplit": "0", "NewStartingHashKey": "9"})),
        ("MergeShards", json!({"ShardToMerge": "0", "AdjacentShardToMerge": "1"})),
        ("UpdateShardCount", json!({"TargetShardCount": 5, "ScalingType": "UNIFORM_SCALING"})),
    ] {
        let mut input = input;
        input["StreamName"] = json!("clicks");
        let refusal = server.refusal(operation, input.clone()).await;
        let words = format!(
            "Request is invalid. Stream clicks under account {ACCOUNT} is in On-Demand mode."
        );
        assert_eq!(refusal, format!("ValidationException: {words}"));
    }
    server.call("UpdateStreamMode", to("PROVISIONED")).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
}

#[tokio::test]
async fn a_stream_may_be_warmed_as_it_turns_on_demand() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let warm = |mode: &str, mib: u32| {
        let mut input = to(mode);
        input["WarmThroughputMiBps"] = json!(mib);
        input
    };
    let refusal = server.refusal("UpdateStreamMode", warm("ON_DEMAND", 6)).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    server.commit().await;
    let refusal = server.refusal("UpdateStreamMode", warm("PROVISIONED", 6)).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    server.call("UpdateStreamMode", warm("ON_DEMAND", 6)).await;
    let summary = server.summary("clicks").await;
    assert_eq!(summary["WarmThroughput"], json!({"TargetMiBps": 6, "CurrentMiBps": 6}));
    server.call("UpdateStreamMode", warm("ON_DEMAND", 8)).await;
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 8);
    server.call("UpdateStreamMode", to("PROVISIONED")).await;
    assert!(server.summary("clicks").await.get("WarmThroughput").is_none());
}

#[tokio::test]
async fn only_modes_of_kinesis_are_taken() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for (input, path) in [
        (to("FREE"), "'streamModeDetails.streamMode'"),
        (json!({"StreamARN": server.arn("clicks")}), "'streamModeDetails'"),
    ] {
        let refusal = server.refusal("UpdateStreamMode", input).await;
        assert!(refusal.starts_with("ValidationException: 1 validation error"), "{refusal}");
        assert!(refusal.contains(path), "{refusal}");
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..5 {
        server.call("UpdateStreamMode", to("PROVISIONED")).await;
    }
    let refusal = server.refusal("UpdateStreamMode", to("PROVISIONED")).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn to(mode: &str) -> Value {
    let arn = format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/clicks");
    json!({"StreamARN": arn, "StreamModeDetails": {"StreamMode": mode}})
}

async fn open(server: &TestServer) -> Vec<Value> {
    let mut shards = server.shards("clicks").await;
    shards.retain(|shard| shard["SequenceNumberRange"].get("EndingSequenceNumber").is_none());
    shards
}
