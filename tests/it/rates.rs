//! The rates that are admitted, through the whole service: once the bucket is drained, 10 s admit
//! what the limit says, and no window admits more than its length's worth and the depth.

use std::time::Duration;

use bytes::Bytes;
use millpond_api::{Codec, types::HashKeyRange};
use serde_json::{Value, json};

use crate::{server::TestServer, wire};

const MIB: u64 = 1 << 20;
const LENGTH: Duration = Duration::from_secs(10);

/// What one shard admitted, by milliseconds since the start.
#[derive(Default, Clone)]
struct History(Vec<(u64, u64)>);

impl History {
    fn note(&mut self, at_ms: u64, n: u64) {
        self.0.push((at_ms, n));
    }

    /// What was admitted from the first moment on, that one left out: by then the bucket is empty.
    fn after_the_burst(&self) -> u64 {
        self.0.iter().filter(|(at, _)| *at > 0).map(|(_, n)| n).sum()
    }

    /// No window has more than `rate · length + depth`; windows end and begin at admissions.
    fn keep(&self, rate: u64, depth: u64) {
        // The worst window that ends here goes on from the worst before, or begins here.
        let (mut worst, mut last) = (0, 0);
        for (at, n) in &self.0 {
            let refilled = (at - last) * rate;
            worst = worst_from(worst, refilled) + n * 1000;
            last = *at;
            assert!(worst <= depth * 1000, "{} too many at {at} ms", worst - depth * 1000);
        }
    }
}

fn worst_from(worst: u64, refilled: u64) -> u64 {
    worst.saturating_sub(refilled)
}

/// Within 2 % of `rate` over [`LENGTH`].
fn is_right(admitted: u64, rate: u64, shard: usize) {
    let right = rate * LENGTH.as_secs();
    let off = admitted.abs_diff(right) * 100;
    assert!(off <= 2 * right, "shard {shard} admitted {admitted} instead of {right}");
}

async fn strict(shards: u32) -> TestServer {
    TestServer::with("--quotas strict").await.with_stream("clicks", shards).await
}

/// An entry for each shard in turn, with this data.
fn entries(shards: u32, data: &str) -> Vec<Value> {
    let keys = HashKeyRange::uniform(shards).map(|range| range.start().to_string());
    let entry =
        |key| json!({"PartitionKey": "k", "ExplicitHashKey": key, "Data": wire::blob(data)});
    keys.map(entry).collect()
}

/// Requests that offer so many records to each shard: the shards of their entries, and the bodies.
fn requests(one: &[Value], each: u64) -> Vec<(Vec<usize>, Bytes)> {
    let all: Vec<_> = (0..each).flat_map(|_| one.iter().enumerate()).collect();
    let request = |entries: &[(usize, &Value)]| {
        let (shards, records): (Vec<_>, Vec<_>) = entries.iter().copied().unzip();
        let input = json!({"StreamName": "clicks", "Records": records});
        (shards, wire::write(Codec::Json, &input).into())
    };
    all.chunks(500).map(request).collect()
}

/// Offers so many records to each shard every `step`, for [`LENGTH`] and a burst before; what each
/// shard admitted, in units.
async fn write(
    shards: u32,
    data: &str,
    (burst, offered): (u64, u64),
    step: u64,
    unit: u64,
) -> Vec<History> {
    let server = strict(shards).await;
    let mut histories = vec![History::default(); shards as usize];
    let one = entries(shards, data);
    let (first, others) = (requests(&one, burst), requests(&one, offered));
    for at_ms in (0..=LENGTH.as_millis() as u64).step_by(step as usize) {
        for (shards, body) in if at_ms == 0 { &first } else { &others } {
            let answer = server.send(server.request("PutRecords", body.clone())).await;
            let output = answer.outcome().unwrap();
            for (shard, result) in shards.iter().zip(output["Records"].as_array().unwrap()) {
                if result["ErrorCode"].is_null() {
                    histories[*shard].note(at_ms, unit);
                }
            }
        }
        server.advance(Duration::from_millis(step)).await;
    }
    histories
}

