//! Streams by name and by ARN, and who may reach whose: the same for every operation on a stream or
//! a consumer.

use serde_json::{Value, json};

use crate::server::{ACCOUNT, START_MILLIS, STRANGER, TestServer};

/// Checks all ways to address a stream. `input` is what the operation needs beside the stream
/// `clicks`, of one shard, which `arrange` may change before.
pub(crate) async fn check(operation: &str, input: Value) {
    check_after(operation, input, async |_| {}).await;
}

/// The same for operations that need more than a stream.
pub(crate) async fn check_after(operation: &str, input: Value, arrange: impl AsyncFn(&TestServer)) {
    let with = |stream: Value| {
        let mut input = input.clone();
        input.as_object_mut().unwrap().extend(stream.as_object().unwrap().clone());
        input
    };
    let arn =
        |account: &str, region: &str| format!("arn:aws:kinesis:{region}:{account}:stream/clicks");
    let own = arn("000000000000", "us-east-1");
    let accepted = [
        json!({"StreamName": "clicks"}),
        json!({ "StreamARN": own }),
        json!({"StreamName": "clicks", "StreamARN": own}),
        json!({"StreamName": "clicks", "StreamId": "abcdefghij0123456789-a1b"}),
    ];
    for stream in accepted {
        let server = TestServer::new().await.with_stream("clicks", 1).await;
        arrange(&server).await;
        server.call(operation, with(stream)).await;
    }

    let server = TestServer::new().await.with_stream("clicks", 1).await;
    arrange(&server).await;
    let other = json!({"StreamName": "orders", "StreamARN": own});
    let refusal = server.refusal(operation, with(other)).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    let refusal = server.refusal(operation, with(json!({}))).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");

    let elsewhere = server.in_region("eu-west-1");
    let stranger = server.as_account(STRANGER);
    for (caller, account) in [(&elsewhere, ACCOUNT), (&stranger, STRANGER)] {
        let refusal = caller.refusal(operation, with(json!({"StreamName": "clicks"}))).await;
        let missing = match operation {
            "GetShardIterator" => format!(
                "Shard shardId-000000000000 in stream clicks under account {account} does not exist"
            ),
            _ => format!("Stream clicks under account {account} not found."),
        };
        assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    }
    let refusal = elsewhere.refusal(operation, with(json!({ "StreamARN": own }))).await;
    assert!(refusal.starts_with("ResourceNotFoundException: "), "{refusal}");
    let refusal = stranger.refusal(operation, with(json!({ "StreamARN": own }))).await;
    let denied = format!(
        "AccessDeniedException: User: arn:aws:iam::{STRANGER}:user/{STRANGER} is not authorized to \
         perform: kinesis:{operation} on resource: {own} because no "
    );
    assert!(refusal.starts_with(&denied), "{refusal}");
}

/// What an operation that takes nothing but an ARN may be pointed at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resource {
    Stream,
    Consumer,
}

/// Checks who may reach the stream `clicks` or its consumer `reader` by the ARN in the member
/// `key`. `input` is what the operation needs beside that.
pub(crate) async fn check_arn(operation: &str, key: &str, resource: Resource, input: Value) {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "reader").await;
    let stream_missing = format!("Stream clicks under account {ACCOUNT} not found.");
    let (arn, missing) = match resource {
        Resource::Stream => (server.arn("clicks"), stream_missing),
        Resource::Consumer => (consumer, no_reader()),
    };
    let mut input = input;
    input[key] = json!(arn);
    input["StreamId"] = json!("abcdefghij0123456789-a1b");
    let refusal = server.in_region("eu-west-1").refusal(operation, input.clone()).await;
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    let refusal = server.as_account(STRANGER).refusal(operation, input.clone()).await;
    let denied = format!(
        "AccessDeniedException: User: arn:aws:iam::{STRANGER}:user/{STRANGER} is not authorized to \
         perform: kinesis:{operation} on resource: {arn} because no "
    );
    assert!(refusal.starts_with(&denied), "{refusal}");
    server.call(operation, input).await;
}

/// What is said of the consumer `reader`, registered when tests begin, when it isn't there.
pub(crate) fn no_reader() -> String {
    let created = START_MILLIS / 1000;
    format!(
        "Consumer reader with creation timestamp {created} under stream: clicks, account \
         {ACCOUNT} not found."
    )
}
