//! PutRecord.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, START_MILLIS, STRANGER, TestServer, in_both_formats, shard_id},
    wire,
};

/// The largest record of a stream that asks for no other limit, data and partition key together.
const RECORD_BYTES_MAX: usize = 1 << 20;

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("PutRecord", json!({"PartitionKey": "k", "Data": ""})).await;
}

#[tokio::test]
async fn a_record_is_read_as_it_was_put() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let data = wire::blob((0..=255).collect::<Vec<u8>>());
        let key = "Zoë \"🦀\"\n";
        let put = json!({"StreamName": "clicks", "PartitionKey": key, "Data": data});
        let put = server.call("PutRecord", put).await;
        assert_eq!(put.as_object().unwrap().len(), 2, "no EncryptionType without encryption");
        assert_eq!(put["ShardId"], shard_id(0));
        let output = server.get(&server.iterator("clicks", 0, "TRIM_HORIZON").await).await;
        let record = json!({"SequenceNumber": put["SequenceNumber"], "Data": data,
            "PartitionKey": key, "ApproximateArrivalTimestamp": wire::seconds(START_MILLIS)});
        assert_eq!(output["Records"], json!([record]));
    })
    .await;
}

/// As recorded from AWS, on a stream of three shards.
#[tokio::test]
async fn the_partition_key_decides_the_shard_unless_a_hash_key_does() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    for (key, shard) in [("a", 0), ("b", 1), ("e", 2), ("f", 1)] {
        assert_eq!(server.put("clicks", key, "").await["ShardId"], shard_id(shard), "{key}");
    }
    for (hash_key, shard) in [
        ("0", 0),
        ("113427455640312821154458202477256070484", 0),
        ("113427455640312821154458202477256070485", 1),
        ("340282366920938463463374607431768211455", 2),
    ] {
        let input = json!({"PartitionKey": "a", "Data": "", "ExplicitHashKey": hash_key});
        assert_eq!(put(&server, input).await["ShardId"], shard_id(shard), "{hash_key}");
    }
    let past = "340282366920938463463374607431768211456";
    let input = json!({"PartitionKey": "a", "Data": "", "ExplicitHashKey": past});
    let refusal = refusal(&server, input).await;
    let expected = format!(
        "InvalidArgumentException: Invalid ExplicitHashKey. ExplicitHashKey must be in the range: \
         [0, 2^128-1]. Specified value was {past}"
    );
    assert_eq!(refusal, expected);
}

#[tokio::test]
async fn numbers_only_ascend() {
    let mut server = TestServer::new().await.with_stream("clicks", 1).await;
    let mut last =
        server.shards("clicks").await[0]["SequenceNumberRange"]["StartingSequenceNumber"]
            .as_str()
            .unwrap()
            .to_owned();
    for round in 0..50 {
        if round % 10 == 9 {
            server = server.after_crash().await;
        }
        let number = server.put("clicks", "k", "").await["SequenceNumber"].clone();
        let number = number.as_str().unwrap();
        assert_eq!(number.len(), last.len(), "so that they compare as text");
        assert!(*number > *last, "{number} after {last}");
        number.clone_into(&mut last);
        server.advance(Duration::from_millis(round * 37)).await;
    }
}

#[tokio::test]
async fn an_earlier_number_can_be_named_for_ordering() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    let first = server.put("clicks", "a", "1").await;
    let after = |number: &Value| {
        json!({"PartitionKey": "a", "Data": "",
            "SequenceNumberForOrdering": number})
    };
    let second = put(&server, after(&first["SequenceNumber"])).await;
    assert!(second["SequenceNumber"].as_str() > first["SequenceNumber"].as_str());
    // One of another shard does as well, as on AWS.
    let of_other = server.shards("clicks").await[1]["SequenceNumberRange"].clone();
    put(&server, after(&of_other["StartingSequenceNumber"])).await;
    let late = TestServer::new().await.with_stream("clicks", 1).await;
    late.advance(Duration::from_secs(10)).await;
    let future = late.put("clicks", "a", "").await["SequenceNumber"].clone();
    // The second has no layout that ever was.
    for number in [future, json!("9".repeat(50))] {
        let expected = format!(
            "InvalidArgumentException: ExclusiveMinimumSequenceNumber {} used in PutRecord on \
             stream clicks under account {ACCOUNT} is invalid.",
            number.as_str().unwrap()
        );
        assert_eq!(refusal(&server, after(&number)).await, expected);
    }
}

