//! Faults over a real connection, from a file.

use std::{fs, thread};

use serde_json::json;

use super::{DEV, child::Millpond};
use crate::wire;

#[test]
fn a_cut_after_the_commit_closes_the_connection_and_keeps_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("faults.toml");
    let fault = "[[faults]]\noperation = 'PutRecord'\ncalls = 2\n\
                 then = { cut = true, when = 'after-commit' }";
    fs::write(&script, fault).unwrap();
    let server = Millpond::start(&format!("{DEV} --faults {}", script.display()));
    let told = format!("INJECTED, as {} says", script.display());
    assert!(server.banner().contains(&told), "{}", server.banner());
    let mut client = server.client();
    client.create("orders", 1);
    client.put("orders", "k", "first");
    let second = json!({"StreamName": "orders", "PartitionKey": "k", "Data": wire::blob("second")});
    let error = client.try_call("PutRecord", &second).unwrap_err();
    assert_eq!(error.to_string(), "no status in \"\"", "not a byte comes");
    assert_eq!(server.client().texts("orders", 0), ["first", "second"]);
    let log = server.stop();
    assert!(log.contains("faults are injected"), "{log}");
}

#[test]
fn a_server_that_stops_answers_calls_that_a_fault_holds() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("faults.toml");
    fs::write(&script, "[[faults]]\noperation = 'ListStreams'\nthen = { delay = '1h' }").unwrap();
    let server = Millpond::start(&format!("{DEV} --drain 5s --faults {}", script.display()));
    let (mut held, mut client) = (server.client(), server.client());
    let answer = thread::spawn(move || held.call("ListStreams", &json!({})));
    while !String::from_utf8(client.get("/_millpond/faults").body).unwrap().contains("\"acted\":1")
    {
        thread::yield_now();
    }
    server.stop();
    assert_eq!(answer.join().unwrap()["StreamNames"], json!([]));
}
