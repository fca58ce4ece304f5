//! State for each test over the admin API: forks, truncation, reset.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::server::{ACCOUNT, TestServer};

async fn posted(server: &TestServer, path: &str, input: Value) -> (u16, Value) {
    server.admin("POST", path, &input).await
}

async fn done(server: &TestServer, path: &str, input: Value) -> Value {
    server.administer("POST", path, input).await
}

#[tokio::test]
async fn a_fork_has_what_was_acknowledged_and_goes_its_own_way() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let before = server.put("orders", "k", "one").await;
    let forked = done(&server, "streams/orders/fork", json!({"to": "orders-test-17"})).await;
    assert_eq!(forked, json!({"stream": server.arn("orders-test-17")}));
    server.put("orders", "k", "two").await;
    let own = server.put("orders-test-17", "k", "three").await;
    assert!(own["SequenceNumber"].as_str() > before["SequenceNumber"].as_str());
    assert_eq!(server.read("orders", 0).await, ["one", "two"]);
    assert_eq!(server.read("orders-test-17", 0).await, ["one", "three"]);
    // The number of a shared record is the same in both.
    let after = json!({"StreamName": "orders-test-17", "ShardId": "shardId-000000000000",
        "ShardIteratorType": "AFTER_SEQUENCE_NUMBER",
        "StartingSequenceNumber": before["SequenceNumber"]});
    let iterator = server.iterator_of(after).await;
    assert_eq!(server.texts(&iterator).await, ["three"]);
    let server = server.after_crash().await;
    assert_eq!(server.read("orders-test-17", 0).await, ["one", "three"]);
}

#[tokio::test]
async fn a_fork_takes_over_settings_tags_and_consumers() {
    let server = TestServer::new().await.with_stream("orders", 2).await;
    let tags = json!({"StreamName": "orders", "Tags": {"team": "ponds"}});
    server.call("AddTagsToStream", tags).await;
    let hours = json!({"StreamName": "orders", "RetentionPeriodHours": 48});
    server.call("IncreaseStreamRetentionPeriod", hours).await;
    let key = json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": "alias/orders"});
    server.call("StartStreamEncryption", key).await;
    let consumer = server.register("orders", "app").await;
    server.put("orders", "k", "secret").await;
    let to = json!({"to": "copy", "account": "000000000042", "region": "eu-west-1"});
    let forked = done(&server, "streams/orders/fork", to).await;
    let arn = "arn:aws:kinesis:eu-west-1:000000000042:stream/copy";
    assert_eq!(forked["stream"], arn);
    let there = server.as_account("000000000042").in_region("eu-west-1");
    let summary = there.summary("copy").await;
    assert_eq!(summary["StreamStatus"], "ACTIVE");
    assert_eq!(summary["RetentionPeriodHours"], 48);
    assert_eq!(summary["EncryptionType"], "KMS");
    assert_eq!((&summary["OpenShardCount"], &summary["ConsumerCount"]), (&json!(2), &json!(1)));
    let tags = there.call("ListTagsForStream", json!({"StreamName": "copy"})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "ponds"}]));
    let there_too = consumer.replace(&server.arn("orders"), arn);
    assert_eq!(there.consumer(&there_too).await["ConsumerStatus"], "ACTIVE");
    there.put("copy", "k", "another").await;
    let mut texts = [there.read("copy", 0).await, there.read("copy", 1).await].concat();
    texts.sort();
    assert_eq!(texts, ["another", "secret"]);
}

