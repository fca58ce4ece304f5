//! GetRecords.

use std::time::Duration;

use futures::future::join_all;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::{
    server::{ACCOUNT, STRANGER, TestServer, in_both_formats, shard_id, texts},
    wire::{self, Answer},
};

#[tokio::test]
async fn reading_goes_on_where_it_ended() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        let mut iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
        let mut seen = vec![iterator.clone()];
        for expected in [&[][..], &["1"], &["2", "3"], &[]] {
            for text in expected {
                server.put("clicks", "k", text).await;
            }
            let output = server.get(&iterator).await;
            assert_eq!(texts(&output), expected);
            assert_eq!(output["MillisBehindLatest"], 0);
            assert!(output.get("ChildShards").is_none());
            iterator = output["NextShardIterator"].as_str().unwrap().to_owned();
            assert!(!seen.contains(&iterator), "every iterator is new, after an empty answer too");
            seen.push(iterator.clone());
        }
        // An iterator may be used as often as one likes.
        assert_eq!(server.texts(&seen[2]).await, ["2", "3"]);
        assert_eq!(server.texts(&seen[2]).await, ["2", "3"]);
    })
    .await;
}

#[tokio::test]
async fn a_limit_cuts_the_answer() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for text in ["1", "2", "3"] {
        server.put("clicks", "k", text).await;
        server.advance(Duration::from_millis(10)).await;
    }
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let limited = json!({"ShardIterator": iterator, "Limit": 2});
    let output = server.call("GetRecords", limited).await;
    assert_eq!(texts(&output), ["1", "2"]);
    assert_eq!(output["MillisBehindLatest"], 20, "the second record is that old");
    let next = output["NextShardIterator"].as_str().unwrap();
    assert_eq!(server.texts(next).await, ["3"]);
    let all = json!({"ShardIterator": iterator, "Limit": 10_000});
    assert_eq!(texts(&server.call("GetRecords", all).await).len(), 3);
}

