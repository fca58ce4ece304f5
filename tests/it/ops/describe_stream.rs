//! DescribeStream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{STRANGER, TestServer, in_both_formats, shard_id},
    wire,
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("DescribeStream", json!({})).await;
}

#[tokio::test]
async fn a_stream_is_described_as_aws_describes_it() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let expected = json!({
            "StreamName": "clicks",
            "StreamARN": server.arn("clicks"),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "PROVISIONED"},
            "Shards": [{
                "ShardId": shard_id(0),
                "HashKeyRange": {"StartingHashKey": "0",
                    "EndingHashKey": "340282366920938463463374607431768211455"},
                "SequenceNumberRange": {"StartingSequenceNumber":
                    "49646437577108476416916876405825929425585429676275269634"},
            }],
            "HasMoreShards": false,
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": wire::seconds(server.now()),
            "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE",
        });
        assert_eq!(describe(&server, json!({})).await, expected);
    })
    .await;
}

#[tokio::test]
async fn shards_come_in_pages() {
    let server = TestServer::new().await.with_stream("clicks", 120).await;
    let page = describe(&server, json!({})).await;
    assert_eq!(ids(&page), (0..100).map(shard_id).collect::<Vec<_>>());
    assert_eq!(page["HasMoreShards"], true);
    let page = describe(&server, json!({"ExclusiveStartShardId": shard_id(99)})).await;
    assert_eq!(ids(&page), (100..120).map(shard_id).collect::<Vec<_>>());
    assert_eq!(page["HasMoreShards"], false);
    let page = describe(&server, json!({"Limit": 10_000})).await;
    assert_eq!(ids(&page).len(), 100);
    let page = describe(&server, json!({"Limit": 2, "ExclusiveStartShardId": "shardId-0"})).await;
    assert_eq!(ids(&page).len(), 2, "the start need not exist");
    let page = describe(&server, json!({"ExclusiveStartShardId": shard_id(119)})).await;
    assert_eq!((ids(&page).len(), &page["HasMoreShards"]), (0, &json!(false)));
}

#[tokio::test]
async fn a_closed_shard_is_listed_until_its_records_have_expired() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(100)).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": shard_id(0),
        "NewStartingHashKey": "170141183460469231731687303715884105728"});
    server.call("SplitShard", split).await;
    let page = describe(&server, json!({})).await;
    assert_eq!(ids(&page), [shard_id(0), shard_id(1), shard_id(2)]);
    assert_eq!(
        page["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"],
        "49646437577119626789516141717395488358902146099801227266",
    );
    server.advance(Duration::from_hours(24)).await;
    assert_eq!(ids(&describe(&server, json!({})).await).len(), 3);
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(ids(&describe(&server, json!({})).await), [shard_id(1), shard_id(2)]);
}

#[tokio::test]
async fn ten_calls_a_second_are_admitted_to_an_account() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..10 {
        describe(&server, json!({})).await;
    }
    let refusal = server.refusal("DescribeStream", json!({"StreamName": "clicks"})).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    let stranger = server.as_account(STRANGER);
    let refusal = stranger.refusal("DescribeStream", json!({"StreamName": "clicks"})).await;
    assert!(refusal.starts_with("ResourceNotFoundException"), "{refusal}");
    server.advance(Duration::from_millis(100)).await;
    describe(&server, json!({})).await;
}

async fn describe(server: &TestServer, input: Value) -> Value {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.call("DescribeStream", input).await["StreamDescription"].clone()
}

fn ids(page: &Value) -> Vec<String> {
    let shards = page["Shards"].as_array().unwrap();
    shards.iter().map(|shard| shard["ShardId"].as_str().unwrap().to_owned()).collect()
}