#[tokio::test]
async fn refusals_name_what_is_wrong() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    let (status, answer) = posted(&server, "streams/absent/truncate", json!({})).await;
    assert_eq!(status, 404);
    assert!(answer["message"].as_str().unwrap().contains("Stream absent under account"));
    let (status, answer) = posted(&server, "streams/orders/fork", json!({"to": "orders"})).await;
    assert_eq!(status, 409, "{answer}");
    for (path, input, named) in [
        ("streams/orders/fork", json!({}), "to"),
        ("streams/orders/fork", json!({"to": "a b"}), "to: "),
        ("streams/orders/fork", json!({"to": "b", "account": "12"}), "account: "),
        ("streams/orders/fork", json!({"to": "b", "region": "EU"}), "region: "),
        ("streams/orders/fork", json!({"to": "b", "count": 2}), "count"),
        ("streams/a%20b/truncate", json!({}), "the stream's name: "),
        ("fork", json!({"account": ACCOUNT, "to": "me"}), "to: "),
    ] {
        let (status, answer) = posted(&server, path, input.clone()).await;
        let message = answer["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(named), "{path} {input}: {status} {message}");
    }
    let nobody = json!({"account": "000000000099", "to": "000000000098"});
    assert_eq!(posted(&server, "fork", nobody).await.0, 404);
    let deleting = TestServer::with("--transition 1h").await.with_stream("orders", 1).await;
    let (status, answer) = posted(&deleting, "streams/orders/truncate", json!({})).await;
    assert_eq!(status, 409, "{answer}");
}

