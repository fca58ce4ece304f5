//! PutResourcePolicy.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing::{self, Resource, no_reader},
    server::{ACCOUNT, TestServer, in_both_formats},
};

const OPERATION: &str = "PutResourcePolicy";

/// With blanks that are kept.
const POLICY: &str = "{\n \"Statement\" : [{\"Effect\": \"Allow\", \"Principal\": \"*\", \
    \"Action\": \"kinesis:PutRecord\", \"Resource\": \"*\"}] }";

#[tokio::test]
async fn a_stream_or_a_consumer_is_addressed_by_arn() {
    for resource in [Resource::Stream, Resource::Consumer] {
        let input = json!({ "Policy": POLICY });
        addressing::check_arn(OPERATION, "ResourceARN", resource, input).await;
    }
}

#[tokio::test]
async fn a_policy_is_kept_as_it_was_given_until_it_is_replaced() {
    in_both_formats("", async |mut server| {
        server.create("clicks", 1).await;
        let consumer = server.register("clicks", "reader").await;
        for arn in [server.arn("clicks"), consumer] {
            let answer = server.answer(OPERATION, &input(&arn, POLICY)).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            server.call(OPERATION, input(&arn, POLICY)).await;
            assert_eq!(policy_of(&server, &arn).await, POLICY);
            let other = POLICY.replace("Allow", "Deny");
            server.call(OPERATION, input(&arn, &other)).await;
            server = server.after_crash().await;
            assert_eq!(policy_of(&server, &arn).await, other);
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_policy_is_refused_with_its_place() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.arn("clicks");
    server.call(OPERATION, input(&arn, POLICY)).await;
    for (policy, sentence) in [
        ("", "EOF while parsing a value at line 1 column 0."),
        ("{}", "it has no Statement."),
        (&POLICY.replace("Allow", "Grant"), "Statement[0].Effect: expected Allow or Deny."),
        (&POLICY.replace("Principal", "Sid"), "Statement[0]: it needs Principal or NotPrincipal,"),
        (
            &POLICY.replace("PutRecord", "PutRecrod"),
            "Statement[0].Action: no operation of Kinesis is called so.",
        ),
        (
            &POLICY.replace("Resource\": \"*", &format!("Resource\": \"{arn}s")),
            &format!("Statement[0].Resource: {arn}s is never {arn}, whose policy it is."),
        ),
        (&(POLICY.to_owned() + &" ".repeat(20_480)), "it has more than 20480 bytes."),
    ] {
        let refusal = server.refusal(OPERATION, input(&arn, policy)).await;
        let words = format!("InvalidArgumentException: Policy is not valid. {sentence}");
        assert!(refusal.starts_with(&words), "{refusal}");
    }
    assert_eq!(policy_of(&server, &arn).await, POLICY, "the one before stays");
}

#[tokio::test]
async fn only_what_is_active_takes_a_policy() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let stream = server.arn("clicks");
    let refusal = server.refusal(OPERATION, input(&stream, POLICY)).await;
    let words = format!("Stream clicks under account {ACCOUNT} not ACTIVE, instead in state");
    assert_eq!(refusal, format!("ResourceInUseException: {words} CREATING"));
    server.advance(Duration::from_secs(20)).await;
    let arn = server.register("clicks", "reader").await;
    let refusal = server.refusal(OPERATION, input(&arn, POLICY)).await;
    let created = arn.rsplit(':').next().unwrap();
    let words = format!(
        "Consumer reader with creation timestamp {created} under stream clicks and account \
         {ACCOUNT} is not in ACTIVE status."
    );
    assert_eq!(refusal, format!("ResourceInUseException: {words}"));
    server.advance(Duration::from_secs(20)).await;
    server.call(OPERATION, input(&arn, POLICY)).await;
}

#[tokio::test]
async fn a_policy_ends_with_what_it_is_of() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let (stream, consumer) = (server.arn("clicks"), server.register("clicks", "reader").await);
    server.call(OPERATION, input(&stream, POLICY)).await;
    server.call(OPERATION, input(&consumer, POLICY)).await;
    server.call("DeregisterStreamConsumer", json!({ "ConsumerARN": consumer })).await;
    let consumer = server.register("clicks", "reader").await;
    assert_eq!(policy_of(&server, &consumer).await, "{}");
    let delete = json!({"StreamName": "clicks", "EnforceConsumerDeletion": true});
    server.call("DeleteStream", delete).await;
    server.create("clicks", 1).await;
    assert_eq!(policy_of(&server, &stream).await, "{}");
}

#[tokio::test]
async fn what_is_missing_is_told() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    server.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
    // Before what is no policy.
    let refusal = server.refusal(OPERATION, input(&arn, "{")).await;
    assert_eq!(refusal, format!("ResourceNotFoundException: {}", no_reader()));
    let refusal = server.refusal(OPERATION, input(&server.arn("orders"), "{")).await;
    let missing = format!("Stream orders under account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    let queue = format!("arn:aws:kinesis:us-east-1:{ACCOUNT}:queue/q");
    let refusal = server.refusal(OPERATION, input(&queue, POLICY)).await;
    assert!(refusal.starts_with("InvalidArgumentException: ResourceARN "), "{refusal}");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..5 {
        server.call(OPERATION, input(&server.arn("clicks"), POLICY)).await;
    }
    let refusal = server.refusal(OPERATION, input(&server.arn("clicks"), POLICY)).await;
    let words = format!("Rate exceeded for stream clicks under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn input(arn: &str, policy: &str) -> Value {
    json!({"ResourceARN": arn, "Policy": policy})
}

async fn policy_of(server: &TestServer, arn: &str) -> String {
    let output = server.call("GetResourcePolicy", json!({ "ResourceARN": arn })).await;
    output["Policy"].as_str().unwrap().to_owned()
}
