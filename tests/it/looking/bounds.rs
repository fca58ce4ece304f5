//! What nobody can make this server do by what they put into a stream, or by how they look into it:
//! use memory or time without bound.

use std::{io::Write as _, time::Duration};

use axum::body::Body;
use flate2::{Compression, write::GzEncoder};
use futures::FutureExt as _;
use http::Request;
use md5::{Digest as _, Md5};
use proptest::{
    collection::btree_map, option, prelude::*, sample::select, test_runner::TestRunner,
};
use prost::Message;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{look, put_to, texts, two_shards};
use crate::{
    server::{TestServer, here, shard_id},
    wire,
};

/// What one stored record may come to, as it is told.
const UNPACKED_BYTES_MAX: usize = 16 << 20;

/// Bytes of text after which an answer ends.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// The parts of an aggregate that these tests need.
#[derive(Clone, PartialEq, Eq, Message)]
struct Wire {
    #[prost(string, repeated, tag = "1")]
    partition_keys: Vec<String>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    records: Vec<Vec<u8>>,
}

/// An aggregate of so many records of this key, without data.
fn aggregate(key: &str, records: usize) -> Vec<u8> {
    // Each is of the first key.
    let records = vec![vec![0x08, 0, 0x1a, 0]; records];
    let body = Wire { partition_keys: vec![key.to_owned()], records }.encode_to_vec();
    [&[0xf3, 0x89, 0x9a, 0xc2], &body[..], &Md5::digest(&body)].concat()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

async fn put(server: &TestServer, data: &[u8]) {
    let input = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": wire::blob(data)});
    server.call("PutRecord", input).await;
}

/// The bytes of an answer, and what it says.
async fn weighed(server: &TestServer, query: &str) -> (usize, Value) {
    let request = Request::get(format!("/_millpond/streams/clicks/records?{query}"));
    let request = request.header("host", "localhost:4567").extension(here());
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text:.200}");
    (text.len(), serde_json::from_str(text).unwrap())
}

/// All that is told, page by page, with the bytes of each page and the records that it tells.
async fn pages(server: &TestServer, parameters: &str) -> Vec<(usize, usize)> {
    let (mut pages, mut query) = (Vec::new(), parameters.to_owned());
    loop {
        let (bytes, page) = weighed(server, &query).await;
        pages.push((bytes, page["records"].as_array().unwrap().len()));
        if page["millis_behind_latest"] == 0 {
            return pages;
        }
        query = format!("{parameters}&next={}", page["next"].as_str().unwrap());
    }
}

#[tokio::test]
async fn an_aggregate_whose_weight_is_in_its_keys_fills_an_answer_like_data() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let aggregate = aggregate(&"k".repeat(256), 4_000);
    assert!(aggregate.len() < 30_000);
    for _ in 0..9 {
        put(&server, &aggregate).await;
    }
    let pages = pages(&server, "deaggregate=true&limit=1000").await;
    let one = pages.iter().map(|page| page.0).sum::<usize>() / 9;
    assert_eq!(pages.iter().map(|page| page.1).sum::<usize>(), 9 * 4_000);
    assert!(pages.iter().all(|page| page.0 < PAGE_BYTES_MAX + one + 1_000), "{pages:?}");
    assert!(pages.len() >= 3, "{pages:?}");
}

#[tokio::test]
async fn the_largest_aggregate_takes_the_text_that_there_is_room_for() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    // Characters that take six bytes of JSON.
    put(&server, &aggregate(&"\u{1}".repeat(256), 16_384)).await;
    let (bytes, page) = weighed(&server, "deaggregate=true").await;
    assert_eq!(page["records"].as_array().unwrap().len(), 16_384);
    assert!(bytes <= 2 * UNPACKED_BYTES_MAX + 1_000, "{bytes}");
    // One more is more than it may come to.
    put(&server, &aggregate(&"\u{1}".repeat(256), 16_385)).await;
    let found = look(&server, "deaggregate=true&last=1").await;
    assert_eq!(found["records"].as_array().unwrap().len(), 1);
    assert_eq!(found["records"][0]["sub_sequence_number"], Value::Null);
}

#[tokio::test]
async fn what_is_inflated_for_nothing_ends_an_answer_too() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let bomb = gzip(&vec![0; UNPACKED_BYTES_MAX + 1]);
    let small = gzip(b"small");
    for data in [&small, &bomb, &small, &bomb, &small] {
        put(&server, data).await;
    }
    let told: Vec<_> = pages(&server, "gunzip=true").await.iter().map(|page| page.1).collect();
    assert_eq!(told, [2, 2, 1], "one that is too much ends its answer");
    let page = look(&server, "gunzip=true&last=2").await;
    let were_gzip: Vec<_> =
        page["records"].as_array().unwrap().iter().map(|r| r["gunzipped"].clone()).collect();
    assert_eq!(were_gzip, [Value::Null], "what comes of a record is not up to those before it");
}

