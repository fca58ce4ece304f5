//! The few control operations that a run needs before it measures.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::body::Body;
use crate::codec::Codec;
use crate::endpoint::Endpoint;
use crate::http::{Connection, keep};

/// How long one control operation may take, and a stream to become active.
const CALL_MAX: Duration = Duration::from_secs(30);
const ACTIVE_MAX: Duration = Duration::from_mins(1);
const ACTIVE_POLL: Duration = Duration::from_millis(20);
const STREAM_STATUS: &str = "/StreamDescriptionSummary/StreamStatus";
const CONSUMER_STATUS: &str = "/ConsumerDescription/ConsumerStatus";
/// What a record may be unless a stream is told to take larger ones, and the largest of all.
const RECORD_BYTES_USUAL: usize = 1 << 20;
const RECORD_KIB_MAX: u32 = 10 * 1024;
/// Pages of ListShards followed; a page has up to 10,000 shards.
const PAGES_MAX: usize = 100;

/// A connection for control operations, in JSON.
pub(crate) struct Control {
    connection: Connection,
}

impl Control {
    pub(crate) async fn connect(endpoint: &Endpoint) -> Result<Self> {
        Ok(Self { connection: Connection::open(endpoint).await? })
    }

    /// Creates a stream for records of so much data and waits until it is active.
    pub(crate) async fn create_stream(
        &mut self,
        stream: &str,
        shards: usize,
        data_bytes: usize,
    ) -> Result<()> {
        let input = if data_bytes > RECORD_BYTES_USUAL {
            let most = RECORD_KIB_MAX;
            json!({"StreamName": stream, "ShardCount": shards, "MaxRecordSizeInKiB": most})
        } else {
            json!({"StreamName": stream, "ShardCount": shards})
        };
        self.call("CreateStream", &input).await?;
        let input = json!({"StreamName": stream});
        self.until_active("DescribeStreamSummary", &input, STREAM_STATUS).await
    }

    /// Asks until the status in the answer is ACTIVE.
    async fn until_active(
        &mut self,
        operation: &'static str,
        input: &Value,
        status: &str,
    ) -> Result<()> {
        let deadline = Instant::now() + ACTIVE_MAX;
        while Instant::now() < deadline {
            let output = self.call(operation, input).await?;
            if output.pointer(status).and_then(Value::as_str) == Some("ACTIVE") {
                return Ok(());
            }
            sleep(ACTIVE_POLL).await;
        }
        bail!("{operation}: {input} did not become active within {ACTIVE_MAX:?}");
    }

    /// The ids of all shards of a stream, which were never split or merged.
    pub(crate) async fn shards(&mut self, stream: &str) -> Result<Vec<String>> {
        let mut shards = Vec::new();
        let mut input = json!({"StreamName": stream});
        for _ in 0..PAGES_MAX {
            let output = self.call("ListShards", &input).await?;
            let page = output.get("Shards").and_then(Value::as_array).context("no Shards")?;
            for shard in page {
                let id = shard.get("ShardId").and_then(Value::as_str).context("no ShardId")?;
                shards.push(id.to_owned());
            }
            match output.get("NextToken").filter(|token| !token.is_null()) {
                Some(token) => input = json!({"NextToken": token}),
                None => return Ok(shards),
            }
        }
        bail!("{stream} has more than {PAGES_MAX} pages of shards");
    }

    /// Registers a consumer of a stream; its ARN.
    pub(crate) async fn register_consumer(&mut self, stream: &str, name: &str) -> Result<String> {
        let summary = self.call("DescribeStreamSummary", &json!({"StreamName": stream})).await?;
        let arn = summary.pointer("/StreamDescriptionSummary/StreamARN").context("no StreamARN")?;
        let input = json!({"StreamARN": arn, "ConsumerName": name});
        let output = self.call("RegisterStreamConsumer", &input).await?;
        let arn = output.pointer("/Consumer/ConsumerARN").and_then(Value::as_str);
        let arn = arn.context("no ConsumerARN")?.to_owned();
        let input = json!({"ConsumerARN": arn});
        self.until_active("DescribeStreamConsumer", &input, CONSUMER_STATUS).await?;
        Ok(arn)
    }

    /// A shard iterator of a type that needs no more than its name.
    pub(crate) async fn shard_iterator(
        &mut self,
        stream: &str,
        shard: &str,
        kind: &str,
    ) -> Result<String> {
        let input = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": kind});
        let output = self.call("GetShardIterator", &input).await?;
        let iterator = output.get("ShardIterator").and_then(Value::as_str);
        Ok(iterator.context("no ShardIterator")?.to_owned())
    }

    /// Splits an open shard in two.
    pub(crate) async fn split(&mut self, stream: &str, shard: &str, at: u128) -> Result<()> {
        let input = json!({
            "StreamName": stream,
            "ShardToSplit": shard,
            "NewStartingHashKey": at.to_string(),
        });
        self.call("SplitShard", &input).await?;
        let input = json!({"StreamName": stream});
        self.until_active("DescribeStreamSummary", &input, STREAM_STATUS).await
    }

    /// Any operation that answers at once; used to see that a server does.
    pub(crate) async fn list_streams(&mut self) -> Result<()> {
        let output = self.call("ListStreams", &json!({})).await?;
        output.get("StreamNames").and_then(Value::as_array).context("no StreamNames")?;
        Ok(())
    }

    /// Calls an operation; an output without members is `null`.
    async fn call(&mut self, operation: &'static str, input: &Value) -> Result<Value> {
        let mut signer = self.connection.signer(Codec::Json.content_type(), operation);
        let body = Body::new(input.to_string());
        let call = self.connection.call(&mut signer, Instant::now(), &body, keep);
        let answer = timeout(CALL_MAX, call).await;
        let answer = answer.with_context(|| format!("{operation} took too long"))?;
        let answer = answer.with_context(|| format!("calling {operation}"))?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(answer).with_context(|| format!("decoding {operation}"))
    }
}
