//! SplitShard.

use std::time::Duration;

use millpond_api::types::{SequenceNumber, ShardId};
use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, START_MILLIS, TestServer, in_both_formats, shard_id, texts},
};

const MIDDLE: &str = "170141183460469231731687303715884105728";

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    let input = json!({"ShardToSplit": shard_id(0), "NewStartingHashKey": MIDDLE});
    addressing::check("SplitShard", input).await;
}

#[tokio::test]
async fn two_children_take_over_from_their_parent() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.advance(Duration::from_secs(100)).await;
        let answer = server.answer("SplitShard", &split("0", MIDDLE)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let shards = server.shards("clicks").await;
        let child = |index: u32, start: &str, end: &str, number: &str| {
            json!({"ShardId": shard_id(index), "ParentShardId": shard_id(0),
                "HashKeyRange": {"StartingHashKey": start, "EndingHashKey": end},
                "SequenceNumberRange": {"StartingSequenceNumber": number}})
        };
        let end = "170141183460469231731687303715884105727";
        let max = "340282366920938463463374607431768211455";
        // Numbers of shards made a second after their parent's end.
        let first = number(START_MILLIS / 1000 + 101, 1);
        let second = number(START_MILLIS / 1000 + 101, 2);
        assert_eq!(shards[1], child(1, "0", end, &first));
        assert_eq!(shards[2], child(2, MIDDLE, max, &second));
        let ending = shards[0]["SequenceNumberRange"]["EndingSequenceNumber"].as_str().unwrap();
        assert!(ending < first.as_str());
        for (key, shard) in [("a", 1), ("b", 2)] {
            let put = server.put("clicks", key, key).await;
            assert_eq!(put["ShardId"], shard_id(shard));
            assert!(put["SequenceNumber"].as_str() > Some(first.as_str()));
        }
    })
    .await;
}

#[tokio::test]
async fn writes_go_to_the_parent_until_the_transition_is_over() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    let reader = server.iterator("clicks", 0, "LATEST").await;
    server.call("SplitShard", split("0", MIDDLE)).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    assert_eq!(server.shards("clicks").await.len(), 1);
    server.advance(Duration::from_millis(19_999)).await;
    assert_eq!(server.put("clicks", "a", "1").await["ShardId"], shard_id(0));
    let refusal = server.refusal("SplitShard", split("0", MIDDLE)).await;
    let words = format!("Stream clicks under account {ACCOUNT} not ACTIVE, instead in state");
    assert_eq!(refusal, format!("ResourceInUseException: {words} UPDATING"));
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
    assert_eq!(server.put("clicks", "a", "2").await["ShardId"], shard_id(1));
    let output = server.get(&reader).await;
    assert_eq!(texts(&output), ["1"]);
    let output = server.get(output["NextShardIterator"].as_str().unwrap()).await;
    assert_eq!(output["ChildShards"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_split_is_carried_out_after_a_crash() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.put("clicks", "a", "1").await;
    server.call("SplitShard", split("0", MIDDLE)).await;
    let server = server.after_crash().await;
    assert_eq!(server.put("clicks", "a", "2").await["ShardId"], shard_id(0));
    server.advance(Duration::from_secs(20)).await;
    let server = server.after_crash().await;
    assert_eq!(server.put("clicks", "a", "3").await["ShardId"], shard_id(1));
    assert_eq!(server.read("clicks", 0).await, ["1", "2"]);
    assert_eq!(server.read("clicks", 1).await, ["3"]);
}

/// Above the second key of the shard, and below its last.
#[tokio::test]
async fn the_new_key_must_lie_within_the_shard() {
    let max = "340282366920938463463374607431768211455";
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for key in ["0", "1", max] {
        let refusal = server.refusal("SplitShard", split("0", key)).await;
        let expected = format!(
            "InvalidArgumentException: NewStartingHashKey {key} used in SplitShard() on shard \
             shardId-000000000000 in stream clicks under account {ACCOUNT} is not both greater \
             than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey \
             {max}."
        );
        assert_eq!(refusal, expected);
    }
    server.call("SplitShard", split("0", "2")).await;
    server.call("SplitShard", split("2", "340282366920938463463374607431768211454")).await;
    let shards = server.shards("clicks").await;
    assert_eq!(shards[1]["HashKeyRange"]["EndingHashKey"], "1");
    let last = &shards[4]["HashKeyRange"];
    assert_eq!(last["StartingHashKey"], "340282366920938463463374607431768211454");
    assert_eq!(last["EndingHashKey"], max);
}

#[tokio::test]
async fn a_closed_shard_is_not_split_again() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("SplitShard", split("0", MIDDLE)).await;
    let refusal = server.refusal("SplitShard", split("0", MIDDLE)).await;
    let expected = format!(
        "InvalidArgumentException: Shard shardId-000000000000 in stream clicks under account \
         {ACCOUNT} has already been merged or split, and thus is not eligible for merging or \
         splitting."
    );
    assert_eq!(refusal, expected);
}

#[tokio::test]
async fn the_limit_of_shards_counts() {
    let server = TestServer::with("--shard-limit 2").await.with_stream("clicks", 1).await;
    server.call("SplitShard", split("0", MIDDLE)).await;
    let refusal = server.refusal("SplitShard", split("1", "9")).await;
    let counts = "Current shard count for the account: 2. Limit: 2. Number of additional shards \
        that would have resulted from this request: 1.";
    assert!(refusal.starts_with("LimitExceededException: This request would"), "{refusal}");
    assert!(refusal.contains(counts), "{refusal}");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for shard in 0..5 {
        // The upper child of each split has the next even index.
        let key = format!("17014118346046923173168730371588410{shard}728");
        server.call("SplitShard", split(&(2 * shard).to_string(), &key)).await;
        server.advance(Duration::from_millis(1)).await;
    }
    let refusal = server.refusal("SplitShard", split("0", "9")).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn split(shard: &str, key: &str) -> Value {
    json!({"StreamName": "clicks", "ShardToSplit": shard, "NewStartingHashKey": key})
}

/// The number that a shard of this second begins with, in the layout of AWS.
fn number(second: i64, shard: i32) -> String {
    let (shard_created, arrival) = (second.cast_unsigned(), second.cast_unsigned());
    SequenceNumber { shard_created, index: 0, arrival, shard: ShardId::new(shard) }.to_string()
}
