//! StartStreamEncryption.

use std::{pin::pin, time::Duration};

use futures::{future::join_all, poll};
use millpond_shards::crypt::{KmsFault, testing::TestKeys};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    addressing,
    events::{oldest, subscribe_at},
    health::get,
    server::{TestServer, in_both_formats, shard_id, texts},
    wire,
};

/// How long a key may be used before it is asked for again.
const KEY_LIFE: Duration = Duration::from_mins(5);

const DAY: Duration = Duration::from_hours(24);

/// What a key service can have against a key, and what the client is told.
pub(crate) const FAULTS: [(KmsFault, &str); 6] = [
    (KmsFault::AccessDenied, "KMSAccessDeniedException"),
    (KmsFault::Disabled, "KMSDisabledException"),
    (KmsFault::InvalidState, "KMSInvalidStateException"),
    (KmsFault::NotFound, "KMSNotFoundException"),
    (KmsFault::OptInRequired, "KMSOptInRequired"),
    (KmsFault::Throttling, "KMSThrottlingException"),
];

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check(
        "StartStreamEncryption",
        json!({"EncryptionType": "KMS", "KeyId": "alias/k"}),
    )
    .await;
}

#[tokio::test]
async fn records_are_encrypted_from_then_on() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let before = server.put("clicks", "k", "plain").await;
        assert_eq!(before.get("EncryptionType"), None);
        let answer = server.answer("StartStreamEncryption", &input("alias/aws/kinesis")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        for stream in [server.summary("clicks").await, description(&server).await] {
            assert_eq!(stream["EncryptionType"], "KMS");
            assert_eq!(stream["KeyId"], "alias/aws/kinesis");
        }
        assert_eq!(server.put("clicks", "k", "one").await["EncryptionType"], "KMS");
        let entry = |data: &str| json!({"PartitionKey": "k", "Data": wire::blob(data)});
        let records = json!([entry("two"), entry("")]);
        let put = json!({"StreamName": "clicks", "Records": records});
        let put = server.call("PutRecords", put).await;
        assert_eq!((&put["EncryptionType"], &put["FailedRecordCount"]), (&json!("KMS"), &json!(0)));
        let output = server.get(&server.iterator("clicks", 0, "TRIM_HORIZON").await).await;
        assert_eq!(texts(&output), ["plain", "one", "two", ""]);
        assert_eq!(types(&output), [Value::Null, kms(), kms(), kms()]);
        let consumer = server.register("clicks", "app").await;
        let event = subscribe_at(&server, &consumer, 0, oldest()).await.event().await;
        assert_eq!(texts(&event), ["plain", "one", "two", ""]);
        assert_eq!(types(&event), types(&output));
    })
    .await;
}

#[tokio::test]
async fn each_form_of_a_key_id_is_shown_as_it_was_given() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let arn = |name: &str| format!("arn:aws:kms:us-east-1:000000000000:{name}");
    let (key, alias) = (arn(&format!("key/{uuid}")), arn("alias/clicks"));
    for key_id in [uuid, &key, "alias/clicks", &alias, "alias/aws/kinesis"] {
        server.call("StartStreamEncryption", input(key_id)).await;
        assert_eq!(server.summary("clicks").await["KeyId"], key_id);
        server.put("clicks", "k", key_id).await;
    }
    let read = server.read("clicks", 0).await;
    assert_eq!(read, [uuid, &key, "alias/clicks", &alias, "alias/aws/kinesis"]);
    let refusal = server.refusal("StartStreamEncryption", input("clicks")).await;
    assert_eq!(refusal, "KMSNotFoundException: Invalid keyId 'clicks'");
}

/// The id of a key, which always means the same one.
fn key(number: u32) -> String {
    format!("{number:08}-12ab-34cd-56ef-1234567890ab")
}

#[tokio::test]
async fn the_stream_is_updating_meanwhile() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal("StartStreamEncryption", input(&key(1))).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state CREATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call("StartStreamEncryption", input(&key(1))).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    assert_eq!(server.put("clicks", "k", "1").await["EncryptionType"], "KMS");
    server.refusal("StartStreamEncryption", input(&key(2))).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("StartStreamEncryption", input(&key(1))).await;
    assert_eq!(server.status("clicks").await, "ACTIVE", "it is the key in use");
    server.call("StartStreamEncryption", input(&key(2))).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
}

#[tokio::test]
async fn a_type_other_than_kms_is_refused() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let input = json!({"StreamName": "clicks", "EncryptionType": "NONE", "KeyId": "alias/a"});
    let refusal = server.refusal("StartStreamEncryption", input).await;
    assert_eq!(refusal, "InvalidArgumentException: EncryptionType must be KMS.");
}

