//! TagResource.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing::{self, Resource, no_reader},
    server::{ACCOUNT, TestServer, in_both_formats},
};

const OPERATION: &str = "TagResource";

#[tokio::test]
async fn a_stream_or_a_consumer_is_addressed_by_arn() {
    for resource in [Resource::Stream, Resource::Consumer] {
        let input = json!({"Tags": {"a": "b"}});
        addressing::check_arn(OPERATION, "ResourceARN", resource, input).await;
    }
}

#[tokio::test]
async fn tags_are_added_and_replaced() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let consumer = server.register("clicks", "reader").await;
        for arn in [server.arn("clicks"), consumer] {
            let tags = json!({"team": "web", "Zoë 9_./=+-@:": ""});
            let answer = server.answer(OPERATION, &input(&arn, tags)).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            server.call(OPERATION, input(&arn, json!({"team": "data"}))).await;
            let expected =
                json!([{"Key": "Zoë 9_./=+-@:", "Value": ""}, {"Key": "team", "Value": "data"}]);
            assert_eq!(tags_of(&server, &arn).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_has_one_set_of_tags() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "reader").await;
    server.call(OPERATION, input(&server.arn("clicks"), json!({"a": "b"}))).await;
    let listed = server.call("ListTagsForStream", json!({"StreamName": "clicks"})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "a", "Value": "b"}]));
    assert_eq!(tags_of(&server, &consumer).await, json!([]));
}

#[tokio::test]
async fn fifty_tags_are_the_most() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "reader").await;
    let numbered =
        |from: u32, to: u32| (from..to).map(|n| (format!("k{n}"), json!("v"))).collect::<Value>();
    for arn in [server.arn("clicks"), consumer] {
        server.call(OPERATION, input(&arn, numbered(0, 50))).await;
        server.call(OPERATION, input(&arn, numbered(0, 50))).await;
        let refusal = server.refusal(OPERATION, input(&arn, numbered(50, 51))).await;
        assert!(refusal.starts_with("InvalidArgumentException: Failed to add tags"), "{refusal}");
        assert_eq!(tags_of(&server, &arn).await.as_array().unwrap().len(), 50);
    }
}

#[tokio::test]
async fn nothing_is_added_when_one_tag_is_refused() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "reader").await;
    for arn in [server.arn("clicks"), consumer] {
        for bad in [json!({"a": "b", "c;": "d"}), json!({"a": "b", "c": "%"})] {
            let refusal = server.refusal(OPERATION, input(&arn, bad)).await;
            assert!(refusal.starts_with("InvalidArgumentException: Some tags"), "{refusal}");
        }
        assert_eq!(tags_of(&server, &arn).await, json!([]));
    }
}

#[tokio::test]
async fn only_what_is_active_takes_tags() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let stream = server.arn("clicks");
    let tags = json!({"a": "b"});
    let refusal = server.refusal(OPERATION, input(&stream, tags.clone())).await;
    let words = format!("Stream clicks under account {ACCOUNT} not ACTIVE, instead in state");
    assert_eq!(refusal, format!("ResourceInUseException: {words} CREATING"));
    server.advance(Duration::from_secs(20)).await;
    let arn = server.register("clicks", "reader").await;
    let refusal = server.refusal(OPERATION, input(&arn, tags.clone())).await;
    let created = arn.rsplit(':').next().unwrap();
    let words = format!(
        "Consumer reader with creation timestamp {created} under stream clicks and account \
         {ACCOUNT} is not in ACTIVE status."
    );
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call(OPERATION, input(&arn, tags)).await;
    let server = server.after_crash().await;
    assert_eq!(tags_of(&server, &arn).await, json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    server.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
    // Before a bad character.
    let bad = json!({"a;": "b"});
    let refusal = server.refusal(OPERATION, input(&arn, bad.clone())).await;
    assert_eq!(refusal, format!("ResourceNotFoundException: {}", no_reader()));
    let refusal = server.refusal(OPERATION, input(&server.arn("orders"), bad)).await;
    let missing = format!("Stream orders under account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    for other in ["queue/q", "stream/clicks/consumer/reader", "stream/clicks/more"] {
        let arn = format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:{other}");
        let refusal = server.refusal(OPERATION, input(&arn, json!({"a": "b"}))).await;
        assert!(refusal.starts_with("InvalidArgumentException: ResourceARN "), "{refusal}");
    }
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    for n in 0..5 {
        server.call(OPERATION, input(&arn, json!({"n": n.to_string()}))).await;
    }
    let refusal = server.refusal(OPERATION, input(&server.arn("clicks"), json!({"n": ""}))).await;
    let words = format!("Rate exceeded for stream clicks under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn input(arn: &str, tags: Value) -> Value {
    let mut input = json!({ "ResourceARN": arn });
    input["Tags"] = tags;
    input
}

async fn tags_of(server: &TestServer, arn: &str) -> Value {
    server.call("ListTagsForResource", json!({ "ResourceARN": arn })).await["Tags"].clone()
}
