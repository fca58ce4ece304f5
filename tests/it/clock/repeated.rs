//! Under a seed, the same calls get the same bytes.

use std::fmt::Write as _;

use millpond_api::Codec;
use millpond_shards::engine::{Engine as _, MetadataRows};
use serde_json::{Value, json};

use super::SECOND;
use crate::{
    events::{input, oldest},
    server::{TestServer, shard_id},
    wire::{self, Answer},
};

/// A client that keeps all that it was sent.
struct Client {
    server: TestServer,
    heard: String,
}

impl Client {
    async fn call(&mut self, operation: &str, input: Value) -> Value {
        let answer = self.server.answer(operation, &input).await;
        self.hear(operation, &answer);
        if answer.status == 200 { answer.value() } else { Value::Null }
    }

    fn hear(&mut self, operation: &str, answer: &Answer) {
        let Answer { status, headers, body } = answer;
        writeln!(self.heard, "{operation} {status} {headers:?} {body:?}").unwrap();
    }

    /// What a client does in five minutes.
    async fn session(&mut self) {
        let clicks = json!({"StreamName": "clicks"});
        self.call("CreateStream", json!({"StreamName": "clicks", "ShardCount": 3})).await;
        self.call("CreateStream", json!({"StreamName": "other"})).await;
        let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": wire::blob("one")});
        self.call("PutRecord", put.clone()).await;
        let entry = |key: &str| json!({"PartitionKey": key, "Data": wire::blob(key)});
        let entries: Vec<_> = ["a", "b", "c", "d"].map(entry).into();
        self.call("PutRecords", json!({"StreamName": "clicks", "Records": entries})).await;
        self.server.advance(SECOND).await;
        let iterator = json!({"StreamName": "clicks", "ShardId": shard_id(1),
            "ShardIteratorType": "TRIM_HORIZON"});
        let mut next = self.call("GetShardIterator", iterator).await["ShardIterator"].clone();
        for _ in 0..2 {
            let read = self.call("GetRecords", json!({ "ShardIterator": next })).await;
            next = read["NextShardIterator"].clone();
        }
        let page = self.call("ListStreams", json!({"Limit": 1})).await;
        self.call("ListStreams", json!({"NextToken": page["NextToken"]})).await;
        let page = self.call("ListShards", json!({"StreamName": "clicks", "MaxResults": 2})).await;
        self.call("ListShards", json!({"NextToken": page["NextToken"]})).await;
        self.call("DescribeStream", json!({"StreamName": "absent"})).await;
        let register = json!({"StreamARN": self.server.arn("clicks"), "ConsumerName": "app"});
        let consumer = self.call("RegisterStreamConsumer", register).await;
        self.subscribe(consumer["Consumer"]["ConsumerARN"].as_str().unwrap()).await;
        let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
        self.call("SplitShard", split).await;
        self.call("PutRecord", put).await;
        self.call("DescribeStream", clicks).await;
    }

    async fn subscribe(&mut self, consumer: &str) {
        let body = wire::write(self.server.codec(), &input(consumer, 1, &oldest()));
        let response = self.server.respond(self.server.request("SubscribeToShard", body)).await;
        let (answer, ()) = tokio::join!(Answer::of(response), self.server.advance(SECOND * 300));
        self.hear("SubscribeToShard", &answer);
    }
}

/// All that a fresh server answers.
async fn heard(flags: &str, codec: Codec) -> String {
    let server = TestServer::with(flags).await.speaking(codec);
    let mut client = Client { server, heard: String::new() };
    client.session().await;
    client.heard
}

#[tokio::test]
async fn the_same_seed_gives_the_same_bytes() {
    for codec in [Codec::Json, Codec::Cbor] {
        let (first, again) = (heard("--seed 17", codec).await, heard("--seed 17", codec).await);
        assert!(first.contains("x-amzn-requestid") && first.contains("x-amz-id-2"), "{first}");
        for (first, again) in first.lines().zip(again.lines()) {
            assert_eq!(first, again);
        }
        assert_eq!(first, again);
    }
}

#[tokio::test]
async fn another_seed_or_none_gives_other_bytes() {
    let seeded = heard("--seed 17", Codec::Json).await;
    let other = heard("--seed 18", Codec::Json).await;
    let (unseeded, unseeded_too) = (heard("", Codec::Json).await, heard("", Codec::Json).await);
    let all = [&seeded, &other, &unseeded, &unseeded_too];
    for operation in ["CreateStream", "GetShardIterator", "ListStreams"] {
        let lines =
            all.map(|heard| heard.lines().find(|line| line.starts_with(operation)).unwrap());
        for (i, line) in lines.iter().enumerate() {
            assert!(!lines[..i].contains(line), "{operation} repeats: {line}");
        }
    }
}

/// What is stored of a server with one stream, encrypted or not.
async fn stored(is_encrypted: bool) -> MetadataRows {
    let server = TestServer::with("--seed 17").await.with_stream("clicks", 1).await;
    if is_encrypted {
        let key = json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": "alias/k"});
        server.call("StartStreamEncryption", key).await;
    }
    server.put("clicks", "k", "secret").await;
    server.engine().load_metadata().await.unwrap()
}

#[tokio::test]
async fn a_seed_decides_nothing_that_encrypts() {
    assert_eq!(stored(false).await, stored(false).await);
    assert_ne!(stored(true).await, stored(true).await, "data keys and nonces are never repeated");
}
