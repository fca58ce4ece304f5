//! PutRecords.

use std::{num::NonZeroU64, time::Duration};

use futures::future::join_all;
use millpond_shards::engine::memory::Fault;
use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, TestServer, in_both_formats, shard_id},
    wire,
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("PutRecords", records([("k", "")])).await;
}

#[tokio::test]
async fn results_stand_in_the_order_of_the_entries() {
    in_both_formats("", async |server| {
        server.create("clicks", 3).await;
        let entries = [("e", "1"), ("a", "2"), ("b", "3"), ("a", "4"), ("f", "5")];
        let output = put(&server, records(entries)).await;
        assert_eq!(output["FailedRecordCount"], 0);
        assert!(output.get("EncryptionType").is_none());
        let results = output["Records"].as_array().unwrap();
        let shards: Vec<_> = results.iter().map(|result| result["ShardId"].clone()).collect();
        assert_eq!(shards, [2, 0, 1, 0, 1].map(|shard| json!(shard_id(shard))));
        assert!(results.iter().all(|result| result.as_object().unwrap().len() == 2));
        assert!(results[1]["SequenceNumber"].as_str() < results[3]["SequenceNumber"].as_str());
        assert!(results[2]["SequenceNumber"].as_str() < results[4]["SequenceNumber"].as_str());
        assert_eq!(server.read("clicks", 0).await, ["2", "4"]);
        assert_eq!(server.read("clicks", 1).await, ["3", "5"]);
        assert_eq!(server.read("clicks", 2).await, ["1"]);
        let output = server.get(&server.iterator("clicks", 0, "TRIM_HORIZON").await).await;
        assert_eq!(output["Records"][1]["SequenceNumber"], results[3]["SequenceNumber"]);
    })
    .await;
}

#[tokio::test]
async fn an_explicit_hash_key_decides_the_shard() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    let entry =
        |hash_key: &str| json!({"PartitionKey": "a", "Data": "", "ExplicitHashKey": hash_key});
    let (low, high) = (entry("0"), entry("340282366920938463463374607431768211455"));
    let output = put(&server, json!({"Records": [high, low]})).await;
    let shards = [&output["Records"][0]["ShardId"], &output["Records"][1]["ShardId"]];
    assert_eq!(shards, [&shard_id(1), &shard_id(0)]);
}

#[tokio::test]
async fn five_hundred_entries_are_the_most() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let output = put(&server, records(vec![("k", "x"); 500])).await;
    assert_eq!(output["Records"].as_array().unwrap().len(), 500);
    assert_eq!(server.read("clicks", 0).await.len(), 500);
    for count in [0, 501] {
        let refusal = refusal(&server, records(vec![("k", "x"); count])).await;
        assert!(refusal.starts_with("ValidationException: 1 validation error"), "{refusal}");
    }
}

#[tokio::test]
async fn one_bad_entry_refuses_the_whole_request() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let long = "k".repeat(257);
    let past = "340282366920938463463374607431768211456";
    for (bad, code) in [
        (json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": past}), "InvalidArgument"),
        (json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "01"}), "Validation"),
        (json!({"PartitionKey": long, "Data": ""}), "Validation"),
        (json!({"PartitionKey": "", "Data": ""}), "Validation"),
        (json!({"Data": ""}), "Validation"),
        (json!({"PartitionKey": "k"}), "Validation"),
        (json!({"PartitionKey": "k", "Data": wire::blob(vec![0; 1 << 20])}), "Validation"),
    ] {
        let good = json!({"PartitionKey": "k", "Data": wire::blob("good")});
        let refusal = refusal(&server, json!({"Records": [good, bad]})).await;
        assert!(refusal.starts_with(&format!("{code}Exception: ")), "{refusal}");
        if code == "Validation" {
            assert!(refusal.contains(" at 'records.2.member."), "{refusal}");
        }
    }
    assert_eq!(server.read("clicks", 0).await, Vec::<String>::new());
    // Nothing was spent either.
    put(&server, records(vec![("k", ""); 500])).await;
    assert_eq!(put(&server, records(vec![("k", ""); 500])).await["FailedRecordCount"], 0);
}

