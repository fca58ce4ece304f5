//! DescribeStreamConsumer. What it answers in which state is in the tests of RegisterStreamConsumer
//! and DeregisterStreamConsumer.

use serde_json::json;

use crate::{
    addressing::{self, Resource, no_reader},
    server::{ACCOUNT, TestServer, in_both_formats},
};

const OPERATION: &str = "DescribeStreamConsumer";

#[tokio::test]
async fn a_consumer_is_addressed_by_its_arn_or_by_its_stream_and_name() {
    addressing::check_arn(OPERATION, "ConsumerARN", Resource::Consumer, json!({})).await;
    let input = json!({"ConsumerName": "reader"});
    addressing::check_arn(OPERATION, "StreamARN", Resource::Stream, input).await;
}

#[tokio::test]
async fn all_ways_to_name_a_consumer_agree() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.create("orders", 1).await;
        let arn = server.register("clicks", "reader").await;
        server.register("orders", "reader").await;
        let (clicks, orders) = (server.arn("clicks"), server.arn("orders"));
        let expected = server.consumer(&arn).await;
        assert_eq!(expected["ConsumerARN"], arn);
        for input in [
            json!({"StreamARN": clicks, "ConsumerName": "reader"}),
            json!({"ConsumerARN": arn, "ConsumerName": "reader"}),
            json!({"ConsumerARN": arn, "StreamARN": clicks}),
            json!({"ConsumerARN": arn, "StreamARN": clicks, "ConsumerName": "reader"}),
        ] {
            let output = server.call(OPERATION, input).await;
            assert_eq!(output["ConsumerDescription"], expected);
        }
        for input in [
            json!({}),
            json!({"ConsumerName": "reader"}),
            json!({ "StreamARN": clicks }),
            json!({"ConsumerARN": arn, "ConsumerName": "writer"}),
            json!({"ConsumerARN": arn, "StreamARN": orders}),
            json!({"ConsumerARN": arn, "StreamARN": orders, "ConsumerName": "reader"}),
        ] {
            let refusal = server.refusal(OPERATION, input).await;
            assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    let missing = format!("Stream orders under account {ACCOUNT} not found.");
    let named =
        |stream: &str, name: &str| json!({"StreamARN": server.arn(stream), "ConsumerName": name});
    let refusal = server.refusal(OPERATION, named("orders", "reader")).await;
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    let refusal = server.refusal(OPERATION, named("clicks", "writer")).await;
    let missing = format!("Consumer writer under stream: clicks, account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    // By the consumer's ARN it is the consumer that is missing, even when its stream is.
    for _ in 0..2 {
        let delete = json!({"StreamName": "clicks", "EnforceConsumerDeletion": true});
        server.call("DeleteStream", delete).await;
        let refusal = server.refusal(OPERATION, json!({ "ConsumerARN": arn })).await;
        assert_eq!(refusal, format!("ResourceNotFoundException: {}", no_reader()));
        server.create("clicks", 1).await;
    }
}

#[tokio::test]
async fn twenty_calls_a_second_are_admitted_to_a_stream() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    for _ in 0..20 {
        server.consumer(&arn).await;
    }
    let refusal = server.refusal(OPERATION, json!({ "ConsumerARN": arn })).await;
    let words = format!("Rate exceeded for stream clicks under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.create("orders", 1).await;
    let other = server.register("orders", "reader").await;
    server.consumer(&other).await;
}
