//! UpdateAccountSettings.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    server::{START_MILLIS, TestServer, in_both_formats},
    wire,
};

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn a_commitment_lasts_a_day_at_least() {
    in_both_formats("", async |server| {
        let enabled = json!({"Status": "ENABLED", "StartedAt": time(0),
            "EarliestAllowedEndAt": time(24)});
        assert_eq!(update(&server, "ENABLED").await, enabled);
        server.advance(Duration::from_hours(1)).await;
        assert_eq!(update(&server, "ENABLED").await, enabled, "it goes on as it began");
        let ending = json!({"Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END", "StartedAt": time(0),
            "EarliestAllowedEndAt": time(24)});
        assert_eq!(update(&server, "DISABLED").await, ending);
        assert_eq!(update(&server, "ENABLED").await, enabled, "the end was cancelled");
        assert_eq!(update(&server, "DISABLED").await, ending);
        server.advance(Duration::from_millis(23 * 3_600_000 - 1)).await;
        assert_eq!(described(&server).await, ending);
        server.advance(Duration::from_millis(1)).await;
        let ended = json!({"Status": "DISABLED", "StartedAt": time(0), "EndedAt": time(24)});
        assert_eq!(described(&server).await, ended);
        server.advance(Duration::from_hours(1)).await;
        assert_eq!(update(&server, "DISABLED").await, ended, "it has ended already");
        let anew = json!({"Status": "ENABLED", "StartedAt": time(25),
            "EarliestAllowedEndAt": time(49)});
        assert_eq!(update(&server, "ENABLED").await, anew);
    })
    .await;
}

#[tokio::test]
async fn after_a_day_it_ends_at_once() {
    let server = TestServer::new().await;
    update(&server, "ENABLED").await;
    server.advance(Duration::from_millis(24 * 3_600_000 + 7)).await;
    let ended = json!({"Status": "DISABLED", "StartedAt": time(0),
        "EndedAt": wire::seconds(START_MILLIS + 24 * HOUR + 7)});
    assert_eq!(update(&server, "DISABLED").await, ended);
    assert_eq!(described(&server).await, ended);
}

#[tokio::test]
async fn what_was_never_enabled_may_be_disabled() {
    let server = TestServer::new().await;
    assert_eq!(update(&server, "DISABLED").await, json!({"Status": "DISABLED"}));
}

#[tokio::test]
async fn only_a_status_of_kinesis_is_taken() {
    let server = TestServer::new().await;
    for (input, path) in [
        (json!({}), "'minimumThroughputBillingCommitment'"),
        (status(&Value::Null), "'minimumThroughputBillingCommitment.status'"),
        (status(&json!("PAUSED")), "'minimumThroughputBillingCommitment.status'"),
    ] {
        let refusal = server.refusal("UpdateAccountSettings", input).await;
        assert!(refusal.starts_with("ValidationException: 1 validation error"), "{refusal}");
        assert!(refusal.contains(path), "{refusal}");
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    for _ in 0..5 {
        update(&server, "ENABLED").await;
    }
    let refusal = server.refusal("UpdateAccountSettings", status(&json!("ENABLED"))).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
}

/// So many hours after the start, as answers tell it.
fn time(hours: i64) -> Value {
    wire::seconds(START_MILLIS + hours * HOUR)
}

fn status(status: &Value) -> Value {
    json!({"MinimumThroughputBillingCommitment": {"Status": status}})
}

async fn update(server: &TestServer, to: &str) -> Value {
    let settings = server.call("UpdateAccountSettings", status(&json!(to))).await;
    settings["MinimumThroughputBillingCommitment"].clone()
}

async fn described(server: &TestServer) -> Value {
    let settings = server.call("DescribeAccountSettings", json!({})).await;
    settings["MinimumThroughputBillingCommitment"].clone()
}
