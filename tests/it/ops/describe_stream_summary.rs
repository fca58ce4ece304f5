//! DescribeStreamSummary.

use std::time::Duration;

use serde_json::json;

use crate::{
    addressing,
    server::{TestServer, in_both_formats, shard_id},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("DescribeStreamSummary", json!({})).await;
}

#[tokio::test]
async fn only_open_shards_are_counted() {
    in_both_formats("", async |server| {
        server.create("clicks", 2).await;
        let merge = json!({"StreamName": "clicks", "ShardToMerge": shard_id(0),
            "AdjacentShardToMerge": shard_id(1)});
        server.call("MergeShards", merge).await;
        assert_eq!(server.summary("clicks").await["OpenShardCount"], 1);
        assert_eq!(server.shards("clicks").await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn registered_consumers_are_counted() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for count in 0..3 {
        assert_eq!(server.summary("clicks").await["ConsumerCount"], count);
        server.register("clicks", &format!("reader-{count}")).await;
    }
}

/// SDKs would otherwise leave the endpoint that they were given.
#[tokio::test]
async fn the_stream_id_is_never_told() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let summary = server.summary("clicks").await;
    assert!(summary.get("StreamId").is_none(), "{summary}");
    assert!(summary.get("KeyId").is_none() && summary.get("WarmThroughput").is_none());
}

#[tokio::test]
async fn the_status_is_told_in_every_state() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    assert_eq!(server.status("clicks").await, "CREATING");
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
    let more = json!({"StreamName": "clicks", "RetentionPeriodHours": 48});
    server.call("IncreaseStreamRetentionPeriod", more).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    assert_eq!(server.status("clicks").await, "DELETING");
}

#[tokio::test]
async fn twenty_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..20 {
        server.summary("clicks").await;
    }
    let refusal = server.refusal("DescribeStreamSummary", json!({"StreamName": "clicks"})).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
    server.in_region("eu-west-1").create("clicks", 1).await;
    server.in_region("eu-west-1").summary("clicks").await;
    server.advance(Duration::from_millis(50)).await;
    server.summary("clicks").await;
}

#[tokio::test]
async fn streams_that_are_made_at_the_start_are_provisioned() {
    let server = TestServer::with("--stream clicks:2 --stream orders").await;
    for (name, shards) in [("clicks", 2), ("orders", 1)] {
        let summary = server.summary(name).await;
        assert_eq!(summary["StreamModeDetails"], json!({"StreamMode": "PROVISIONED"}));
        assert_eq!(summary["OpenShardCount"], shards);
    }
}
