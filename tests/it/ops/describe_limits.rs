//! DescribeLimits.

use std::time::Duration;

use serde_json::json;

use crate::server::{STRANGER, TestServer, in_both_formats};

#[tokio::test]
async fn open_shards_are_counted_by_account_and_region() {
    in_both_formats("--shard-limit 70", async |server| {
        server.create("clicks", 3).await;
        server.create("orders", 2).await;
        server.as_account(STRANGER).create("clicks", 7).await;
        server.in_region("eu-west-1").create("clicks", 11).await;
        let split = json!({"StreamName": "orders", "ShardToSplit": "0", "NewStartingHashKey": "9"});
        server.call("SplitShard", split).await;
        let expected = |open: u32| {
            json!({"ShardLimit": 70, "OpenShardCount": open, "OnDemandStreamCount": 0,
                "OnDemandStreamCountLimit": 50})
        };
        assert_eq!(server.call("DescribeLimits", json!({})).await, expected(6));
        let stranger = server.as_account(STRANGER);
        assert_eq!(stranger.call("DescribeLimits", json!({})).await, expected(7));
        let nobody = server.as_account("444455556666");
        assert_eq!(nobody.call("DescribeLimits", json!({})).await, expected(0));
    })
    .await;
}

/// Shards of on-demand streams are nobody's to count.
#[tokio::test]
async fn on_demand_streams_are_counted_for_themselves() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    server.create_on_demand("orders").await;
    server.in_region("eu-west-1").create_on_demand("orders").await;
    let limits = server.call("DescribeLimits", json!({})).await;
    assert_eq!((&limits["OpenShardCount"], &limits["OnDemandStreamCount"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn the_limit_of_aws_is_that_of_the_region() {
    let server = TestServer::with("--shard-limit aws").await;
    for (region, limit) in [("us-east-1", 20_000), ("eu-west-1", 20_000), ("eu-central-1", 1_000)] {
        let limits = server.in_region(region).call("DescribeLimits", json!({})).await;
        assert_eq!(limits["ShardLimit"], limit, "{region}");
    }
}

#[tokio::test]
async fn one_call_a_second_is_admitted() {
    let server = TestServer::with("--quotas strict").await;
    server.call("DescribeLimits", json!({})).await;
    let refusal = server.refusal("DescribeLimits", json!({})).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
    server.as_account(STRANGER).call("DescribeLimits", json!({})).await;
    server.in_region("eu-west-1").call("DescribeLimits", json!({})).await;
    server.advance(Duration::from_millis(999)).await;
    server.refusal("DescribeLimits", json!({})).await;
    server.advance(Duration::from_millis(1)).await;
    server.call("DescribeLimits", json!({})).await;
}
