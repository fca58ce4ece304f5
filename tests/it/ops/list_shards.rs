//! ListShards.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{ACCOUNT, START_MILLIS, STRANGER, TestServer, in_both_formats, shard_id},
    wire,
};

const MIDDLE: &str = "170141183460469231731687303715884105728";

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("ListShards", json!({})).await;
}

#[tokio::test]
async fn a_filter_selects_by_id_or_by_time() {
    in_both_formats("", async |server| {
        split_twice(&server).await;
        let at = |hours: i64| wire::seconds(START_MILLIS + hours * 3_600_000);
        let filter = |kind: &str| json!({ "Type": kind });
        let timed = |kind: &str, hours: i64| json!({"Type": kind, "Timestamp": at(hours)});
        let after = |id: u32| json!({"Type": "AFTER_SHARD_ID", "ShardId": shard_id(id)});
        for (filter, expected) in [
            (filter("AT_LATEST"), &[1, 3, 4][..]),
            (filter("FROM_TRIM_HORIZON"), &[0, 1, 2, 3, 4]),
            (filter("AT_TRIM_HORIZON"), &[0]),
            (timed("AT_TIMESTAMP", -99), &[0]),
            (timed("AT_TIMESTAMP", 1), &[0]),
            (timed("AT_TIMESTAMP", 3), &[1, 2]),
            (timed("AT_TIMESTAMP", 5), &[1, 3, 4]),
            (timed("FROM_TIMESTAMP", 1), &[0, 1, 2, 3, 4]),
            (timed("FROM_TIMESTAMP", 3), &[1, 2, 3, 4]),
            (timed("FROM_TIMESTAMP", 5), &[1, 3, 4]),
            (after(0), &[1, 2, 3, 4]),
            (after(3), &[4]),
            (after(9), &[]),
        ] {
            let page = list(&server, json!({ "ShardFilter": filter })).await;
            assert_eq!(ids(&page), expected, "{filter}");
            assert!(page.get("NextToken").is_none());
        }
        let page = list(&server, json!({"ExclusiveStartShardId": shard_id(2)})).await;
        assert_eq!(ids(&page), [3, 4]);
    })
    .await;
}

#[tokio::test]
async fn the_trim_horizon_of_a_stream_that_took_time_to_create_has_shards() {
    let server = TestServer::with("--transition 500ms").await.with_stream("clicks", 2).await;
    server.advance(Duration::from_millis(500)).await;
    let page = list(&server, json!({"ShardFilter": {"Type": "AT_TRIM_HORIZON"}})).await;
    assert_eq!(ids(&page), [0, 1]);
}

#[tokio::test]
async fn a_filter_has_what_its_type_takes_and_nothing_else() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let time = wire::seconds(START_MILLIS);
    for filter in [
        json!({"Type": "AFTER_SHARD_ID"}),
        json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-0", "Timestamp": time}),
        json!({"Type": "AT_TIMESTAMP"}),
        json!({"Type": "FROM_TIMESTAMP", "ShardId": "shardId-0"}),
        json!({"Type": "AT_LATEST", "Timestamp": time}),
        json!({"Type": "FROM_TRIM_HORIZON", "ShardId": "shardId-0"}),
    ] {
        let input = json!({"StreamName": "clicks", "ShardFilter": filter});
        let refusal = server.refusal("ListShards", input).await;
        assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    }
}

#[tokio::test]
async fn shards_come_in_pages_of_a_thousand() {
    let server = TestServer::new().await.with_stream("clicks", 1003).await;
    let page = list(&server, json!({"MaxResults": 10_000})).await;
    assert_eq!(ids(&page), (0..1000).collect::<Vec<_>>());
    let rest = server.call("ListShards", json!({"NextToken": page["NextToken"]})).await;
    assert_eq!(ids(&rest), [1000, 1001, 1002]);
    assert!(rest.get("NextToken").is_none());
}

