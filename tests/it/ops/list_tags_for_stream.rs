//! ListTagsForStream.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("ListTagsForStream", json!({})).await;
}

#[tokio::test]
async fn a_stream_without_tags_says_so() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let none = json!({"Tags": [], "HasMoreTags": false});
        assert_eq!(list(&server, json!({})).await, none);
    })
    .await;
}

/// The order that was recorded from AWS.
#[tokio::test]
async fn tags_are_sorted_by_code_point() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let order = [" ", "+", "/", "0", "=", "@", "Z", "_", "a", "ÿ"];
    let tags: Value = order.iter().rev().map(|key| ((*key).to_owned(), json!("v"))).collect();
    server.call("AddTagsToStream", json!({"StreamName": "clicks", "Tags": tags})).await;
    assert_eq!(keys(&list(&server, json!({})).await), order);
}

#[tokio::test]
async fn tags_come_in_pages() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let tags: Value = (10..60).map(|n| (format!("k{n}"), json!("v"))).collect();
    server.call("AddTagsToStream", json!({"StreamName": "clicks", "Tags": tags})).await;
    let all = list(&server, json!({})).await;
    assert_eq!((keys(&all).len(), &all["HasMoreTags"]), (50, &json!(false)));
    let page = list(&server, json!({"Limit": 2})).await;
    assert_eq!((keys(&page), &page["HasMoreTags"]), (vec!["k10", "k11"], &json!(true)));
    let page = list(&server, json!({"Limit": 50, "ExclusiveStartTagKey": "k57"})).await;
    assert_eq!((keys(&page), &page["HasMoreTags"]), (vec!["k58", "k59"], &json!(false)));
    let page = list(&server, json!({"ExclusiveStartTagKey": "k57%;never a tag"})).await;
    assert_eq!(keys(&page), ["k58", "k59"], "the start may be any text");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..5 {
        list(&server, json!({})).await;
    }
    let refusal = server.refusal("ListTagsForStream", json!({"StreamName": "clicks"})).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.advance(Duration::from_millis(200)).await;
    list(&server, json!({})).await;
}

async fn list(server: &TestServer, input: Value) -> Value {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.call("ListTagsForStream", input).await
}

fn keys(page: &Value) -> Vec<&str> {
    page["Tags"].as_array().unwrap().iter().map(|tag| tag["Key"].as_str().unwrap()).collect()
}
