//! EnableEnhancedMonitoring.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

const ALL: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
];

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("EnableEnhancedMonitoring", json!({"ShardLevelMetrics": ["ALL"]})).await;
}

#[tokio::test]
async fn metrics_are_enabled_beside_others() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let output = enable(&server, json!(["OutgoingBytes", "IncomingBytes"])).await;
        let expected = json!({
            "StreamName": "clicks",
            "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks",
            "CurrentShardLevelMetrics": [],
            "DesiredShardLevelMetrics": ["IncomingBytes", "OutgoingBytes"],
        });
        assert_eq!(output, expected);
        let output = enable(&server, json!(["IncomingRecords", "IncomingBytes"])).await;
        let before = json!(["IncomingBytes", "OutgoingBytes"]);
        assert_eq!(output["CurrentShardLevelMetrics"], before);
        let after = json!(["IncomingBytes", "IncomingRecords", "OutgoingBytes"]);
        assert_eq!(output["DesiredShardLevelMetrics"], after);
        let summary = server.summary("clicks").await;
        assert_eq!(summary["EnhancedMonitoring"], json!([{ "ShardLevelMetrics": after }]));
        let described = server.call("DescribeStream", json!({"StreamName": "clicks"})).await;
        let described = &described["StreamDescription"]["EnhancedMonitoring"];
        assert_eq!(*described, json!([{ "ShardLevelMetrics": after }]));
    })
    .await;
}

#[tokio::test]
async fn all_stands_for_each_of_the_seven() {
    for metrics in [json!(["ALL"]), json!(["IncomingBytes", "ALL"])] {
        let server = TestServer::new().await.with_stream("clicks", 1).await;
        assert_eq!(enable(&server, metrics).await["DesiredShardLevelMetrics"], json!(ALL));
        let summary = server.summary("clicks").await;
        assert_eq!(summary["EnhancedMonitoring"], json!([{ "ShardLevelMetrics": ALL }]));
    }
}

#[tokio::test]
async fn the_stream_is_updating_meanwhile_if_there_is_a_difference() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal("EnableEnhancedMonitoring", metrics(&json!(["ALL"]))).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state CREATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    enable(&server, json!(["IncomingBytes"])).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    server.advance(Duration::from_secs(20)).await;
    let output = enable(&server, json!(["IncomingBytes"])).await;
    assert_eq!(output["CurrentShardLevelMetrics"], output["DesiredShardLevelMetrics"]);
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn metrics_stay_enabled_after_a_crash() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    enable(&server, json!(["IteratorAgeMilliseconds", "OutgoingRecords"])).await;
    let summary = server.after_crash().await.summary("clicks").await;
    let enabled = json!([{"ShardLevelMetrics": ["OutgoingRecords", "IteratorAgeMilliseconds"]}]);
    assert_eq!(summary["EnhancedMonitoring"], enabled);
}

#[tokio::test]
async fn only_metrics_of_kinesis_are_taken() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for names in [json!([]), json!(["CpuUtilization"]), Value::Null] {
        let refusal = server.refusal("EnableEnhancedMonitoring", metrics(&names)).await;
        let start = "ValidationException: 1 validation error detected: ";
        assert!(refusal.starts_with(start) && refusal.contains("'shardLevelMetrics'"), "{refusal}");
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for name in &ALL[..5] {
        enable(&server, json!([name])).await;
    }
    let refusal = server.refusal("EnableEnhancedMonitoring", metrics(&json!(["ALL"]))).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn metrics(names: &Value) -> Value {
    json!({"StreamName": "clicks", "ShardLevelMetrics": names})
}

async fn enable(server: &TestServer, names: Value) -> Value {
    server.call("EnableEnhancedMonitoring", metrics(&names)).await
}