async fn records_are_right(shards: u32, step: u64) {
    let offered = step + step / 25 + 1;
    let histories = write(shards, "x", (1_020, offered), step, 1).await;
    for (shard, history) in histories.iter().enumerate() {
        is_right(history.after_the_burst(), 1_000, shard);
        history.keep(1_000, 1_000);
    }
}

#[tokio::test]
async fn a_shard_admits_a_thousand_records_a_second() {
    records_are_right(1, 37).await;
}

#[tokio::test]
async fn three_shards_admit_a_thousand_records_a_second_each() {
    records_are_right(3, 50).await;
}

#[tokio::test]
async fn fifty_shards_admit_a_thousand_records_a_second_each() {
    records_are_right(50, 500).await;
}

#[tokio::test]
async fn shards_admit_a_mebibyte_a_second_each() {
    // With its key of one byte a record is an even 16 KiB.
    let (size, data) = (16 << 10, "x".repeat((16 << 10) - 1));
    for shards in [1, 3] {
        let histories = write(shards, &data, (70, 8), 100, size).await;
        for (shard, history) in histories.iter().enumerate() {
            is_right(history.after_the_burst(), MIB, shard);
            history.keep(MIB, MIB);
        }
    }
}

/// Calls GetRecords on every shard every `step` until it is refused.
async fn read(server: &TestServer, shards: u32, step: u64, limit: u32) -> Vec<[History; 2]> {
    let mut iterators = Vec::new();
    for shard in 0..shards {
        iterators.push(server.iterator("clicks", shard, "TRIM_HORIZON").await);
    }
    // What was asked for to get here is paid for.
    server.advance(Duration::from_mins(1)).await;
    let mut histories = vec![[History::default(), History::default()]; shards as usize];
    for at_ms in (0..=LENGTH.as_millis() as u64).step_by(step as usize) {
        for (iterator, [calls, bytes]) in iterators.iter().zip(&mut histories) {
            let input = || json!({"ShardIterator": iterator, "Limit": limit});
            while let Ok(output) = server.outcome("GetRecords", input()).await {
                calls.note(at_ms, 1);
                let records = output["Records"].as_array().unwrap();
                let sizes =
                    records.iter().map(|record| wire::bytes(&record["Data"]).len() as u64 + 1);
                bytes.note(at_ms, sizes.sum());
            }
        }
        server.advance(Duration::from_millis(step)).await;
    }
    histories
}

#[tokio::test]
async fn shards_answer_five_reads_a_second_each() {
    for (shards, step) in [(1, 40), (3, 50), (50, 100)] {
        let server = strict(shards).await;
        for (shard, [calls, _]) in read(&server, shards, step, 1).await.iter().enumerate() {
            is_right(calls.after_the_burst(), 5, shard);
            calls.keep(5, 5);
        }
    }
}

#[tokio::test]
async fn shards_answer_two_mebibytes_a_second_each() {
    // Four records of 256 KiB, so that a call answers a MiB.
    let (size, data) = (256 << 10, "x".repeat((256 << 10) - 1));
    for shards in [1, 3] {
        let server = strict(shards).await;
        for _ in 0..4 {
            let input = json!({"StreamName": "clicks", "Records": entries(shards, &data)});
            server.call("PutRecords", input).await;
        }
        for (shard, [_, bytes]) in read(&server, shards, 100, 4).await.iter().enumerate() {
            // The last answer may go over it: it is paid for afterwards.
            let answer = 4 * size;
            assert!(bytes.after_the_burst() <= 20 * MIB + answer, "shard {shard}");
            is_right(bytes.after_the_burst().min(20 * MIB), 2 * MIB, shard);
            bytes.keep(2 * MIB, 2 * MIB + answer);
        }
    }
}

#[tokio::test]
async fn an_answer_of_ten_mebibytes_stops_reads_for_five_seconds() {
    let server = strict(1).await;
    let data = "x".repeat(MIB as usize - 1);
    for _ in 0..10 {
        server.put("clicks", "k", &data).await;
        server.advance(Duration::from_secs(1)).await;
    }
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    assert_eq!(server.get(&iterator).await["Records"].as_array().unwrap().len(), 10);
    server.advance(Duration::from_millis(4_999)).await;
    server.refusal("GetRecords", json!({ "ShardIterator": iterator })).await;
    server.advance(Duration::from_millis(1)).await;
    server.get(&iterator).await;
}
