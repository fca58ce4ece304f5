//! Puts a hundred records into a stream, which it makes if it has to, and reads all that are there.

use std::{env, time::Duration};

use anyhow::{Context, bail};
use aws_sdk_kinesis::{
    Client,
    client::Waiters,
    primitives::Blob,
    types::{PutRecordsRequestEntry, Shard, ShardIteratorType},
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let stream = env::args().nth(1).context("usage: records STREAM")?;
    // docs: client
    let kinesis = Client::new(&aws_config::load_from_env().await);
    // docs: end

    ensure_stream(&kinesis, &stream, 2).await?;
    put(&kinesis, &stream, clicks(100)?).await?;
    for shard in shards(&kinesis, &stream).await? {
        read(&kinesis, &stream, shard.shard_id()).await?;
    }
    Ok(())
}

async fn ensure_stream(kinesis: &Client, stream: &str, shards: i32) -> anyhow::Result<()> {
    let created = kinesis.create_stream().stream_name(stream).shard_count(shards).send().await;
    if let Err(error) = created.map_err(|error| error.into_service_error())
        && !error.is_resource_in_use_exception()
    {
        return Err(error.into());
    }
    kinesis.wait_until_stream_exists().stream_name(stream).wait(Duration::from_secs(60)).await?;
    Ok(())
}

fn clicks(count: usize) -> anyhow::Result<Vec<PutRecordsRequestEntry>> {
    let entry = |click| {
        PutRecordsRequestEntry::builder()
            .partition_key(format!("user-{}", click % 7))
            .data(Blob::new(format!("click {click}")))
            .build()
    };
    Ok((0..count).map(entry).collect::<Result<_, _>>()?)
}

async fn put(
    kinesis: &Client,
    stream: &str,
    entries: Vec<PutRecordsRequestEntry>,
) -> anyhow::Result<()> {
    let output =
        kinesis.put_records().stream_name(stream).set_records(Some(entries)).send().await?;
    if let Some(refused) = output.records().iter().find(|entry| entry.error_code().is_some()) {
        bail!("{} not stored: {refused:?}", output.failed_record_count().unwrap_or_default());
    }
    Ok(())
}

async fn shards(kinesis: &Client, stream: &str) -> anyhow::Result<Vec<Shard>> {
    let mut page = kinesis.list_shards().stream_name(stream).max_results(1).send().await?;
    let mut shards = page.shards().to_vec();
    // The stream is named for the first page only: each token knows it.
    while let Some(token) = page.next_token() {
        page = kinesis.list_shards().next_token(token).max_results(1).send().await?;
        shards.extend_from_slice(page.shards());
    }
    Ok(shards)
}

async fn read(kinesis: &Client, stream: &str, shard: &str) -> anyhow::Result<()> {
    let start = kinesis
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await?;
    let mut iterator = start.shard_iterator;
    while let Some(here) = iterator {
        let output = kinesis.get_records().shard_iterator(here).limit(30).send().await?;
        for record in output.records() {
            let told = json!({
                "shard": shard,
                "key": record.partition_key(),
                "number": record.sequence_number(),
                "data": str::from_utf8(record.data().as_ref())?,
            });
            println!("{told}");
        }
        if output.millis_behind_latest() == Some(0) {
            break;
        }
        iterator = output.next_shard_iterator;
    }
    Ok(())
}
