//! Faults of reads: iterators that expire, deliveries that are empty or come twice, subscriptions
//! that end.

use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::{counts, inject, is_cut};
use crate::{
    events::{oldest, subscribe_at},
    server::{TestServer, in_both_formats, texts},
    wire,
};

/// A stream with the records 1, 2 and 3, and an iterator at the first.
async fn with_records(server: &TestServer) -> String {
    server.create("orders", 1).await;
    for text in ["1", "2", "3"] {
        server.put("orders", "k", text).await;
    }
    server.iterator("orders", 0, "TRIM_HORIZON").await
}

#[tokio::test]
async fn an_iterator_expires_for_good() {
    let server = TestServer::new().await;
    let iterator = with_records(&server).await;
    let input = json!({ "ShardIterator": iterator });
    inject(&server, json!([{"times": 1, "then": {"expire-iterator": true}}])).await;
    let told = server.refusal("GetRecords", input.clone()).await;
    assert_eq!(server.refusal("GetRecords", input.clone()).await, told, "it stays expired");
    let fresh = server.iterator("orders", 0, "TRIM_HORIZON").await;
    assert_eq!(server.texts(&fresh).await, ["1", "2", "3"]);
    assert_eq!(counts(&server).await, [3, 1, 0]);

    // The words are those of an iterator that was made a millisecond too early.
    server.administer("DELETE", "faults", Value::Null).await;
    let life = Duration::from_mins(5) + Duration::from_millis(1);
    server.advance(life).await;
    let by_itself = server.refusal("GetRecords", json!({ "ShardIterator": fresh })).await;
    assert!(by_itself.starts_with("ExpiredIteratorException: Iterator expired. "), "{by_itself}");
    let now = server.iterator("orders", 0, "TRIM_HORIZON").await;
    inject(&server, json!([{"then": {"expire-iterator": true}}])).await;
    let injected = server.refusal("GetRecords", json!({ "ShardIterator": now })).await;
    assert_eq!(injected, by_itself);
}

#[tokio::test]
async fn a_page_comes_twice() {
    in_both_formats("", async |server| {
        let iterator = with_records(&server).await;
        inject(&server, json!([{"calls": 1, "then": {"duplicate": true}}])).await;
        let first = server.get(&iterator).await;
        let again = server.get(first["NextShardIterator"].as_str().unwrap()).await;
        let end = server.get(again["NextShardIterator"].as_str().unwrap()).await;
        assert_eq!(texts(&first), ["1", "2", "3"]);
        assert_eq!(again["Records"], first["Records"], "sequence numbers and all");
        assert_eq!(texts(&end), [""; 0]);
        let behind = [&first, &again, &end].map(|page| page["MillisBehindLatest"].clone());
        assert_eq!(behind, [1, 0, 0], "the tip is where the next page is");
        assert_eq!(counts(&server).await, [2, 1, 0], "what is empty is no delivery");
    })
    .await;
}