#[tokio::test]
async fn a_token_carries_the_filter_on() {
    let server = TestServer::new().await;
    split_twice(&server).await;
    for (filter, expected) in [
        (json!({"Type": "AT_LATEST"}), &[1, 3, 4][..]),
        (json!({"Type": "AFTER_SHARD_ID", "ShardId": shard_id(0)}), &[1, 2, 3, 4]),
        (json!({"Type": "FROM_TRIM_HORIZON"}), &[0, 1, 2, 3, 4]),
        (
            json!({"Type": "AT_TIMESTAMP", "Timestamp": wire::seconds(START_MILLIS + 10_800_000)}),
            &[1, 2],
        ),
    ] {
        let mut page = list(&server, json!({"ShardFilter": filter, "MaxResults": 1})).await;
        let mut found = ids(&page);
        while page["NextToken"].is_string() {
            let next = json!({"NextToken": page["NextToken"], "MaxResults": 1});
            page = server.call("ListShards", next).await;
            found.extend(ids(&page));
        }
        assert_eq!(found, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_five_minutes_for_its_stream_and_owner() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    let page = list(&server, json!({"MaxResults": 1})).await;
    let next = json!({"NextToken": page["NextToken"]});
    server.advance(Duration::from_mins(5)).await;
    let server = server.after_crash().await;
    assert_eq!(ids(&server.call("ListShards", next.clone()).await), [1, 2]);
    for other in [server.as_account(STRANGER), server.in_region("eu-west-1")] {
        let refusal = other.refusal("ListShards", next.clone()).await;
        assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    }
    server.create("orders", 1).await;
    server.create("visits", 1).await;
    let foreign = server.call("ListStreams", json!({"Limit": 1})).await["NextToken"].clone();
    assert!(foreign.is_string());
    let refusal = server.refusal("ListShards", json!({ "NextToken": foreign })).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    server.create("clicks", 3).await;
    let refusal = server.refusal("ListShards", next.clone()).await;
    let missing = format!("Stream clicks under account {ACCOUNT} not found.");
    assert_eq!(refusal, format!("ResourceNotFoundException: {missing}"));
    server.advance(Duration::from_millis(1)).await;
    let refusal = server.refusal("ListShards", next).await;
    assert!(refusal.starts_with("ExpiredNextTokenException: "), "{refusal}");
}

#[tokio::test]
async fn the_time_of_creation_tells_streams_of_one_name_apart() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let created = |millis: i64| json!({"StreamCreationTimestamp": wire::seconds(millis)});
    assert_eq!(ids(&list(&server, created(START_MILLIS)).await), [0]);
    let mut other = created(START_MILLIS - 1000);
    other["StreamName"] = json!("clicks");
    let refusal = server.refusal("ListShards", other).await;
    assert!(refusal.starts_with("ResourceNotFoundException: "), "{refusal}");
}

#[tokio::test]
async fn a_stream_in_creation_lists_nothing_yet() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal("ListShards", json!({"StreamName": "clicks"})).await;
    assert!(refusal.starts_with("ResourceInUseException: "), "{refusal}");
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(ids(&list(&server, json!({})).await), [0]);
}

#[tokio::test]
async fn a_thousand_calls_a_second_are_admitted_to_a_stream() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    server.create("orders", 1).await;
    for _ in 0..1000 {
        list(&server, json!({"MaxResults": 1})).await;
    }
    let refusal = server.refusal("ListShards", json!({"StreamName": "clicks"})).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.shards("orders").await;
    server.advance(Duration::from_millis(1)).await;
    list(&server, json!({})).await;
}

/// 0 is split into 1 and 2 after two hours, and 2 into 3 and 4 after four; five have passed.
async fn split_twice(server: &TestServer) {
    server.create("clicks", 1).await;
    server.advance(Duration::from_hours(2)).await;
    for (shard, key) in [("0", MIDDLE), ("2", "255211775190703847597530955573826158592")] {
        let input = json!({"StreamName": "clicks", "ShardToSplit": shard,
            "NewStartingHashKey": key});
        server.call("SplitShard", input).await;
        server.advance(Duration::from_hours(2)).await;
    }
}

async fn list(server: &TestServer, input: Value) -> Value {
    let mut input = input;
    input["StreamName"] = json!("clicks");
    server.call("ListShards", input).await
}

fn ids(page: &Value) -> Vec<u32> {
    let shards = page["Shards"].as_array().unwrap();
    let index = |shard: &Value| shard["ShardId"].as_str().unwrap()[8..].parse().unwrap();
    shards.iter().map(index).collect()
}
