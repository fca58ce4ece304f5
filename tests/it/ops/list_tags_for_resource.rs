//! ListTagsForResource.

use serde_json::{Value, json};

use crate::{
    addressing::{self, Resource},
    server::{TestServer, in_both_formats},
};

const OPERATION: &str = "ListTagsForResource";

#[tokio::test]
async fn a_stream_or_a_consumer_is_addressed_by_arn() {
    for resource in [Resource::Stream, Resource::Consumer] {
        addressing::check_arn(OPERATION, "ResourceARN", resource, json!({})).await;
    }
}

#[tokio::test]
async fn all_tags_are_listed_by_code_point() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let consumer = server.register("clicks", "reader").await;
        for arn in [server.arn("clicks"), consumer] {
            let input = json!({ "ResourceARN": arn });
            assert_eq!(server.call(OPERATION, input.clone()).await, json!({"Tags": []}));
            let tags: Value = (10..60).rev().map(|n| (format!("k{n}"), json!("v"))).collect();
            server.call("TagResource", json!({"ResourceARN": arn, "Tags": tags})).await;
            let listed = server.call(OPERATION, input).await;
            let expected = (10..60).map(|n| json!({"Key": format!("k{n}"), "Value": "v"}));
            assert_eq!(listed, json!({"Tags": expected.collect::<Vec<_>>()}));
        }
    })
    .await;
}

#[tokio::test]
async fn tags_are_listed_in_every_state() {
    let server = TestServer::with("--transition 20s").await;
    let tags = json!({"a": "b"});
    let create = json!({"StreamName": "clicks", "ShardCount": 1, "Tags": tags});
    server.call("CreateStream", create).await;
    let listed = server.call(OPERATION, json!({"ResourceARN": server.arn("clicks")})).await;
    assert_eq!(listed["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let input = json!({"ResourceARN": server.arn("clicks")});
    for _ in 0..5 {
        server.call(OPERATION, input.clone()).await;
    }
    let refusal = server.refusal(OPERATION, input).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
}
