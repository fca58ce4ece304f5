//! Faults as data, from outside: scripts over the admin API, what they do to calls, and counts.

mod reading;
mod writing;

use std::time::Duration;

use axum::body::Body;
use futures::FutureExt as _;
use http::Request;
use millpond::faults::Cut;
use millpond_api::{Codec, ErrorKind};
use serde_json::{Value, json};

use crate::{
    server::{STRANGER, TestServer, here, in_both_formats, shard_id},
    wire::{self, Refusal},
};

/// Puts a script of these faults in force.
async fn inject(server: &TestServer, faults: Value) {
    server.administer("PUT", "faults", json!({"seed": 1, "faults": faults})).await;
}

/// What the first fault has done: matched, acted, records.
async fn counts(server: &TestServer) -> [u64; 3] {
    let report = server.administer("GET", "faults", Value::Null).await;
    ["matched", "acted", "records"].map(|count| report["faults"][0][count].as_u64().unwrap())
}

/// Whether the call's connection is cut.
async fn is_cut(server: &TestServer, operation: &str, input: &Value) -> bool {
    let body = wire::write(server.codec(), input);
    let response = server.respond(server.request(operation, body)).await;
    response.extensions().get::<Cut>().is_some()
}

async fn metric(server: &TestServer, line: &str) -> Option<u64> {
    let request = Request::get("/metrics").header("host", "localhost:4567").extension(here());
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    let found = answer.text().lines().find_map(|found| found.strip_prefix(line));
    found.map(|count| count.trim().parse().unwrap())
}

#[tokio::test]
async fn a_script_is_put_listed_counted_and_cleared() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let nothing = server.administer("GET", "faults", Value::Null).await;
    assert_eq!(nothing, json!({"faults": []}));
    let fault = json!({"operation": "PutRecord", "calls": 2, "then": {"throttle": true}});
    let put = server.administer("PUT", "faults", json!({"seed": 5, "faults": [fault]})).await;
    let mut listed = fault.clone();
    for count in ["matched", "acted", "records"] {
        listed[count] = json!(0);
    }
    assert_eq!(put, json!({"seed": 5, "faults": [listed]}));
    server.put("orders", "k", "1").await;
    let input = json!({"StreamName": "orders", "PartitionKey": "k", "Data": wire::blob("2")});
    let refusal = server.refusal("PutRecord", input).await;
    assert!(refusal.starts_with("ProvisionedThroughputExceededException: "), "{refusal}");
    assert_eq!(counts(&server).await, [2, 1, 1]);

    let (status, told) = server.admin("PUT", "faults", &json!({"faults": [{"calls": 1}]})).await;
    assert_eq!(status, 400);
    assert!(told["message"].as_str().unwrap().starts_with("fault 1: then: it says what"), "{told}");
    assert_eq!(counts(&server).await, [2, 1, 1], "what can't be read changes nothing");

    assert_eq!(server.administer("DELETE", "faults", Value::Null).await, nothing);
    server.put("orders", "k", "3").await;
    server.put("orders", "k", "4").await;
    assert_eq!(server.read("orders", 0).await, ["1", "3", "4"]);
    inject(&server, json!([fault])).await;
    assert_eq!(counts(&server).await, [0, 0, 0], "counts begin anew");
    assert_eq!(
        metric(&server, "millpond_faults_injected_total{effect=\"throttle\"}").await,
        Some(1)
    );
}

#[tokio::test]
async fn a_script_may_be_toml() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let put = |text: &'static str| {
        let request = Request::put("/_millpond/faults").header("host", "localhost:4567");
        let request = request.header("content-type", "application/toml; charset=utf-8");
        server.send(request.extension(here()).body(Body::from(text)).unwrap())
    };
    let script = "[[faults]]\nthen = { error = 'ServiceUnavailable' }";
    assert_eq!(put(script).await.status, 200);
    let outcome = server.outcome("ListStreams", json!({})).await;
    assert_eq!(outcome.unwrap_err().status, 503);
    let refused = put("[[faults]]\nthen = ").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("it is no TOML: line 2"), "{}", refused.text());
}

