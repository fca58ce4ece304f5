//! The program is killed in the middle of a storm of writes, again and again, and nothing that it
//! acknowledged is lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
};

use serde_json::{Value, json};

use super::{child::Millpond, client::Client, serve};
use crate::{server::texts, wire};

const ROUNDS: u32 = 3;
const WRITERS: u32 = 4;
const SHARDS: u32 = 3;

/// Acknowledged requests after which the program is killed; the writers are in full swing then.
const REQUESTS: usize = 600;

/// A record that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    shard: String,
    number: String,
    text: String,
}

/// What a writer sent in one request that was acknowledged.
type Acknowledged = Vec<Written>;

#[test]
fn nothing_acknowledged_is_lost_when_the_program_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let flags = format!("{} --quotas off", serve(directory.path()));
    let mut written = Vec::new();
    for round in 0..ROUNDS {
        let server = Millpond::start(&flags);
        if round == 0 {
            server.client().create("clicks", SHARDS);
        }
        let (sender, acknowledged) = mpsc::channel();
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| storm(&server, round, writer, sender.clone())).collect();
        drop(sender);
        written.extend(acknowledged.iter().take(REQUESTS / 2).flatten());
        // A shard is closed and two are opened while all this goes on.
        split_widest(&mut server.client());
        written.extend(acknowledged.iter().take(REQUESTS / 2).flatten());
        server.kill();
        // What was answered before the end came counts as well.
        written.extend(acknowledged.iter().flatten());
        for writer in writers {
            writer.join().unwrap();
        }

        let server = Millpond::start(&flags);
        check(&mut server.client(), &written);
    }
    assert!(written.len() >= ROUNDS as usize * REQUESTS, "{}", written.len());
}

/// Writes one request after another until the server is gone.
fn storm(server: &Millpond, round: u32, writer: u32, told: Sender<Acknowledged>) -> JoinHandle<()> {
    let mut client = server.client();
    thread::spawn(move || {
        for request in 0_u32.. {
            let entries = 1 + (request * 7 + writer) % 20;
            let text = |entry: u32| format!("{round}/{writer}/{request}/{entry}");
            let texts: Vec<_> = (0..entries).map(text).collect();
            match put(&mut client, &texts) {
                Some(written) => told.send(written).unwrap(),
                None => break,
            }
        }
    })
}

/// Puts the records; `None` when the server has gone.
fn put(client: &mut Client, texts: &[String]) -> Option<Acknowledged> {
    let entry = |text: &String| json!({"PartitionKey": text, "Data": wire::blob(text)});
    let entries: Vec<_> = texts.iter().map(entry).collect();
    let input = json!({"StreamName": "clicks", "Records": entries});
    let output = client.try_call("PutRecords", &input).ok()?;
    assert_eq!(output["FailedRecordCount"], 0, "{output}");
    let results = output["Records"].as_array().unwrap();
    let text = |result: &Value, name: &str| result[name].as_str().unwrap().to_owned();
    let written = |(result, of): (&Value, &String)| Written {
        shard: text(result, "ShardId"),
        number: text(result, "SequenceNumber"),
        text: of.clone(),
    };
    Some(results.iter().zip(texts).map(written).collect())
}

fn shards(client: &mut Client) -> Vec<Value> {
    let output = client.call("ListShards", &json!({"StreamName": "clicks"}));
    output["Shards"].as_array().unwrap().clone()
}

/// Splits the open shard with the widest range in the middle.
fn split_widest(client: &mut Client) {
    let bound = |shard: &Value, name: &str| -> u128 {
        shard["HashKeyRange"][name].as_str().unwrap().parse().unwrap()
    };
    let open = shards(client)
        .into_iter()
        .filter(|shard| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null())
        .map(|shard| {
            let (start, end) = (bound(&shard, "StartingHashKey"), bound(&shard, "EndingHashKey"));
            (end - start, start + (end - start) / 2, shard["ShardId"].clone())
        });
    let (_, middle, id) = open.max_by_key(|(width, ..)| *width).unwrap();
    let split = json!({"StreamName": "clicks", "ShardToSplit": id,
        "NewStartingHashKey": middle.to_string()});
    client.call("SplitShard", &split);
}

/// Every acknowledged record is where it was said to be, once; numbers ascend in each shard, and
/// lie between its first and its last.
fn check(client: &mut Client, written: &[Written]) {
    let mut stored = BTreeMap::new();
    for shard in shards(client) {
        let id = shard["ShardId"].as_str().unwrap();
        let mut last = shard["SequenceNumberRange"]["StartingSequenceNumber"].clone();
        for (number, text) in records(client, id) {
            assert!(number.as_str() > last.as_str(), "{id}: {number} after {last}");
            let place = (id.to_owned(), number.as_str().unwrap().to_owned());
            let twice = stored.insert(text.clone(), place);
            assert_eq!(twice, None, "{text} is there twice");
            last = number;
        }
        let end = &shard["SequenceNumberRange"]["EndingSequenceNumber"];
        assert!(end.is_null() || end.as_str() > last.as_str(), "{id} ends at {end}");
    }
    for Written { shard, number, text } in written {
        let place = stored.get(text).unwrap_or_else(|| panic!("{text} is lost"));
        assert_eq!(place, &(shard.clone(), number.clone()), "{text}");
    }
    let numbers: BTreeSet<_> = stored.values().collect();
    assert_eq!(numbers.len(), stored.len(), "no two records share a number");
}

/// All records of a shard: number and text.
fn records(client: &mut Client, shard: &str) -> Vec<(Value, String)> {
    let index = shard["shardId-".len()..].parse().unwrap();
    let mut next = Some(client.iterator("clicks", index));
    let mut found = Vec::new();
    while let Some(iterator) = next {
        let output = client.call("GetRecords", &json!({ "ShardIterator": iterator }));
        let records = output["Records"].as_array().unwrap();
        let numbers = records.iter().map(|record| record["SequenceNumber"].clone());
        found.extend(numbers.zip(texts(&output)));
        // At the tip of an open shard the answers go on, empty.
        let at_tip = records.is_empty() && output["MillisBehindLatest"] == 0;
        next = output["NextShardIterator"].as_str().map(str::to_owned).filter(|_| !at_tip);
    }
    found
}