#[tokio::test]
async fn ten_mebibytes_are_the_most() {
    let server = TestServer::new().await.with_stream("clicks", 4).await;
    let data = "x".repeat((1 << 20) - 1);
    let output = put(&server, records(vec![("k", data.as_str()); 10])).await;
    assert_eq!(output["FailedRecordCount"], 0);
    let mut entries = vec![("k", data.as_str()); 10];
    entries.push(("k", ""));
    let refusal = refusal(&server, records(entries)).await;
    assert_eq!(refusal, "InvalidArgumentException: Records size exceeds 10 MB limit");
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_spends_nothing() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let mut input = records(vec![("k", "x"); 500]);
    input["DryRun"] = json!(true);
    for _ in 0..3 {
        let refusal = refusal(&server, input.clone()).await;
        assert!(refusal.starts_with("DryRunOperationException: "), "{refusal}");
    }
    input["DryRun"] = json!(false);
    for _ in 0..2 {
        assert_eq!(put(&server, input.clone()).await["FailedRecordCount"], 0);
    }
    assert_eq!(server.read("clicks", 0).await.len(), 1000);
}

#[tokio::test]
async fn records_are_admitted_one_by_one() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 2).await;
    // `a` goes to the first shard, `b` to the second.
    for _ in 0..2 {
        assert_eq!(put(&server, records(vec![("a", ""); 499])).await["FailedRecordCount"], 0);
    }
    let output = put(&server, records([("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")])).await;
    assert_eq!(output["FailedRecordCount"], 1);
    let failed = json!({
        "ErrorCode": "ProvisionedThroughputExceededException",
        "ErrorMessage": format!(
            "Rate exceeded for shard shardId-000000000000 in stream clicks under account {ACCOUNT}."
        ),
    });
    assert_eq!(output["Records"][3], failed);
    assert!(output["Records"][2]["SequenceNumber"].is_string());

    let all = put(&server, records([("a", "5"), ("a", "6")])).await;
    assert_eq!((&all["FailedRecordCount"], &all["Records"]), (&json!(2), &json!([failed, failed])));
    server.advance(Duration::from_millis(2)).await;
    let output = put(&server, records([("a", "7"), ("a", "8"), ("a", "9")])).await;
    assert_eq!(output["FailedRecordCount"], 1);
    let texts = server.read("clicks", 0).await;
    assert_eq!(texts[998..], ["1", "3", "7", "8"]);
}

#[tokio::test]
async fn bytes_are_admitted_entry_by_entry() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let sized = |kib: usize| "x".repeat((kib << 10) - 1);
    let (a, b, c) = (sized(700), sized(400), sized(324));
    let entries = [("k", a.as_str()), ("k", b.as_str()), ("k", c.as_str())];
    let output = put(&server, records(entries)).await;
    assert_eq!(output["FailedRecordCount"], 1, "1,024 KiB fit, in spite of the one between them");
    assert!(output["Records"][1]["ErrorCode"].is_string());
    assert_eq!(put(&server, records([("k", "")])).await["FailedRecordCount"], 1);
    // 400 KiB come back in 390.625 ms.
    server.advance(Duration::from_millis(390)).await;
    assert_eq!(put(&server, records([("k", b.as_str())])).await["FailedRecordCount"], 1);
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(put(&server, records([("k", b.as_str())])).await["FailedRecordCount"], 0);
}

#[tokio::test]
async fn a_record_larger_than_a_second_is_paid_for_afterwards() {
    let server = TestServer::with("--quotas strict").await;
    let create = json!({"StreamName": "clicks", "ShardCount": 1, "MaxRecordSizeInKiB": 10240});
    server.call("CreateStream", create).await;
    let large = "x".repeat((10 << 20) - 1);
    assert_eq!(put(&server, records([("k", large.as_str())])).await["FailedRecordCount"], 0);
    assert_eq!(put(&server, records([("k", "")])).await["FailedRecordCount"], 1);
    server.advance(Duration::from_millis(9_999)).await;
    assert_eq!(put(&server, records([("k", large.as_str())])).await["FailedRecordCount"], 1);
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(put(&server, records([("k", large.as_str())])).await["FailedRecordCount"], 0);
}

