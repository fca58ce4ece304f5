//! RemoveTagsFromStream.

use std::time::Duration;

use serde_json::json;

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("RemoveTagsFromStream", json!({"TagKeys": ["a"]})).await;
}

#[tokio::test]
async fn tags_are_removed_and_unknown_keys_ignored() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let tags = json!({"a": "1", "b": "2", "c": "3"});
        server.call("AddTagsToStream", json!({"StreamName": "clicks", "Tags": tags})).await;
        let remove = json!({"StreamName": "clicks", "TagKeys": ["a", "c", "d", "a"]});
        for _ in 0..2 {
            let answer = server.answer("RemoveTagsFromStream", &remove).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            let left = server.call("ListTagsForStream", json!({"StreamName": "clicks"})).await;
            assert_eq!(left["Tags"], json!([{"Key": "b", "Value": "2"}]));
        }
    })
    .await;
}

#[tokio::test]
async fn a_stream_in_transition_keeps_its_tags() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let input = json!({"StreamName": "clicks", "TagKeys": ["a"]});
    let refusal = server.refusal("RemoveTagsFromStream", input.clone()).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state CREATING";
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call("RemoveTagsFromStream", input).await;
}

#[tokio::test]
async fn fifty_keys_are_the_most() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let keys = |count: u32| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let input = json!({"StreamName": "clicks", "TagKeys": keys(50)});
    server.call("RemoveTagsFromStream", input).await;
    let input = json!({"StreamName": "clicks", "TagKeys": keys(51)});
    let refusal = server.refusal("RemoveTagsFromStream", input).await;
    assert!(refusal.starts_with("ValidationException: 1 validation error"), "{refusal}");
    let constraint = "Member must have length less than or equal to 50";
    assert!(refusal.ends_with(constraint), "{refusal}");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let input = json!({"StreamName": "clicks", "TagKeys": ["a"]});
    for _ in 0..5 {
        server.call("RemoveTagsFromStream", input.clone()).await;
    }
    let refusal = server.refusal("RemoveTagsFromStream", input).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}