#[test]
fn unpacking_keeps_nobody_else_waiting() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let server = two_shards().await;
        put(&server, &gzip(b"packed")).await;
        // The one thread for work that takes its time is taken.
        let (go_on, gone_on) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || gone_on.recv().ok());
        let mut looking = Box::pin(look(&server, "gunzip=true"));
        for _ in 0..9 {
            assert!((&mut looking).now_or_never().is_none(), "it isn't unpacked on this thread");
            server.administer("GET", "clock", Value::Null).await;
        }
        go_on.send(()).unwrap();
        assert_eq!(texts(&looking.await), ["packed"]);
        busy.await.unwrap();
    });
}

#[tokio::test(start_paused = true)]
async fn consumers_do_not_wait_for_who_looks() {
    let server = TestServer::with("--inflight-bytes 64MiB").await.with_stream("clicks", 1).await;
    let text = "x".repeat(100_000);
    server.put("clicks", "k", &text).await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let request = Request::get("/_millpond/streams/clicks/records?gunzip=true");
    let request = request.header("host", "localhost:4567").extension(here());
    let untaken = server.respond(request.body(Body::empty()).unwrap()).await;
    assert_eq!(untaken.status(), 200);
    let since = Instant::now();
    let look = || server.admin("GET", "streams/clicks/records?gunzip=true", &Value::Null);
    let looking = async { (look().await, since.elapsed()) };
    let reading = async { (server.texts(&iterator).await, since.elapsed()) };
    let (((status, answer), looked), (texts, read)) = tokio::join!(biased; looking, reading);
    assert!(texts == [text] && read == Duration::ZERO, "{} in {read:?}", texts.len());
    assert!(status == 503 && looked >= Duration::from_secs(10), "{status} {looked:?}: {answer}");

    drop(untaken);
    assert_eq!(look().await.0, 200, "one look always fits");
}

#[tokio::test]
async fn too_many_shards_are_refused_before_any_is_opened() {
    let server = TestServer::with("--shard-limit 2000").await.with_stream("clicks", 1_001).await;
    let server = server.after_crash().await;
    server.engine().faults().fail_reads(true);
    for query in ["", "from=LATEST", "last=1", "since_seconds=1", "from=TRIM_HORIZON"] {
        let path = format!("streams/clicks/records?{query}");
        let (status, answer) = server.admin("GET", &path, &Value::Null).await;
        let message = answer["message"].as_str().unwrap();
        assert!(status == 400 && message.contains("over 1000 shards"), "{query}: {message}");
    }
    server.engine().faults().fail_reads(false);
    let one = look(&server, &format!("last=1&shard={}", shard_id(1_000))).await;
    assert_eq!(texts(&one), [""; 0]);
}

/// A cursor that nobody gave out.
fn forged() -> impl Strategy<Value = (Option<i32>, i32, Vec<(i32, u64)>)> {
    let id = || prop_oneof![select(vec![0, 1, 2, -1, i32::MIN, i32::MAX]), any::<i32>()];
    let place = prop_oneof![0..5_u64, select(vec![u64::MAX, u64::MAX - 1, 1 << 62]), any::<u64>()];
    let places = btree_map(id(), place, 0..9).prop_map(Vec::from_iter);
    (option::of(id()), id(), places)
}

fn written(number: u32, (only, known, places): &(Option<i32>, i32, Vec<(i32, u64)>)) -> String {
    let mut bytes = minicbor::Encoder::new(Vec::new());
    bytes.array(4).unwrap().u32(number).unwrap();
    bytes.encode(only).unwrap().i32(*known).unwrap().map(places.len() as u64).unwrap();
    for (id, place) in places {
        bytes.i32(*id).unwrap().u64(*place).unwrap();
    }
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes.into_writer())
}

/// The number of the stream that a cursor is of.
fn number(next: &Value) -> u32 {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(next.as_str().unwrap()).unwrap();
    let mut decoder = minicbor::Decoder::new(&bytes);
    assert_eq!(decoder.array().unwrap(), Some(4));
    decoder.u32().unwrap()
}

#[test]
fn a_forged_cursor_reads_what_is_there_and_comes_to_an_end() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(async {
        let server = two_shards().await;
        for n in 0..4 {
            put_to(&server, n % 2, &n.to_string()).await;
            server.advance(Duration::from_secs(1)).await;
        }
        server
    });
    let number = number(&runtime.block_on(look(&server, ""))["next"]);
    let read = |cursor| {
        runtime.block_on(async {
            let mut next = written(number, &cursor);
            // As many answers as there are records, and one that tells of none.
            for _ in 0..=4 {
                let query = format!("streams/clicks/records?limit=1&next={next}");
                let (status, page) = server.admin("GET", &query, &Value::Null).await;
                prop_assert_eq!(status, 200, "{}", &page);
                let known = ["0", "1", "2", "3"];
                prop_assert!(texts(&page).iter().all(|text| known.contains(text)), "{}", &page);
                match page["next"].as_str() {
                    Some(_) if page["millis_behind_latest"] == 0 => return Ok(()),
                    Some(after) => after.clone_into(&mut next),
                    None => return Ok(()),
                }
            }
            Err(TestCaseError::fail("it goes on and on"))
        })
    };
    TestRunner::default().run(&forged(), read).unwrap();
}
