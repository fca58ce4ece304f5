//! DisableEnhancedMonitoring.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("DisableEnhancedMonitoring", json!({"ShardLevelMetrics": ["ALL"]})).await;
}

#[tokio::test]
async fn metrics_are_disabled_and_others_stay() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let three = json!(["IncomingBytes", "IncomingRecords", "OutgoingBytes"]);
        server.call("EnableEnhancedMonitoring", metrics(&three)).await;
        let output = disable(&server, json!(["OutgoingRecords", "IncomingRecords"])).await;
        let left = json!(["IncomingBytes", "OutgoingBytes"]);
        let expected = json!({
            "StreamName": "clicks",
            "StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/clicks",
            "CurrentShardLevelMetrics": three,
            "DesiredShardLevelMetrics": left,
        });
        assert_eq!(output, expected);
        let summary = server.summary("clicks").await;
        assert_eq!(summary["EnhancedMonitoring"], json!([{ "ShardLevelMetrics": left }]));
        let output = disable(&server, json!(["ALL"])).await;
        assert_eq!(output["CurrentShardLevelMetrics"], left);
        assert_eq!(output["DesiredShardLevelMetrics"], json!([]));
        let server = server.after_crash().await;
        let summary = server.summary("clicks").await;
        assert_eq!(summary["EnhancedMonitoring"], json!([{"ShardLevelMetrics": []}]));
    })
    .await;
}

#[tokio::test]
async fn the_stream_is_updating_meanwhile_if_there_is_a_difference() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    disable(&server, json!(["ALL"])).await;
    assert_eq!(server.status("clicks").await, "ACTIVE", "nothing was enabled");
    server.call("EnableEnhancedMonitoring", metrics(&json!(["ALL"]))).await;
    let refusal = server.refusal("DisableEnhancedMonitoring", metrics(&json!(["ALL"]))).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state UPDATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    disable(&server, json!(["IncomingBytes"])).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..5 {
        disable(&server, json!(["ALL"])).await;
    }
    let refusal = server.refusal("DisableEnhancedMonitoring", metrics(&json!(["ALL"]))).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn metrics(names: &Value) -> Value {
    json!({"StreamName": "clicks", "ShardLevelMetrics": names})
}

async fn disable(server: &TestServer, names: Value) -> Value {
    server.call("DisableEnhancedMonitoring", metrics(&names)).await
}
