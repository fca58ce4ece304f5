//! A throttle explains itself: what was refused, what would have sufficed, what it would have cost;
//! and limits that are set one by one.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    events::{input, oldest, subscribe_at},
    server::TestServer,
    wire,
};

const SECOND: Duration = Duration::from_secs(1);

async fn strict() -> TestServer {
    TestServer::with("--quotas strict").await.with_stream("clicks", 1).await
}

/// A server with these limits, and the folder that their file is in.
async fn limited(flags: &str, limits: &str) -> (TestServer, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("quotas.toml");
    fs::write(&file, limits).unwrap();
    let server = TestServer::with(&format!("{flags} --quotas-file {}", file.display())).await;
    (server, dir)
}

/// Puts so many small records of a key; how many were refused.
async fn put(server: &TestServer, key: &str, records: usize) -> u64 {
    let mut refused = 0;
    for entries in (0..records).collect::<Vec<_>>().chunks(500) {
        let entry = json!({"PartitionKey": key, "Data": wire::blob("x")});
        let input = json!({"StreamName": "clicks", "Records": vec![entry; entries.len()]});
        let output = server.call("PutRecords", input).await;
        refused += output["FailedRecordCount"].as_u64().unwrap();
    }
    refused
}

async fn throttles(server: &TestServer, query: &str) -> Value {
    server.administer("GET", &format!("throttles{query}"), Value::Null).await
}

#[tokio::test]
async fn a_throttled_write_names_its_limit_and_its_keys() {
    let server = strict().await;
    assert_eq!(put(&server, "busy", 900).await, 0);
    assert_eq!(put(&server, "rare", 50).await, 0);
    assert_eq!(put(&server, "busy", 300).await, 250);
    server.advance(Duration::from_millis(3)).await;
    assert_eq!(put(&server, "rare", 10).await, 7);
    let report = throttles(&server, "").await;
    assert_eq!(report["refused"], 257);
    let stream = &report["streams"][0];
    assert_eq!((&stream["stream"], &stream["refused"]), (&json!("clicks"), &json!(257)));
    let throttle = &stream["throttles"][0];
    let expected = json!({
        "shard": "shardId-000000000000",
        "operation": "PutRecords",
        "limit": "shard-write-records-per-second",
        "allowed_per_second": 1_000,
        "refused": 257,
        "excess_max": 1,
        "retry_after_seconds_max": 0.001,
        "first": 1_700_000_000,
        "last": 1_700_000_000.003,
        "partition_keys": [
            {"key": "busy", "refused": 250, "surely": 250},
            {"key": "rare", "refused": 7, "surely": 7},
        ],
    });
    assert_eq!(throttle, &expected);
    let last = &report["recent"][0];
    assert_eq!((&last["refused"], &last["partition_keys"]), (&json!(7), &json!(["rare"])));
    assert_eq!(last["stream"], "clicks");
}

#[tokio::test]
async fn it_says_what_would_have_sufficed_and_what_that_costs() {
    let server = strict().await;
    for second in 0..3 {
        for n in 0..25 {
            put(&server, &format!("key-{second}-{n}"), 100).await;
        }
        server.advance(SECOND).await;
    }
    let stream = &throttles(&server, "").await["streams"][0];
    assert_eq!(stream["offered"]["records_per_second"], 2_500);
    let advice = &stream["advice"];
    assert_eq!(advice["shards"], 3);
    assert_eq!(advice["splits"], json!([{"shard": "shardId-000000000000", "into": 3}]));
    assert_eq!(advice["hot_keys"], json!([]));
    server.advance(Duration::from_secs(3_597)).await;
    let report = throttles(&server, "").await;
    let cost = &report["streams"][0]["cost"];
    let about = |cost: &Value, expected: f64| {
        assert!((cost.as_f64().unwrap() - expected).abs() < 1e-9, "{cost} isn't {expected}");
    };
    // An hour of one shard, and 3,000 units; then three shards; then by the stream and the GB.
    let units = 3_000.0 * 0.014 / 1e6;
    about(&cost["total"], 0.015 + units);
    about(&cost["provisioned"], 3.0 * 0.015 + units);
    about(&cost["on_demand"], 0.04 + 3_000.0 / 1_048_576.0 * 0.08);
    assert_eq!(cost["cheaper_mode"], "ON_DEMAND");
    about(&report["cost"]["total"], 0.015 + units);
    assert_eq!(report["cost"]["currency"], "USD");
}

#[tokio::test]
async fn a_hot_key_is_told_from_too_few_shards() {
    let server = strict().await;
    put(&server, "hot", 1_900).await;
    put(&server, "other", 100).await;
    put(&server, "hot", 500).await;
    let advice = throttles(&server, "").await["streams"][0]["advice"].clone();
    assert_eq!(advice["hot_keys"][0]["partition_key"], "hot");
    assert_eq!(advice["shards"], 1);
    assert!(advice["sentences"].to_string().contains("no number of shards helps"), "{advice}");
    let told = server.summary_of_throttles().join("\n");
    assert!(told.contains("no number of shards helps"), "{told}");
    assert!(!told.contains("hot"), "the log of a server names no keys: {told}");
}

