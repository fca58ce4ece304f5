//! Streams at start: made as they are declared, through what the API itself uses, and left alone
//! when they are there.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::{ACCOUNT, STRANGER, TestServer};

const FILE: &str = r#"
    [[streams]]
    name = "orders"
    shards = 2
    retention-hours = 168
    max-record-kib = 2048
    tags = { team = "payments" }
    encryption-key = "alias/aws/kinesis"
    policy = '''{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Principal":{"AWS":"111122223333"},"Action":"kinesis:DescribeStreamSummary",
        "Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/orders"}]}'''
    [[streams.consumers]]
    name = "billing"
    tags = { tier = "gold" }
    policy = '''{"Version":"2012-10-17","Statement":[{"Effect":"Allow",
        "Principal":{"AWS":"111122223333"},"Action":"kinesis:DescribeStreamConsumer",
        "Resource":"arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/billing:*"}]}'''
    [[streams]]
    name = "clicks"
    mode = "on-demand"
    [[streams]]
    name = "orders"
    account = "111122223333"
"#;

/// A configuration file that says this.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("millpond.toml");
    fs::write(&path, text).unwrap();
    let flag = format!("--config {}", path.display());
    (folder, flag)
}

#[tokio::test]
async fn a_file_makes_streams_with_all_that_belongs_to_them() {
    let (_folder, flag) = file(FILE);
    // Requests would wait for transitions; streams at start don't.
    let server = TestServer::with(&format!("--transition 1h {flag}")).await;
    let orders = server.summary("orders").await;
    let told = |field: &str| orders[field].clone();
    assert_eq!(told("StreamStatus"), "ACTIVE");
    assert_eq!((told("OpenShardCount"), told("RetentionPeriodHours")), (json!(2), json!(168)));
    assert_eq!((told("MaxRecordSizeInKiB"), told("ConsumerCount")), (json!(2048), json!(1)));
    assert_eq!((told("EncryptionType"), told("KeyId")), (json!("KMS"), json!("alias/aws/kinesis")));
    let tags = server.call("ListTagsForStream", json!({"StreamName": "orders"})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "payments"}]));

    let stranger = server.as_account(STRANGER);
    let summary = json!({ "StreamARN": server.arn("orders") });
    stranger.call("DescribeStreamSummary", summary).await;
    let consumers = server.call("ListStreamConsumers", json!({"StreamARN": server.arn("orders")}));
    let consumer = consumers.await["Consumers"][0].clone();
    assert_eq!(consumer["ConsumerStatus"], "ACTIVE");
    let described = stranger.consumer(consumer["ConsumerARN"].as_str().unwrap()).await;
    assert_eq!(described["ConsumerName"], "billing");
    let tags = json!({ "ResourceARN": consumer["ConsumerARN"] });
    let tags = server.call("ListTagsForResource", tags).await;
    assert_eq!(tags["Tags"], json!([{"Key": "tier", "Value": "gold"}]));

    let clicks = server.summary("clicks").await;
    assert_eq!(clicks["StreamModeDetails"]["StreamMode"], "ON_DEMAND");
    assert_eq!(stranger.summary("orders").await["OpenShardCount"], 1);
    server.put("orders", "k", "sealed").await;
    assert_eq!(server.read("orders", 0).await.len() + server.read("orders", 1).await.len(), 1);
}

#[tokio::test]
async fn what_is_there_stays_as_it_is_and_what_is_absent_comes() {
    let (_folder, flag) = file("[[streams]]\nname = \"orders\"\nshards = 2\n");
    let server = TestServer::with(&flag).await;
    server.put("orders", "k", "kept").await;
    let (_folder, flag) = file(
        "[[streams]]\nname = \"orders\"\nshards = 5\nretention-hours = 48\n\
         [[streams.consumers]]\nname = \"late\"\n[[streams]]\nname = \"new\"\n",
    );
    let server = server.restarted_with(&flag).await;
    let orders = server.summary("orders").await;
    assert_eq!(
        (&orders["OpenShardCount"], &orders["RetentionPeriodHours"]),
        (&json!(2), &json!(24))
    );
    assert_eq!(orders["ConsumerCount"], 1, "an absent consumer is made");
    assert_eq!(server.summary("new").await["OpenShardCount"], 1);
    let texts = [server.read("orders", 0).await, server.read("orders", 1).await].concat();
    assert_eq!(texts, ["kept"]);
}

