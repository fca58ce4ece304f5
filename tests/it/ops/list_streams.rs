//! ListStreams.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    server::{STRANGER, TestServer, in_both_formats},
    wire,
};

#[tokio::test]
async fn streams_are_listed_with_their_summaries() {
    in_both_formats("", async |server| {
        let none = json!({"StreamNames": [], "HasMoreStreams": false, "StreamSummaries": []});
        assert_eq!(server.call("ListStreams", json!({})).await, none);
        server.create("orders", 1).await;
        server.create("clicks", 1).await;
        let summary = |name: &str| {
            json!({"StreamName": name, "StreamARN": server.arn(name), "StreamStatus": "ACTIVE",
                "StreamModeDetails": {"StreamMode": "PROVISIONED"},
                "StreamCreationTimestamp": wire::seconds(server.now())})
        };
        let expected = json!({"StreamNames": ["clicks", "orders"], "HasMoreStreams": false,
            "StreamSummaries": [summary("clicks"), summary("orders")]});
        assert_eq!(server.call("ListStreams", json!({})).await, expected);
        for other in [server.as_account(STRANGER), server.in_region("eu-west-1")] {
            assert_eq!(other.call("ListStreams", json!({})).await, none);
        }
    })
    .await;
}

#[tokio::test]
async fn names_are_sorted_by_code_point() {
    let server = TestServer::new().await;
    for name in ["b", "a", "B", "_", "9", ".", "-", "a.b", "a-b"] {
        server.create(name, 1).await;
    }
    let page = server.call("ListStreams", json!({})).await;
    let sorted = json!(["-", ".", "9", "B", "_", "a", "a-b", "a.b", "b"]);
    assert_eq!(page["StreamNames"], sorted);
}

#[tokio::test]
async fn names_come_in_pages() {
    let server = TestServer::new().await;
    let names: Vec<_> = (0..103).map(|index| format!("clicks-{index:03}")).collect();
    for name in &names {
        server.create(name, 1).await;
    }
    let page = server.call("ListStreams", json!({"Limit": 10_000})).await;
    assert_eq!(page["StreamNames"], json!(names[..100]), "a hundred at most");
    assert_eq!(page["HasMoreStreams"], true);
    let rest = json!({"NextToken": page["NextToken"]});
    let page = server.call("ListStreams", rest).await;
    assert_eq!(page["StreamNames"], json!(names[100..]));
    assert_eq!(page["HasMoreStreams"], false);
    assert!(page.get("NextToken").is_none());

    let mut found = Vec::new();
    let mut input = json!({"Limit": 10});
    loop {
        let page = server.call("ListStreams", input).await;
        found.extend(page["StreamNames"].as_array().unwrap().clone());
        let more = page["HasMoreStreams"].as_bool().unwrap();
        assert_eq!(page.get("NextToken").is_some(), more);
        if !more {
            break;
        }
        input = json!({"Limit": 10, "NextToken": page["NextToken"]});
    }
    assert_eq!(Value::Array(found), json!(names));
}

#[tokio::test]
async fn a_listing_can_start_after_a_name() {
    let server = TestServer::new().await;
    for name in ["a", "c", "e"] {
        server.create(name, 1).await;
    }
    for (after, found) in [
        ("a", json!(["c", "e"])),
        ("b", json!(["c", "e"])),
        ("e", json!([])),
        ("0", json!(["a", "c", "e"])),
    ] {
        let page = server.call("ListStreams", json!({"ExclusiveStartStreamName": after})).await;
        assert_eq!(page["StreamNames"], found, "after {after}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_five_minutes_and_for_its_owner() {
    let server = TestServer::new().await.with_stream("a", 1).await.with_stream("b", 1).await;
    let page = server.call("ListStreams", json!({"Limit": 1})).await;
    let next = json!({"NextToken": page["NextToken"]});
    server.advance(Duration::from_mins(5)).await;
    let server = server.after_crash().await;
    assert_eq!(server.call("ListStreams", next.clone()).await["StreamNames"], json!(["b"]));
    for other in [server.as_account(STRANGER), server.in_region("eu-west-1")] {
        let refusal = other.refusal("ListStreams", next.clone()).await;
        assert!(refusal.starts_with("InvalidArgumentException"), "{refusal}");
    }
    let both = json!({"NextToken": page["NextToken"], "ExclusiveStartStreamName": "a"});
    for input in [both, json!({"NextToken": "AAAA"}), json!({"NextToken": "?"})] {
        let refusal = server.refusal("ListStreams", input).await;
        assert!(refusal.starts_with("InvalidArgumentException"), "{refusal}");
    }
    server.advance(Duration::from_millis(1)).await;
    let refusal = server.refusal("ListStreams", next).await;
    assert!(refusal.starts_with("ExpiredNextTokenException"), "{refusal}");
}

#[tokio::test]
async fn streams_are_listed_in_every_state() {
    let server = TestServer::with("--transition 20s").await.with_stream("deleting", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("DeleteStream", json!({"StreamName": "deleting"})).await;
    server.create("creating", 1).await;
    let page = server.call("ListStreams", json!({})).await;
    let status = |at: usize| &page["StreamSummaries"][at]["StreamStatus"];
    assert_eq!((status(0), status(1)), (&json!("CREATING"), &json!("DELETING")));
}

#[tokio::test]
async fn five_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await;
    for _ in 0..5 {
        server.call("ListStreams", json!({})).await;
    }
    let refusal = server.refusal("ListStreams", json!({})).await;
    assert!(refusal.starts_with("LimitExceededException: Rate exceeded"), "{refusal}");
    server.as_account(STRANGER).call("ListStreams", json!({})).await;
    server.advance(Duration::from_millis(200)).await;
    server.call("ListStreams", json!({})).await;
}