#[tokio::test]
async fn reads_and_iterators_are_in_the_ledger() {
    let server = strict().await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    for _ in 0..5 {
        server.get(&iterator).await;
    }
    server.refusal("GetRecords", json!({ "ShardIterator": iterator })).await;
    for _ in 0..4 {
        server.iterator("clicks", 0, "LATEST").await;
    }
    let another = json!({"StreamName": "clicks", "ShardId": "0", "ShardIteratorType": "LATEST"});
    server.refusal("GetShardIterator", another).await;
    let stream = &throttles(&server, "?stream=clicks").await["streams"][0];
    let limits: Vec<_> =
        stream["throttles"].as_array().unwrap().iter().map(|t| &t["limit"]).collect();
    let expected = ["shard-iterator-calls-per-second", "shard-read-calls-per-second"];
    assert!(expected.iter().all(|limit| limits.contains(&&json!(limit))), "{limits:?}");
    assert!(stream["advice"]["sentences"].to_string().contains("enhanced fan-out"), "{stream}");
}

#[tokio::test]
async fn subscriptions_are_in_the_ledger() {
    let server = strict().await;
    let consumer = server.register("clicks", "app").await;
    let _subscribed = subscribe_at(&server, &consumer, 0, oldest()).await;
    server.refusal("SubscribeToShard", input(&consumer, 0, &oldest())).await;
    server.advance(SECOND).await;
    server.refusal("SubscribeToShard", input(&consumer, 0, &oldest())).await;
    let throttles = throttles(&server, "").await["streams"][0]["throttles"].clone();
    let told: Vec<_> = throttles
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["limit"].as_str().unwrap(), t["retry_after_seconds_max"].as_f64().unwrap()))
        .collect();
    assert!(told.contains(&("subscribe-calls-per-second", 1.0)), "{told:?}");
    assert!(told.contains(&("subscription-takeover", 4.0)), "{told:?}");
}

#[tokio::test]
async fn control_calls_and_counts_are_their_account_s() {
    let (server, _dir) = limited("--quotas strict", "streams-creating = 0").await;
    server.call("DescribeLimits", json!({})).await;
    server.refusal("DescribeLimits", json!({})).await;
    server.refusal("CreateStream", json!({"StreamName": "a", "ShardCount": 1})).await;
    let report = throttles(&server, "").await;
    let told: Vec<_> = report["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["operation"].as_str().unwrap(), t["limit"].as_str().unwrap()))
        .collect();
    assert!(told.contains(&("DescribeLimits", "calls-per-second")), "{told:?}");
    assert!(told.contains(&("CreateStream", "streams-creating")), "{told:?}");
    assert_eq!(report["streams"], json!([]));
}

#[tokio::test]
async fn what_is_asked_for_is_shown_and_cleared_and_nothing_else() {
    let server = strict().await;
    let other = server.as_account("111122223333");
    other.create("clicks", 1).await;
    other.create("orders", 1).await;
    assert_eq!(put(&server, "a", 1_100).await, 100);
    assert_eq!(put(&other, "a", 1_200).await, 200);
    assert_eq!(throttles(&server, "").await["refused"], 300);
    assert_eq!(throttles(&server, "?account=111122223333").await["refused"], 200);
    assert_eq!(throttles(&server, "?stream=orders").await["refused"], 0);
    assert_eq!(throttles(&server, "?region=eu-west-1").await["streams"], json!([]));
    server.administer("DELETE", "throttles?account=111122223333", Value::Null).await;
    let report = throttles(&server, "").await;
    assert_eq!(report["refused"], 100);
    let offered = |account: &str| {
        let streams = report["streams"].as_array().unwrap();
        let stream = streams.iter().find(|stream| stream["account"] == account).unwrap();
        stream["offered"]["records_per_second"].clone()
    };
    assert_eq!((offered("000000000000"), offered("111122223333")), (json!(1_100), json!(0)));
    server.administer("DELETE", "throttles", Value::Null).await;
    assert_eq!(throttles(&server, "").await["refused"], 0);
}

#[tokio::test]
async fn a_query_that_means_nothing_is_refused() {
    let server = strict().await;
    for (query, named) in
        [("account=me", "account"), ("streams=a", "streams"), ("region=", "region")]
    {
        let (status, fault) =
            server.admin("GET", &format!("throttles?{query}"), &Value::Null).await;
        assert_eq!(status, 400, "{query}");
        assert!(fault["message"].as_str().unwrap().contains(named), "{fault}");
    }
}

#[tokio::test]
async fn a_stream_that_is_gone_is_still_told_of() {
    let server = strict().await;
    assert_eq!(put(&server, "a", 1_001).await, 1);
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    let stream = &throttles(&server, "").await["streams"][0];
    assert_eq!((&stream["is_gone"], &stream["refused"]), (&json!(true), &json!(1)));
    let summary = server.summary_of_throttles().join("\n");
    for words in ["1 records and calls", "stream clicks", "would have cost", "USD"] {
        assert!(summary.contains(words), "{summary}");
    }
}

#[tokio::test]
async fn where_nothing_is_refused_there_is_nothing_to_tell() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    assert_eq!(put(&server, "a", 3_000).await, 0);
    let report = throttles(&server, "").await;
    assert_eq!((&report["refused"], &report["streams"]), (&json!(0), &json!([])));
    assert!(server.summary_of_throttles().is_empty());
}