#[tokio::test]
async fn a_page_is_empty_although_there_are_records() {
    let server = TestServer::new().await;
    let iterator = with_records(&server).await;
    server.advance(Duration::from_millis(70)).await;
    inject(&server, json!([{"operation": "GetRecords", "times": 1, "then": {"empty": true}}]))
        .await;
    let empty = server.get(&iterator).await;
    assert_eq!((&empty["Records"], &empty["MillisBehindLatest"]), (&json!([]), &json!(70)));
    let next = empty["NextShardIterator"].as_str().unwrap();
    assert_eq!(server.texts(next).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn deliveries_are_picked_by_the_keys_of_their_records() {
    let server = TestServer::new().await;
    let iterator = with_records(&server).await;
    inject(&server, json!([{"partition-key": "other", "then": {"duplicate": true}}])).await;
    let first = server.get(&iterator).await;
    let next = first["NextShardIterator"].as_str().unwrap();
    assert_eq!(server.texts(next).await, [""; 0]);
}

#[tokio::test]
async fn a_subscription_is_cut_after_so_many_events() {
    let server = TestServer::new().await;
    with_records(&server).await;
    let consumer = server.register("orders", "app").await;
    let faults = json!([{"calls": 1, "then": {"cut": true, "after-events": 2}}]);
    inject(&server, faults).await;
    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    assert_eq!(texts(&events.event().await), ["1", "2", "3"]);
    let (event, _) = tokio::join!(events.event(), server.put("orders", "k", "4"));
    assert_eq!(texts(&event), ["4"]);
    assert!(events.is_cut().await);

    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    assert_eq!(texts(&events.event().await).len(), 4, "the second call goes on");
    inject(&server, json!([{"then": {"cut": true, "after-events": 0}}])).await;
    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    assert!(events.is_cut().await);
}

#[tokio::test]
async fn a_subscription_ends_with_an_error_or_as_if_its_time_were_over() {
    in_both_formats("", async |server| {
        with_records(&server).await;
        let consumer = server.register("orders", "app").await;
        let then = json!({"error": "InternalFailureException", "after-events": 1});
        inject(&server, json!([{ "then": then }])).await;
        let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
        assert_eq!(texts(&events.event().await), ["1", "2", "3"]);
        let told = events.exception().await;
        assert_eq!(told, "InternalFailureException: Internal service failure.");

        inject(&server, json!([{"then": {"end": true, "after-events": 1}}])).await;
        let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
        events.event().await;
        assert_eq!(events.next().await, None);
    })
    .await;
}

#[tokio::test]
async fn an_event_comes_twice() {
    let server = TestServer::new().await;
    with_records(&server).await;
    let consumer = server.register("orders", "app").await;
    let fault = json!({"operation": "SubscribeToShard", "times": 1, "then": {"duplicate": true}});
    inject(&server, json!([fault])).await;
    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    let first = events.event().await;
    assert_eq!(events.event().await, first);
    assert_eq!(texts(&first), ["1", "2", "3"]);
    let (event, _) = tokio::join!(events.event(), server.put("orders", "k", "4"));
    assert_eq!(texts(&event), ["4"]);
}

#[tokio::test]
async fn faults_that_are_cleared_let_a_subscription_go_on() {
    let server = TestServer::new().await;
    with_records(&server).await;
    let consumer = server.register("orders", "app").await;
    inject(&server, json!([{"then": {"cut": true, "after-events": 2}}])).await;
    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    events.event().await;
    server.administer("DELETE", "faults", Value::Null).await;
    for text in ["4", "5", "6"] {
        let (event, _) = tokio::join!(events.event(), server.put("orders", "k", text));
        assert_eq!(texts(&event), [text]);
    }
}

#[tokio::test]
async fn half_of_an_answer_arrives() {
    in_both_formats("", async |server| {
        let iterator = with_records(&server).await;
        let input = json!({ "ShardIterator": iterator });
        let whole = server.answer("GetRecords", &input).await.body;
        let then = json!({"cut": true, "when": "mid-answer"});
        inject(&server, json!([{"operation": "GetRecords", "then": then}])).await;
        let request = server.request("GetRecords", wire::write(server.codec(), &input));
        let response = server.respond(request).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-length"], whole.len().to_string());
        let mut body = response.into_body();
        let mut told = Vec::new();
        while let Ok(frame) = body.frame().await.expect("an answer that is cut does not end") {
            told.extend(frame.into_data().unwrap());
        }
        // Iterators differ; what stands before them doesn't.
        assert_eq!((told.len(), &told[..80]), (whole.len() / 2, &whole[..80]));
    })
    .await;
}

#[tokio::test]
async fn a_read_may_be_cut_off() {
    let server = TestServer::new().await;
    let iterator = with_records(&server).await;
    let input = json!({ "ShardIterator": iterator });
    inject(&server, json!([{"operation": "GetRecords", "calls": 1, "then": {"cut": true}}])).await;
    assert!(is_cut(&server, "GetRecords", &input).await);
    assert!(!is_cut(&server, "GetRecords", &input).await);
}
