//! ListStreamConsumers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing::{self, Resource},
    server::{ACCOUNT, START_MILLIS, TestServer, in_both_formats},
    wire,
};

const OPERATION: &str = "ListStreamConsumers";

#[tokio::test]
async fn a_stream_is_addressed_by_arn() {
    addressing::check_arn(OPERATION, "StreamARN", Resource::Stream, json!({})).await;
}

#[tokio::test]
async fn consumers_are_listed_by_name_in_pages() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        assert_eq!(list(&server, json!({})).await, json!({"Consumers": []}));
        let mut expected = Vec::new();
        for name in ["c", "a", "e", "b", "d"] {
            let arn = server.register("clicks", name).await;
            expected.push(json!({
                "ConsumerName": name,
                "ConsumerARN": arn,
                "ConsumerStatus": "ACTIVE",
                "ConsumerCreationTimestamp": wire::seconds(START_MILLIS),
            }));
        }
        expected.sort_by_key(|consumer| consumer["ConsumerName"].to_string());
        assert_eq!(list(&server, json!({})).await, json!({ "Consumers": expected }));
        let mut page = list(&server, json!({"MaxResults": 2})).await;
        let mut found = names(&page);
        while page["NextToken"].is_string() {
            assert_eq!(names(&page).len(), 2);
            let next = json!({"MaxResults": 2, "NextToken": page["NextToken"]});
            page = list(&server, next).await;
            found.extend(names(&page));
        }
        assert_eq!(found, ["a", "b", "c", "d", "e"]);
    })
    .await;
}

#[tokio::test]
async fn a_token_is_good_for_five_minutes_for_its_stream() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for name in ["a", "b"] {
        server.register("clicks", name).await;
    }
    let page = list(&server, json!({"MaxResults": 1})).await;
    let next = json!({"NextToken": page["NextToken"]});
    server.advance(Duration::from_mins(5)).await;
    let server = server.after_crash().await;
    assert_eq!(names(&list(&server, next.clone()).await), ["b"]);

    server.create("orders", 1).await;
    let foreign = server.call("ListStreams", json!({"Limit": 1})).await["NextToken"].clone();
    let created = wire::seconds(START_MILLIS);
    for input in [
        json!({"StreamARN": server.arn("orders"), "NextToken": page["NextToken"]}),
        json!({"StreamARN": server.arn("clicks"), "NextToken": foreign}),
        json!({"StreamARN": server.arn("clicks"), "NextToken": page["NextToken"],
            "StreamCreationTimestamp": created}),
    ] {
        let refusal = server.refusal(OPERATION, input).await;
        assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    }
    server.advance(Duration::from_millis(1)).await;
    let expired = json!({"StreamARN": server.arn("clicks"), "NextToken": page["NextToken"]});
    let refusal = server.refusal(OPERATION, expired.clone()).await;
    assert!(refusal.starts_with("ExpiredNextTokenException: "), "{refusal}");
}

#[tokio::test]
async fn the_time_of_creation_tells_streams_of_one_name_apart() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let created = |millis: i64| json!({"StreamCreationTimestamp": wire::seconds(millis)});
    list(&server, created(START_MILLIS)).await;
    let mut other = created(START_MILLIS - 1000);
    other["StreamARN"] = json!(server.arn("clicks"));
    let refusal = server.refusal(OPERATION, other).await;
    assert!(refusal.starts_with("ResourceNotFoundException: "), "{refusal}");
}

#[tokio::test]
async fn a_stream_in_creation_lists_nothing_yet() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal(OPERATION, json!({"StreamARN": server.arn("clicks")})).await;
    assert!(refusal.starts_with("ResourceInUseException: "), "{refusal}");
    server.advance(Duration::from_secs(20)).await;
    list(&server, json!({})).await;
}

#[tokio::test]
async fn five_calls_a_second_are_admitted_to_a_stream() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    server.create("orders", 1).await;
    for _ in 0..5 {
        list(&server, json!({})).await;
    }
    let refusal = server.refusal(OPERATION, json!({"StreamARN": server.arn("clicks")})).await;
    let words = format!("Rate exceeded for stream clicks under account {ACCOUNT}.");
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.call(OPERATION, json!({"StreamARN": server.arn("orders")})).await;
}

async fn list(server: &TestServer, input: Value) -> Value {
    let mut input = input;
    input["StreamARN"] = json!(server.arn("clicks"));
    server.call(OPERATION, input).await
}

fn names(page: &Value) -> Vec<String> {
    let consumers = page["Consumers"].as_array().unwrap().iter();
    consumers.map(|consumer| consumer["ConsumerName"].as_str().unwrap().to_owned()).collect()
}
