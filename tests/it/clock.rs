//! A clock that the test owns: what time brings happens when it is due, in order, and at once.

use std::time::Duration;

use futures::future::join_all;
use millpond_api::types::SequenceNumber;
use serde_json::{Value, json};

use crate::{
    events::{oldest, subscribe_at},
    server::{START_MILLIS, TestServer, shard_id, texts},
};

mod owned;
mod repeated;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const MILLI: Duration = Duration::from_millis(1);
const START_SECONDS: u64 = START_MILLIS.cast_unsigned() / 1_000;

#[tokio::test]
async fn a_record_is_there_for_a_day_and_given_up_after_it() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "early").await;
    server.advance(HOUR).await;
    server.put("clicks", "k", "late").await;
    server.advance(MILLI * (23 * 3_600_000 - 1)).await;
    assert_eq!(server.read("clicks", 0).await, ["early", "late"]);
    server.advance(MILLI * 2).await;
    assert_eq!(server.read("clicks", 0).await, ["late"], "to the millisecond");
    server.advance(HOUR + HOUR).await;
    assert_eq!(server.read("clicks", 0).await, [""; 0]);
    let chunks = server.engine().logs().iter().map(|(_, chunks)| chunks).sum::<usize>();
    assert_eq!(chunks, 0, "its room is given back too");
}

#[tokio::test]
async fn an_iterator_lives_for_five_minutes() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let iterator = server.iterator("clicks", 0, "LATEST").await;
    server.advance(SECOND * 300).await;
    assert_eq!(server.texts(&iterator).await, [""; 0]);
    server.advance(MILLI).await;
    let refusal = server.refusal("GetRecords", json!({"ShardIterator": iterator})).await;
    assert!(refusal.starts_with("ExpiredIteratorException: "), "{refusal}");
}

#[tokio::test]
async fn a_next_token_lives_for_five_minutes() {
    let server = TestServer::new().await.with_stream("clicks", 3).await;
    let page = server.call("ListShards", json!({"StreamName": "clicks", "MaxResults": 1})).await;
    let next = json!({"NextToken": page["NextToken"]});
    server.advance(SECOND * 300).await;
    assert_eq!(server.call("ListShards", next.clone()).await["Shards"][0]["ShardId"], shard_id(1));
    server.advance(MILLI).await;
    let refusal = server.refusal("ListShards", next).await;
    assert!(refusal.starts_with("ExpiredNextTokenException: "), "{refusal}");
}

#[tokio::test]
async fn a_subscription_lives_for_five_minutes_and_is_told_of_silence() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = server.register("clicks", "app").await;
    let mut events = subscribe_at(&server, &consumer, 0, oldest()).await;
    server.put("clicks", "k", "1").await;
    let all = async {
        let mut all = Vec::new();
        while let Some((kind, event)) = events.next().await {
            assert_eq!(kind, "SubscribeToShardEvent");
            all.push(texts(&event));
        }
        all
    };
    let (all, ()) = tokio::join!(all, server.advance(SECOND * 300));
    assert_eq!(all[0], ["1"], "what was put before comes before what time brings");
    assert_eq!(all.len(), 1 + 59);
    assert!(all[1..].iter().all(Vec::is_empty));
}