#[tokio::test]
async fn twenty_five_keys_a_day_are_applied() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for n in 0..25 {
        server.call("StartStreamEncryption", input(&key(n))).await;
    }
    let refusal = server.refusal("StartStreamEncryption", input(&key(25))).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
    server.call("StartStreamEncryption", input(&key(24))).await;
    server.advance(DAY).await;
    server.call("StartStreamEncryption", input(&key(25))).await;
}

#[tokio::test]
async fn a_key_that_cant_be_used_is_not_applied() {
    for (fault, code) in FAULTS {
        let (server, keys) = server_with_keys("").await;
        keys.set("alias/b", Some(fault));
        let refusal = server.refusal("StartStreamEncryption", input("alias/b")).await;
        assert_eq!(refusal, format!("{code}: alias/b can't be used"));
        assert_eq!(server.summary("clicks").await["KeyId"], "alias/a");
    }
}

/// Plain records, other streams, and what is asked of the stream itself go on.
#[tokio::test]
async fn without_the_key_records_are_neither_taken_nor_told() {
    for (fault, code) in FAULTS {
        let (server, keys) = server_with_keys("").await;
        server.create("orders", 1).await;
        let consumer = server.register("clicks", "app").await;
        server.put("clicks", "k", "1").await;
        keys.set("alias/a", Some(fault));
        assert_eq!(server.read("clicks", 0).await, ["0", "1"], "the key is in use");
        server.advance(KEY_LIFE).await;
        let words = format!("{code}: alias/a can't be used");
        let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""});
        assert_eq!(server.refusal("PutRecord", put.clone()).await, words);
        let records = json!({"StreamName": "clicks", "Records": [put]});
        assert_eq!(server.refusal("PutRecords", records).await, words);
        let start = server.iterator("clicks", 0, "TRIM_HORIZON").await;
        let output = server.get(&start).await;
        assert_eq!(texts(&output), ["0"], "a plain record needs no key");
        assert!(output["MillisBehindLatest"].as_i64().unwrap() >= 0);
        let next = json!({"ShardIterator": output["NextShardIterator"]});
        assert_eq!(server.refusal("GetRecords", next.clone()).await, words);
        let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
        assert_eq!(texts(&events.event().await), ["0"]);
        assert_eq!(events.exception().await, words);
        server.put("orders", "k", "1").await;
        assert_eq!(server.read("orders", 0).await, ["1"]);
        assert_eq!(server.status("clicks").await, "ACTIVE");
        keys.set("alias/a", None);
        server.advance(Duration::from_secs(1)).await;
        server.put("clicks", "k", "2").await;
        assert_eq!(texts(&server.call("GetRecords", next).await), ["1", "2"]);
    }
}

#[tokio::test]
async fn a_dry_run_asks_for_the_key_too() {
    let (server, keys) = server_with_keys("").await;
    let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": "", "DryRun": true});
    let refusal = server.refusal("PutRecord", put.clone()).await;
    assert!(refusal.starts_with("DryRunOperationException: "), "{refusal}");
    keys.set("alias/a", Some(KmsFault::Disabled));
    server.advance(KEY_LIFE).await;
    let refusal = server.refusal("PutRecord", put).await;
    assert!(refusal.starts_with("KMSDisabledException: "), "{refusal}");
    assert_eq!(server.read("clicks", 0).await, ["0"]);
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for operation in ["StartStreamEncryption", "StopStreamEncryption"] {
        for _ in 0..5 {
            server.call(operation, input("alias/a")).await;
        }
        let refusal = server.refusal(operation, input("alias/a")).await;
        let words = "Rate exceeded for stream clicks under account 000000000000.";
        assert_eq!(refusal, format!("LimitExceededException: {words}"));
    }
}

#[tokio::test]
async fn a_key_service_that_doesnt_answer_is_an_internal_failure() {
    let (server, keys) = server_with_keys("").await;
    keys.set("alias/a", Some(KmsFault::Unavailable));
    let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""});
    let refusal = server.outcome("PutRecord", put).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "InternalFailureException"));
}