#[tokio::test]
async fn a_truncated_stream_reads_on_with_what_comes_next() {
    let server = TestServer::new().await.with_stream("orders", 1).await;
    server.put("orders", "k", "one").await;
    let held = server.iterator("orders", 0, "TRIM_HORIZON").await;
    let last = server.put("orders", "k", "two").await;
    done(&server, "streams/orders/truncate", json!({})).await;
    assert_eq!(server.read("orders", 0).await, [""; 0]);
    let next = server.put("orders", "k", "three").await;
    assert!(next["SequenceNumber"].as_str() > last["SequenceNumber"].as_str());
    assert_eq!(server.texts(&held).await, ["three"]);
    assert_eq!(server.read("orders", 0).await, ["three"]);
    let start = json!({"StreamName": "orders", "ShardId": "shardId-000000000000",
        "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 0});
    let iterator = server.iterator_of(start).await;
    assert_eq!(server.texts(&iterator).await, ["three"]);
    let server = server.after_crash().await;
    assert_eq!(server.read("orders", 0).await, ["three"]);
}

#[tokio::test]
async fn after_a_reset_there_are_the_streams_of_the_start() {
    let server = TestServer::with("--stream orders:2").await;
    server.create("views", 1).await;
    server.put("orders", "k", "one").await;
    done(&server, "streams/orders/fork", json!({"to": "copy"})).await;
    server.commit().await;
    done(&server, "reset", Value::Null).await;
    let streams = server.call("ListStreams", json!({})).await;
    assert_eq!(streams["StreamNames"], json!(["orders"]));
    assert_eq!(server.shards("orders").await.len(), 2);
    assert_eq!(server.read("orders", 0).await, [""; 0]);
    let settings = server.call("DescribeAccountSettings", json!({})).await;
    assert_eq!(settings["MinimumThroughputBillingCommitment"]["Status"], "DISABLED");
    server.put("orders", "k", "two").await;
    assert_eq!(server.engine().logs().len(), 1, "storage holds what was written since");
}

/// Nothing has to be set up but the name of an account, which is a key id of twelve digits.
#[tokio::test]
async fn a_hundred_runners_stay_apart_by_account() {
    let server = TestServer::new().await.with_stream("orders", 4).await;
    server.create("views", 1).await;
    for i in 0..20 {
        server.put("orders", &format!("key-{i}"), "seeded").await;
    }
    let accounts: Vec<_> = (1..=100).map(|i| format!("{i:012}")).collect();
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is measured")]
    let started = Instant::now();
    join_all(accounts.iter().map(async |account| {
        let fork = json!({"account": ACCOUNT, "to": account});
        let forked = done(&server, "fork", fork).await;
        assert_eq!(forked["streams"].as_array().unwrap().len(), 2);
    }))
    .await;
    let took = started.elapsed();
    println!("100 accounts of 2 streams, 5 shards were forked in {took:?}");
    assert!(took < Duration::from_secs(10), "a fork takes milliseconds: {took:?}");
    join_all(accounts.iter().map(async |account| {
        let runner = server.as_account(account);
        runner.put("orders", "key", account).await;
        let reads = (0..4).map(|shard| runner.read("orders", shard));
        let texts = join_all(reads).await.concat();
        assert_eq!(texts.iter().filter(|text| *text == "seeded").count(), 20);
        assert_eq!(texts.iter().filter(|text| *text == account).count(), 1);
        assert_eq!(texts.len(), 21, "nothing of the other runners");
    }))
    .await;
    let read = join_all((0..4).map(|shard| server.read("orders", shard))).await.concat();
    assert_eq!(read.len(), 20);
}

/// The path of a snapshot in a directory of the test's own.
fn at(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_snapshot_moves_to_another_server_with_all_that_belongs_to_it() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["all", "all.tar"] {
        let path = at(&directory, name);
        let server = TestServer::new().await.with_stream("orders", 1).await;
        server.put("orders", "k", "one").await;
        let held = server.iterator("orders", 0, "TRIM_HORIZON").await;
        let consumer = server.register("orders", "app").await;
        let tags = json!({"StreamName": "orders", "Tags": {"team": "ponds"}});
        server.call("AddTagsToStream", tags).await;
        server.commit().await;
        let key = json!({"StreamName": "orders", "EncryptionType": "KMS", "KeyId": "alias/o"});
        server.call("StartStreamEncryption", key).await;
        server.put("orders", "k", "sealed").await;
        server.as_account("000000000042").create("theirs", 2).await;
        let taken = done(&server, "snapshot", json!({ "to": path })).await;
        assert_eq!((&taken["path"], &taken["streams"]), (&json!(path), &json!(2)));
        assert_eq!(taken["records"], 2);
        let other = TestServer::new().await.with_stream("other", 1).await;
        other.put("other", "k", "gone").await;
        assert_eq!(done(&other, "restore", json!({ "from": path })).await, taken);
        assert_eq!(other.read("orders", 0).await, ["one", "sealed"]);
        assert_eq!(other.texts(&held).await, ["one", "sealed"], "iterators move along");
        assert_eq!(other.consumer(&consumer).await["ConsumerStatus"], "ACTIVE");
        let tags = other.call("ListTagsForStream", json!({"StreamName": "orders"})).await;
        assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "ponds"}]));
        let settings = other.call("DescribeAccountSettings", json!({})).await;
        assert_eq!(settings["MinimumThroughputBillingCommitment"]["Status"], "ENABLED");
        assert_eq!(other.as_account("000000000042").shards("theirs").await.len(), 2);
        let streams = other.call("ListStreams", json!({})).await;
        assert_eq!(streams["StreamNames"], json!(["orders"]));
        other.put("orders", "k", "later").await;
        let other = other.after_crash().await;
        assert_eq!(other.read("orders", 0).await, ["one", "sealed", "later"]);
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_made_or_used_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::new().await.with_stream("orders", 1).await;
    std::fs::write(directory.path().join("thesis.txt"), "important").unwrap();
    let taken = at(&directory, "");
    let (status, answer) = posted(&server, "snapshot", json!({ "to": taken })).await;
    assert_eq!(status, 409);
    assert!(answer["message"].as_str().unwrap().starts_with("to: "), "{answer}");
    for (path, input, named) in [
        ("snapshot", json!({}), "to"),
        ("snapshot", json!({"to": ""}), "to: "),
        ("snapshot", json!({"to": at(&directory, "thesis.txt/x")}), "to: "),
        ("restore", json!({"from": at(&directory, "absent")}), "from: "),
        ("restore", json!({"from": at(&directory, "thesis.txt")}), "from: "),
        ("restore", json!({"from": taken}), "from: "),
        ("restore", json!({"to": "x"}), "to"),
    ] {
        let (status, answer) = posted(&server, path, input.clone()).await;
        let message = answer["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(named), "{path} {input}: {status} {message}");
    }
    assert_eq!(server.shards("orders").await.len(), 1, "nothing has changed");
}
