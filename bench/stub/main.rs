//! The least server that the bench accepts: enough Kinesis for its own tests, kept in memory.
//!
//! It takes the command line of `millpond serve` and `millpond dev` and ignores all of it but
//! `--fail`, after which each PutRecords reports an entry that failed.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::wire::{Codec, Input, Output, Record, Result, Shard, StreamSummary};

mod wire;

/// The largest body taken; that of the largest PutRecords request.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Records in one page of GetRecords.
const PAGE_RECORDS: usize = 100;

/// Streams by name; a stream is a list of shards, a shard a list of records.
#[derive(Debug, Default)]
struct Stub {
    streams: Mutex<HashMap<String, Vec<Vec<Record>>>>,
    fail: bool,
}

fn main() -> std::io::Result<()> {
    let fail = std::env::args().any(|argument| argument == "--fail");
    let stub = Arc::new(Stub { fail, ..Stub::default() });
    let app = Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(stub);
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("stub on http://{}", listener.local_addr()?);
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            served = axum::serve(listener, app) => served,
            _ = terminate.recv() => Ok(()),
        }
    })
}

async fn answer(
    State(stub): State<Arc<Stub>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    match call(&stub, &headers, &body) {
        Ok(output) => (StatusCode::OK, output),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string().into_bytes()),
    }
}

fn call(stub: &Stub, headers: &HeaderMap, body: &[u8]) -> Result<Vec<u8>> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header(AUTHORIZATION.as_str()).ok_or("not signed")?;
    if !signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEBENCH/") {
        return Err("signed by somebody else".into());
    }
    let target = header("x-amz-target").ok_or("no target")?;
    let operation = target.strip_prefix("Kinesis_20131202.").ok_or("another service")?;
    let codec = Codec::of(header(CONTENT_TYPE.as_str()).ok_or("no content type")?)?;
    codec.encode(&stub.serve(operation, codec.decode(body)?)?)
}

impl Stub {
    fn serve(&self, operation: &str, input: Input) -> Result<Output> {
        let mut streams = self.streams.lock().map_err(|_| "poisoned")?;
        if operation == "ListStreams" {
            return Ok(Output { stream_names: Some(streams.keys().cloned().collect()), ..none() });
        }
        if operation == "GetRecords" {
            return get_records(&streams, &input.shard_iterator.ok_or("no iterator")?);
        }
        let name = input.stream_name.ok_or("no stream name")?;
        if operation == "CreateStream" {
            let shards = vec![Vec::new(); input.shard_count.ok_or("no shard count")?];
            streams.insert(name, shards);
            return Ok(none());
        }
        let stream = streams.get_mut(&name).ok_or("no such stream")?;
        match operation {
            "DescribeStreamSummary" => {
                let summary = StreamSummary { stream_status: "ACTIVE" };
                Ok(Output { stream_description_summary: Some(summary), ..none() })
            }
            "ListShards" => {
                let shards = (0..stream.len()).map(|shard| Shard { shard_id: shard_id(shard) });
                Ok(Output { shards: Some(shards.collect()), ..none() })
            }
            "GetShardIterator" => {
                let shard = input.shard_id.ok_or("no shard")?;
                let shard: usize = shard.strip_prefix("shardId-").ok_or("bad shard")?.parse()?;
                let tail = stream.get(shard).ok_or("no such shard")?.len();
                let at =
                    if input.shard_iterator_type.as_deref() == Some("LATEST") { tail } else { 0 };
                Ok(Output { shard_iterator: Some(format!("{name}/{shard}/{at}")), ..none() })
            }
            "PutRecord" => {
                put(stream, input.partition_key.ok_or("no key")?, input.data.ok_or("no data")?)
            }
            "PutRecords" => {
                let entries = input.records.ok_or("no records")?;
                let results =
                    entries.into_iter().map(|one| put(stream, one.partition_key, one.data));
                let records = Some(results.collect::<Result<_>>()?);
                Ok(Output { failed_record_count: Some(u32::from(self.fail)), records, ..none() })
            }
            _ => Err("unknown operation".into()),
        }
    }
}

/// Appends one record to the shard of its key.
fn put(stream: &mut [Vec<Record>], partition_key: String, data: wire::Blob) -> Result<Output> {
    let hash: usize = partition_key.bytes().map(usize::from).sum();
    let shard = hash % stream.len().max(1);
    let records = stream.get_mut(shard).ok_or("no shard")?;
    let sequence_number = format!("{:020}", records.len());
    records.push(Record { sequence_number: sequence_number.clone(), partition_key, data });
    let shard_id = Some(shard_id(shard));
    Ok(Output { sequence_number: Some(sequence_number), shard_id, ..none() })
}

fn get_records(streams: &HashMap<String, Vec<Vec<Record>>>, iterator: &str) -> Result<Output> {
    let mut parts = iterator.split('/');
    let mut part = || parts.next().ok_or("a short iterator");
    let (name, shard, at): (_, usize, usize) = (part()?, part()?.parse()?, part()?.parse()?);
    let shards = streams.get(name).ok_or("no such stream")?;
    let records = shards.get(shard).ok_or("no such shard")?;
    let page: Vec<Record> = records.iter().skip(at).take(PAGE_RECORDS).cloned().collect();
    let next = at + page.len();
    Ok(Output {
        next_shard_iterator: Some(format!("{name}/{shard}/{next}")),
        millis_behind_latest: Some(u32::from(next < records.len())),
        records: Some(page.into_iter().map(Output::from).collect()),
        ..none()
    })
}

fn shard_id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

fn none() -> Output {
    Output::default()
}