#[tokio::test]
async fn the_admin_api_shows_streams_shards_and_consumers() {
    let (_folder, flag) = file(FILE);
    let server = TestServer::with(&flag).await;
    let all = server.administer("GET", "streams", Value::Null).await;
    let names = |answer: &Value| -> Vec<String> {
        let streams = answer["streams"].as_array().unwrap();
        let told = streams
            .iter()
            .map(|s| format!("{}/{}", s["account"].as_str().unwrap(), s["name"].as_str().unwrap()));
        told.collect()
    };
    let expected = ["clicks", "orders"].map(|name| format!("{ACCOUNT}/{name}"));
    assert_eq!(names(&all), [&expected[..], &[format!("{STRANGER}/orders")]].concat());
    assert_eq!(all["next"], Value::Null);
    let theirs = format!("streams?account={STRANGER}");
    let theirs = server.administer("GET", &theirs, Value::Null).await;
    assert_eq!(names(&theirs), [format!("{STRANGER}/orders")]);
    let nowhere = server.administer("GET", "streams?region=eu-west-1", Value::Null).await;
    assert_eq!(nowhere, json!({"streams": [], "next": null}));

    let first = server.administer("GET", "streams?limit=1", Value::Null).await;
    let rest = format!("streams?next={}", first["next"].as_str().unwrap());
    let rest = server.administer("GET", &rest, Value::Null).await;
    assert_eq!([names(&first), names(&rest)].concat(), names(&all));

    let orders = server.administer("GET", "streams/orders", Value::Null).await;
    for (field, value) in [
        ("arn", json!(server.arn("orders"))),
        ("status", json!("ACTIVE")),
        ("mode", json!("PROVISIONED")),
        ("open_shards", json!(2)),
        ("retention_hours", json!(168)),
        ("max_record_kib", json!(2048)),
        ("encryption_key", json!("alias/aws/kinesis")),
        ("tags", json!({"team": "payments"})),
        ("created", json!(1_700_000_000)),
    ] {
        assert_eq!(orders[field], value, "{field}");
    }
    assert_eq!(orders["consumers"][0]["name"], "billing");
    assert!(orders["policy"].as_str().unwrap().contains("DescribeStreamSummary"));
    let theirs = format!("streams/orders?account={STRANGER}");
    assert_eq!(server.administer("GET", &theirs, Value::Null).await["open_shards"], 1);
}

#[tokio::test]
async fn the_admin_api_shows_shards_with_their_lineage_and_how_much_is_in_them() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for n in 0..3 {
        server.put("clicks", "k", &n.to_string()).await;
    }
    let split = json!({"StreamName": "clicks", "ShardToSplit": "shardId-000000000000",
        "NewStartingHashKey": "5"});
    server.call("SplitShard", split).await;
    let shards = server.administer("GET", "streams/clicks/shards", Value::Null).await;
    let shards = shards["shards"].as_array().unwrap();
    let told = |n: usize, field: &str| shards[n][field].clone();
    assert_eq!((told(0, "state"), told(0, "records")), (json!("closed"), json!(3)));
    assert_eq!((told(1, "state"), told(1, "records")), (json!("open"), json!(0)));
    assert_eq!(told(2, "parent"), "shardId-000000000000");
    assert_eq!(
        (told(1, "ending_hash_key"), told(2, "starting_hash_key")),
        (json!("4"), json!("5"))
    );
    assert_ne!(told(0, "ending_sequence_number"), Value::Null);
    let second = "streams/clicks/shards?limit=1&next=shardId-000000000000";
    let second = server.administer("GET", second, Value::Null).await;
    assert_eq!(second["shards"][0]["shard"], "shardId-000000000001");
    assert_eq!(second["next"], "shardId-000000000001");
}

#[tokio::test]
async fn what_the_admin_api_can_not_show_it_says() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for (path, status, words) in [
        ("streams/absent", 404, "Stream absent under account 000000000000 not found."),
        ("streams/absent/shards", 404, "Stream absent"),
        ("streams/a%20b", 400, "stream: "),
        ("streams?limit=0", 400, "limit: it is from 1 to 1000"),
        ("streams?limit=x", 400, "limit"),
        ("streams?next=x", 400, "next: "),
        ("streams?account=1", 400, "account: "),
        ("streams/clicks/shards?next=x", 400, "next: "),
    ] {
        let (found, answer) = server.admin("GET", path, &Value::Null).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(words), "{path}: {found} {message}");
    }
}
