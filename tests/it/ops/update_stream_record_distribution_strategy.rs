//! UpdateStreamRecordDistributionStrategy.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::{
    addressing::{Resource, check_arn},
    events::{oldest, subscribe_at},
    server::{ACCOUNT, TestServer, in_both_formats},
    wire,
};

const OPERATION: &str = "UpdateStreamRecordDistributionStrategy";

#[tokio::test]
async fn a_stream_is_addressed_by_arn() {
    let strategy = json!({"RecordDistributionStrategy": "USER_PARTITION_KEY"});
    check_arn(OPERATION, "StreamARN", Resource::Stream, strategy).await;
}

#[tokio::test]
async fn records_are_spread_over_all_shards_whatever_their_keys() {
    in_both_formats("", async |server| {
        server.create_on_demand("clicks").await;
        let answer = server.answer(OPERATION, &to("AUTO")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let summary = server.summary("clicks").await;
        assert_eq!(summary["RecordDistributionStrategy"], "AUTO");
        assert_eq!(summary["StreamStatus"], "ACTIVE");
        let mut by_shard = BTreeMap::<String, usize>::new();
        for _ in 0..40 {
            let put = server.put("clicks", "one key", "x").await;
            *by_shard.entry(put["ShardId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(by_shard.into_values().collect::<Vec<_>>(), [10; 4]);
        server.call(OPERATION, to("USER_PARTITION_KEY")).await;
        let first = server.put("clicks", "one key", "x").await;
        let second = server.put("clicks", "one key", "x").await;
        assert_eq!(first["ShardId"], second["ShardId"]);
    })
    .await;
}

#[tokio::test]
async fn a_record_needs_no_key_and_is_read_without_one() {
    in_both_formats("", async |server| {
        server.create_on_demand("clicks").await;
        server.call(OPERATION, to("AUTO")).await;
        let record = json!({"StreamName": "clicks", "Data": wire::blob("alone")});
        let put = server.call("PutRecord", record).await;
        let entries = json!([
            {"Data": wire::blob("first")},
            {"Data": wire::blob("second"), "PartitionKey": "k", "ExplicitHashKey": "0"},
        ]);
        let many = json!({"StreamName": "clicks", "Records": entries});
        let puts = server.call("PutRecords", many).await;
        assert_eq!(puts["FailedRecordCount"], 0);
        let shards = [&put, &puts["Records"][0], &puts["Records"][1]].map(shard_of);
        assert_eq!(shards[1], shards[2], "a small request stays together");
        let server = server.after_crash().await;
        let iterator = server.iterator("clicks", shards[0], "TRIM_HORIZON").await;
        let alone = server.get(&iterator).await["Records"][0].clone();
        assert!(alone.get("PartitionKey").is_none(), "{alone}");
        assert_eq!(alone["Data"], wire::blob("alone"));
        let iterator = server.iterator("clicks", shards[1], "TRIM_HORIZON").await;
        let records = server.get(&iterator).await["Records"].clone();
        let keys: Vec<_> =
            records.as_array().unwrap().iter().map(|r| r.get("PartitionKey").cloned()).collect();
        assert_eq!(keys[keys.len() - 2..], [None, Some(json!("k"))]);
    })
    .await;
}

#[tokio::test]
async fn subscribers_get_records_without_keys_too() {
    let server = TestServer::new().await;
    server.create_on_demand("clicks").await;
    server.call(OPERATION, to("AUTO")).await;
    let record = json!({"StreamName": "clicks", "Data": wire::blob("alone")});
    let put = server.call("PutRecord", record).await;
    let consumer = server.register("clicks", "reader").await;
    let mut events = subscribe_at(&server, &consumer, shard_of(&put), oldest()).await;
    let record = events.event().await["Records"][0].clone();
    assert!(record.get("PartitionKey").is_none(), "{record}");
    assert_eq!(record["Data"], wire::blob("alone"));
}

#[tokio::test]
async fn a_large_request_is_spread_and_throttled_when_no_shard_has_room() {
    let server = TestServer::with("--quotas strict").await;
    server.create_on_demand("clicks").await;
    server.call(OPERATION, to("AUTO")).await;
    // Five MiB for four shards of one MiB each.
    let entry = json!({"Data": wire::blob(vec![b'x'; 1 << 16])});
    let input = json!({"StreamName": "clicks", "Records": vec![entry; 80]});
    let output = server.call("PutRecords", input.clone()).await;
    assert_eq!(output["FailedRecordCount"], 16);
    let mut by_shard = BTreeMap::<&str, usize>::new();
    for result in output["Records"].as_array().unwrap() {
        match result["ShardId"].as_str() {
            Some(shard) => *by_shard.entry(shard).or_default() += 1,
            None => assert_eq!(result["ErrorCode"], "ProvisionedThroughputExceededException"),
        }
    }
    assert_eq!(by_shard.into_values().collect::<Vec<_>>(), [16; 4]);
    server.advance(Duration::from_secs(2)).await;
    assert_eq!(server.call("PutRecords", input).await["FailedRecordCount"], 16);
}

#[tokio::test]
async fn what_is_too_large_for_any_shard_throttles_nothing_smaller() {
    let server = TestServer::with("--quotas strict").await;
    server.create_on_demand("clicks").await;
    let blob = |bytes: usize| wire::blob(vec![b'x'; bytes]);
    for (shard, bytes) in [(0_u128, 1 << 20), (1, 1 << 20), (2, 1 << 20), (3, 1 << 19)] {
        let key = (shard << 126).to_string();
        let input = json!({"StreamName": "clicks", "PartitionKey": "k", "ExplicitHashKey": key,
            "Data": blob(bytes - 1)});
        server.call("PutRecord", input).await;
    }
    server.call(OPERATION, to("AUTO")).await;
    let entries = [1 << 20, 1, 1, 1 << 20, 1, 1, 1, 1].map(|bytes| json!({"Data": blob(bytes)}));
    let input = json!({"StreamName": "clicks", "Records": entries});
    let output = server.call("PutRecords", input).await;
    let stored = output["Records"].as_array().unwrap().iter();
    let stored: Vec<_> = stored.map(|result| result["ShardId"].as_str()).collect();
    let some = Some("shardId-000000000003");
    assert_eq!(stored, [None, some, some, None, some, some, some, some]);
}

#[tokio::test]
async fn a_full_shard_is_passed_by() {
    let server = TestServer::with("--quotas strict").await;
    server.create_on_demand("clicks").await;
    let full = json!({"StreamName": "clicks", "PartitionKey": "k",
        "Data": wire::blob(vec![b'x'; (1 << 20) - 1])});
    let put = server.call("PutRecord", full).await;
    server.call(OPERATION, to("AUTO")).await;
    for _ in 0..12 {
        let other = server.put("clicks", "k", "not there").await;
        assert_ne!(other["ShardId"], put["ShardId"]);
    }
}

#[tokio::test]
async fn a_missing_key_is_missed_by_other_streams() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let refusal = server.refusal(OPERATION, to("AUTO")).await;
    let words = format!("Stream clicks under account {ACCOUNT} is not in On-Demand mode.");
    assert_eq!(refusal, format!("InvalidArgumentException: {words}"));
    server.call(OPERATION, to("USER_PARTITION_KEY")).await;
    let record = json!({"StreamName": "clicks", "Data": ""});
    let refusal = server.refusal("PutRecord", record).await;
    assert!(refusal.starts_with("ValidationException: "), "{refusal}");
    assert!(refusal.contains("'partitionKey'"), "{refusal}");
}

#[tokio::test]
async fn it_counts_while_the_stream_is_updating() {
    let server = TestServer::with("--transition 20s").await;
    server.create_on_demand("clicks").await;
    let refusal = server.refusal(OPERATION, to("AUTO")).await;
    assert!(refusal.starts_with("ResourceInUseException: "), "{refusal}");
    server.advance(Duration::from_secs(20)).await;
    let longer = json!({"StreamName": "clicks", "RetentionPeriodHours": 48});
    server.call("IncreaseStreamRetentionPeriod", longer).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    server.call(OPERATION, to("AUTO")).await;
    assert_eq!(server.summary("clicks").await["RecordDistributionStrategy"], "AUTO");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    server.create_on_demand("clicks").await;
    for _ in 0..5 {
        server.call(OPERATION, to("AUTO")).await;
    }
    let refusal = server.refusal(OPERATION, to("AUTO")).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn shard_of(put: &Value) -> u32 {
    put["ShardId"].as_str().unwrap().strip_prefix("shardId-").unwrap().parse().unwrap()
}

fn to(strategy: &str) -> Value {
    let arn = format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/clicks");
    json!({"StreamARN": arn, "RecordDistributionStrategy": strategy})
}
