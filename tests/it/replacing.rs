//! Everything replaced in a running server, by a reset or a restore: whole, whoever waits for it,
//! and with nothing left that was counted before.

use std::{fs, pin::pin, time::Duration};

use futures::future::poll_immediate as poll_once;
use millpond_shards::{
    crypt::{KmsFault, testing::TestKeys},
    engine::memory::Faults,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{server::TestServer, wire};

/// How long a test that fails waits for what doesn't happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// Streams that take several commands each.
const FILE: &str = r#"
    [[streams]]
    name = "orders"
    shards = 2
    retention-hours = 48
    consumers = [{ name = "app" }]
    [[streams]]
    name = "views"
    retention-hours = 72
"#;

/// A server that makes those, has written to them, and has another; and where its files are.
async fn used() -> (TestServer, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("millpond.toml");
    fs::write(&file, FILE).unwrap();
    let server = TestServer::with(&format!("--config {}", file.display())).await;
    server.put("orders", "k", "used").await;
    server.create("extra", 1).await;
    (server, directory)
}

async fn is_as_after_the_start(server: &TestServer) -> bool {
    let streams = server.call("ListStreams", json!({})).await;
    if streams["StreamNames"] != json!(["orders", "views"]) {
        return false;
    }
    let (orders, views) = (server.summary("orders").await, server.summary("views").await);
    let told = (&orders["RetentionPeriodHours"], &orders["ConsumerCount"]);
    told == (&json!(48), &json!(1))
        && views["RetentionPeriodHours"] == 72
        && [server.read("orders", 0).await, server.read("orders", 1).await].concat().is_empty()
}

/// Lets so many writes of `work` happen, and then gives it up. Whether it was done before.
async fn give_up(faults: &Faults, writes: usize, work: impl Future) -> bool {
    let mut work = pin!(work);
    faults.hold();
    let mut written = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut work => return true,
            () = tokio::task::yield_now() => {}
        }
        if faults.queued() > 0 && written == writes {
            return false;
        }
        written += usize::from(faults.step());
    }
}

#[tokio::test]
async fn a_reset_that_nobody_waits_for_is_done_all_the_same() {
    for writes in 0.. {
        let (server, _directory) = used().await;
        let faults = server.engine().faults();
        let done = give_up(&faults, writes, server.admin("POST", "reset", &Value::Null)).await;
        faults.release();
        let whole = async {
            while !is_as_after_the_start(&server).await {
                tokio::task::yield_now().await;
            }
        };
        let whole = tokio::time::timeout(PATIENCE, whole).await;
        assert!(whole.is_ok(), "it is left half done after {writes} writes");
        if done {
            assert!(writes > 5, "{writes}");
            break;
        }
    }
}

#[tokio::test]
async fn a_reset_without_the_keys_of_its_streams_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("millpond.toml");
    fs::write(&file, "[[streams]]\nname = \"orders\"\nencryption-key = \"alias/orders\"\n")
        .unwrap();
    let keys = TestKeys::default();
    let server = TestServer::with_keys(&format!("--config {}", file.display()), keys.clone()).await;
    server.put("orders", "k", "kept").await;
    server.create("extra", 1).await;

    keys.set("alias/orders", Some(KmsFault::Disabled));
    let (status, answer) = server.admin("POST", "reset", &Value::Null).await;
    assert_eq!(status, 500);
    let said = answer.to_string();
    assert!(said.contains("stream orders can't be made as declared"), "{said}");
    keys.set("alias/orders", None);
    let streams = server.call("ListStreams", json!({})).await;
    assert_eq!(streams["StreamNames"], json!(["extra", "orders"]));
    assert_eq!(server.read("orders", 0).await, ["kept"]);

    server.administer("POST", "reset", Value::Null).await;
    assert_eq!(server.summary("orders").await["EncryptionType"], "KMS");
    assert_eq!(server.read("orders", 0).await, [""; 0]);
}

