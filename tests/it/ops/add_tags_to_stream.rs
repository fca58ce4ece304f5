//! AddTagsToStream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("AddTagsToStream", json!({"Tags": {"a": "b"}})).await;
}

#[tokio::test]
async fn tags_are_added_and_replaced() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let first = json!({"StreamName": "clicks", "Tags": {"team": "web", "Zoë 9_./=+-@:": ""}});
        let answer = server.answer("AddTagsToStream", &first).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        add(&server, json!({"team": "data"})).await;
        let expected =
            json!([{"Key": "Zoë 9_./=+-@:", "Value": ""}, {"Key": "team", "Value": "data"}]);
        assert_eq!(tags(&server).await, expected);
    })
    .await;
}

#[tokio::test]
async fn fifty_tags_are_the_most() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let numbered =
        |from: u32, to: u32| (from..to).map(|n| (format!("k{n}"), json!("v"))).collect::<Value>();
    add(&server, numbered(0, 50)).await;
    add(&server, numbered(0, 50)).await;
    let input = json!({"StreamName": "clicks", "Tags": numbered(50, 51)});
    let refusal = server.refusal("AddTagsToStream", input).await;
    let expected = "InvalidArgumentException: Failed to add tags to stream clicks under account \
        000000000000 because a given stream cannot have more than 10 tags associated with it.";
    assert_eq!(refusal, expected);
    assert_eq!(tags(&server).await.as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn nothing_is_added_when_one_tag_is_refused() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for bad in [json!({"a": "b", "c;": "d"}), json!({"a": "b", "c": "%"})] {
        let input = json!({"StreamName": "clicks", "Tags": bad});
        server.refusal("AddTagsToStream", input).await;
    }
    assert_eq!(tags(&server).await, json!([]));
}

#[tokio::test]
async fn a_stream_in_transition_takes_no_tags() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let input = json!({"StreamName": "clicks", "Tags": {"a": "b"}});
    let refusal = server.refusal("AddTagsToStream", input.clone()).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state CREATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call("AddTagsToStream", input).await;
}

#[tokio::test]
async fn tags_survive_a_crash() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    add(&server, json!({"a": "b"})).await;
    let server = server.after_crash().await;
    assert_eq!(tags(&server).await, json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for n in 0..5 {
        add(&server, json!({"n": n.to_string()})).await;
    }
    let input = json!({"StreamName": "clicks", "Tags": {"n": "5"}});
    let refusal = server.refusal("AddTagsToStream", input).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

async fn add(server: &TestServer, tags: Value) {
    server.call("AddTagsToStream", json!({"StreamName": "clicks", "Tags": tags})).await;
}

async fn tags(server: &TestServer) -> Value {
    server.call("ListTagsForStream", json!({"StreamName": "clicks"})).await["Tags"].clone()
}