#[tokio::test]
async fn one_rate_may_be_kept_where_quotas_are_off() {
    let (server, _dir) = limited("--quotas off", "shard-write-records-per-second = 200").await;
    let server = server.with_stream("clicks", 1).await;
    assert_eq!(put(&server, "a", 250).await, 50);
    for _ in 0..20 {
        server.call("DescribeLimits", json!({})).await;
        server.iterator("clicks", 0, "LATEST").await;
    }
    let throttle = &throttles(&server, "").await["streams"][0]["throttles"][0];
    assert_eq!(throttle["allowed_per_second"], 200);
}

#[tokio::test]
async fn counts_and_lives_are_set_by_the_file() {
    let limits = r#"
        consumers-per-stream = 1
        tags-per-resource = 1
        mode-switches-per-day = "off"
        shard-count-factor = 4
        shard-iterator-life = "10s"
        next-token-life = "20s"
        subscription-life = "7s"
        [calls-per-second]
        RegisterStreamConsumer = "off"
        DescribeLimits = 3
    "#;
    let (server, _dir) = limited("--quotas strict", limits).await;
    let server = server.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "app").await;
    for _ in 0..9 {
        let second = json!({"StreamARN": server.arn("clicks"), "ConsumerName": "b"});
        let refusal = server.refusal("RegisterStreamConsumer", second).await;
        assert!(refusal.contains("limit of 1 consumers"), "{refusal}");
    }
    let target = json!({"StreamName": "clicks", "TargetShardCount": 4,
        "ScalingType": "UNIFORM_SCALING"});
    server.call("UpdateShardCount", target).await;
    let target = json!({"StreamName": "clicks", "TargetShardCount": 17,
        "ScalingType": "UNIFORM_SCALING"});
    let refusal = server.refusal("UpdateShardCount", target).await;
    assert!(refusal.contains("cannot scale up over 4 times your current open"), "{refusal}");
    let iterator = server.iterator("clicks", 0, "LATEST").await;
    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    server.advance(Duration::from_millis(10_001)).await;
    let refusal = server.refusal("GetRecords", json!({ "ShardIterator": iterator })).await;
    assert!(refusal.starts_with("ExpiredIteratorException"), "{refusal}");
    while events.next().await.is_some() {}
    let describe = || server.outcome("DescribeLimits", json!({}));
    assert!(describe().await.is_ok() && describe().await.is_ok() && describe().await.is_ok());
    assert!(describe().await.is_err());
}

#[tokio::test]
async fn throttles_of_a_stream_that_never_was_are_not_there() {
    let server = strict().await;
    for method in ["GET", "DELETE"] {
        let ask = async |query: &str| {
            server.admin(method, &format!("throttles?{query}"), &Value::Null).await
        };
        let (status, answer) = ask("stream=nope").await;
        let words = "stream: nope is not there, and nothing was refused to one that was";
        assert_eq!((status, &answer["message"]), (404, &json!(words)));
        assert_eq!(ask("stream=clicks&region=eu-west-1").await.0, 404, "it is elsewhere");
        assert_eq!(ask("stream=clicks").await.0, 200);
        assert_eq!(ask("region=eu-west-1").await.0, 200, "streams may come to be there");
    }
    put(&server, "busy", 1_500).await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    assert_eq!(throttles(&server, "?stream=clicks").await["refused"], 500, "it is remembered");
}

#[tokio::test]
async fn a_server_that_keeps_no_rate_says_so() {
    for (flags, keeps) in [("--quotas strict", true), ("--quotas off", false)] {
        let server = TestServer::with(flags).await;
        assert_eq!(throttles(&server, "").await["keeps_rates"], keeps, "{flags}");
    }
    let (server, _dir) = limited("--quotas off", "shard-read-calls-per-second = 5").await;
    assert_eq!(throttles(&server, "").await["keeps_rates"], true);
}
