//! An on-demand stream under traffic, as its clients see it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    server::{TestServer, shard_id},
    wire,
};

/// A shard with 600 records a second is busy, however small they are.
const CALLS_A_MINUTE: usize = 72;
const ENTRIES: usize = 500;

/// Lets a minute pass in which so many records of one key are put.
async fn pass(server: &TestServer, calls: usize) {
    let entry = json!({"PartitionKey": "k", "Data": wire::blob("x")});
    let input = json!({"StreamName": "clicks", "Records": vec![entry; ENTRIES]});
    for _ in 0..calls {
        assert_eq!(server.call("PutRecords", input.clone()).await["FailedRecordCount"], 0);
    }
    server.advance(Duration::from_mins(1)).await;
}

#[tokio::test]
async fn a_busy_shard_is_split_and_clients_follow() {
    let server = TestServer::new().await;
    server.create_on_demand("clicks").await;
    let first = server.put("clicks", "k", "first").await["ShardId"].clone();
    let mut minutes = 0;
    while server.summary("clicks").await["OpenShardCount"] == 4 {
        pass(&server, CALLS_A_MINUTE).await;
        minutes += 1;
    }
    assert!((6..15).contains(&minutes), "after {minutes} minutes");
    let shards = server.shards("clicks").await;
    assert_eq!(shards.len(), 6, "one was split");
    let children: Vec<&Value> =
        shards.iter().filter(|shard| shard["ParentShardId"] == first).collect();
    let ids: Vec<_> = children.iter().map(|shard| shard["ShardId"].clone()).collect();
    assert_eq!(ids, [shard_id(4), shard_id(5)]);
    let width = |shard: &Value| {
        let range = &shard["HashKeyRange"];
        let key = |name: &str| range[name].as_str().unwrap().parse::<u128>().unwrap();
        key("EndingHashKey") - key("StartingHashKey")
    };
    assert_eq!(width(children[0]), width(children[1]), "evenly");
    assert_eq!(server.status("clicks").await, "ACTIVE");

    let second = server.put("clicks", "k", "second").await;
    assert!(ids.contains(&second["ShardId"]));
    let parent: u32 = first.as_str().unwrap().strip_prefix("shardId-").unwrap().parse().unwrap();
    let iterator = server.iterator("clicks", parent, "LATEST").await;
    let end = server.get(&iterator).await;
    assert!(end.get("NextShardIterator").is_none(), "{end}");
    let told: Vec<_> = end["ChildShards"].as_array().unwrap().iter().collect();
    assert_eq!(told.iter().map(|shard| shard["ShardId"].clone()).collect::<Vec<_>>(), ids);
}

/// An on-demand stream with twice the shards that it needs.
async fn create_wide(server: &TestServer) {
    server.create("clicks", 8).await;
    let mode = json!({"StreamMode": "ON_DEMAND"});
    let input = json!({"StreamARN": server.arn("clicks"), "StreamModeDetails": mode});
    server.call("UpdateStreamMode", input).await;
}

#[tokio::test]
async fn quiet_shards_are_merged_after_a_day() {
    let server = TestServer::new().await;
    create_wide(&server).await;
    pass(&server, 0).await;
    server.advance(Duration::from_mins(24 * 60 - 2)).await;
    pass(&server, 0).await;
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 8);
    pass(&server, 0).await;
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 4);
    let shards = server.shards("clicks").await;
    let merged: Vec<_> =
        shards.iter().filter(|shard| shard.get("AdjacentParentShardId").is_some()).collect();
    assert_eq!(merged.len(), 4);
}

#[tokio::test]
async fn a_restored_shard_has_to_be_quiet_for_a_day_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("all").to_str().unwrap().to_owned();
    let server = TestServer::new().await;
    create_wide(&server).await;
    server.administer("POST", "snapshot", json!({ "to": path })).await;
    server.advance(Duration::from_hours(20)).await;
    server.administer("POST", "restore", json!({ "from": path })).await;
    server.advance(Duration::from_hours(23)).await;
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 8);
    server.advance(Duration::from_hours(2)).await;
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 4);
}
