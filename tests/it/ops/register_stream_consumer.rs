//! RegisterStreamConsumer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing::{self, Resource},
    server::{ACCOUNT, START_MILLIS, STRANGER, TestServer, in_both_formats},
    wire,
};

const OPERATION: &str = "RegisterStreamConsumer";

#[tokio::test]
async fn a_stream_is_addressed_by_arn() {
    let input = json!({"ConsumerName": "other"});
    addressing::check_arn(OPERATION, "StreamARN", Resource::Stream, input).await;
}

#[tokio::test]
async fn a_consumer_is_creating_then_active() {
    in_both_formats("--transition 20s", async |server| {
        server.create("clicks", 1).await;
        server.advance(Duration::from_secs(20)).await;
        let output = server.call(OPERATION, input(&server, "reader")).await;
        let stream = server.arn("clicks");
        let created = START_MILLIS + 20_000;
        let arn = format!("{stream}/consumer/reader:{}", created / 1000);
        let mut expected = json!({
            "ConsumerName": "reader",
            "ConsumerARN": arn,
            "ConsumerStatus": "CREATING",
            "ConsumerCreationTimestamp": wire::seconds(created),
        });
        assert_eq!(output, json!({ "Consumer": expected }));
        expected["StreamARN"] = json!(stream);
        assert_eq!(server.consumer(&arn).await, expected);
        server.advance(Duration::from_secs(20)).await;
        expected["ConsumerStatus"] = json!("ACTIVE");
        assert_eq!(server.consumer(&arn).await, expected);
    })
    .await;
}

#[tokio::test]
async fn without_transitions_it_is_active_at_once() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let output = server.call(OPERATION, input(&server, "reader")).await;
    assert_eq!(output["Consumer"]["ConsumerStatus"], "CREATING");
    let arn = output["Consumer"]["ConsumerARN"].as_str().unwrap();
    assert_eq!(server.consumer(arn).await["ConsumerStatus"], "ACTIVE");
}

#[tokio::test]
async fn a_name_is_taken_once_in_a_stream() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let arn = server.register("clicks", "reader").await;
    let refusal = server.refusal(OPERATION, input(&server, "reader")).await;
    assert!(refusal.starts_with("ResourceInUseException: Consumer reader "), "{refusal}");
    server.create("orders", 1).await;
    server.register("orders", "reader").await;
    server.advance(Duration::from_secs(1)).await;
    server.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
    assert_ne!(server.register("clicks", "reader").await, arn);
}

#[tokio::test]
async fn accounts_and_regions_are_apart() {
    let server = TestServer::new().await;
    let mut arns = Vec::new();
    let others = [server.clone(), server.in_region("eu-west-1"), server.as_account(STRANGER)];
    for client in &others {
        client.create("clicks", 1).await;
        arns.push(client.register("clicks", "reader").await);
    }
    for (client, arn) in others.iter().zip(arns) {
        client.call("DeregisterStreamConsumer", json!({ "ConsumerARN": arn })).await;
        assert_eq!(client.summary("clicks").await["ConsumerCount"], 0);
    }
}

#[tokio::test]
async fn five_are_created_at_a_time_and_twenty_is_the_most() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    for batch in 0..4 {
        server.advance(Duration::from_secs(20)).await;
        for n in 0..5 {
            server.register("clicks", &format!("c{batch}-{n}")).await;
        }
        let refusal = server.refusal(OPERATION, input(&server, "c")).await;
        assert!(refusal.starts_with("LimitExceededException: This request would"), "{refusal}");
    }
    assert_eq!(server.summary("clicks").await["ConsumerCount"], 20);
    server.advance(Duration::from_secs(20)).await;
    let refusal = server.refusal(OPERATION, input(&server, "c")).await;
    assert!(refusal.contains("limit of 20 consumers of stream clicks"), "{refusal}");
    let leaver = json!({"StreamARN": server.arn("clicks"), "ConsumerName": "c0-0"});
    server.call("DeregisterStreamConsumer", leaver).await;
    server.refusal(OPERATION, input(&server, "c")).await;
    server.advance(Duration::from_secs(20)).await;
    server.register("clicks", "c").await;
}

#[tokio::test]
async fn fifty_is_the_most_for_on_demand_streams_of_committed_accounts() {
    let server = TestServer::new().await;
    server.create_on_demand("clicks").await;
    for n in 0..20 {
        server.register("clicks", &format!("c{n}")).await;
    }
    let refusal = server.refusal(OPERATION, input(&server, "c")).await;
    assert!(refusal.contains("limit of 20 consumers of stream clicks"), "{refusal}");
    server.commit().await;
    for n in 20..50 {
        server.register("clicks", &format!("c{n}")).await;
    }
    let refusal = server.refusal(OPERATION, input(&server, "c")).await;
    assert!(refusal.contains("limit of 50 consumers of stream clicks"), "{refusal}");
}

#[tokio::test]
async fn a_stream_must_be_usable() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let words = |state: &str| {
        format!(
            "ResourceInUseException: Stream clicks under account {ACCOUNT} not ACTIVE, instead in \
             state {state}"
        )
    };
    let refusal = server.refusal(OPERATION, input(&server, "reader")).await;
    assert_eq!(refusal, words("CREATING"));
    server.advance(Duration::from_secs(20)).await;
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split).await;
    server.register("clicks", "while-updating").await;
    let delete = json!({"StreamName": "clicks", "EnforceConsumerDeletion": true});
    server.call("DeleteStream", delete).await;
    let refusal = server.refusal(OPERATION, input(&server, "reader")).await;
    assert_eq!(refusal, words("DELETING"));
}

#[tokio::test]
async fn tags_come_with_the_registration() {
    in_both_formats("--transition 20s", async |server| {
        server.create("clicks", 1).await;
        server.advance(Duration::from_secs(20)).await;
        let with = |tags: Value| {
            let mut input = input(&server, "reader");
            input["Tags"] = tags;
            input
        };
        let many: Value = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
        for bad in [json!({"a%": "b"}), json!({"a": "b;"}), many] {
            let refusal = server.refusal(OPERATION, with(bad)).await;
            assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
        }
        let output = server.call(OPERATION, with(json!({"team": "web", "a:b": ""}))).await;
        let arn = &output["Consumer"]["ConsumerARN"];
        let listed = server.call("ListTagsForResource", json!({ "ResourceARN": arn })).await;
        let expected = json!([{"Key": "a:b", "Value": ""}, {"Key": "team", "Value": "web"}]);
        assert_eq!(listed["Tags"], expected);
    })
    .await;
}

#[tokio::test]
async fn a_registration_survives_a_crash() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    let arn = server.register("clicks", "reader").await;
    let before = server.consumer(&arn).await;
    let server = server.after_crash().await;
    assert_eq!(server.consumer(&arn).await, before);
    server.advance(Duration::from_secs(20)).await;
    let server = server.after_crash().await;
    assert_eq!(server.consumer(&arn).await["ConsumerStatus"], "ACTIVE");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted_to_an_account() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    server.create("orders", 1).await;
    for n in 0..5 {
        server.register("clicks", &n.to_string()).await;
    }
    let mut sixth = input(&server, "reader");
    sixth["StreamARN"] = json!(server.arn("orders"));
    let refusal = server.refusal(OPERATION, sixth).await;
    let words = format!("Rate exceeded for stream orders under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn input(server: &TestServer, name: &str) -> Value {
    json!({"StreamARN": server.arn("clicks"), "ConsumerName": name})
}