#[tokio::test]
async fn only_who_has_everything_is_told_so_even_while_time_stands() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for text in ["1", "2"] {
        server.put("clicks", "k", text).await;
    }
    let mut iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    for behind in [1, 0] {
        let output =
            server.call("GetRecords", json!({"ShardIterator": iterator, "Limit": 1})).await;
        assert_eq!(output["MillisBehindLatest"], behind);
        iterator = output["NextShardIterator"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn an_answer_holds_ten_mebibytes_or_one_record() {
    let server = TestServer::new().await;
    let create = json!({"StreamName": "clicks", "ShardCount": 1, "MaxRecordSizeInKiB": 10240});
    server.call("CreateStream", create).await;
    let mebibyte = "x".repeat((1 << 20) - 1);
    for _ in 0..11 {
        server.put("clicks", "k", &mebibyte).await;
    }
    let ten = "x".repeat((10 << 20) - 1);
    server.put("clicks", "k", &ten).await;
    let mut iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    for expected in [10, 1, 1] {
        let output = server.get(&iterator).await;
        assert_eq!(output["Records"].as_array().unwrap().len(), expected);
        iterator = output["NextShardIterator"].as_str().unwrap().to_owned();
    }
    assert_eq!(server.texts(&iterator).await, Vec::<String>::new());
}

/// Puts so many hundreds of records of a kibibyte, of which each tells its number; returns an
/// iterator at the first.
async fn much(server: &TestServer, hundreds: usize) -> String {
    server.create("clicks", 1).await;
    for hundred in 0..hundreds {
        let record = |number: usize| {
            let data = wire::blob(format!("{:01024}", hundred * 100 + number));
            json!({"Data": data, "PartitionKey": "k"})
        };
        let records: Vec<_> = (0..100).map(record).collect();
        server.call("PutRecords", json!({"StreamName": "clicks", "Records": records})).await;
    }
    server.advance(Duration::from_secs(7)).await;
    server.iterator("clicks", 0, "TRIM_HORIZON").await
}

/// The numbers of an answer's records.
fn numbers(output: &Value) -> Vec<usize> {
    texts(output).iter().map(|text| text.parse().unwrap()).collect()
}

fn range(numbers: std::ops::Range<usize>) -> Vec<usize> {
    numbers.collect()
}

#[tokio::test]
async fn a_long_answer_is_one_page() {
    in_both_formats("", async |server| {
        let iterator = much(&server, 40).await;
        let limited = json!({"ShardIterator": iterator, "Limit": 3_900});
        let output = server.call("GetRecords", limited).await;
        assert_eq!(numbers(&output), range(0..3_900));
        assert_eq!(output["MillisBehindLatest"], 7_000);
        let output = server.get(output["NextShardIterator"].as_str().unwrap()).await;
        assert_eq!(numbers(&output), range(3_900..4_000));
        assert_eq!(output["MillisBehindLatest"], 0);

        let output = server.get(&iterator).await;
        assert_eq!(numbers(&output), range(0..4_000));
        assert_eq!(output["MillisBehindLatest"], 0);
        assert!(output.get("ChildShards").is_none());
        assert_eq!(server.texts(output["NextShardIterator"].as_str().unwrap()).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_long_answer_in_json_is_written_as_a_whole_one_is() {
    let server = TestServer::new().await;
    let input = json!({"ShardIterator": much(&server, 40).await});
    let text = async || server.answer("GetRecords", &input).await.text().to_owned();
    let long = text().await;
    let fault = json!({"operation": "PutRecord", "then": {"throttle": true}});
    server.administer("PUT", "faults", json!({"seed": 1, "faults": [fault]})).await;
    // While there are faults, answers are whole.
    let whole = text().await;
    let without_iterator = |text: &str| {
        let (before, iterator) = text.split_once("\"NextShardIterator\":\"").unwrap();
        let (_, after) = iterator.split_once('"').unwrap();
        format!("{before}{after}")
    };
    assert_eq!(without_iterator(&long), without_iterator(&whole));
    assert_ne!(long, whole);
}

#[tokio::test]
async fn a_fault_is_about_the_whole_of_a_long_page() {
    let server = TestServer::new().await;
    let iterator = much(&server, 40).await;
    let fault = json!({"times": 1, "then": {"duplicate": true}});
    server.administer("PUT", "faults", json!({"seed": 1, "faults": [fault]})).await;
    let output = server.get(&iterator).await;
    assert_eq!(numbers(&output), range(0..4_000));
    let next = output["NextShardIterator"].as_str().unwrap();
    assert_eq!(numbers(&server.get(next).await), range(0..4_000), "it comes twice");
}

#[tokio::test]
async fn a_long_answer_of_a_closed_shard_comes_before_its_end() {
    in_both_formats("", async |server| {
        let iterator = much(&server, 40).await;
        let middle = "170141183460469231731687303715884105728";
        let split = json!({"StreamName": "clicks", "ShardToSplit": shard_id(0),
            "NewStartingHashKey": middle});
        server.call("SplitShard", split).await;
        let output = server.get(&iterator).await;
        assert_eq!(numbers(&output), range(0..4_000));
        assert!(output.get("ChildShards").is_none());
        let output = server.get(output["NextShardIterator"].as_str().unwrap()).await;
        assert_eq!(numbers(&output), [0; 0]);
        assert_eq!(output["ChildShards"].as_array().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_long_answer_ends_where_reading_fails_and_the_next_one_says_so() {
    in_both_formats("", async |server| {
        let iterator = much(&server, 40).await;
        let server = server.after_crash().await;
        let begun = server.begin("GetRecords", &json!({"ShardIterator": iterator})).await;
        server.engine().faults().fail_reads(true);
        let output = Answer::of(begun).await.value();
        let told = numbers(&output);
        assert_eq!(told, range(0..told.len()));
        assert!((1_000..4_000).contains(&told.len()), "{} records", told.len());
        assert_eq!(output["MillisBehindLatest"], 7_000);
        let next = json!({"ShardIterator": output["NextShardIterator"]});
        let refusal = server.outcome("GetRecords", next.clone()).await.unwrap_err();
        assert_eq!((refusal.status, refusal.code.as_str()), (500, "InternalFailureException"));
        server.engine().faults().fail_reads(false);
        assert_eq!(numbers(&server.call("GetRecords", next).await), range(told.len()..4_000));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_ends_where_there_is_no_room_for_more() {
    let server = TestServer::with("--inflight-bytes 32MiB").await;
    let iterator = much(&server, 80).await;
    let input = json!({"ShardIterator": iterator});
    let ask = || server.begin("GetRecords", &input);
    let [begun, other, another] = [ask().await, ask().await, ask().await];
    let untaken = [other.into_body().collect().await, another.into_body().collect().await];
    let output = Answer::of(begun).await.value();
    let told = numbers(&output);
    assert_eq!(told, range(0..told.len()));
    assert!((1_000..2_000).contains(&told.len()), "{} records", told.len());
    drop(untaken);
    let next = output["NextShardIterator"].as_str().unwrap();
    assert_eq!(numbers(&server.get(next).await), range(told.len()..8_000));
}

#[tokio::test]
async fn an_iterator_lives_five_minutes_over_a_restart() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.advance(Duration::from_mins(5)).await;
    let server = server.after_crash().await;
    let output = server.get(&iterator).await;
    assert_eq!(texts(&output), ["1"]);
    server.advance(Duration::from_millis(1)).await;
    let refusal = server.refusal("GetRecords", json!({ "ShardIterator": iterator })).await;
    let expected = "ExpiredIteratorException: Iterator expired. The iterator was created at time \
        Tue Nov 14 22:13:20 UTC 2023 while right now it is Tue Nov 14 22:18:20 UTC 2023 which is \
        further in the future than the tolerated delay of 300000 milliseconds.";
    assert_eq!(refusal, expected);
    // The next one was issued later.
    let next = output["NextShardIterator"].as_str().unwrap();
    server.advance(Duration::from_millis(299_999)).await;
    server.get(next).await;
    server.advance(Duration::from_millis(1)).await;
    server.refusal("GetRecords", json!({ "ShardIterator": next })).await;
}

#[tokio::test]
async fn a_split_shard_ends_with_its_children() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.put("clicks", "k", "1").await;
        let middle = "170141183460469231731687303715884105728";
        let split = json!({"StreamName": "clicks", "ShardToSplit": shard_id(0),
            "NewStartingHashKey": middle});
        let before = server.iterator("clicks", 0, "TRIM_HORIZON").await;
        server.call("SplitShard", split).await;
        let limited = json!({"ShardIterator": before, "Limit": 1});
        let output = server.call("GetRecords", limited).await;
        assert_eq!(texts(&output), ["1"]);
        assert!(output.get("ChildShards").is_none());
        let next = output["NextShardIterator"].as_str().unwrap();
        let child = |id: u32, start: &str, end: &str| {
            json!({"ShardId": shard_id(id), "ParentShards": [shard_id(0)],
                "HashKeyRange": {"StartingHashKey": start, "EndingHashKey": end}})
        };
        let children = json!([
            child(1, "0", "170141183460469231731687303715884105727"),
            child(2, middle, "340282366920938463463374607431768211455"),
        ]);
        let latest = server.iterator("clicks", 0, "LATEST").await;
        for iterator in [next, &latest] {
            let output = server.get(iterator).await;
            assert_eq!(texts(&output), [""; 0]);
            assert!(output.get("NextShardIterator").is_none(), "{output}");
            assert_eq!(output["ChildShards"], children);
            assert_eq!(output["MillisBehindLatest"], 0);
        }
    })
    .await;
}

#[tokio::test]
async fn a_closed_shard_with_more_to_read_shows_no_children_yet() {
    let server = TestServer::new().await.with_stream("clicks", 2).await;
    for text in ["1", "2"] {
        server.put("clicks", "a", text).await;
    }
    let merge = json!({"StreamName": "clicks", "ShardToMerge": shard_id(0),
        "AdjacentShardToMerge": shard_id(1)});
    server.call("MergeShards", merge).await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let output = server.call("GetRecords", json!({"ShardIterator": iterator, "Limit": 1})).await;
    assert!(output.get("ChildShards").is_none());
    let output = server.get(output["NextShardIterator"].as_str().unwrap()).await;
    assert_eq!(texts(&output), ["2"]);
    assert!(output.get("ChildShards").is_none());
    let output = server.get(output["NextShardIterator"].as_str().unwrap()).await;
    let parents = json!([shard_id(0), shard_id(1)]);
    assert_eq!(output["ChildShards"][0]["ParentShards"], parents);
}

#[tokio::test]
async fn records_expire_to_the_millisecond() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    server.advance(Duration::from_millis(7)).await;
    server.put("clicks", "k", "2").await;
    server.advance(Duration::from_hours(24) - Duration::from_millis(7)).await;
    assert_eq!(server.read("clicks", 0).await, ["1", "2"]);
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(server.read("clicks", 0).await, ["2"]);
    server.advance(Duration::from_millis(6)).await;
    assert_eq!(server.read("clicks", 0).await, ["2"]);
    server.advance(Duration::from_millis(1)).await;
    assert_eq!(server.read("clicks", 0).await, Vec::<String>::new());
    // Numbers go on where they were.
    server.put("clicks", "k", "3").await;
    assert_eq!(server.read("clicks", 0).await, ["3"]);
}

#[tokio::test]
async fn an_iterator_over_what_expires_goes_on_with_what_is_left() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    server.advance(Duration::from_hours(24)).await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.put("clicks", "k", "2").await;
    server.advance(Duration::from_secs(1)).await;
    assert_eq!(server.texts(&iterator).await, ["2"]);
}

#[tokio::test]
async fn an_iterator_of_a_deleted_stream_finds_nothing_of_the_next() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.call("DeleteStream", json!({"StreamName": "clicks"})).await;
    let gone = format!(
        "ResourceNotFoundException: Shard shardId-000000000000 in stream clicks under account \
         {ACCOUNT} does not exist"
    );
    let input = json!({ "ShardIterator": iterator });
    assert_eq!(server.refusal("GetRecords", input.clone()).await, gone);
    server.create("clicks", 1).await;
    assert_eq!(server.refusal("GetRecords", input).await, gone);
}

#[tokio::test]
async fn only_our_own_iterators_for_their_own_callers_are_taken() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let input = json!({ "ShardIterator": iterator });
    let refusal = server.in_region("eu-west-1").refusal("GetRecords", input.clone()).await;
    assert_eq!(refusal, "InvalidArgumentException: Invalid ShardIterator.");
    let refusal = server.as_account(STRANGER).refusal("GetRecords", input.clone()).await;
    assert!(refusal.starts_with("AccessDeniedException: "), "{refusal}");
    let mut touched = iterator.clone().into_bytes();
    touched[40] = if touched[40] == b'A' { b'B' } else { b'A' };
    let touched = String::from_utf8(touched).unwrap();
    for text in [touched.as_str(), &iterator[1..], "AAAA", "?", "\"\""] {
        let refusal = server.refusal("GetRecords", json!({ "ShardIterator": text })).await;
        assert_eq!(refusal, "InvalidArgumentException: Invalid ShardIterator.", "{text}");
    }
    // As AWS does, for clients that quote twice.
    server.get(&format!("\"{iterator}\"")).await;
    // A server with another key does not know it.
    let other = TestServer::new().await.with_stream("clicks", 1).await;
    other.refusal("GetRecords", input).await;
}

#[tokio::test]
async fn the_arn_must_be_of_the_iterators_stream() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.create("orders", 1).await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let with = |arn: String| json!({"ShardIterator": iterator, "StreamARN": arn});
    server.call("GetRecords", with(server.arn("clicks"))).await;
    let refusal = server.refusal("GetRecords", with(server.arn("orders"))).await;
    assert!(refusal.starts_with("InvalidArgumentException: "), "{refusal}");
    let theirs = server.as_account(STRANGER).arn("clicks");
    let refusal = server.refusal("GetRecords", with(theirs)).await;
    assert!(refusal.starts_with("AccessDeniedException: "), "{refusal}");
}

#[tokio::test]
async fn five_calls_a_second_are_admitted_to_a_shard() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 2).await;
    let first = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let second = server.iterator("clicks", 1, "TRIM_HORIZON").await;
    let dry = json!({"ShardIterator": first, "DryRun": true});
    for _ in 0..9 {
        let refusal = server.refusal("GetRecords", dry.clone()).await;
        assert!(refusal.starts_with("DryRunOperationException: "), "{refusal}");
    }
    for _ in 0..5 {
        server.get(&first).await;
    }
    let refusal = server.refusal("GetRecords", json!({ "ShardIterator": first })).await;
    let words = format!("Rate exceeded for Shard - {ACCOUNT}/clicks/shardId-000000000000");
    assert_eq!(refusal, format!("ProvisionedThroughputExceededException: {words}"));
    server.get(&second).await;
    server.advance(Duration::from_millis(199)).await;
    server.refusal("GetRecords", json!({ "ShardIterator": first })).await;
    server.advance(Duration::from_millis(1)).await;
    server.get(&first).await;
}

#[tokio::test]
async fn an_answer_of_ten_mebibytes_is_paid_for_in_five_seconds() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    let mebibyte = "x".repeat((1 << 20) - 1);
    for _ in 0..10 {
        server.put("clicks", "k", &mebibyte).await;
        server.advance(Duration::from_secs(1)).await;
    }
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let input = json!({ "ShardIterator": iterator });
    let output: Value = server.get(&iterator).await;
    assert_eq!(output["Records"].as_array().unwrap().len(), 10);
    assert_eq!(wire::bytes(&output["Records"][9]["Data"]).len(), (1 << 20) - 1);
    server.advance(Duration::from_millis(4_999)).await;
    let refusal = server.refusal("GetRecords", input).await;
    assert!(refusal.starts_with("ProvisionedThroughputExceededException: "), "{refusal}");
    server.advance(Duration::from_millis(1)).await;
    server.get(&iterator).await;
}

#[tokio::test]
async fn storage_that_fails_is_an_internal_failure() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    let server = server.after_crash().await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.engine().faults().fail_reads(true);
    let outcome = server.outcome("GetRecords", json!({ "ShardIterator": iterator })).await;
    let refusal = outcome.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "InternalFailureException"));
    server.engine().faults().fail_reads(false);
    assert_eq!(server.texts(&iterator).await, ["1"]);
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_takes_leave_no_room_for_others() {
    let server = TestServer::with("--inflight-bytes 64MiB").await.with_stream("clicks", 1).await;
    let mebibyte = "x".repeat((1 << 20) - 1);
    for _ in 0..8 {
        server.put("clicks", "k", &mebibyte).await;
    }
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    let request = || server.request("GetRecords", format!(r#"{{"ShardIterator":"{iterator}"}}"#));
    // Each holds a piece, and needs more while that is read.
    let untaken = join_all((0..24).map(|_| server.respond(request()))).await;
    assert!(untaken.iter().any(|response| response.status() == 200));
    assert_eq!(untaken.last().unwrap().status(), 503);
    // What is not large is served all the same.
    server.put("clicks", "k", "small").await;

    drop(untaken);
    assert_eq!(server.get(&iterator).await["Records"].as_array().unwrap().len(), 9);
}
