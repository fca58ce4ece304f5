//! IncreaseStreamRetentionPeriod.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("IncreaseStreamRetentionPeriod", json!({"RetentionPeriodHours": 48})).await;
}

#[tokio::test]
async fn records_live_longer_from_then_on() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.put("clicks", "k", "1").await;
        server.advance(Duration::from_hours(23)).await;
        let answer = server.answer("IncreaseStreamRetentionPeriod", &hours(8760)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(server.summary("clicks").await["RetentionPeriodHours"], 8760);
        server.advance(Duration::from_hours(8760 - 23)).await;
        assert_eq!(server.read("clicks", 0).await, ["1"]);
        server.advance(Duration::from_millis(1)).await;
        assert_eq!(server.read("clicks", 0).await, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn what_has_expired_does_not_come_back() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "expired").await;
    server.advance(Duration::from_millis(1)).await;
    server.put("clicks", "k", "at the horizon").await;
    server.advance(Duration::from_hours(24)).await;
    server.call("IncreaseStreamRetentionPeriod", hours(168)).await;
    assert_eq!(server.read("clicks", 0).await, ["at the horizon"]);
    let server = server.after_crash().await;
    server.advance(Duration::from_hours(144)).await;
    assert_eq!(server.read("clicks", 0).await, ["at the horizon"]);
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(server.read("clicks", 0).await, Vec::<String>::new());
}

/// Terraform asks for 24 hours right after it has created a stream.
#[tokio::test]
async fn the_same_period_changes_nothing() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("IncreaseStreamRetentionPeriod", hours(24)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn the_period_counts_at_once_and_the_stream_is_updating_meanwhile() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("IncreaseStreamRetentionPeriod", hours(25)).await;
    let summary = server.summary("clicks").await;
    let shown = (&summary["StreamStatus"], &summary["RetentionPeriodHours"]);
    assert_eq!(shown, (&json!("UPDATING"), &json!(25)));
    server.put("clicks", "k", "meanwhile").await;
    let refusal = server.refusal("IncreaseStreamRetentionPeriod", hours(26)).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state UPDATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call("IncreaseStreamRetentionPeriod", hours(26)).await;
}

#[tokio::test]
async fn only_periods_of_kinesis_are_taken() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("IncreaseStreamRetentionPeriod", hours(48)).await;
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
            47,
            "Requested retention period (47 hours) for stream clicks can not be shorter than \
              existing retention period (48 hours). Use DecreaseRetentionPeriod API.",
        ),
    ] {
        let refusal = server.refusal("IncreaseStreamRetentionPeriod", hours(asked)).await;
        assert_eq!(refusal, format!("InvalidArgumentException: {words}"));
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for n in 0..5 {
        server.call("IncreaseStreamRetentionPeriod", hours(25 + n)).await;
    }
    let refusal = server.refusal("IncreaseStreamRetentionPeriod", hours(30)).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn hours(hours: i32) -> Value {
    json!({"StreamName": "clicks", "RetentionPeriodHours": hours})
}