#[tokio::test]
async fn a_record_may_be_empty_or_as_large_as_its_stream_allows() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let sized =
            |bytes: usize| json!({"PartitionKey": "key", "Data": wire::blob(vec![b'x'; bytes])});
        put(&server, sized(0)).await;
        put(&server, sized(RECORD_BYTES_MAX - 3)).await;
        let expected = "ValidationException: 1 validation error detected: Value at 'data' failed \
            to satisfy constraint: Member must have length less than or equal to 1048576";
        assert_eq!(refusal(&server, sized(RECORD_BYTES_MAX - 2)).await, expected);
        let lengths: Vec<_> = server.read("clicks", 0).await.iter().map(String::len).collect();
        assert_eq!(lengths, [0, RECORD_BYTES_MAX - 3]);

        let large = json!({"StreamName": "large", "ShardCount": 1, "MaxRecordSizeInKiB": 10240});
        server.call("CreateStream", large).await;
        let mut input = sized(10 * RECORD_BYTES_MAX - 3);
        input["StreamName"] = json!("large");
        server.call("PutRecord", input.clone()).await;
        assert_eq!(server.read("large", 0).await[0].len(), 10 * RECORD_BYTES_MAX - 3);
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_spends_nothing() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let input = |dry_run: bool| {
        let data = wire::blob(vec![0; RECORD_BYTES_MAX - 1]);
        json!({"PartitionKey": "k", "Data": data, "DryRun": dry_run})
    };
    for _ in 0..3 {
        let refusal = refusal(&server, input(true)).await;
        assert!(refusal.starts_with("DryRunOperationException: "), "{refusal}");
    }
    put(&server, input(false)).await;
    let output = server.get(&server.iterator("clicks", 0, "TRIM_HORIZON").await).await;
    assert_eq!(output["Records"].as_array().unwrap().len(), 1);
    // What would be refused is refused with its own fault.
    let bad = json!({"PartitionKey": "k", "Data": "", "ExplicitHashKey": "01", "DryRun": true});
    assert!(refusal(&server, bad).await.starts_with("ValidationException"));
    let missing = json!({"StreamName": "no", "PartitionKey": "k", "Data": "", "DryRun": true});
    let refusal = server.refusal("PutRecord", missing).await;
    assert!(refusal.starts_with("ResourceNotFoundException"), "{refusal}");
}

#[tokio::test]
async fn a_shard_takes_a_thousand_records_a_second() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..1000 {
        server.put("clicks", "k", "").await;
    }
    let input = json!({"PartitionKey": "k", "Data": ""});
    let words = format!(
        "ProvisionedThroughputExceededException: Rate exceeded for shard shardId-000000000000 in \
         stream clicks under account {ACCOUNT}."
    );
    assert_eq!(refusal(&server, input.clone()).await, words);
    for _ in 0..3 {
        server.advance(Duration::from_millis(1)).await;
        put(&server, input.clone()).await;
        assert_eq!(refusal(&server, input.clone()).await, words);
    }
}

#[tokio::test]
async fn accounts_and_regions_have_shards_of_their_own() {
    let server = TestServer::with("--quotas strict").await;
    let (stranger, elsewhere) = (server.as_account(STRANGER), server.in_region("eu-west-1"));
    for namespace in [&server, &stranger, &elsewhere] {
        namespace.create("clicks", 1).await;
        let data = "x".repeat(RECORD_BYTES_MAX - 1);
        namespace.put("clicks", "k", &data).await;
    }
    server.advance(Duration::from_secs(1)).await;
    server.put("clicks", "k", "mine").await;
    for (namespace, records) in [(server, 2), (stranger, 1), (elsewhere, 1)] {
        assert_eq!(namespace.read("clicks", 0).await.len(), records);
    }
}

async fn put(server: &TestServer, input: Value) -> Value {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.call("PutRecord", input).await
}

async fn refusal(server: &TestServer, input: Value) -> String {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.refusal("PutRecord", input).await
}
