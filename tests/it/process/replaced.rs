//! The program is killed while it takes over a snapshot, earlier and later, and is then what it was
//! or what the snapshot is.

use std::{collections::BTreeSet, fs, path::Path, thread, time::Instant};

use serde_json::{Value, json};

use super::{
    child::Millpond,
    client::{Answer, Client},
    serve,
};
use crate::{server::texts, wire};

/// Kills, spread over the time that a restore takes; the last comes after the answer.
const KILLS: u32 = 8;

/// Records of a server: enough for several parts of a snapshot.
const RECORDS: usize = 400;
const RECORD_BYTES: usize = 25_000;

/// Records in a request.
const BATCH: usize = 100;

/// A request to the admin API with the token of this data directory.
fn post(client: &mut Client, directory: &Path, path: &str, body: &Value) {
    let token = fs::read_to_string(directory.join("admin.token")).unwrap();
    let (token, body) = (token.trim(), body.to_string());
    let length = body.len();
    let head = format!(
        "POST /_millpond/{path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    client.write(head.as_bytes());
}

fn done(Answer { status, body, .. }: Answer) {
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

/// Fills a stream of this name, and writes a snapshot of the server.
fn fill(server: &Millpond, directory: &Path, name: &str, to: &Path) {
    let mut client = server.client();
    client.create(name, 2);
    let numbers: Vec<_> = (0..RECORDS).collect();
    for batch in numbers.chunks(BATCH) {
        let entry = |number: &usize| {
            let text = format!("{name}/{number}/{}", "x".repeat(RECORD_BYTES));
            json!({"PartitionKey": number.to_string(), "Data": wire::blob(&text)})
        };
        let entries: Vec<_> = batch.iter().map(entry).collect();
        let output = client.call("PutRecords", &json!({"StreamName": name, "Records": entries}));
        assert_eq!(output["FailedRecordCount"], 0, "{output}");
    }
    post(&mut client, directory, "snapshot", &json!({ "to": to }));
    done(client.read());
}

/// Which of the two the server is: the one stream that it has, with all its records once.
fn whole(client: &mut Client) -> String {
    let streams = client.call("ListStreams", &json!({}));
    let names = streams["StreamNames"].as_array().unwrap();
    let [name] = names.as_slice() else { panic!("{streams}") };
    let name = name.as_str().unwrap();
    let mut found = BTreeSet::new();
    for shard in 0..2 {
        let mut iterator = client.iterator(name, shard);
        loop {
            let output = client.call("GetRecords", &json!({ "ShardIterator": iterator }));
            for text in texts(&output) {
                let mut parts = text.split('/').map(str::to_owned);
                assert_eq!(parts.next().as_deref(), Some(name));
                assert!(found.insert(parts.next()), "a record is there twice");
            }
            if output["MillisBehindLatest"] == 0 {
                break;
            }
            output["NextShardIterator"].as_str().unwrap().clone_into(&mut iterator);
        }
    }
    assert_eq!(found.len(), RECORDS, "{name}");
    name.to_owned()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a kill comes when it comes: by real time")]
fn a_restore_that_is_killed_leaves_the_one_or_the_other() {
    let place = tempfile::tempdir().unwrap();
    let [data, other_data] = ["data", "other"].map(|name| place.path().join(name));
    let snapshot = |name: &str| place.path().join(format!("{name}.tar"));
    let flags = |data: &Path| format!("{} --quotas off --admin on", serve(data));
    let server = Millpond::start(&flags(&other_data));
    fill(&server, &other_data, "new", &snapshot("new"));
    server.stop();
    let server = Millpond::start(&flags(&data));
    fill(&server, &data, "old", &snapshot("old"));
    let started = Instant::now();
    let mut client = server.client();
    post(&mut client, &data, "restore", &json!({ "from": snapshot("new") }));
    done(client.read());
    let takes = started.elapsed();
    assert_eq!(whole(&mut client), "new");
    server.stop();

    let mut is = "new".to_owned();
    let mut in_time = 0;
    for kill in 0..KILLS {
        let other = if is == "old" { "new" } else { "old" };
        let server = Millpond::start(&flags(&data));
        let mut client = server.client();
        post(&mut client, &data, "restore", &json!({ "from": snapshot(other) }));
        let after = takes * kill / (KILLS - 2);
        let is_last = kill == KILLS - 1;
        if is_last {
            done(client.read());
        } else {
            thread::sleep(after);
        }
        server.kill();
        let server = Millpond::start(&flags(&data));
        let found = whole(&mut server.client());
        assert!([is.as_str(), other].contains(&found.as_str()), "{after:?}: {found}");
        assert!(!is_last || found == other, "what was answered is so");
        in_time += u32::from(found == is);
        is = found;
        server.stop();
    }
    println!("{in_time} of {KILLS} kills came in time; a restore takes {takes:?}");
    assert!(in_time > 0, "some come in time");
}
