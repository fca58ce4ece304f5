//! GetShardIterator.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, START_MILLIS, TestServer, in_both_formats, shard_id},
    wire,
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    let input = json!({"ShardId": shard_id(0), "ShardIteratorType": "LATEST"});
    addressing::check("GetShardIterator", input).await;
}

#[tokio::test]
async fn latest_is_fixed_when_the_iterator_is_issued() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let empty = server.iterator("clicks", 0, "LATEST").await;
        server.put("clicks", "k", "1").await;
        let latest = server.iterator("clicks", 0, "LATEST").await;
        server.put("clicks", "k", "2").await;
        server.put("clicks", "k", "3").await;
        assert_eq!(server.texts(&empty).await, ["1", "2", "3"]);
        assert_eq!(server.texts(&latest).await, ["2", "3"]);
        let oldest = server.iterator("clicks", 0, "TRIM_HORIZON").await;
        assert_eq!(server.texts(&oldest).await, ["1", "2", "3"]);
        assert!(oldest.len() <= 512);
    })
    .await;
}

#[tokio::test]
async fn sequence_numbers_start_at_or_after_their_record() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let mut numbers = Vec::new();
        for text in ["1", "2", "3"] {
            numbers.push(server.put("clicks", "k", text).await["SequenceNumber"].clone());
        }
        for (number, at, after) in [
            (&numbers[0], &["1", "2", "3"][..], &["2", "3"][..]),
            (&numbers[1], &["2", "3"], &["3"]),
            (&numbers[2], &["3"], &[]),
            (&starting_number(&server).await, &["1", "2", "3"], &["1", "2", "3"]),
        ] {
            assert_eq!(from(&server, "AT_SEQUENCE_NUMBER", number).await, at);
            assert_eq!(from(&server, "AFTER_SEQUENCE_NUMBER", number).await, after);
        }
    })
    .await;
}

#[tokio::test]
async fn after_the_last_record_means_the_next_one() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let last = server.put("clicks", "k", "1").await["SequenceNumber"].clone();
    let input = numbered("AFTER_SEQUENCE_NUMBER", &last);
    let iterator = server.iterator_of(input).await;
    assert_eq!(server.texts(&iterator).await, Vec::<String>::new());
    server.put("clicks", "k", "2").await;
    assert_eq!(server.texts(&iterator).await, ["2"]);
}

#[tokio::test]
async fn a_number_that_has_expired_starts_at_the_oldest_record() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let expired = server.put("clicks", "k", "1").await["SequenceNumber"].clone();
    server.advance(Duration::from_hours(12)).await;
    server.put("clicks", "k", "2").await;
    server.advance(Duration::from_hours(13)).await;
    assert_eq!(from(&server, "AT_SEQUENCE_NUMBER", &expired).await, ["2"]);
    assert_eq!(from(&server, "AFTER_SEQUENCE_NUMBER", &expired).await, ["2"]);
}

#[tokio::test]
async fn the_ending_number_of_a_closed_shard_is_its_end() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
    let ending =
        server.shards("clicks").await[0]["SequenceNumberRange"]["EndingSequenceNumber"].clone();
    for kind in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
        let iterator = server.iterator_of(numbered(kind, &ending)).await;
        let output = server.get(&iterator).await;
        assert_eq!(output["Records"], json!([]));
        assert!(output.get("NextShardIterator").is_none(), "{kind}");
        assert_eq!(output["ChildShards"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn times_start_at_the_first_record_from_then_on() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        for text in ["1", "2", "3"] {
            server.put("clicks", "k", text).await;
            server.advance(Duration::from_millis(500)).await;
        }
        let at = |offset: i64| {
            json!({"StreamName": "clicks", "ShardId": shard_id(0),
                "ShardIteratorType": "AT_TIMESTAMP",
                "Timestamp": wire::seconds(START_MILLIS + offset)})
        };
        for (offset, texts) in [
            (-86_400_000, &["1", "2", "3"][..]),
            (0, &["1", "2", "3"]),
            (1, &["2", "3"]),
            (500, &["2", "3"]),
            (501, &["3"]),
            (1000, &["3"]),
            (1001, &[]),
            (1500, &[]),
        ] {
            let iterator = server.iterator_of(at(offset)).await;
            assert_eq!(server.texts(&iterator).await, texts, "{offset} ms");
        }
        let refusal = server.refusal("GetShardIterator", at(1501)).await;
        let expected = format!(
            "InvalidArgumentException: The timestampInMillis parameter cannot be greater than the \
             currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
            START_MILLIS + 1501,
            START_MILLIS + 1500
        );
        assert_eq!(refusal, expected);
        // Later than the last record: the next one.
        let iterator = server.iterator_of(at(1500)).await;
        server.put("clicks", "k", "4").await;
        assert_eq!(server.texts(&iterator).await, ["4"]);
    })
    .await;
}

