//! DescribeAccountSettings.

use serde_json::json;

use crate::server::{START_MILLIS, STRANGER, TestServer, in_both_formats};

#[tokio::test]
async fn an_account_has_no_commitment_before_it_enables_it() {
    in_both_formats("", async |server| {
        let settings = server.call("DescribeAccountSettings", json!({})).await;
        let disabled = json!({"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}});
        assert_eq!(settings, disabled);
    })
    .await;
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let server = TestServer::new().await;
    let status = json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}});
    server.call("UpdateAccountSettings", status).await;
    for (caller, status) in [
        (server.clone(), "ENABLED"),
        (server.in_region("eu-west-1"), "DISABLED"),
        (server.as_account(STRANGER), "DISABLED"),
    ] {
        let settings = caller.call("DescribeAccountSettings", json!({})).await;
        assert_eq!(settings["MinimumThroughputBillingCommitment"]["Status"], status);
    }
}

#[tokio::test]
async fn settings_survive_a_crash() {
    let server = TestServer::new().await;
    for status in ["ENABLED", "DISABLED"] {
        let status = json!({"MinimumThroughputBillingCommitment": {"Status": status}});
        server.call("UpdateAccountSettings", status).await;
    }
    let server = server.after_crash().await;
    let settings = server.call("DescribeAccountSettings", json!({})).await;
    let start = START_MILLIS / 1000;
    let expected = json!({
        "Status": "ENABLED_UNTIL_EARLIEST_ALLOWED_END",
        "StartedAt": start,
        "EarliestAllowedEndAt": start + 86_400,
    });
    assert_eq!(settings["MinimumThroughputBillingCommitment"], expected);
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    for _ in 0..5 {
        server.call("DescribeAccountSettings", json!({})).await;
    }
    let refusal = server.refusal("DescribeAccountSettings", json!({})).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
    server.in_region("eu-west-1").call("DescribeAccountSettings", json!({})).await;
}
