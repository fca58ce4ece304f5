//! Errors of subscriptions.

use std::time::Duration;

use serde_json::json;

use super::case::{Case, Scene, refused};
use crate::{
    events::{input, oldest, subscribe_at},
    server::{START_MILLIS, TestServer, shard_id},
    wire::Refusal,
};

const SUBSCRIBE: &str = "SubscribeToShard";
const IN_USE: &str = "ResourceInUseException";

pub(super) fn cases() -> Vec<Case> {
    let just_now = "repeat within 5 s of success";
    let too_often = "more than 1 call/s per consumer and shard";
    vec![
        Case::new(SUBSCRIBE, "consumer not ACTIVE", IN_USE, |codec| async move {
            let server = Scene::Active.set(codec).await;
            let consumer = server.register("clicks", "app").await;
            refused(&server, SUBSCRIBE, input(&consumer, 0, &oldest())).await
        })
        .fill("name", "app")
        .fill("epochSeconds", START_MILLIS / 1000 + 3600),
        Case::new(
            SUBSCRIBE,
            "consumer ARN unknown or deregistered",
            "ResourceNotFoundException",
            |codec| async move {
                let server = Scene::Active.set(codec).await;
                let consumer = format!("{}/consumer/app:1700000000", server.arn("clicks"));
                refused(&server, SUBSCRIBE, input(&consumer, 0, &oldest())).await
            },
        )
        .fill("name", "app")
        .fill("epochSeconds", 1_700_000_000),
        Case::new(
            SUBSCRIBE,
            "sequence number of another shard",
            "InvalidArgumentException",
            |codec| async move {
                let (server, consumer) = active(codec, "").await;
                let number = server.shards("clicks").await[1]["SequenceNumberRange"]
                    ["StartingSequenceNumber"]
                    .clone();
                let position = json!({"Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": number});
                refused(&server, SUBSCRIBE, input(&consumer, 0, &position)).await
            },
        )
        .fill("otherShard", shard_id(1)),
        Case::new(
            "SubscribeToShard (in stream)",
            "another subscription took over",
            IN_USE,
            |codec| async move {
                let (server, consumer) = active(codec, "").await;
                let mut first = subscribe_at(&server, &consumer, 0, oldest()).await;
                let _second = subscribe_at(&server, &consumer, 0, oldest()).await;
                let (code, payload) = first.next().await.unwrap();
                let message = payload["message"].as_str().unwrap().to_owned();
                Refusal { status: 200, code, message }
            },
        )
        .fill("consumer", "app"),
        Case::new(SUBSCRIBE, just_now, IN_USE, |codec| repeated(codec, 4)),
        Case::new(SUBSCRIBE, too_often, "LimitExceededException", |codec| repeated(codec, 0)),
    ]
}

/// A stream of two shards and its consumer `app`, both ACTIVE.
async fn active(codec: millpond_api::Codec, flags: &str) -> (TestServer, String) {
    let server = TestServer::with(flags).await.speaking(codec).with_stream("clicks", 2).await;
    let consumer = server.register("clicks", "app").await;
    (server, consumer)
}

/// What the second of two calls is told that are so many seconds apart.
async fn repeated(codec: millpond_api::Codec, seconds: u64) -> Refusal {
    let (server, consumer) = active(codec, "--quotas strict").await;
    let _first = subscribe_at(&server, &consumer, 0, oldest()).await;
    server.advance(Duration::from_secs(seconds)).await;
    refused(&server, SUBSCRIBE, input(&consumer, 0, &oldest())).await
}