#[tokio::test]
async fn a_shard_id_may_be_written_as_aws_allows() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    for id in ["shardId-000000000001", "shard-1", "1", "0001", "x-01", "-1"] {
        let input = json!({"StreamName": "clicks", "ShardId": id, "ShardIteratorType": "LATEST"});
        server.call("GetShardIterator", input).await;
    }
}

#[tokio::test]
async fn numbers_of_other_shards_and_streams_are_refused() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    let of_other =
        server.shards("clicks").await[1]["SequenceNumberRange"]["StartingSequenceNumber"].clone();
    let input = numbered("AT_SEQUENCE_NUMBER", &of_other);
    let expected = "InvalidArgumentException: Invalid StartingSequenceNumber. It encodes \
        shardId-000000000001, while it was used in a call to a shard with shardId-000000000000";
    assert_eq!(server.refusal("GetShardIterator", input).await, expected);

    let number = server.put("clicks", "a", "").await["SequenceNumber"].clone();
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    server.advance(Duration::from_secs(1)).await;
    server.create("clicks", 2).await;
    let input = numbered("AFTER_SEQUENCE_NUMBER", &number);
    let expected = format!(
        "InvalidArgumentException: StartingSequenceNumber {} used in GetShardIterator on shard \
         shardId-000000000000 in stream clicks under account {ACCOUNT} is invalid because it did \
         not come from this stream.",
        number.as_str().unwrap()
    );
    assert_eq!(server.refusal("GetShardIterator", input).await, expected);
}

#[tokio::test]
async fn an_expired_shard_has_no_iterators() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
    server.advance(Duration::from_hours(24)).await;
    server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.advance(Duration::from_millis(1)).await;
    let input = json!({"StreamName": "clicks", "ShardId": "0", "ShardIteratorType": "LATEST"});
    let gone = format!(
        "ResourceNotFoundException: Shard shardId-000000000000 in stream clicks under account \
         {ACCOUNT} does not exist"
    );
    assert_eq!(server.refusal("GetShardIterator", input).await, gone);
}

#[tokio::test]
async fn five_calls_a_second_are_admitted_to_a_shard() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 2).await;
    let dry = json!({"StreamName": "clicks", "ShardId": "0", "ShardIteratorType": "LATEST",
        "DryRun": true});
    for _ in 0..9 {
        let refusal = server.refusal("GetShardIterator", dry.clone()).await;
        assert!(refusal.starts_with("DryRunOperationException: "), "{refusal}");
    }
    // What would be refused is refused dry too, and spends nothing.
    let shards = server.shards("clicks").await;
    let foreign = &shards[1]["SequenceNumberRange"]["StartingSequenceNumber"];
    for dry in [true, false].repeat(3) {
        let mut input = numbered("AT_SEQUENCE_NUMBER", foreign);
        input["DryRun"] = json!(dry);
        let refusal = server.refusal("GetShardIterator", input).await;
        assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    }
    for _ in 0..5 {
        server.iterator("clicks", 0, "LATEST").await;
    }
    let input = json!({"StreamName": "clicks", "ShardId": "0", "ShardIteratorType": "LATEST"});
    let refusal = server.refusal("GetShardIterator", input).await;
    assert!(refusal.starts_with("ProvisionedThroughputExceededException: "), "{refusal}");
    server.iterator("clicks", 1, "LATEST").await;
    server.advance(Duration::from_millis(200)).await;
    server.iterator("clicks", 0, "LATEST").await;
}

fn numbered(kind: &str, number: &Value) -> Value {
    json!({"StreamName": "clicks", "ShardId": shard_id(0), "ShardIteratorType": kind,
        "StartingSequenceNumber": number})
}

async fn from(server: &TestServer, kind: &str, number: &Value) -> Vec<String> {
    let iterator = server.iterator_of(numbered(kind, number)).await;
    server.texts(&iterator).await
}

async fn starting_number(server: &TestServer) -> Value {
    server.shards("clicks").await[0]["SequenceNumberRange"]["StartingSequenceNumber"].clone()
}
