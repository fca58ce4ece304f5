//! DeregisterStreamConsumer.

use std::time::Duration;

use serde_json::json;

use crate::{
    addressing::{self, Resource, no_reader},
    server::{ACCOUNT, TestServer, in_both_formats},
};

const OPERATION: &str = "DeregisterStreamConsumer";

#[tokio::test]
async fn a_consumer_is_addressed_by_its_arn_or_by_its_stream_and_name() {
    addressing::check_arn(OPERATION, "ConsumerARN", Resource::Consumer, json!({})).await;
    let input = json!({"ConsumerName": "reader"});
    addressing::check_arn(OPERATION, "StreamARN", Resource::Stream, input).await;
}

#[tokio::test]
async fn a_consumer_is_deleting_then_gone() {
    in_both_formats("--transition 20s", async |server| {
        server.create("clicks", 1).await;
        server.advance(Duration::from_secs(20)).await;
        let arn = server.register("clicks", "reader").await;
        server.advance(Duration::from_secs(20)).await;
        let input = json!({ "ConsumerARN": arn });
        let answer = server.answer(OPERATION, &input).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(server.consumer(&arn).await["ConsumerStatus"], "DELETING");
        // Once more changes nothing, its end included.
        server.advance(Duration::from_secs(10)).await;
        server.call(OPERATION, input.clone()).await;
        assert_eq!(server.summary("clicks").await["ConsumerCount"], 1);
        server.advance(Duration::from_secs(10)).await;
        assert_eq!(server.summary("clicks").await["ConsumerCount"], 0);
        let refusal = server.refusal(OPERATION, input).await;
        assert!(refusal.starts_with("ResourceNotFoundException: Consumer reader "), "{refusal}");
    })
    .await;
}

#[tokio::test]
async fn a_consumer_in_creation_is_deregistered_too() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    let arn = server.register("clicks", "reader").await;
    server.call(OPERATION, json!({ "ConsumerARN": arn })).await;
    assert_eq!(server.consumer(&arn).await["ConsumerStatus"], "DELETING");
    let server = server.after_crash().await;
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.summary("clicks").await["ConsumerCount"], 0);
}

#[tokio::test]
async fn an_old_arn_is_not_that_of_a_consumer_registered_anew() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let old = server.register("clicks", "reader").await;
    server.call(OPERATION, json!({ "ConsumerARN": old })).await;
    server.advance(Duration::from_secs(1)).await;
    let new = server.register("clicks", "reader").await;
    for operation in [OPERATION, "DescribeStreamConsumer"] {
        let refusal = server.refusal(operation, json!({ "ConsumerARN": old })).await;
        assert_eq!(refusal, format!("ResourceNotFoundException: {}", no_reader()));
    }
    assert_eq!(server.consumer(&new).await["ConsumerStatus"], "ACTIVE");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted_to_a_stream() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    server.create("orders", 1).await;
    let named = |stream: &str| json!({"StreamARN": server.arn(stream), "ConsumerName": "reader"});
    for _ in 0..5 {
        let refusal = server.refusal(OPERATION, named("clicks")).await;
        assert!(refusal.starts_with("ResourceNotFoundException: "), "{refusal}");
    }
    let refusal = server.refusal(OPERATION, named("clicks")).await;
    let words = format!("Rate exceeded for stream clicks under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.register("orders", "reader").await;
    server.call(OPERATION, named("orders")).await;
}
