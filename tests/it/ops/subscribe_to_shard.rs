//! SubscribeToShard.

use std::{pin::pin, time::Duration};

use serde_json::json;

use crate::{
    events::{Events, input, oldest, subscribe_at},
    server::{TestServer, in_both_formats, shard_id, texts},
    wire,
};

const BUSY: &str = "Another active subscription exists for this consumer: \
                    000000000000:clicks:shardId-000000000000:app";

/// Registers the consumer `app` of the stream `clicks`; its ARN.
async fn register(server: &TestServer) -> String {
    server.register("clicks", "app").await
}

async fn subscribe(server: &TestServer, consumer: &str, shard: u32) -> Events {
    subscribe_at(server, consumer, shard, oldest()).await
}

#[tokio::test]
async fn records_are_pushed_as_they_are_put() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let consumer = register(&server).await;
        server.put("clicks", "a", "1").await;
        let second = server.put("clicks", "b", "2").await;
        let mut events = subscribe(&server, &consumer, 0).await;
        let event = events.event().await;
        assert_eq!(texts(&event), ["1", "2"]);
        let record = &event["Records"][1];
        assert_eq!(record["PartitionKey"], "b");
        assert_eq!(record["SequenceNumber"], second["SequenceNumber"]);
        assert_eq!(event["ContinuationSequenceNumber"], second["SequenceNumber"]);
        assert_eq!(event["MillisBehindLatest"], 0);
        assert_eq!(event.get("ChildShards"), None);
        let (event, _) = tokio::join!(events.event(), server.put("clicks", "c", "3"));
        assert_eq!(texts(&event), ["3"]);
    })
    .await;
}

#[tokio::test]
async fn silence_is_told_with_a_number_to_go_on_from() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    let mut events = subscribe_at(&server, &consumer, 0, json!({"Type": "LATEST"})).await;
    let (event, ()) = tokio::join!(events.event(), server.advance(Duration::from_secs(5)));
    assert_eq!((&event["Records"], &event["MillisBehindLatest"]), (&json!([]), &json!(0)));
    drop(events);
    for text in ["1", "2"] {
        server.put("clicks", "a", text).await;
    }
    // The number stands for a place before the first record, as nothing was read.
    for (kind, expected) in
        [("AFTER_SEQUENCE_NUMBER", ["1", "2"]), ("AT_SEQUENCE_NUMBER", ["1", "2"])]
    {
        let number = &event["ContinuationSequenceNumber"];
        let position = json!({"Type": kind, "SequenceNumber": number});
        let mut events = subscribe_at(&server, &consumer, 0, position).await;
        assert_eq!(texts(&events.event().await), expected, "{kind}");
    }
}

/// The number of a place is that of the record before it.
#[tokio::test]
async fn a_number_without_records_is_of_the_record_before() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    server.put("clicks", "a", "1").await;
    let mut events = subscribe_at(&server, &consumer, 0, json!({"Type": "LATEST"})).await;
    let (event, ()) = tokio::join!(events.event(), server.advance(Duration::from_secs(5)));
    assert_eq!(event["Records"], json!([]));
    server.put("clicks", "a", "2").await;
    let number = &event["ContinuationSequenceNumber"];
    for (kind, expected) in
        [("AFTER_SEQUENCE_NUMBER", &["2"][..]), ("AT_SEQUENCE_NUMBER", &["1", "2"])]
    {
        let position = json!({"Type": kind, "SequenceNumber": number});
        let mut events = subscribe_at(&server, &consumer, 0, position).await;
        assert_eq!(texts(&events.event().await), expected, "{kind}");
    }
}

#[tokio::test]
async fn reading_starts_where_it_is_told() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    server.put("clicks", "a", "1").await;
    server.advance(Duration::from_secs(10)).await;
    let second = server.put("clicks", "a", "2").await;
    server.put("clicks", "a", "3").await;
    let number = &second["SequenceNumber"];
    let at = wire::seconds(server.now());
    for (position, expected) in [
        (oldest(), &["1", "2", "3"][..]),
        (json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number}), &["2", "3"]),
        (json!({"Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": number}), &["3"]),
        (json!({"Type": "AT_TIMESTAMP", "Timestamp": at}), &["2", "3"]),
    ] {
        let mut events = subscribe_at(&server, &consumer, 0, position.clone()).await;
        assert_eq!(texts(&events.event().await), expected, "{position}");
    }
    let mut events = subscribe_at(&server, &consumer, 0, json!({"Type": "LATEST"})).await;
    let (event, _) = tokio::join!(events.event(), server.put("clicks", "a", "4"));
    assert_eq!(texts(&event), ["4"]);
}

