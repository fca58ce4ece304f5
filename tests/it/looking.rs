//! Records over the admin API: what is read, from where, in which order, and that nobody is
//! charged.

mod bounds;
mod puts;

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    health::get,
    server::{START_MILLIS, TestServer, shard_id},
    wire,
};

async fn look(server: &TestServer, query: &str) -> Value {
    server.administer("GET", &format!("streams/clicks/records?{query}"), Value::Null).await
}

fn texts(answer: &Value) -> Vec<&str> {
    let records = answer["records"].as_array().unwrap();
    records.iter().map(|record| record["data"].as_str().unwrap()).collect()
}

/// Puts a record to this shard of two.
async fn put_to(server: &TestServer, shard: u32, data: &str) -> Value {
    let hash_key = (u128::MAX / 2 + 1) * u128::from(shard);
    let input = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": wire::blob(data),
        "ExplicitHashKey": hash_key.to_string()});
    server.call("PutRecord", input).await
}

async fn two_shards() -> TestServer {
    TestServer::new().await.with_stream("clicks", 2).await
}

#[tokio::test]
async fn a_record_is_told_with_all_that_is_known_of_it() {
    let server = two_shards().await;
    let put = put_to(&server, 1, "some text").await;
    let found = look(&server, "").await;
    let expected = json!({
        "shard": shard_id(1),
        "sequence_number": put["SequenceNumber"],
        "arrival": START_MILLIS / 1000,
        "partition_key": "k",
        "explicit_hash_key": "170141183460469231731687303715884105728",
        "encoding": "text",
        "data": "some text",
    });
    assert_eq!(found["records"], json!([expected]));
    assert_eq!(found["millis_behind_latest"], 0);
    let input = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": "AAE="});
    server.call("PutRecord", input).await;
    let found = look(&server, "last=1").await;
    let records = found["records"].as_array().unwrap();
    let binary = records.iter().find(|record| record["encoding"] == "base64").unwrap();
    assert_eq!(binary["data"], "AAE=");
}

#[tokio::test]
async fn all_shards_are_read_in_the_order_of_arrival_page_by_page() {
    let server = two_shards().await;
    for n in 0..10 {
        put_to(&server, u32::from(n % 3 == 0), &n.to_string()).await;
        server.advance(Duration::from_secs(1)).await;
    }
    let expected = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    assert_eq!(texts(&look(&server, "").await), expected);
    let (mut found, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = look(&server, &query).await;
        assert!(texts(&page).len() <= 3);
        found.extend(texts(&page).into_iter().map(str::to_owned));
        query = format!("limit=3&next={}", page["next"].as_str().unwrap());
        if page["millis_behind_latest"] == 0 {
            break;
        }
    }
    assert_eq!(found, expected);
    assert_eq!(texts(&look(&server, &query).await), [""; 0]);
    put_to(&server, 1, "later").await;
    assert_eq!(texts(&look(&server, &query).await), ["later"]);
}

