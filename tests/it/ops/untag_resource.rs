//! UntagResource. What it shares with TagResource is in the tests of that.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing::{self, Resource},
    server::{TestServer, in_both_formats},
};

const OPERATION: &str = "UntagResource";

#[tokio::test]
async fn a_stream_or_a_consumer_is_addressed_by_arn() {
    for resource in [Resource::Stream, Resource::Consumer] {
        let input = json!({"TagKeys": ["a"]});
        addressing::check_arn(OPERATION, "ResourceARN", resource, input).await;
    }
}

#[tokio::test]
async fn tags_are_removed_and_unknown_keys_ignored() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let consumer = server.register("clicks", "reader").await;
        for arn in [server.arn("clicks"), consumer] {
            let tags = json!({"a": "1", "b": "2", "c": "3"});
            server.call("TagResource", json!({"ResourceARN": arn, "Tags": tags})).await;
            let answer = server.answer(OPERATION, &input(&arn, &["a", "c", "x"])).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            let listed = server.call("ListTagsForResource", json!({ "ResourceARN": arn })).await;
            assert_eq!(listed["Tags"], json!([{"Key": "b", "Value": "2"}]));
            let refusal = server.refusal(OPERATION, input(&arn, &["b", "%"])).await;
            assert!(refusal.starts_with("InvalidArgumentException: Some tags"), "{refusal}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_what_is_active_loses_tags() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal(OPERATION, input(&server.arn("clicks"), &["a"])).await;
    assert!(refusal.starts_with("ResourceInUseException: Stream clicks "), "{refusal}");
    server.advance(Duration::from_secs(20)).await;
    let arn = server.register("clicks", "reader").await;
    let refusal = server.refusal(OPERATION, input(&arn, &["a"])).await;
    assert!(refusal.starts_with("ResourceInUseException: Consumer reader "), "{refusal}");
    server.advance(Duration::from_secs(20)).await;
    server.call(OPERATION, input(&arn, &["a"])).await;
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let arn = server.arn("clicks");
    for _ in 0..5 {
        server.call(OPERATION, input(&arn, &["a"])).await;
    }
    let refusal = server.refusal(OPERATION, input(&arn, &["a"])).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
}

fn input(arn: &str, keys: &[&str]) -> Value {
    json!({"ResourceARN": arn, "TagKeys": keys})
}
