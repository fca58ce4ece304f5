//! MergeShards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, TestServer, in_both_formats, shard_id},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    let input = json!({"ShardToMerge": shard_id(1), "AdjacentShardToMerge": shard_id(2)});
    addressing::check_after("MergeShards", input, async |server| {
        let split = json!({"StreamName": "clicks", "ShardToSplit": shard_id(0),
            "NewStartingHashKey": "9"});
        server.call("SplitShard", split).await;
    })
    .await;
}

#[tokio::test]
async fn one_child_takes_over_from_two_parents() {
    in_both_formats("", async |server| {
        server.create("clicks", 3).await;
        server.put("clicks", "b", "1").await;
        server.put("clicks", "e", "2").await;
        let answer = server.answer("MergeShards", &merge("1", "2")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let shards = server.shards("clicks").await;
        assert_eq!(shards.len(), 4);
        assert_eq!(shards[3]["ParentShardId"], shard_id(1));
        assert_eq!(shards[3]["AdjacentParentShardId"], shard_id(2));
        let range = json!({"StartingHashKey": "113427455640312821154458202477256070485",
            "EndingHashKey": "340282366920938463463374607431768211455"});
        assert_eq!(shards[3]["HashKeyRange"], range);
        let end = |shard: usize| &shards[shard]["SequenceNumberRange"]["EndingSequenceNumber"];
        assert!(end(0).is_null() && end(1).is_string() && end(2).is_string());
        for key in ["b", "e"] {
            let put = server.put("clicks", key, "3").await;
            assert_eq!(put["ShardId"], shard_id(3));
            assert!(put["SequenceNumber"].as_str() > end(1).as_str());
            assert!(put["SequenceNumber"].as_str() > end(2).as_str());
        }
        assert_eq!(server.read("clicks", 1).await, ["1"]);
        assert_eq!(server.read("clicks", 2).await, ["2"]);
        assert_eq!(server.read("clicks", 3).await, ["3", "3"]);
    })
    .await;
}

#[tokio::test]
async fn writes_go_to_the_parents_until_the_transition_is_over() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 2).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("MergeShards", merge("0", "1")).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    assert_eq!(server.put("clicks", "a", "1").await["ShardId"], shard_id(0));
    assert_eq!(server.put("clicks", "b", "2").await["ShardId"], shard_id(1));
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.put("clicks", "a", "3").await["ShardId"], shard_id(2));
    assert_eq!(server.put("clicks", "b", "4").await["ShardId"], shard_id(2));
    let server = server.after_crash().await;
    assert_eq!(server.read("clicks", 0).await, ["1"]);
    assert_eq!(server.read("clicks", 2).await, ["3", "4"]);
}

#[tokio::test]
async fn only_neighbours_from_the_lower_one_on_are_merged() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    for (lower, upper) in [(0, 2), (1, 0), (1, 1)] {
        let input = merge(&lower.to_string(), &upper.to_string());
        let refusal = server.refusal("MergeShards", input).await;
        let expected = format!(
            "InvalidArgumentException: Shards {} and {} in stream clicks under account {ACCOUNT} \
             are not an adjacent pair of shards eligible for merging",
            shard_id(lower),
            shard_id(upper)
        );
        assert_eq!(refusal, expected);
    }
}

#[tokio::test]
async fn both_shards_must_be_there_and_open() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    for (input, named) in [(merge("0", "7"), shard_id(7)), (merge("8", "1"), shard_id(8))] {
        let refusal = server.refusal("MergeShards", input).await;
        let words =
            format!("Could not find shard {named} in stream clicks under account {ACCOUNT}.");
        assert_eq!(refusal, format!("ResourceNotFoundException: {words}"));
    }
    server.call("MergeShards", merge("0", "1")).await;
    for (input, closed) in [(merge("1", "2"), 1), (merge("3", "1"), 1)] {
        let refusal = server.refusal("MergeShards", input).await;
        let words = format!(
            "Shard {} in stream clicks under account {ACCOUNT} has already been merged or split, \
             and thus is not eligible for merging or splitting.",
            shard_id(closed)
        );
        assert_eq!(refusal, format!("InvalidArgumentException: {words}"));
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 7).await;
    server.call("MergeShards", merge("0", "1")).await;
    for n in 0..4 {
        let (lower, upper) = ((7 + n).to_string(), (2 + n).to_string());
        server.call("MergeShards", merge(&lower, &upper)).await;
    }
    let refusal = server.refusal("MergeShards", merge("11", "6")).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.advance(Duration::from_millis(200)).await;
    server.call("MergeShards", merge("11", "6")).await;
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 1);
}

fn merge(lower: &str, upper: &str) -> Value {
    json!({"StreamName": "clicks", "ShardToMerge": lower, "AdjacentShardToMerge": upper})
}