#[tokio::test]
async fn reading_begins_where_it_is_asked_to() {
    let server = two_shards().await;
    let mut numbers = Vec::new();
    for n in 0..4 {
        let put = put_to(&server, n % 2, &n.to_string()).await;
        numbers.push(put["SequenceNumber"].as_str().unwrap().to_owned());
        server.advance(Duration::from_secs(10)).await;
    }
    let third = START_MILLIS / 1000 + 20;
    for (query, expected) in [
        ("from=TRIM_HORIZON".to_owned(), &["0", "1", "2", "3"][..]),
        ("from=LATEST".to_owned(), &[]),
        (format!("from={third}"), &["2", "3"]),
        ("from=2023-11-14T22:13:40Z".to_owned(), &["2", "3"]),
        ("since_seconds=20".to_owned(), &["2", "3"]),
        (format!("from={}", numbers[1]), &["1", "3"]),
        ("last=1".to_owned(), &["2", "3"]),
        (format!("shard={}", shard_id(0)), &["0", "2"]),
        (format!("shard={}&last=1", shard_id(1)), &["3"]),
        ("since_seconds=0".to_owned(), &[]),
    ] {
        assert_eq!(texts(&look(&server, &query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn children_are_followed_and_a_closed_shard_ends() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "parent").await;
    let begun = look(&server, "limit=1").await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": shard_id(0),
        "NewStartingHashKey": "170141183460469231731687303715884105728"});
    server.call("SplitShard", split).await;
    server.put("clicks", "k", "child").await;
    assert_eq!(texts(&look(&server, "").await), ["parent", "child"]);
    let next = format!("next={}", begun["next"].as_str().unwrap());
    let after = look(&server, &next).await;
    assert_eq!(texts(&after), ["child"], "shards that came later are read, too");
    let next = format!("next={}", after["next"].as_str().unwrap());
    assert_eq!(texts(&look(&server, &next).await), [""; 0]);
    let parent = look(&server, &format!("shard={}", shard_id(0))).await;
    assert_eq!((texts(&parent), &parent["next"]), (vec!["parent"], &Value::Null));
    assert_eq!(parent["child_shards"], json!([shard_id(1), shard_id(2)]));
}

#[tokio::test]
async fn looking_costs_nobody_anything() {
    let server = TestServer::with("--quotas strict --metrics open").await;
    server.create("clicks", 1).await;
    server.put("clicks", "k", "text").await;
    for _ in 0..50 {
        assert_eq!(texts(&look(&server, "").await), ["text"]);
    }
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    assert_eq!(server.texts(&iterator).await, ["text"], "the shard's calls are all there");
    let metrics = get(&server, "/metrics").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let line = metrics.lines().find(|line| line.starts_with("millpond_outgoing_records_total{"));
    assert!(line.unwrap().ends_with(" 1"), "{line:?}");
}

#[tokio::test]
async fn large_records_of_many_shards_come_in_order_although_they_are_not_held_together() {
    let server = TestServer::new().await;
    let input = json!({"StreamName": "clicks", "ShardCount": 4, "MaxRecordSizeInKiB": 10_240});
    server.call("CreateStream", input).await;
    // The last shard is first, so that it is one of those that there is no room for.
    for shard in (0..4_u8).rev() {
        let mut data = vec![0xff; 9 << 20];
        data[0] = shard;
        let key = (u128::from(shard) << 126).to_string();
        let input = json!({"StreamName": "clicks", "PartitionKey": "k", "ExplicitHashKey": key,
            "Data": wire::blob(data)});
        server.call("PutRecord", input).await;
        server.advance(Duration::from_secs(1)).await;
    }
    let (mut found, mut query) = (Vec::new(), "from=TRIM_HORIZON".to_owned());
    while found.len() < 4 {
        let page = look(&server, &query).await;
        let records = page["records"].as_array().unwrap();
        assert_eq!(records.len(), 1, "one is more than enough for an answer");
        found.push(wire::bytes(&records[0]["data"])[0]);
        assert_eq!(page["millis_behind_latest"] == 0, found.len() == 4);
        query = format!("next={}", page["next"].as_str().unwrap());
    }
    assert!(found.iter().rev().copied().eq(0..4), "{found:?}");
}

#[tokio::test]
async fn encrypted_and_expired_records_are_as_for_every_reader() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "plain").await;
    server.advance(Duration::from_hours(23)).await;
    let key = json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": "alias/a"});
    server.call("StartStreamEncryption", key).await;
    server.put("clicks", "k", "sealed").await;
    let found = look(&server, "").await;
    assert_eq!(texts(&found), ["plain", "sealed"]);
    assert_eq!(found["records"][0]["encryption_type"], Value::Null);
    assert_eq!(found["records"][1]["encryption_type"], "KMS");
    server.advance(Duration::from_hours(2)).await;
    assert_eq!(texts(&look(&server, "").await), ["sealed"]);
}

