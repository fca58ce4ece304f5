//! DeleteResourcePolicy.

use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{ACCOUNT, STRANGER, TestServer, in_both_formats};

const OPERATION: &str = "DeleteResourcePolicy";

fn everything() -> Value {
    json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"})
}

#[tokio::test]
async fn a_policy_is_deleted_once() {
    in_both_formats("", async |mut server| {
        server.create("clicks", 1).await;
        let consumer = server.register("clicks", "reader").await;
        for arn in [server.arn("clicks"), consumer] {
            server.share(&arn, everything()).await;
            let answer = server.answer(OPERATION, &json!({ "ResourceARN": arn })).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            server = server.after_crash().await;
            let output = server.call("GetResourcePolicy", json!({ "ResourceARN": arn })).await;
            assert_eq!(output["Policy"], "{}");
            let refusal = server.refusal(OPERATION, json!({ "ResourceARN": arn })).await;
            let words = format!("No resource policy found for resource ARN {arn}.");
            assert_eq!(refusal, format!("ResourceNotFoundException: {words}"));
        }
    })
    .await;
}

#[tokio::test]
async fn only_its_own_account_deletes_a_policy() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.arn("clicks");
    server.share(&arn, everything()).await;
    let input = json!({ "ResourceARN": arn });
    let refusal = server.as_account(STRANGER).refusal(OPERATION, input.clone()).await;
    assert!(refusal.starts_with("AccessDeniedException: "), "{refusal}");
    let refusal = server.in_region("eu-west-1").refusal(OPERATION, input.clone()).await;
    let missing = format!("Stream clicks under account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    server.call(OPERATION, input).await;
}

#[tokio::test]
async fn only_of_what_is_active() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    let arn = server.arn("clicks");
    server.share(&arn, everything()).await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    let refusal = server.refusal(OPERATION, json!({ "ResourceARN": arn })).await;
    assert!(refusal.starts_with("ResourceInUseException: "), "{refusal}");
}
