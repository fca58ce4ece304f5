//! GetResourcePolicy.

use serde_json::json;

use crate::{
    addressing::{self, Resource, no_reader},
    server::{ACCOUNT, TestServer, in_both_formats},
};

const OPERATION: &str = "GetResourcePolicy";

#[tokio::test]
async fn a_stream_or_a_consumer_is_addressed_by_arn() {
    for resource in [Resource::Stream, Resource::Consumer] {
        addressing::check_arn(OPERATION, "ResourceARN", resource, json!({})).await;
    }
}

#[tokio::test]
async fn without_a_policy_it_is_an_empty_object() {
    in_both_formats("--transition 20s", async |server| {
        server.create("clicks", 1).await;
        let input = json!({"ResourceARN": server.arn("clicks")});
        let output = server.call(OPERATION, input).await;
        assert_eq!(output, json!({"Policy": "{}"}), "also of a stream that isn't ACTIVE");
    })
    .await;
}

#[tokio::test]
async fn each_resource_has_its_own() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "reader").await;
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"});
    server.share(&consumer, statement.clone()).await;
    let output = server.call(OPERATION, json!({"ResourceARN": server.arn("clicks")})).await;
    assert_eq!(output, json!({"Policy": "{}"}));
    let output = server.call(OPERATION, json!({ "ResourceARN": consumer })).await;
    let policy: serde_json::Value =
        serde_json::from_str(output["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(policy["Statement"], statement);
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    server.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
    let refusal = server.refusal(OPERATION, json!({ "ResourceARN": arn })).await;
    assert_eq!(refusal, format!("ResourceNotFoundException: {}", no_reader()));
    let refusal = server.refusal(OPERATION, json!({"ResourceARN": server.arn("orders")})).await;
    let missing = format!("Stream orders under account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
}