#[tokio::test]
async fn who_leaves_the_queue_resets_nothing() {
    let (server, _directory) = used().await;
    let faults = server.engine().faults();
    let first = server.admin("POST", "reset", &Value::Null);
    let mut first = pin!(first);
    faults.hold();
    while faults.queued() == 0 {
        assert!(poll_once(first.as_mut()).await.is_none());
        tokio::task::yield_now().await;
    }
    {
        let second = server.admin("POST", "reset", &Value::Null);
        assert!(poll_once(pin!(second)).await.is_none(), "the first is under way");
    }
    faults.release();
    first.await;
    server.create("later", 1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let streams = server.call("ListStreams", json!({})).await;
    assert_eq!(streams["StreamNames"], json!(["later", "orders", "views"]));
}

#[tokio::test]
async fn resets_come_one_after_another() {
    let (server, _directory) = used().await;
    let faults = server.engine().faults();
    let resets = async {
        let reset = async || server.admin("POST", "reset", &Value::Null).await;
        tokio::join!(reset(), reset(), reset())
    };
    let mut resets = pin!(resets);
    faults.hold();
    let (first, second, third) = loop {
        tokio::select! {
            biased;
            done = &mut resets => break done,
            () = tokio::task::yield_now() => {}
        }
        faults.step();
    };
    faults.release();
    for (status, answer) in [first, second, third] {
        assert_eq!(status, 200, "{answer}");
    }
    assert!(is_as_after_the_start(&server).await);
}

#[tokio::test]
async fn a_restore_that_nobody_waits_for_is_whole_or_nothing() {
    let (other, directory) = used().await;
    let path = directory.path().join("snapshot");
    other.administer("POST", "snapshot", json!({ "to": path })).await;
    let held = other.iterator("extra", 0, "TRIM_HORIZON").await;
    let mut outcomes = [0, 0];
    for writes in 0.. {
        let server = TestServer::new().await.with_stream("mine", 1).await;
        let faults = server.engine().faults();
        let from = json!({ "from": path });
        let done = give_up(&faults, writes, server.admin("POST", "restore", &from)).await;
        faults.release();
        // Another comes after it, and takes over nothing.
        let (status, _) = server.admin("POST", "restore", &json!({"from": "absent"})).await;
        assert_eq!(status, 400);
        let streams = server.call("ListStreams", json!({})).await;
        assert_eq!(streams["StreamNames"], json!(["extra", "orders", "views"]), "{writes}");
        server.texts(&held).await;
        let given_out = server.iterator("orders", 0, "TRIM_HORIZON").await;
        let server = server.after_crash().await;
        for iterator in [&held, &given_out] {
            server.texts(iterator).await;
        }
        outcomes[usize::from(done)] += 1;
        if done {
            break;
        }
    }
    assert!(outcomes[0] > 2, "{outcomes:?}");
}

/// What was refused, and the streams that are told of.
async fn told(server: &TestServer) -> (Value, Vec<Value>) {
    let report = server.administer("GET", "throttles", Value::Null).await;
    let streams = report["streams"].as_array().unwrap();
    (report["refused"].clone(), streams.iter().map(|s| s["stream"].clone()).collect())
}

#[tokio::test]
async fn neither_leaves_anything_that_was_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("snapshot");
    let server = TestServer::with("--quotas strict --stream orders:1").await;
    server.administer("POST", "snapshot", json!({ "to": path })).await;
    let again = [("reset", Value::Null), ("restore", json!({ "from": path }))];
    for (request, input) in again {
        server.create("extra", 1).await;
        for stream in ["orders", "extra"] {
            let entry = json!({"PartitionKey": "k", "Data": wire::blob("x")});
            for _ in 0..3 {
                let input = json!({"StreamName": stream, "Records": vec![&entry; 500]});
                server.call("PutRecords", input).await;
            }
        }
        server.call("DescribeLimits", json!({})).await;
        server.refusal("DescribeLimits", json!({})).await;
        assert_eq!(told(&server).await, (json!(1001), vec![json!("extra"), json!("orders")]));
        server.administer("POST", request, input).await;
        assert_eq!(told(&server).await.0, 0, "{request}");
        assert!(!told(&server).await.1.contains(&json!("extra")), "{request}");
        server.call("DescribeLimits", json!({})).await;
        server.call("ListStreams", json!({})).await;
        server.advance(Duration::from_secs(1)).await;
    }
}