#[tokio::test]
async fn a_script_that_is_too_long_is_not_even_read() {
    let server = TestServer::new().await;
    for (bytes, status, words) in [
        (256 << 10, 400, "the script: nonsense"),
        ((256 << 10) + 1, 413, "the body has more than 262144 bytes, the most here"),
    ] {
        let frame = json!({"nonsense": ""}).to_string().len();
        let script = json!({"nonsense": "x".repeat(bytes - frame)});
        let (answered, answer) = server.admin("PUT", "faults", &script).await;
        let message = answer["message"].as_str().unwrap();
        assert!(answered == status && message.contains(words), "{answered}: {message:.200}");
    }
}

#[tokio::test]
async fn a_script_may_be_given_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let script = "[[faults]]\noperation = 'ListStreams'\nthen = { fail = true }";
    for (name, text) in [
        ("faults.toml", script.to_owned()),
        ("faults.json", json!({"faults": [{"then": {"fail": true}}]}).to_string()),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let server = TestServer::with(&format!("--faults {}", path.display())).await;
        let refusal = server.outcome("ListStreams", json!({})).await.unwrap_err();
        assert_eq!((refusal.status, &*refusal.code), (500, "InternalFailureException"));
    }
}

#[tokio::test]
async fn a_reset_brings_back_the_faults_of_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faults.toml");
    std::fs::write(&path, "[[faults]]\ncalls = 1\nthen = { fail = true }").unwrap();
    let server = TestServer::with(&format!("--faults {}", path.display())).await;
    server.outcome("ListStreams", json!({})).await.unwrap_err();
    inject(&server, json!([{"then": {"error": "ThrottlingException"}}])).await;
    server.refusal("ListStreams", json!({})).await;
    server.administer("POST", "reset", Value::Null).await;
    assert_eq!(counts(&server).await, [0, 0, 0]);
    assert_eq!(server.outcome("ListStreams", json!({})).await.unwrap_err().status, 500);
    server.call("ListStreams", json!({})).await;
}

#[tokio::test]
async fn every_error_of_kinesis_looks_as_it_does_by_itself() {
    in_both_formats("", async |server| {
        for kind in ErrorKind::ALL {
            let then = json!({"error": kind.wire_name(), "message": "Words."});
            inject(&server, json!([{ "then": then }])).await;
            let answer = server.answer("ListStreams", &json!({})).await;
            assert_eq!(answer.header("content-type"), server.codec().content_type());
            assert!(!answer.header("x-amzn-requestid").is_empty());
            let refusal = answer.refusal();
            let expected = Refusal {
                status: kind.status(),
                code: kind.wire_name().to_owned(),
                message: "Words.".to_owned(),
            };
            assert_eq!(refusal, expected);
        }
    })
    .await;
}

/// Calls this often, and answers with the first refusal.
async fn refusal_of_many(server: &TestServer, operation: &str, input: &Value) -> String {
    for _ in 0..2_000 {
        if let Err(Refusal { code, message, .. }) = server.outcome(operation, input.clone()).await {
            return format!("{code}: {message}");
        }
    }
    panic!("{operation} is never refused");
}

