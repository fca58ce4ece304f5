//! Faults over a real connection, from a file.

use std::fs;

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
