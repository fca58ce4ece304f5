//! The bench from outside, against a stub that speaks just enough Kinesis.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of this file is tests")]

use std::process::{Command, Output};

use serde_json::Value;

/// Runs the bench against the stub; ` ` parts the arguments.
fn bench(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments.split(' '))
        .args(["--server-bin", env!("CARGO_BIN_EXE_kinesis-stub")])
        .args(["--scratch", env!("CARGO_TARGET_TMPDIR")])
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The rows of a short run over these cases: the service and the bare server in turn.
fn rows(file: &str, cases: &str) -> Vec<Value> {
    let json = format!("{}/{file}", env!("CARGO_TARGET_TMPDIR"));
    let short = "--duration 1s --warm-up 10ms";
    drop(std::fs::remove_file(&json));
    let output = bench(&format!("run {short} --report {json} {cases}"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("ratio"));
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    report["rows"].as_array().unwrap().clone()
}

fn figure(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("no {name} in {row}"))
}

#[test]
fn puts_and_reads_are_measured_on_both_servers() {
    let rows = rows("json.json", "--case put-records-500x100B --case get-records-1KiB");
    let servers: Vec<_> = rows.iter().map(|row| row["server"].as_str().unwrap()).collect();
    assert_eq!(servers, ["millpond", "bare", "millpond", "bare"]);
    for row in &rows {
        assert!(figure(row, "records") >= 100.0, "{row}");
        assert!(figure(row, "server_cpu_us_per_record") > 0.0, "{row}");
        assert!(figure(row, "p99_us") >= figure(row, "p50_us"), "{row}");
        assert!(figure(row, "rss_mib") > 1.0, "{row}");
    }
    let answers = |row| figure(row, "answer_bytes_per_request").round();
    assert!((answers(&rows[1]) - 2.0).abs() < 0.5, "writes get a small answer");
    assert!((answers(&rows[2]) - answers(&rows[3])).abs() <= 1.0, "reads get one as large");
}

#[test]
fn cbor_is_spoken_both_ways() {
    let rows = rows("cbor.json", "--case put-records-500x1KiB-cbor --case get-records-100B-cbor");
    assert!(rows.iter().all(|row| figure(row, "records") > 0.0), "{rows:?}");
}

#[test]
fn single_puts_are_measured_until_stored_and_until_read() {
    let rows = rows("single.json", "--case put-record-100B-c64 --case put-to-read-100B");
    let (alone, tip) = (&rows[0], &rows[2]);
    assert_eq!(alone["requests"], alone["records"]);
    assert_eq!(tip["requests"], tip["records"]);
    assert!(figure(tip, "p50_us") > 0.0);
}

#[test]
fn entries_that_fail_fail_the_run() {
    let output = bench("run --case put-records-100x1KiB --duration 100ms --server-arg --fail");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("put-records-100x1KiB: millpond: some entries failed"), "{error}");
}

#[test]
fn a_server_that_cannot_start_is_told() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["start", "--server-bin", "/no/such/server"])
        .args(["--scratch", env!("CARGO_TARGET_TMPDIR")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("starting /no/such/server"));
}

#[test]
fn starts_are_timed() {
    let output = bench("start --starts 2");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for line in ["\n  dev ", "\n  serve, fresh directory ", "\n  serve, opened again "] {
        assert!(table.contains(line), "{table}");
    }
}

#[test]
fn idle_memory_is_read() {
    let output = bench("idle --shards 3 --settle 1ms");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("3 more shards"));
}

#[test]
fn requests_at_a_rate_are_sent_when_they_are_due() {
    let rows = rows("rate.json", "--case put-record-100B-c1 --rate 200 --shards 1,2");
    let own: Vec<&Value> = rows.iter().filter(|row| row["server"] == "millpond").collect();
    assert_eq!(own.len(), 2, "one for each number of shards");
    for (row, shards) in own.iter().zip([1, 2]) {
        assert_eq!(row["per_second"], 200);
        assert_eq!(row["shards"], shards);
        // A second's worth, and what was due before it and answered late.
        assert!((1.0..=203.0).contains(&figure(row, "requests")), "{row}");
    }
}

#[test]
fn a_server_that_forgets_is_no_fast_reader() {
    let output = bench("run --case get-records-cold-1KiB --prefill-mib 1");
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("get-records-cold-1KiB: millpond: listing the data dir"), "{error}");
}

#[test]
fn a_report_is_shown_and_held_against_the_targets() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let report = format!("{folder}/shown.json");
    rows("shown.json", "--case put-records-500x100B");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let verdicts = run(&["check", &report]);
    let line = verdicts.lines().find(|line| line.contains("put-records-500x100B ")).unwrap();
    assert!(line.trim_end().ends_with("met"), "{line}");
    assert!(verdicts.contains("not measured"), "{verdicts}");
    run(&["plot", &report, "--out", &format!("{folder}/shown")]);
    let svg = std::fs::read_to_string(format!("{folder}/shown/cost.svg")).unwrap();
    assert!(svg.contains("put-records-500x100B"), "{svg}");
}
