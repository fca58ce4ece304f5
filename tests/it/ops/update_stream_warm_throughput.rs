//! UpdateStreamWarmThroughput.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, TestServer, in_both_formats},
};

const OPERATION: &str = "UpdateStreamWarmThroughput";

#[tokio::test]
async fn a_stream_is_addressed_by_name_and_by_arn() {
    addressing::check_after(OPERATION, json!({"WarmThroughputMiBps": 5}), async |server| {
        server.commit().await;
        let details = json!({"StreamMode": "ON_DEMAND"});
        let input = json!({"StreamARN": server.arn("clicks"), "StreamModeDetails": details});
        server.call("UpdateStreamMode", input).await;
    })
    .await;
}

#[tokio::test]
async fn shards_open_until_the_stream_is_as_warm_as_it_shall_be() {
    in_both_formats("--transition 20s", async |server| {
        server.commit().await;
        server.create_on_demand("clicks").await;
        server.advance(Duration::from_secs(20)).await;
        let expected = |current: u32| {
            json!({"StreamName": "clicks", "StreamARN": server.arn("clicks"),
                "WarmThroughput": {"TargetMiBps": 11, "CurrentMiBps": current}})
        };
        assert_eq!(server.call(OPERATION, warm(11)).await, expected(4));
        assert_eq!(server.status("clicks").await, "UPDATING");
        let refusal = server.refusal(OPERATION, warm(12)).await;
        assert!(refusal.starts_with("ResourceInUseException: "), "{refusal}");
        server.advance(Duration::from_secs(20)).await;
        let summary = server.summary("clicks").await;
        assert_eq!(summary["WarmThroughput"], expected(11)["WarmThroughput"]);
        assert_eq!(
            (&summary["StreamStatus"], &summary["OpenShardCount"]),
            (&json!("ACTIVE"), &json!(11))
        );
        assert_eq!(server.call(OPERATION, warm(11)).await, expected(11));
        assert_eq!(server.status("clicks").await, "ACTIVE", "nothing changed");
    })
    .await;
}

#[tokio::test]
async fn a_commitment_and_an_on_demand_stream_are_needed() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.create_on_demand("orders").await;
    let refusal = server.refusal(OPERATION, warm(5)).await;
    let words = format!("Stream clicks under account {ACCOUNT} is not in On-Demand mode.");
    assert_eq!(refusal, format!("InvalidArgumentException: {words}"));
    let orders = json!({"StreamName": "orders", "WarmThroughputMiBps": 5});
    let refusal = server.refusal(OPERATION, orders.clone()).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    assert!(refusal.contains("commitment"), "{refusal}");
    server.in_region("eu-west-1").commit().await;
    server.refusal(OPERATION, orders.clone()).await;
    server.commit().await;
    server.call(OPERATION, orders).await;
    assert_eq!(server.summary("orders").await["OpenShardCount"], 5);
}

#[tokio::test]
async fn it_is_told_while_the_commitment_is_in_force() {
    let server = TestServer::new().await;
    server.commit().await;
    server.create_on_demand("clicks").await;
    server.call(OPERATION, warm(0)).await;
    let zero = json!({"TargetMiBps": 0, "CurrentMiBps": 0});
    assert_eq!(server.summary("clicks").await["WarmThroughput"], zero);
    let disabled = json!({"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}});
    server.call("UpdateAccountSettings", disabled).await;
    server.advance(Duration::from_hours(24)).await;
    assert!(server.summary("clicks").await.get("WarmThroughput").is_none());
}

#[tokio::test]
async fn a_region_and_an_account_have_their_limits() {
    let server = TestServer::with("--shard-limit 300").await;
    let elsewhere = server.in_region("eu-central-1");
    for (server, mib, code) in [
        (&server, 10_241, "LimitExceededException: WarmThroughputMiBps 10241 "),
        (&server, 301, "LimitExceededException: This request would exceed the shard limit "),
        (&elsewhere, 201, "LimitExceededException: WarmThroughputMiBps 201 "),
    ] {
        server.commit().await;
        if server.outcome("DescribeStream", json!({"StreamName": "clicks"})).await.is_err() {
            server.create_on_demand("clicks").await;
        }
        let refusal = server.refusal(OPERATION, warm(mib)).await;
        assert!(refusal.starts_with(code), "{refusal}");
        assert_eq!(server.summary("clicks").await["OpenShardCount"], 4);
    }
    elsewhere.call(OPERATION, warm(200)).await;
    assert_eq!(elsewhere.summary("clicks").await["OpenShardCount"], 200);
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    server.commit().await;
    server.create_on_demand("clicks").await;
    for _ in 0..5 {
        server.call(OPERATION, warm(4)).await;
    }
    let refusal = server.refusal(OPERATION, warm(4)).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn warm(mib: u32) -> Value {
    json!({"StreamName": "clicks", "WarmThroughputMiBps": mib})
}
