//! UpdateShardCount.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats, shard_id},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    let input = json!({"TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING"});
    addressing::check("UpdateShardCount", input).await;
}

/// As it was seen on AWS: shards 1 and 2 are split, the outer parts merged with 0 and 3.
#[tokio::test]
async fn four_shards_become_three_as_on_aws() {
    in_both_formats("", async |server| {
        server.create("clicks", 4).await;
        let output = server.call("UpdateShardCount", target(3)).await;
        let expected = json!({"StreamName": "clicks", "StreamARN": server.arn("clicks"),
            "CurrentShardCount": 4, "TargetShardCount": 3});
        assert_eq!(output, expected);
        let shards = server.shards("clicks").await;
        assert_eq!(shards.len(), 11);
        let open: Vec<_> = open(&shards).map(|shard| shard["ShardId"].clone()).collect();
        assert_eq!(open, [6, 9, 10].map(|shard| json!(shard_id(shard))));
    })
    .await;
}

#[tokio::test]
async fn the_open_shards_are_equal_and_cover_all_hash_keys() {
    for (shards, targets) in [
        (2, &[(4, 6)][..]),
        (4, &[(5, 15), (6, 0), (3, 0)]),
        (4, &[(2, 6)]),
        (1, &[(2, 3), (4, 7), (8, 15), (4, 0), (2, 0), (1, 0)]),
        (3, &[(2, 0), (4, 0), (7, 0)]),
    ] {
        let server = TestServer::new().await.with_stream("clicks", shards).await;
        for (count, listed) in targets {
            server.call("UpdateShardCount", target(*count)).await;
            let shards = server.shards("clicks").await;
            // Totals are known where AWS was watched.
            assert!(*listed == 0 || shards.len() == *listed, "{count}: {}", shards.len());
            assert_uniform(&shards, *count);
        }
    }
}

#[tokio::test]
async fn records_stay_where_they_were_and_new_ones_go_to_open_shards() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    server.put("clicks", "a", "1").await;
    server.call("UpdateShardCount", target(3)).await;
    server.put("clicks", "a", "2").await;
    assert_eq!(server.read("clicks", 0).await, ["1"]);
    let mut texts = Vec::new();
    for index in 2..server.shards("clicks").await.len() as u32 {
        texts.extend(server.read("clicks", index).await);
    }
    assert_eq!(texts, ["2"]);
}

#[tokio::test]
async fn a_stream_is_updating_until_its_transition_is_over() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    let refusal = server.refusal("UpdateShardCount", target(2)).await;
    let words = "Stream clicks under account 000000000000 not ACTIVE, instead in state";
    assert_eq!(refusal, format!("ResourceInUseException: {words} CREATING"));
    server.advance(Duration::from_secs(20)).await;
    server.call("UpdateShardCount", target(2)).await;
    let refusal = server.refusal("UpdateShardCount", target(4)).await;
    assert_eq!(refusal, format!("ResourceInUseException: {words} UPDATING"));
    assert_eq!(server.shards("clicks").await.len(), 1);
    let server = server.after_crash().await;
    server.advance(Duration::from_secs(20)).await;
    assert_uniform(&server.shards("clicks").await, 2);
}

#[tokio::test]
async fn a_target_lies_between_half_and_double() {
    let server = TestServer::new().await.with_stream("clicks", 5).await;
    for (count, words) in [
        (
            11,
            "UpdateShardCount cannot scale up over double your current open shard count. Current \
              open shard count: 5 Target shard count: 11",
        ),
        (
            2,
            "UpdateShardCount cannot scale down below half your current open shard count. Current \
             open shard count: 5, Target shard count: 2",
        ),
    ] {
        let refusal = server.refusal("UpdateShardCount", target(count)).await;
        assert_eq!(refusal, format!("LimitExceededException: {words}"));
    }
    server.call("UpdateShardCount", target(3)).await;
    server.call("UpdateShardCount", target(3)).await;
    assert_uniform(&server.shards("clicks").await, 3);
}

#[tokio::test]
async fn a_target_lies_within_the_limit_of_the_account() {
    let server = TestServer::with("--shard-limit 7").await.with_stream("clicks", 3).await;
    server.create("orders", 2).await;
    let refusal = server.refusal("UpdateShardCount", target(6)).await;
    let words = "Target shard count or number of open shards cannot be greater than 5. Current \
        open shard count: 3, Target shard count: 6";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
    server.call("UpdateShardCount", target(5)).await;
}

#[tokio::test]
async fn ten_changes_a_day_are_allowed() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for change in 0..10 {
        server.call("UpdateShardCount", target(1 + (change + 1) % 2)).await;
        server.advance(Duration::from_secs(1)).await;
    }
    let refusal = server.refusal("UpdateShardCount", target(2)).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
    server.advance(Duration::from_hours(24) - Duration::from_millis(10_001)).await;
    server.refusal("UpdateShardCount", target(2)).await;
    server.advance(Duration::from_millis(1)).await;
    server.call("UpdateShardCount", target(2)).await;
    server.refusal("UpdateShardCount", target(1)).await;
}

#[tokio::test]
async fn ten_calls_a_second_are_admitted() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for _ in 0..10 {
        server.refusal("UpdateShardCount", target(3)).await;
    }
    let refusal = server.refusal("UpdateShardCount", target(2)).await;
    let words = "Rate exceeded for stream clicks under account 000000000000.";
    assert_eq!(refusal, format!("LimitExceededException: {words}"));
}

fn target(count: u32) -> Value {
    json!({"StreamName": "clicks", "TargetShardCount": count, "ScalingType": "UNIFORM_SCALING"})
}

fn open(shards: &[Value]) -> impl Iterator<Item = &Value> {
    shards.iter().filter(|shard| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null())
}

/// The open shards partition the hash keys, in parts that differ by a rounding at most.
fn assert_uniform(shards: &[Value], count: u32) {
    let bound = |shard: &Value, name: &str| -> u128 {
        shard["HashKeyRange"][name].as_str().unwrap().parse().unwrap()
    };
    let mut ranges: Vec<_> = open(shards)
        .map(|shard| (bound(shard, "StartingHashKey"), bound(shard, "EndingHashKey")))
        .collect();
    ranges.sort_unstable();
    assert_eq!(ranges.len(), count as usize);
    assert_eq!((ranges[0].0, ranges.last().unwrap().1), (0, u128::MAX));
    assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
    let widths = ranges.iter().map(|(start, end)| end - start);
    let (least, most) = (widths.clone().min().unwrap(), widths.max().unwrap());
    assert!(most - least <= u128::from(2 * count), "{ranges:?}");
}