#[tokio::test]
async fn a_closed_shard_ends_with_its_children() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let consumer = register(&server).await;
        server.put("clicks", "a", "1").await;
        let mut events = subscribe(&server, &consumer, 0).await;
        assert_eq!(texts(&events.event().await), ["1"]);
        let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
        let (last, _) = tokio::join!(events.event(), server.call("SplitShard", split));
        assert_eq!(last.get("ContinuationSequenceNumber"), None);
        assert_eq!(last["Records"], json!([]));
        let children = last["ChildShards"].as_array().unwrap();
        assert_eq!(children.len(), 2);
        assert_eq!(children[0]["ShardId"], shard_id(1));
        assert_eq!(children[0]["ParentShards"], json!([shard_id(0)]));
        assert_eq!(children[0]["HashKeyRange"]["EndingHashKey"], "8");
        assert!(events.next().await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_subscription_lives_for_five_minutes() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    let mut events = subscribe(&server, &consumer, 0).await;
    let (event, ()) = tokio::join!(events.event(), server.advance(Duration::from_secs(5)));
    assert_eq!(event["Records"], json!([]));
    let heartbeats = async {
        let mut heartbeats = 0;
        while events.next().await.is_some() {
            heartbeats += 1;
        }
        heartbeats
    };
    let (heartbeats, ()) = tokio::join!(heartbeats, server.advance(Duration::from_secs(295)));
    assert_eq!(heartbeats, 58, "one for each five seconds between");
}

#[tokio::test]
async fn the_newer_subscription_takes_over() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    let consumer = register(&server).await;
    let mut other = subscribe(&server, &consumer, 1).await;
    let mut first = subscribe(&server, &consumer, 0).await;
    let mut second = subscribe(&server, &consumer, 0).await;
    assert_eq!(first.exception().await, format!("ResourceInUseException: {BUSY}"));
    let five = Duration::from_secs(5);
    let (second, other, ()) = tokio::join!(second.event(), other.event(), server.advance(five));
    assert_eq!((&second["Records"], &other["Records"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn quotas_keep_a_young_subscription_in_its_place() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    let mut first = subscribe(&server, &consumer, 0).await;
    let again = || server.refusal("SubscribeToShard", input(&consumer, 0, &oldest()));
    assert!(again().await.starts_with("LimitExceededException: "));
    server.advance(Duration::from_secs(4)).await;
    assert_eq!(again().await, format!("ResourceInUseException: {BUSY}"));
    server.advance(Duration::from_secs(1)).await;
    subscribe(&server, &consumer, 0).await;
    assert_eq!(first.exception().await, format!("ResourceInUseException: {BUSY}"));
}

#[tokio::test]
async fn consumers_have_their_own_two_mebibytes_a_second() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    // Ten seconds' worth of records, of which GetRecords takes nothing away.
    for n in 0..10 {
        server.put("clicks", "a", &n.to_string().repeat(512 << 10)).await;
        server.advance(Duration::from_secs(1)).await;
    }
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    assert_eq!(server.get(&iterator).await["Records"].as_array().unwrap().len(), 10);
    let start = server.now();
    let mut events = subscribe(&server, &consumer, 0).await;
    let mut pushed = 0;
    while pushed < 10 {
        let mut event = pin!(events.event());
        let event = loop {
            tokio::select! {
                biased;
                event = &mut event => break event,
                () = server.advance(Duration::from_millis(10)) => {}
            }
        };
        pushed += event["Records"].as_array().unwrap().len();
    }
    let took = server.now() - start;
    assert!((1_200..1_600).contains(&took), "5 MiB at 2 MiB a second took {took} ms");
}

#[tokio::test]
async fn what_is_gone_ends_its_subscriptions() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    let mut events = subscribe(&server, &consumer, 0).await;
    let deregister = json!({ "ConsumerARN": consumer });
    let (exception, _) =
        tokio::join!(events.exception(), server.call("DeregisterStreamConsumer", deregister));
    assert!(exception.starts_with("ResourceNotFoundException: Consumer app with creation"));
    let consumer = register(&server).await;
    let mut events = subscribe(&server, &consumer, 0).await;
    let delete = json!({"StreamName": "clicks", "EnforceConsumerDeletion": true});
    let (exception, _) = tokio::join!(events.exception(), server.call("DeleteStream", delete));
    assert!(exception.starts_with("ResourceNotFoundException: "), "{exception}");
}

#[tokio::test]
async fn a_dry_run_subscribes_nobody() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let consumer = register(&server).await;
    let mut events = subscribe(&server, &consumer, 0).await;
    let mut dry = input(&consumer, 0, &oldest());
    dry["DryRun"] = json!(true);
    let refusal = server.refusal("SubscribeToShard", dry).await;
    assert!(refusal.starts_with("DryRunOperationException: "), "{refusal}");
    let (event, _) = tokio::join!(events.event(), server.put("clicks", "a", "1"));
    assert_eq!(texts(&event), ["1"]);
}
