//! DecreaseStreamRetentionPeriod.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("DecreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 24})).await;
}

#[tokio::test]
async fn older_records_are_gone_at_once_and_for_ever() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.call("IncreaseStreamRetentionPeriod", hours(72)).await;
        for text in ["1", "2", "3"] {
            server.put("clicks", "k", text).await;
            server.advance(Duration::from_hours(20)).await;
        }
        let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
        assert_eq!(server.read("clicks", 0).await, ["1", "2", "3"]);
        let answer = server.answer("DecreaseStreamRetentionPeriod", &hours(40)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        // The second is 40 hours old to the millisecond.
        assert_eq!(server.texts(&iterator).await, ["2", "3"]);
        server.call("IncreaseStreamRetentionPeriod", hours(72)).await;
        assert_eq!(server.read("clicks", 0).await, ["2", "3"]);
    })
    .await;
}

#[tokio::test]
async fn closed_shards_expire_by_the_new_period() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("IncreaseStreamRetentionPeriod", hours(72)).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
    server.advance(Duration::from_hours(30)).await;
    assert_eq!(server.shards("clicks").await.len(), 3);
    server.call("DecreaseStreamRetentionPeriod", hours(24)).await;
    assert_eq!(server.shards("clicks").await.len(), 2);
}

#[tokio::test]
async fn the_same_period_changes_nothing() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("DecreaseStreamRetentionPeriod", hours(24)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
    server.call("IncreaseStreamRetentionPeriod", hours(48)).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("DecreaseStreamRetentionPeriod", hours(24)).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    let refusal = server.refusal("DecreaseStreamRetentionPeriod", hours(24)).await;
    assert!(refusal.starts_with("ResourceInUseException"), "{refusal}");
}

#[tokio::test]
async fn only_periods_of_kinesis_are_taken() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for (asked, words) in [
        (
            23,
            "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) \
              is too short.",
        ),
        (
            8761,
            "Maximum allowed retention period is 8760 hours. Requested retention period (8761 \
                hours) is too long.",
        ),
        (
            25,
            "Requested retention period (25 hours) for stream clicks can not be longer than \
              existing retention period (24 hours). Use IncreaseRetentionPeriod API.",
        ),
    ] {
        let refusal = server.refusal("DecreaseStreamRetentionPeriod", hours(asked)).await;
        assert_eq!(refusal, format!("InvalidArgumentException: {words}"));
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..5 {
        server.call("DecreaseStreamRetentionPeriod", hours(24)).await;
    }
    let refusal = server.refusal("DecreaseStreamRetentionPeriod", hours(24)).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn hours(hours: i32) -> Value {
    json!({"StreamName": "clicks", "RetentionPeriodHours": hours})
}
