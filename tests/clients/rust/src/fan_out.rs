//! Reads a shard by enhanced fan-out until it ends, and tells each event in a line of JSON.

use std::{env, time::Duration};

use anyhow::{Context, bail};
use aws_sdk_kinesis::{
    Client,
    error::SdkError,
    types::{
        ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
        SubscribeToShardEventStream::SubscribeToShardEvent as Event,
        builders::StartingPositionBuilder, error::SubscribeToShardEventStreamError as EventError,
    },
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [stream, shard] = arguments.as_slice() else { bail!("usage: fan_out STREAM SHARD") };
    let kinesis = Client::new(&aws_config::load_from_env().await);

    let consumer = register(&kinesis, stream, "dashboard").await?;
    println!("{}", json!({ "consumer": consumer }));
    let Err(error) = read(&kinesis, &consumer, shard).await else { return Ok(()) };
    match error.downcast_ref() {
        Some(EventError::ResourceNotFoundException(_)) => {
            println!("{}", json!({ "error": "ResourceNotFoundException" }));
            Ok(())
        }
        _ => Err(error),
    }
}

/// The ARN of the new consumer, when it is ACTIVE.
async fn register(kinesis: &Client, stream: &str, name: &str) -> anyhow::Result<String> {
    let described = kinesis.describe_stream_summary().stream_name(stream).send().await?;
    let summary = described.stream_description_summary.context("no summary")?;
    let registered = kinesis
        .register_stream_consumer()
        .stream_arn(summary.stream_arn())
        .consumer_name(name)
        .send()
        .await?;
    let consumer = registered.consumer.context("no consumer")?;
    loop {
        let described =
            kinesis.describe_stream_consumer().consumer_arn(consumer.consumer_arn()).send().await?;
        let description = described.consumer_description.context("no description")?;
        if description.consumer_status == ConsumerStatus::Active {
            return Ok(consumer.consumer_arn);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

// docs: subscribe
/// A subscription lasts five minutes; the next one goes on where it was.
async fn read(kinesis: &Client, consumer: &str, shard: &str) -> anyhow::Result<()> {
    let mut position = Some(StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon));
    while let Some(start) = position.clone() {
        let mut subscription = kinesis
            .subscribe_to_shard()
            .consumer_arn(consumer)
            .shard_id(shard)
            .starting_position(start.build()?)
            .send()
            .await?;
        let events = &mut subscription.event_stream;
        while let Some(told) = events.recv().await.map_err(SdkError::into_service_error)? {
            if let Event(event) = told {
                tell(&event)?;
                position = after(&event);
            }
        }
    }
    Ok(())
}

/// Where to go on after the event; nowhere when the shard has ended.
fn after(event: &SubscribeToShardEvent) -> Option<StartingPositionBuilder> {
    let number = event.continuation_sequence_number();
    (!number.is_empty()).then(|| {
        StartingPosition::builder()
            .r#type(ShardIteratorType::AfterSequenceNumber)
            .sequence_number(number)
    })
}
// docs: end

fn tell(event: &SubscribeToShardEvent) -> anyhow::Result<()> {
    let data: Result<Vec<_>, _> =
        event.records().iter().map(|record| str::from_utf8(record.data().as_ref())).collect();
    let mut told = json!({ "data": data? });
    if !event.child_shards().is_empty() {
        let children: Vec<_> = event.child_shards().iter().map(|child| child.shard_id()).collect();
        told["children"] = json!(children);
    }
    println!("{told}");
    Ok(())
}