#[tokio::test]
async fn what_storage_refuses_is_not_acknowledged() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    put(&server, records([("a", "1"), ("b", "2")])).await;
    let faults = server.engine().faults();
    faults.set_full(true);
    let output = put(&server, records([("a", "lost"), ("b", "lost")])).await;
    assert_eq!(output["FailedRecordCount"], 2);
    assert_eq!(output["Records"][0]["ErrorCode"], "InternalFailure");
    let input = json!({"StreamName": "clicks", "PartitionKey": "a", "Data": ""});
    let refusal = server.outcome("PutRecord", input).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "InternalFailureException"));
    faults.set_full(false);
    assert_eq!(put(&server, records([("a", "3"), ("b", "4")])).await["FailedRecordCount"], 0);
    for server in [server.clone(), server.after_crash().await] {
        assert_eq!(server.read("clicks", 0).await, ["1", "3"]);
        assert_eq!(server.read("clicks", 1).await, ["2", "4"]);
    }
}

#[tokio::test]
async fn one_shard_that_fails_leaves_the_others_alone() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    server.engine().faults().refuse_every(NonZeroU64::new(2));
    let output = put(&server, records([("a", "1"), ("b", "2")])).await;
    let failed = output["Records"].as_array().unwrap().iter();
    let failed = failed.filter(|result| result["ErrorCode"] == "InternalFailure").count();
    assert_eq!(output["FailedRecordCount"], failed);
    server.engine().faults().refuse_every(None);
    let stored = server.read("clicks", 0).await.len() + server.read("clicks", 1).await.len();
    assert_eq!((stored, failed), (1, 1));
}

/// A log that failed takes nothing until the server is started again, and then knows no more than
/// what it acknowledged.
#[tokio::test]
async fn a_failed_log_acknowledges_nothing() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    put(&server, records([("k", "1")])).await;
    server.engine().faults().next(Fault::Failed { stored: false });
    for text in ["lost", "also lost"] {
        assert_eq!(put(&server, records([("k", text)])).await["FailedRecordCount"], 1);
    }
    let server = server.after_crash().await;
    assert_eq!(put(&server, records([("k", "2")])).await["FailedRecordCount"], 0);
    assert_eq!(server.read("clicks", 0).await, ["1", "2"]);
}

/// Requests that meet a shard at its end are routed to its children.
#[tokio::test]
async fn nothing_is_lost_while_shards_split_and_merge() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0",
        "NewStartingHashKey": "170141183460469231731687303715884105728"});
    let merge = json!({"StreamName": "clicks", "ShardToMerge": "1", "AdjacentShardToMerge": "2"});
    let texts: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let keyed = |text: &str| records([(text, text), (text, text)]);
    let puts = join_all(texts.iter().map(|text| put(&server, keyed(text))));
    let reshards = async {
        server.call("SplitShard", split).await;
        server.call("MergeShards", merge).await;
    };
    let (outputs, ()) = futures::join!(puts, reshards);
    assert!(outputs.iter().all(|output| output["FailedRecordCount"] == 0));
    let mut found = Vec::new();
    for shard in 0..4 {
        found.extend(server.read("clicks", shard).await);
    }
    found.sort_by_key(|text| text.parse::<u32>().unwrap());
    let twice: Vec<_> = texts.iter().flat_map(|text| [text.clone(), text.clone()]).collect();
    assert_eq!(found, twice);
}

/// An input with these partition keys and texts.
fn records<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let entry = |(key, text): (&str, &str)| json!({"PartitionKey": key, "Data": wire::blob(text)});
    json!({"Records": entries.into_iter().map(entry).collect::<Vec<_>>()})
}

async fn put(server: &TestServer, input: Value) -> Value {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.call("PutRecords", input).await
}

async fn refusal(server: &TestServer, input: Value) -> String {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.refusal("PutRecords", input).await
}
