//! Subscriptions over real connections: many, slow ones, and those that a stop meets.

use rustix::process::Signal;
use serde_json::json;

use super::{
    DEV,
    child::Millpond,
    client::{self, Client},
};
use crate::{
    events::{input, oldest},
    wire,
};

/// The ARNs of so many consumers of `clicks`.
fn register(server: &Millpond, consumers: usize) -> Vec<String> {
    let mut client = server.client();
    let register = |n: usize| {
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
        let input = json!({"StreamARN": arn, "ConsumerName": format!("app-{n}")});
        let output = client.call("RegisterStreamConsumer", &input);
        output["Consumer"]["ConsumerARN"].as_str().unwrap().to_owned()
    };
    (0..consumers).map(register).collect()
}

/// A connection on which the subscription has begun.
fn subscribe(server: &Millpond, consumer: &str, shard: u32) -> Client {
    let mut client = server.client();
    let body = input(consumer, shard, &oldest()).to_string();
    client.write(&client.head("SubscribeToShard", body.len(), ""));
    client.write(body.as_bytes());
    client.read_until("initial-response");
    client
}

/// The text as events carry it.
fn encoded(text: &str) -> String {
    wire::blob(text).as_str().unwrap().to_owned()
}

#[test]
fn a_thousand_subscriptions_get_every_record() {
    const CONSUMERS: usize = 20;
    const SHARDS: u32 = 50;
    let server = Millpond::start(DEV);
    server.client().create("clicks", SHARDS);
    let consumers = register(&server, CONSUMERS);
    let mut subscriptions = Vec::new();
    for shard in 0..SHARDS {
        subscriptions.extend(consumers.iter().map(|consumer| subscribe(&server, consumer, shard)));
    }
    let mut producer = server.client();
    for round in ["first", "second"] {
        // Enough keys that some go to every shard.
        let text = encoded(round);
        let record = |n: u32| json!({"Data": text, "PartitionKey": n.to_string()});
        for part in 0..4 {
            let records: Vec<_> = (part * 500..(part + 1) * 500).map(record).collect();
            let input = json!({"StreamName": "clicks", "Records": records});
            assert_eq!(producer.call("PutRecords", &input)["FailedRecordCount"], 0);
        }
        for subscription in &mut subscriptions {
            subscription.read_until(&text);
        }
    }
}

#[test]
fn a_consumer_that_does_not_read_slows_only_itself() {
    let server = Millpond::start(DEV);
    server.client().create("clicks", 1);
    let consumers = register(&server, 2);
    let mut stalled = subscribe(&server, &consumers[0], 0);
    let mut reading = subscribe(&server, &consumers[1], 0);
    let mut producer = server.client();
    let large = "x".repeat((1 << 20) - 1);
    // More than the connection's buffers hold.
    for n in 0..30 {
        producer.put("clicks", "k", &large);
        producer.put("clicks", "k", &format!("mark {n}"));
        reading.read_until(&encoded(&format!("mark {n}")));
    }
    for n in 0..30 {
        stalled.read_until(&encoded(&format!("mark {n}")));
    }
}

#[test]
fn a_signal_ends_subscriptions_at_once() {
    let server = Millpond::start(DEV);
    server.client().create("clicks", 1);
    let consumers = register(&server, 1);
    let mut subscription = subscribe(&server, &consumers[0], 0);
    let body = client::put_record("clicks", "k", "the last one");
    assert_eq!(server.client().send("PutRecord", &body).status, 200);
    subscription.read_until(&encoded("the last one"));
    server.signal(Signal::TERM);
    subscription.read_until("0\r\n\r\n");
    assert!(subscription.is_closed_at_last());
    assert_eq!(server.wait(), Some(0));
}