#[tokio::test]
async fn a_subscription_that_nobody_reads_holds_up_no_move() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    let consumer = server.register("clicks", "app").await;
    let shards = [0, 1].map(|shard| subscribe_at(&server, &consumer, shard, oldest()));
    let mut stalled = join_all(shards).await;
    server.advance(HOUR * 25).await;
    for events in &mut stalled {
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn transitions_end_when_they_are_due() {
    let server = TestServer::with("--transition 500ms").await;
    server.create("clicks", 1).await;
    server.advance(MILLI * 499).await;
    assert_eq!(server.status("clicks").await, "CREATING");
    server.advance(MILLI).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
    let consumer = server.register("clicks", "app").await;
    assert_eq!(server.consumer(&consumer).await["ConsumerStatus"], "CREATING");
    server
        .call("DeleteStream", json!({"StreamName": "clicks", "EnforceConsumerDeletion": true}))
        .await;
    server.advance(MILLI * 500).await;
    let refusal = server.refusal("DescribeStreamSummary", json!({"StreamName": "clicks"})).await;
    assert!(refusal.starts_with("ResourceNotFoundException: "), "{refusal}");
}

#[tokio::test]
async fn shards_are_scaled_ten_times_in_a_day() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let scale = |target: u32| {
        json!({"StreamName": "clicks", "TargetShardCount": target,
            "ScalingType": "UNIFORM_SCALING"})
    };
    for i in 0..10 {
        server.call("UpdateShardCount", scale(2 - i % 2)).await;
        server.advance(SECOND).await;
    }
    let refusal = server.refusal("UpdateShardCount", scale(2)).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
    server.advance(SECOND * (24 * 3_600 - 10) + MILLI).await;
    server.call("UpdateShardCount", scale(2)).await;
    let refusal = server.refusal("UpdateShardCount", scale(1)).await;
    assert!(refusal.starts_with("LimitExceededException: "), "one a day has passed: {refusal}");
}

#[tokio::test]
async fn quotas_come_back_call_by_call() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let iterator = server.iterator("clicks", 0, "LATEST").await;
    let get = || server.outcome("GetRecords", json!({"ShardIterator": iterator}));
    let admitted = async || {
        let mut admitted = 0;
        while get().await.is_ok() {
            admitted += 1;
        }
        admitted
    };
    assert_eq!(admitted().await, 5);
    server.advance(MILLI * 199).await;
    assert_eq!(admitted().await, 0);
    server.advance(MILLI).await;
    assert_eq!(admitted().await, 1);
    server.advance(MILLI * 600).await;
    assert_eq!(admitted().await, 3);
    server.advance(SECOND * 290).await;
    assert_eq!(admitted().await, 5, "no more than there ever were");
}

/// When the shard was opened, in seconds from the start.
fn opened(shard: &Value) -> u64 {
    let first = shard["SequenceNumberRange"]["StartingSequenceNumber"].as_str().unwrap();
    first.parse::<SequenceNumber>().unwrap().shard_created - START_SECONDS
}

#[tokio::test]
async fn what_is_due_on_the_way_happens_at_its_own_time() {
    let server = TestServer::with("--transition 10s").await;
    server.create("first", 1).await;
    server.create("second", 1).await;
    server.advance(SECOND * 10).await;
    let split =
        |name: &str| json!({"StreamName": name, "ShardToSplit": "0", "NewStartingHashKey": "9"});
    server.call("SplitShard", split("second")).await;
    server.advance(SECOND * 5).await;
    server.call("SplitShard", split("first")).await;
    server.put("first", "k", "before").await;
    server.advance(HOUR).await;
    // Children open in the second after their parent is closed.
    let opened = async |name| server.shards(name).await.iter().map(opened).collect::<Vec<_>>();
    assert_eq!(opened("second").await, [0, 21, 21]);
    assert_eq!(opened("first").await, [0, 26, 26]);
    server.advance(HOUR * 24).await;
    assert_eq!(opened("first").await, [26, 26], "the parent is forgotten with its records");
}

#[tokio::test]
async fn on_demand_streams_are_scaled_in_the_minute_that_it_is_time() {
    let server = TestServer::new().await.with_stream("clicks", 8).await;
    let mode = json!({"StreamMode": "ON_DEMAND"});
    let input = json!({"StreamARN": server.arn("clicks"), "StreamModeDetails": mode});
    server.call("UpdateStreamMode", input).await;
    server.advance(HOUR * 25).await;
    let shards = server.shards("clicks").await;
    let merged: Vec<_> = shards.iter().filter(|shard| opened(shard) > 0).map(opened).collect();
    // Watched from the first minute on, they have been quiet for a day in the one after a day.
    let minute = 24 * 3_600 + 60;
    assert_eq!(merged, [minute + 1; 4]);
    assert_eq!(server.summary("clicks").await["OpenShardCount"], 4);
}
