//! DeleteStream.

use std::time::Duration;

use serde_json::json;

use crate::{
    addressing,
    server::{ACCOUNT, TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("DeleteStream", json!({})).await;
}

#[tokio::test]
async fn a_deleted_stream_is_gone_and_its_name_is_free() {
    in_both_formats("", async |server| {
        server.create("clicks", 2).await;
        server.put("clicks", "k", "old").await;
        let answer = server.answer("DeleteStream", &json!({"StreamName": "clicks"})).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let missing = format!("Stream clicks under account {ACCOUNT} not found.");
        for operation in ["DescribeStream", "DeleteStream", "ListTagsForStream"] {
            let refusal = server.refusal(operation, json!({"StreamName": "clicks"})).await;
            assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
        }
        server.create("clicks", 1).await;
        assert_eq!(server.read("clicks", 0).await, Vec::<String>::new());
        server.put("clicks", "k", "new").await;
        assert_eq!(server.read("clicks", 0).await, ["new"]);
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_deleting_until_its_transition_is_over() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    assert_eq!(server.status("clicks").await, "DELETING");
    let listed = server.call("ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["clicks"]));
    for (operation, input, code) in [
        ("CreateStream", json!({"ShardCount": 1}), "ResourceInUseException"),
        ("PutRecord", json!({"PartitionKey": "k", "Data": ""}), "ResourceNotFoundException"),
        ("ListShards", json!({}), "ResourceInUseException"),
        ("AddTagsToStream", json!({"Tags": {"a": "b"}}), "ResourceInUseException"),
    ] {
        let mut input = input;
        input["StreamName"] = json!("clicks");
        let refusal = server.refusal(operation, input).await;
        assert!(refusal.starts_with(code), "{operation}: {refusal}");
    }
    // Deleting it once more changes nothing, its end included.
    server.advance(Duration::from_secs(10)).await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    server.advance(Duration::from_secs(10)).await;
    server.refusal("DescribeStream", json!({"StreamName": "clicks"})).await;
}

#[tokio::test]
async fn a_stream_that_is_being_created_or_changed_can_be_deleted() {
    let server = TestServer::with("--transition 20s").await;
    server.create("creating", 1).await;
    server.create("updating", 1).await;
    server.call("DeleteStream", json!({"StreamName": "creating"})).await;
    let output = server.call("DescribeStream", json!({"StreamName": "creating"})).await;
    assert_eq!(output["StreamDescription"]["StreamStatus"], "DELETING");
    assert_eq!(output["StreamDescription"]["Shards"], json!([]));
    server.advance(Duration::from_secs(20)).await;
    let split = json!({"StreamName": "updating", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
    assert_eq!(server.status("updating").await, "UPDATING");
    server.call("DeleteStream", json!({"StreamName": "updating"})).await;
    server.advance(Duration::from_secs(20)).await;
    let listed = server.call("ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!([]));
}

#[tokio::test]
async fn a_stream_goes_with_its_consumers_when_that_is_enforced() {
    in_both_formats("--transition 20s", async |server| {
        server.create("clicks", 1).await;
        server.advance(Duration::from_secs(20)).await;
        let arn = server.register("clicks", "reader").await;
        for refused in [json!(null), json!(false)] {
            let input = json!({"StreamName": "clicks", "EnforceConsumerDeletion": refused});
            let refusal = server.refusal("DeleteStream", input).await;
            assert!(refusal.starts_with("ResourceInUseException: DeleteStream can’t"), "{refusal}");
        }
        assert_eq!(server.status("clicks").await, "ACTIVE");
        let input = json!({"StreamName": "clicks", "EnforceConsumerDeletion": true});
        server.call("DeleteStream", input).await;
        assert_eq!(server.consumer(&arn).await["ConsumerStatus"], "DELETING");
        server.advance(Duration::from_secs(20)).await;
        server.refusal("DescribeStreamConsumer", json!({ "ConsumerARN": arn })).await;
        server.create("clicks", 1).await;
        assert_eq!(server.summary("clicks").await["ConsumerCount"], 0);
    })
    .await;
}

#[tokio::test]
async fn without_consumers_there_is_nothing_to_enforce() {
    let server = TestServer::new().await;
    for enforce in [true, false] {
        server.create("clicks", 1).await;
        let arn = server.register("clicks", "reader").await;
        server.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
        let input = json!({"StreamName": "clicks", "EnforceConsumerDeletion": enforce});
        server.call("DeleteStream", input).await;
    }
}

#[tokio::test]
async fn shards_of_a_deleted_stream_no_longer_count() {
    let server = TestServer::with("--shard-limit 4").await.with_stream("clicks", 4).await;
    let input = json!({"StreamName": "orders", "ShardCount": 4});
    server.refusal("CreateStream", input.clone()).await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    server.call("CreateStream", input).await;
}

#[tokio::test]
async fn a_deletion_survives_a_crash() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    let server = server.after_crash().await;
    assert_eq!(server.status("clicks").await, "DELETING");
    server.advance(Duration::from_secs(20)).await;
    let server = server.after_crash().await;
    server.refusal("DescribeStream", json!({"StreamName": "clicks"})).await;
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    let input = json!({"StreamName": "clicks"});
    for _ in 0..5 {
        let refusal = server.refusal("DeleteStream", input.clone()).await;
        assert!(refusal.starts_with("ResourceNotFoundException"), "{refusal}");
    }
    let refusal = server.refusal("DeleteStream", input.clone()).await;
    let words = format!("Rate exceeded for stream clicks under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}
