//! UpdateMaxRecordSize.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    server::{REGION, STRANGER, TestServer, in_both_formats},
    wire,
};

const MIB: usize = 1 << 20;

/// The operation knows streams by their ARN alone.
#[tokio::test]
async fn a_stream_is_addressed_by_arn() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let missing = server.refusal("UpdateMaxRecordSize", json!({"MaxRecordSizeInKiB": 2048})).await;
    assert!(missing.starts_with("InvalidArgumentException: "), "{missing}");
    let by_name = json!({"StreamName": "clicks", "MaxRecordSizeInKiB": 2048});
    let refusal = server.refusal("UpdateMaxRecordSize", by_name).await;
    assert_eq!(refusal, missing, "it has no StreamName, and what is unknown is ignored");
    let elsewhere = server.in_region("eu-west-1").refusal("UpdateMaxRecordSize", size(2048)).await;
    let words = "Stream clicks under account 000000000000 not found.";
    assert_eq!(elsewhere, format!("ResourceNotFoundException: {words}"));
    let stranger = server.as_account(STRANGER).refusal("UpdateMaxRecordSize", size(2048)).await;
    assert!(stranger.starts_with("AccessDeniedException: "), "{stranger}");
    let mut nowhere = size(2048);
    nowhere["StreamARN"] = json!(format!("arn:aws:kinesis:{REGION}:000000000000:stream/orders"));
    let refusal = server.refusal("UpdateMaxRecordSize", nowhere).await;
    let words = "Stream orders under account 000000000000 not found.";
    assert_eq!(refusal, format!("ResourceNotFoundException: {words}"));
    assert_eq!(server.summary("clicks").await["MaxRecordSizeInKiB"], 1024);
}

#[tokio::test]
async fn later_puts_are_measured_by_it() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.refusal("PutRecord", record(MIB + 1)).await;
        let answer = server.answer("UpdateMaxRecordSize", &size(10_240)).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(server.summary("clicks").await["MaxRecordSizeInKiB"], 10_240);
        server.call("PutRecord", record(10 * MIB)).await;
        server.call("UpdateMaxRecordSize", size(2048)).await;
        server.call("PutRecord", record(2 * MIB)).await;
        let refusal = server.refusal("PutRecord", record(2 * MIB + 1)).await;
        let words = "1 validation error detected: Value at 'data' failed to satisfy constraint: \
            Member must have length less than or equal to 2097152";
        assert_eq!(refusal, format!("ValidationException: {words}"));
        let lengths: Vec<_> = server.read("clicks", 0).await.iter().map(String::len).collect();
        assert_eq!(lengths, [10 * MIB - 1, 2 * MIB - 1], "what is larger stays readable");
    })
    .await;
}

/// A record of the new size is admitted by shards that were there before.
#[tokio::test]
async fn open_shards_have_room_for_a_record_of_the_new_size() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    server.call("PutRecord", record(1)).await;
    server.advance(Duration::from_secs(1)).await;
    server.call("UpdateMaxRecordSize", size(10_240)).await;
    server.call("PutRecord", record(10 * MIB)).await;
    let refusal = server.refusal("PutRecord", record(1)).await;
    assert!(refusal.starts_with("ProvisionedThroughputExceededException: "), "{refusal}");
    server.advance(Duration::from_secs(10)).await;
    server.call("PutRecord", record(10 * MIB)).await;
}

#[tokio::test]
async fn it_counts_at_once_and_the_stream_is_updating_meanwhile() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal("UpdateMaxRecordSize", size(2048)).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state CREATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call("UpdateMaxRecordSize", size(1024)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE", "nothing changed");
    server.call("UpdateMaxRecordSize", size(2048)).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    server.call("PutRecord", record(2 * MIB)).await;
    server.refusal("UpdateMaxRecordSize", size(4096)).await;
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

#[tokio::test]
async fn it_survives_a_crash() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("UpdateMaxRecordSize", size(4096)).await;
    let server = server.after_crash().await;
    assert_eq!(server.summary("clicks").await["MaxRecordSizeInKiB"], 4096);
    server.call("PutRecord", record(4 * MIB)).await;
}

#[tokio::test]
async fn only_sizes_of_kinesis_are_taken() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for (kib, rule) in
        [(1023, "greater than or equal to 1024"), (10_241, "less than or equal to 10240")]
    {
        let refusal = server.refusal("UpdateMaxRecordSize", size(kib)).await;
        let words = format!(
            "1 validation error detected: Value '{kib}' at 'maxRecordSizeInKiB' failed to satisfy \
             constraint: Member must have value {rule}"
        );
        assert_eq!(refusal, format!("ValidationException: {words}"));
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for n in 0..5 {
        server.call("UpdateMaxRecordSize", size(2048 + n)).await;
    }
    let refusal = server.refusal("UpdateMaxRecordSize", size(4096)).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn size(kib: usize) -> Value {
    let arn = format!("arn:aws:kinesis:{REGION}:000000000000:stream/clicks");
    json!({"StreamARN": arn, "MaxRecordSizeInKiB": kib})
}

/// A record of this many bytes, one of them in its partition key.
fn record(bytes: usize) -> Value {
    let data = wire::blob(vec![b'x'; bytes - 1]);
    json!({"StreamName": "clicks", "PartitionKey": "k", "Data": data})
}