#[tokio::test]
async fn it_survives_a_crash_and_a_lost_key() {
    let (server, keys) = server_with_keys("").await;
    server.put("clicks", "k", "1").await;
    let server = server.after_crash().await;
    assert_eq!(server.summary("clicks").await["KeyId"], "alias/a");
    assert_eq!(server.put("clicks", "k", "2").await["EncryptionType"], "KMS");
    assert_eq!(server.read("clicks", 0).await, ["0", "1", "2"]);
    keys.set("alias/a", Some(KmsFault::NotFound));
    let server = server.after_crash().await;
    let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""});
    assert!(server.refusal("PutRecord", put).await.starts_with("KMSNotFoundException: "));
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn shards_are_split_and_merged_as_ever() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("StartStreamEncryption", input("alias/a")).await;
    let put = async |server: &TestServer, text: &str| {
        for (hash_key, data) in [("0", format!("{text}a")), ("9", format!("{text}b"))] {
            let data = wire::blob(data);
            let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": data,
                "ExplicitHashKey": hash_key});
            server.call("PutRecord", put).await;
        }
    };
    put(&server, "0").await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": shard_id(0),
        "NewStartingHashKey": "5"});
    server.call("SplitShard", split).await;
    put(&server, "1").await;
    let merge = json!({"StreamName": "clicks", "ShardToMerge": shard_id(1),
        "AdjacentShardToMerge": shard_id(2)});
    server.call("MergeShards", merge).await;
    put(&server, "2").await;
    let server = server.after_crash().await;
    let expected: [&[&str]; 4] = [&["0a", "0b"], &["1a"], &["1b"], &["2a", "2b"]];
    for (shard, texts) in (0..).zip(expected) {
        assert_eq!(server.read("clicks", shard).await, texts);
    }
}

/// Sizes are those of the plain data.
#[tokio::test]
async fn the_largest_record_fits() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    server.call("StartStreamEncryption", input("alias/a")).await;
    let data = "x".repeat((1 << 20) - 1);
    server.put("clicks", "k", &data).await;
    assert_eq!(server.read("clicks", 0).await, [data]);
}

#[tokio::test]
async fn a_server_without_keys_says_what_to_do() {
    let server = TestServer::run("serve --auth any --transition 0").await;
    server.create("clicks", 1).await;
    let refusal = server.refusal("StartStreamEncryption", input("alias/aws/kinesis")).await;
    let words = "Key 'alias/aws/kinesis' does not exist: this server has no keys. Start it with \
                 --keyring FILE or --kms-endpoint URL.";
    assert_eq!(refusal, format!("KMSNotFoundException: {words}"));
}

fn input(key_id: &str) -> Value {
    json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": key_id})
}

/// With the stream `clicks`, which has the plain record `0` and is encrypted with `alias/a` now.
/// Room for answers is for those who can use it.
#[tokio::test]
async fn who_waits_for_a_key_holds_no_room() {
    let (server, keys) = server_with_keys("--inflight-bytes 64MiB").await;
    server.create("orders", 1).await;
    server.put("clicks", "k", "1").await;
    server.put("orders", "k", "1").await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.advance(KEY_LIFE).await;
    keys.hold("alias/a");
    let mut readers = pin!(join_all((0..8).map(|_| server.get(&iterator))));
    assert!(poll!(&mut readers).is_pending());
    let read = server.read("orders", 0);
    assert_eq!(timeout(Duration::from_secs(5), read).await.expect("there is room"), ["1"]);
    keys.release("alias/a");
    assert!(readers.await.iter().all(|output| texts(output) == ["0", "1"]));
}

/// Neither against the quota nor among what was told.
#[tokio::test]
async fn what_isnt_told_is_not_counted() {
    let (server, keys) = server_with_keys("--quotas strict --metrics open").await;
    let data = "x".repeat(1_000_000);
    for _ in 0..4 {
        server.advance(Duration::from_secs(2)).await;
        server.put("clicks", "k", &data).await;
    }
    server.advance(KEY_LIFE).await;
    keys.set("alias/a", Some(KmsFault::Disabled));
    let start = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let output = server.get(&start).await;
    assert_eq!(texts(&output), ["0"]);
    let next = json!({"ShardIterator": output["NextShardIterator"]});
    for _ in 0..3 {
        let refusal = server.refusal("GetRecords", next.clone()).await;
        assert_eq!(refusal, "KMSDisabledException: alias/a can't be used");
    }
    let metrics = get(&server, "/metrics").await;
    let told = |line: &&str| line.starts_with("millpond_outgoing_records_total{");
    let line = metrics.text().lines().find(told).map(str::to_owned);
    assert!(line.as_ref().is_some_and(|line| line.ends_with("} 1")), "{line:?}");
    keys.set("alias/a", None);
    server.advance(Duration::from_secs(1)).await;
    assert_eq!(texts(&server.call("GetRecords", next).await).len(), 4);
}

async fn server_with_keys(flags: &str) -> (TestServer, TestKeys) {
    let keys = TestKeys::default();
    let server = TestServer::with_keys(flags, keys.clone()).await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "0").await;
    server.call("StartStreamEncryption", input("alias/a")).await;
    (server, keys)
}

async fn description(server: &TestServer) -> Value {
    let output = server.call("DescribeStream", json!({"StreamName": "clicks"})).await;
    output["StreamDescription"].clone()
}

fn kms() -> Value {
    json!("KMS")
}

/// The EncryptionType of each record; null where there is none.
fn types(output: &Value) -> Vec<Value> {
    output["Records"].as_array().unwrap().iter().map(|r| r["EncryptionType"].clone()).collect()
}