#[tokio::test]
async fn a_throttle_says_what_the_real_one_says() {
    let server = TestServer::with("--quotas strict").await;
    let server = server.with_stream("orders", 1).await;
    let consumer = server.register("orders", "app").await;
    let iterator = server.iterator("orders", 0, "LATEST").await;
    let shard = json!({"StreamName": "orders", "ShardId": shard_id(0)});
    let mut with_type = shard.clone();
    with_type["ShardIteratorType"] = json!("LATEST");
    let subscribe = json!({"ConsumerARN": consumer, "ShardId": shard_id(0),
        "StartingPosition": {"Type": "LATEST"}});
    let many = vec![json!({"PartitionKey": "k", "Data": ""}); 500];
    let records = json!({"StreamName": "orders", "Records": many});
    for (operation, input) in [
        ("GetRecords", json!({ "ShardIterator": iterator })),
        ("GetShardIterator", with_type),
        ("DescribeStreamSummary", json!({"StreamName": "orders"})),
        ("ListShards", json!({"StreamName": "orders"})),
        ("ListStreams", json!({})),
    ] {
        server.advance(Duration::from_mins(1)).await;
        let real = refusal_of_many(&server, operation, &input).await;
        server.advance(Duration::from_mins(1)).await;
        inject(&server, json!([{"operation": operation, "then": {"throttle": true}}])).await;
        assert_eq!(server.refusal(operation, input).await, real, "{operation}");
        server.administer("DELETE", "faults", Value::Null).await;
    }
    server.advance(Duration::from_mins(1)).await;
    assert_eq!(server.answer("SubscribeToShard", &subscribe).now_or_never().map(|_| ()), None);
    let real = server.refusal("SubscribeToShard", subscribe.clone()).await;
    server.advance(Duration::from_mins(1)).await;
    inject(&server, json!([{"operation": "SubscribeToShard", "then": {"throttle": true}}])).await;
    assert_eq!(server.refusal("SubscribeToShard", subscribe).await, real);

    server.administer("DELETE", "faults", Value::Null).await;
    let mut real = Value::Null;
    while real.get("ErrorCode").is_none() {
        real = server.call("PutRecords", records.clone()).await["Records"][499].clone();
    }
    server.advance(Duration::from_mins(1)).await;
    inject(&server, json!([{"records": 499, "then": {"throttle": true}}])).await;
    let answer = server.call("PutRecords", records).await;
    assert_eq!((&answer["Records"][499], &answer["FailedRecordCount"]), (&real, &json!(1)));
}

#[tokio::test]
async fn a_throttled_read_counts_as_one() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let iterator = server.iterator("orders", 0, "LATEST").await;
    inject(&server, json!([{"operation": "GetRecords", "then": {"throttle": true}}])).await;
    server.refusal("GetRecords", json!({ "ShardIterator": iterator })).await;
    let labels = "account=\"000000000000\",region=\"us-east-1\",stream=\"orders\"";
    let line = format!(
        "millpond_read_provisioned_throughput_exceeded_total{{{labels},shard=\"{}\"}}",
        shard_id(0)
    );
    assert_eq!(metric(&server, &line).await, Some(1));
    let ledger = server.administer("GET", "throttles", Value::Null).await;
    assert_eq!(ledger["refused"], 0, "no limit was reached");
}

#[tokio::test]
async fn a_delay_is_service_time() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    inject(&server, json!([{"operation": "PutRecord", "then": {"delay": "5s"}}])).await;
    let mut put = Box::pin(server.put("orders", "k", "late"));
    assert!(put.as_mut().now_or_never().is_none());
    server.advance(Duration::from_millis(4_999)).await;
    assert!(put.as_mut().now_or_never().is_none());
    assert_eq!(server.read("orders", 0).await, [""; 0], "nothing is stored yet");
    server.advance(Duration::from_millis(1)).await;
    put.await;
    assert_eq!(server.read("orders", 0).await, ["late"]);
}

#[tokio::test]
async fn a_delay_after_the_commit_holds_up_the_answer_only() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let then = json!({"delay": "5s", "when": "after-commit"});
    inject(&server, json!([{"operation": "PutRecord", "then": then}])).await;
    let mut put = Box::pin(server.put("orders", "k", "early"));
    while server.read("orders", 0).await.is_empty() {
        assert!(put.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert!(put.as_mut().now_or_never().is_none());
    server.advance(Duration::from_secs(5)).await;
    put.await;
}

#[tokio::test]
async fn whoever_waits_goes_on_when_the_faults_are_cleared() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    inject(&server, json!([{"operation": "PutRecord", "then": {"delay": "1h"}}])).await;
    let mut put = Box::pin(server.put("orders", "k", "freed"));
    assert!(put.as_mut().now_or_never().is_none());
    server.administer("DELETE", "faults", Value::Null).await;
    put.await;
}

