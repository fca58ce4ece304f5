//! Faults of writes: partial failures, cuts before and after the commit.

use serde_json::{Value, json};

use super::{counts, inject, is_cut, metric};
use crate::{
    server::{TestServer, in_both_formats, shard_id},
    wire,
};

fn records(keys: &[&str]) -> Value {
    let record = |key: &&str| json!({"PartitionKey": key, "Data": wire::blob(key)});
    let records: Vec<_> = keys.iter().map(record).collect();
    json!({"StreamName": "orders", "Records": records})
}

/// The codes of an answer's entries, empty where a record was stored.
fn codes(answer: &Value) -> Vec<&str> {
    let entries = answer["Records"].as_array().unwrap().iter();
    entries.map(|entry| entry["ErrorCode"].as_str().unwrap_or_default()).collect()
}

const THROTTLED: &str = "ProvisionedThroughputExceededException";

#[tokio::test]
async fn some_entries_are_throttled_and_the_others_stored() {
    in_both_formats("", async |server| {
        server.create("orders", 1).await;
        inject(&server, json!([{"records": "every 2", "then": {"throttle": true}}])).await;
        let answer = server.call("PutRecords", records(&["a", "b", "c", "d"])).await;
        assert_eq!(codes(&answer), ["", THROTTLED, "", THROTTLED]);
        assert_eq!(answer["FailedRecordCount"], 2);
        assert_eq!(server.read("orders", 0).await, ["a", "c"]);
        assert_eq!(counts(&server).await, [1, 1, 2]);
        let labels = "account=\"000000000000\",region=\"us-east-1\",stream=\"orders\"";
        let line = format!(
            "millpond_write_provisioned_throughput_exceeded_total{{{labels},shard=\"{}\"}}",
            shard_id(0)
        );
        assert_eq!(metric(&server, &line).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn a_producer_that_sends_again_what_was_refused_stores_everything_once() {
    let server = TestServer::new().await.with_stream("orders", 2).await;
    let fault = json!({"probability": 0.5, "operation": "PutRecords", "then": {"fail": true}});
    inject(&server, json!([fault])).await;
    let keys: Vec<_> = (0..100).map(|key| format!("{key:02}")).collect();
    let mut left: Vec<_> = keys.iter().map(String::as_str).collect();
    let mut calls = 0;
    while !left.is_empty() {
        let answer = server.call("PutRecords", records(&left)).await;
        let codes = codes(&answer);
        let refused = left.iter().zip(codes).filter(|(_, code)| !code.is_empty());
        left = refused
            .map(|(key, code)| {
                assert_eq!(code, "InternalFailure");
                *key
            })
            .collect();
        calls += 1;
    }
    assert!(calls > 2, "{calls} calls");
    let mut stored = server.read("orders", 0).await;
    stored.extend(server.read("orders", 1).await);
    stored.sort();
    assert_eq!(stored, keys);
}

#[tokio::test]
async fn only_the_hot_key_or_shard_is_throttled() {
    let server = TestServer::new().await.with_stream("orders", 2).await;
    let input = |throttle: Value| {
        let mut lower = json!({"PartitionKey": "k", "Data": wire::blob("x")});
        lower["ExplicitHashKey"] = json!("0");
        let mut upper = lower.clone();
        upper["ExplicitHashKey"] = json!("340282366920938463463374607431768211455");
        let records = [lower, upper];
        (json!([throttle]), json!({"StreamName": "orders", "Records": records}))
    };
    let (faults, records) = input(json!({"shard": shard_id(1), "then": {"throttle": true}}));
    inject(&server, faults).await;
    assert_eq!(codes(&server.call("PutRecords", records).await), ["", THROTTLED]);
    let (faults, records) = input(json!({"partition-key": "other", "then": {"throttle": true}}));
    inject(&server, faults).await;
    assert_eq!(codes(&server.call("PutRecords", records).await), ["", ""]);
    assert_eq!(counts(&server).await, [0, 0, 0]);
}

#[tokio::test]
async fn records_whose_shard_the_service_picks_are_throttled_too() {
    let server = TestServer::new().await;
    let create = json!({"StreamName": "orders", "RecordDistributionStrategy": "AUTO",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"}});
    server.call("CreateStream", create).await;
    inject(&server, json!([{"records": 0, "then": {"throttle": true}}])).await;
    let record = json!({"Data": wire::blob("x")});
    let input = json!({"StreamName": "orders", "Records": [record, record]});
    assert_eq!(codes(&server.call("PutRecords", input.clone()).await), [THROTTLED, ""]);
    inject(&server, json!([{"shard": "*", "then": {"throttle": true}}])).await;
    assert_eq!(codes(&server.call("PutRecords", input).await), ["", ""], "no shard is named");
}

#[tokio::test]
async fn a_record_may_be_stored_and_said_not_to_be() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let then = json!({"fail": true, "when": "after-commit"});
    inject(&server, json!([{"operation": "Put*", "records": 0, "then": then}])).await;
    let answer = server.call("PutRecords", records(&["a", "b"])).await;
    assert_eq!(codes(&answer), ["InternalFailure", ""]);
    assert_eq!(answer["Records"][0]["ErrorMessage"], "Internal service failure.");
    assert_eq!(server.read("orders", 0).await, ["a", "b"]);
    let input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": wire::blob("c")});
    let refusal = server.outcome("PutRecord", input).await.unwrap_err();
    assert_eq!((refusal.status, &*refusal.code), (500, "InternalFailureException"));
    assert_eq!(server.read("orders", 0).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_connection_is_cut_before_or_after_the_commit() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    inject(
        &server,
        json!([
            {"operation": "PutRecords", "calls": 1, "then": {"cut": true}},
            {"operation": "PutRecords", "calls": 2, "then": {"cut": true, "when": "after-commit"}}
        ]),
    )
    .await;
    assert!(is_cut(&server, "PutRecords", &records(&["before"])).await);
    assert_eq!(server.read("orders", 0).await, [""; 0]);
    assert!(is_cut(&server, "PutRecords", &records(&["after"])).await);
    assert_eq!(server.read("orders", 0).await, ["after"]);
    assert!(!is_cut(&server, "PutRecords", &records(&["at last"])).await);
    let line = "millpond_requests_total{error=\"ConnectionCut\",operation=\"PutRecords\"}";
    assert_eq!(metric(&server, line).await, Some(2));
}

#[tokio::test]
async fn an_error_may_hide_that_records_are_stored() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let then = json!({"error": "InternalFailureException", "when": "after-commit"});
    inject(&server, json!([{"operation": "PutRecords", "times": 1, "then": then}])).await;
    let refusal = server.outcome("PutRecords", records(&["a"])).await.unwrap_err();
    assert_eq!((refusal.status, &*refusal.message), (500, "Internal service failure."));
    server.call("PutRecords", records(&["a"])).await;
    assert_eq!(server.read("orders", 0).await, ["a", "a"], "sent again, it is stored again");
}