#[tokio::test]
async fn a_reader_waits_for_what_comes() {
    let server = two_shards().await;
    let begun = look(&server, "from=LATEST").await;
    let next = format!("wait_seconds=20&next={}", begun["next"].as_str().unwrap());
    let put = async {
        tokio::task::yield_now().await;
        put_to(&server, 1, "news").await
    };
    let (found, _) = tokio::join!(look(&server, &next), put);
    assert_eq!(texts(&found), ["news"]);
    // A stream that is deleted is waited for no longer.
    let waiting =
        server.admin("GET", "streams/clicks/records?from=LATEST&wait_seconds=20", &Value::Null);
    let delete = async {
        tokio::task::yield_now().await;
        server.call("DeleteStream", json!({"StreamName": "clicks"})).await
    };
    let ((status, answer), _) = tokio::join!(waiting, delete);
    assert_eq!(status, 404, "{answer}");
}

#[tokio::test]
async fn what_is_put_is_routed_counted_and_throttled_like_every_record() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 2).await;
    let records = json!([
        {"partition_key": "a", "data": "text"},
        {"partition_key": "b", "data": "AAE=", "encoding": "base64", "explicit_hash_key": "0"},
    ]);
    let put = |records: Value| {
        let server = server.clone();
        async move {
            let body = json!({ "records": records });
            server.admin("POST", "streams/clicks/records", &body).await
        }
    };
    let (status, answer) = put(records).await;
    assert_eq!((status, &answer["failed"]), (200, &json!(0)));
    assert_eq!(answer["records"][1]["shard"], shard_id(0));
    let found = look(&server, &format!("shard={}", shard_id(0))).await;
    let found = found["records"].as_array().unwrap();
    assert!(found.iter().any(|record| record["data"] == "AAE=" && record["partition_key"] == "b"));

    let large = json!({"partition_key": "a", "data": "x".repeat(1 << 19)});
    let (_, answer) = put(json!([large, large, large])).await;
    assert_ne!(answer["failed"], 0);
    let last = &answer["records"][2];
    assert_eq!(last["error"], "ProvisionedThroughputExceededException");
    assert!(last["message"].as_str().unwrap().starts_with("Rate exceeded for shard"));

    for (records, words) in [
        (json!([]), "Member must have length greater than or equal to 1"),
        (json!([{"data": "x"}]), "partitionKey"),
        (json!([{"partition_key": "k"}]), "missing field `data`"),
        (json!([{"partition_key": "k", "data": "x", "encoding": "hex"}]), "`text` or `base64`"),
        (json!([{"partition_key": "k", "data": "%", "encoding": "base64"}]), "records[0].data"),
        (json!([{"partition_key": "k", "data": "x", "explicit_hash_key": "x"}]), "explicitHashKey"),
        (json!([{"partition_key": "k", "data": "x", "key": "x"}]), "unknown field `key`"),
    ] {
        let (status, answer) = put(records.clone()).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(words), "{records}: {status} {answer}");
    }
    let body = json!({"records": [{"partition_key": "k", "data": "x"}]});
    let (status, _) = server.admin("POST", "streams/absent/records", &body).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_can_not_be_looked_at_is_said() {
    let server = two_shards().await;
    let number = put_to(&server, 0, "x").await;
    let number = number["SequenceNumber"].as_str().unwrap();
    server.create("other", 1).await;
    let theirs = server.administer("GET", "streams/other/records", Value::Null).await;
    let theirs = format!("next={}", theirs["next"].as_str().unwrap());
    for (query, status, words) in [
        ("shard=7", 404, "shard"),
        ("shard=x", 400, "shard: "),
        ("from=yesterday", 400, "from: it is TRIM_HORIZON, LATEST, a sequence number"),
        (&format!("from={number}&shard={}", shard_id(1)), 400, "is not of shard"),
        ("from=LATEST&last=1", 400, "exclude each other"),
        ("last=0", 400, "last: it is from 1 to 10000"),
        ("limit=1001", 400, "limit: it is from 1 to 1000"),
        ("wait_seconds=21", 400, "wait_seconds: it is from 0 to 20"),
        ("since_seconds=-1", 400, "since_seconds"),
        ("next=x", 400, "next: "),
        (&theirs, 404, "made anew"),
        ("deagregate=true", 400, "unknown field `deagregate`"),
    ] {
        let path = format!("streams/clicks/records?{query}");
        let (found, answer) = server.admin("GET", &path, &Value::Null).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(found == status && message.contains(words), "{query}: {found} {message}");
    }
}