#[tokio::test]
async fn the_admin_api_meets_no_faults() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    inject(&server, json!([{"then": {"cut": true}}])).await;
    let records = json!({"records": [{"partition_key": "k", "data": "here"}]});
    server.administer("POST", "streams/orders/records", records).await;
    assert_eq!(counts(&server).await, [0, 0, 0]);
    server.administer("DELETE", "faults", Value::Null).await;
    assert_eq!(server.read("orders", 0).await, ["here"]);
}

#[tokio::test]
async fn accounts_and_regions_have_faults_of_their_own() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let stranger = server.as_account(STRANGER);
    let abroad = server.in_region("eu-west-1");
    stranger.create("orders", 1).await;
    abroad.create("orders", 1).await;
    let then = json!({"error": "ThrottlingException"});
    inject(&server, json!([{"account": STRANGER, "then": then}])).await;
    server.summary("orders").await;
    abroad.summary("orders").await;
    let input = json!({"StreamName": "orders"});
    stranger.refusal("DescribeStreamSummary", input.clone()).await;
    inject(&server, json!([{"region": "eu-*", "then": then}])).await;
    server.summary("orders").await;
    stranger.summary("orders").await;
    abroad.refusal("DescribeStreamSummary", input).await;
}

#[tokio::test]
async fn a_stream_is_known_however_it_is_named() {
    let server = TestServer::new().await.with_stream("orders", 2).await;
    let consumer = server.register("orders", "app").await;
    let iterator = server.iterator("orders", 1, "LATEST").await;
    let page = server.call("ListShards", json!({"StreamName": "orders", "MaxResults": 1})).await;
    let arn = server.arn("orders");
    let then = json!({"error": "InvalidArgumentException", "message": "Here."});
    inject(&server, json!([{"stream": "orders", "then": then}])).await;
    for (operation, input) in [
        ("DescribeStreamSummary", json!({"StreamName": "orders"})),
        ("DescribeStreamSummary", json!({ "StreamARN": arn })),
        ("ListTagsForResource", json!({ "ResourceARN": arn })),
        ("ListTagsForResource", json!({ "ResourceARN": consumer })),
        ("DescribeStreamConsumer", json!({ "ConsumerARN": consumer })),
        ("GetRecords", json!({ "ShardIterator": iterator })),
        ("GetRecords", json!({ "ShardIterator": format!("\"{iterator}\"") })),
        ("ListShards", json!({ "NextToken": page["NextToken"] })),
    ] {
        let refusal = server.refusal(operation, input).await;
        assert_eq!(refusal, "InvalidArgumentException: Here.", "{operation}");
    }
    inject(&server, json!([{"shard": "1", "consumer": "app", "then": then}])).await;
    server.get(&iterator).await;
    let input = json!({"ConsumerARN": consumer, "ShardId": shard_id(1),
        "StartingPosition": {"Type": "LATEST"}});
    server.refusal("SubscribeToShard", input).await;
    inject(&server, json!([{"shard": "1", "then": then}])).await;
    let mut split = json!({"StreamName": "orders", "ShardToSplit": "1"});
    split["NewStartingHashKey"] = json!("7");
    assert!(server.refusal("SplitShard", split.clone()).await.ends_with("Here."));
    split["ShardToSplit"] = json!("0");
    server.call("SplitShard", split).await;
}

#[tokio::test]
async fn cbor_is_read_as_well() {
    let server = TestServer::new().await.with_stream("orders", 1).await.speaking(Codec::Cbor);
    let fault = json!({"partition-key": "hot", "stream": "orders", "then": {"cut": true}});
    inject(&server, json!([fault])).await;
    let input = |key: &str| {
        let record = json!({"PartitionKey": key, "Data": wire::blob("text")});
        json!({"StreamName": "orders", "Records": [record]})
    };
    assert!(is_cut(&server, "PutRecords", &input("hot")).await);
    assert!(!is_cut(&server, "PutRecords", &input("cold")).await);
    assert_eq!(counts(&server).await, [1, 1, 0]);
}
