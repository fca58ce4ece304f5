//! The real program, over loopback and with real files: how it starts, ends, and survives.

mod admin;
mod child;
mod client;
mod encryption;
mod fan_out;
mod faults;
mod logs;
mod looking;
mod peer;
mod putting;
mod reload;
mod replaced;
mod storm;
mod traces;

use std::{
    fs::{self, Permissions},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use millpond_api::Codec;
use rustix::process::Signal;
use serde_json::json;

use self::{
    child::{Millpond, run_to_end},
    client::Client,
};

/// Flags of a server that keeps its data here and believes everybody.
fn serve(directory: &Path) -> String {
    let directory = directory.display();
    format!("serve --listen 127.0.0.1:0 --auth any --data-dir {directory} --transition 0")
}

const DEV: &str = "dev --listen 127.0.0.1:0";

#[test]
fn it_says_where_it_listens_and_answers_probes() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:2"));
    assert!(server.banner().starts_with("millpond "), "{}", server.banner());
    assert!(server.banner().contains("in memory"), "{}", server.banner());
    let mut client = server.client();
    let live = client.get("/_millpond/health/live");
    assert_eq!((live.status, live.body.as_slice()), (200, &b"live\n"[..]));
    let ready = client.get("/_millpond/health/ready");
    assert_eq!((ready.status, ready.body.as_slice()), (200, &b"ready\n"[..]));
    client.put("clicks", "a", "some text");
    let metrics = client.get("/metrics");
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body).unwrap();
    let labels = "account=\"000000000000\",region=\"us-east-1\",stream=\"clicks\"";
    for line in [
        format!("millpond_open_shards{{{labels}}} 2"),
        format!("millpond_incoming_records_total{{{labels},shard=\"shardId-000000000000\"}} 1"),
        format!("millpond_incoming_bytes_total{{{labels},shard=\"shardId-000000000000\"}} 10"),
        "millpond_requests_total{error=\"\",operation=\"PutRecord\"} 1".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

#[test]
fn answers_have_the_headers_that_clients_need() {
    let server = Millpond::start(DEV);
    let mut client = server.client();
    // One connection serves many requests.
    for _ in 0..3 {
        let answer = client.send("ListStreams", "{}");
        assert_eq!(answer.status, 200);
        let length = answer.header("content-length").parse::<usize>().unwrap();
        assert_eq!(length, answer.body.len());
        assert!(answer.header("date").ends_with(" GMT"), "{}", answer.header("date"));
        assert_eq!(answer.header("connection"), "");
    }
    let create = json!({"StreamName": "clicks", "ShardCount": 1}).to_string();
    let answer = client.send("CreateStream", &create);
    assert_eq!((answer.status, answer.header("content-length")), (200, "0"));
}

#[test]
fn a_signal_lets_requests_finish_and_ends_it_with_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let server = Millpond::start(&serve(directory.path()));
        let mut client = server.client();
        client.create("clicks", 1);
        let body = client::put_record("clicks", "k", "at the last moment");
        let (first, second) = body.split_at(body.len() / 2);
        // The server asks for the body: the request is at hand from then on.
        let mut late = server.client();
        late.write(&late.head("PutRecord", body.len(), "expect: 100-continue\r\n"));
        late.write(first.as_bytes());
        assert_eq!(late.read().status, 100);
        server.signal(signal);
        server.wait_until_deaf();
        late.write(second.as_bytes());
        assert_eq!(late.read().status, 200);
        drop((client, late));
        assert_eq!(server.wait(), Some(0));

        let server = Millpond::start(&serve(directory.path()));
        assert_eq!(server.client().texts("clicks", 0), ["at the last moment"]);
    }
}

#[test]
fn a_request_that_does_not_finish_holds_nobody_up_for_long() {
    let directory = tempfile::tempdir().unwrap();
    let server = Millpond::start(&format!("{} --drain 100ms", serve(directory.path())));
    let mut stuck = server.client();
    stuck.write(&stuck.head("PutRecord", 1000, "expect: 100-continue\r\n"));
    stuck.write(b"{");
    assert_eq!(stuck.read().status, 100);
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_restart_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let flags = serve(directory.path());
    let server = Millpond::start(&flags);
    let mut client = server.client();
    client.create("clicks", 1);
    client.call("AddTagsToStream", &json!({"StreamName": "clicks", "Tags": {"a": "b"}}));
    let period = json!({"StreamName": "clicks", "RetentionPeriodHours": 48});
    client.call("IncreaseStreamRetentionPeriod", &period);
    let first = client.put("clicks", "k", "before");
    let iterator = client.iterator("clicks", 0);
    let split = json!({"StreamName": "clicks", "ShardToSplit": "0", "NewStartingHashKey": "9"});
    client.call("SplitShard", &split);
    let describe = json!({"StreamName": "clicks"});
    let described = client.call("DescribeStream", &describe);
    server.signal(Signal::TERM);
    drop(client);
    assert_eq!(server.wait(), Some(0));

    let server = Millpond::start(&flags);
    let mut client = server.client();
    assert_eq!(client.call("DescribeStream", &describe), described);
    let tags = client.call("ListTagsForStream", &describe);
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
    let read = client.call("GetRecords", &json!({ "ShardIterator": iterator }));
    assert_eq!(read["Records"][0]["SequenceNumber"], first["SequenceNumber"]);
    let second = client.put("clicks", "k", "after");
    assert!(second["SequenceNumber"].as_str() > first["SequenceNumber"].as_str());
}

#[test]
fn what_it_stores_is_for_its_own_user() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Millpond::start(&serve(&data));
    server.client().create("clicks", 1);
    let mut found = vec![data];
    let mut files = 0;
    while let Some(path) = found.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        files += 1;
        let entries = fs::read_dir(&path).into_iter().flatten();
        found.extend(entries.map(|entry| entry.unwrap().path()));
    }
    assert!(files > 5, "{files}");
}

#[test]
fn in_memory_means_gone() {
    let flags = "serve --in-memory --auth any --listen 127.0.0.1:0 --transition 0";
    let server = Millpond::start(flags);
    server.client().create("clicks", 1);
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    let server = Millpond::start(flags);
    let streams = server.client().call("ListStreams", &json!({}));
    assert_eq!(streams["StreamNames"], json!([]));
}

#[test]
fn what_it_can_not_do_it_says_in_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    fs::write(path("file"), "x").unwrap();
    fs::create_dir(path("foreign")).unwrap();
    fs::write(path("foreign/letter"), "x").unwrap();
    fs::write(path("open"), "AKID").unwrap();
    fs::write(path("empty"), "").unwrap();
    fs::set_permissions(path("empty"), Permissions::from_mode(0o600)).unwrap();
    for (arguments, code, words) in [
        (String::new(), 2, "millpond dev"),
        ("dev --colour".to_owned(), 2, "--colour"),
        ("dev --quotas some".to_owned(), 2, "--quotas cannot be 'some'"),
        ("dev --drain 5".to_owned(), 2, "500ms, 30s, 5m or 24h"),
        ("serve --listen 0.0.0.0:0".to_owned(), 2, "--credential ID:SECRET"),
        (format!("dev --config {}", path("none.toml")), 2, "none.toml"),
        (format!("dev --listen {taken}"), 1, &format!("{taken} is in use, perhaps by another")),
        (format!("dev --listen {taken}"), 1, "with --listen"),
        (format!("{DEV} --data-dir {}", path("file")), 1, "file as data directory: it is a file"),
        (format!("{DEV} --credentials {}", path("empty")), 2, "empty holds no credentials"),
        (format!("{DEV} --credential foo"), 2, "--credential: a credential is written ID:SECRET"),
        (format!("{DEV} --log-level blah"), 2, "--log-level cannot be 'blah'"),
        (format!("dev --listen 127.0.0.1:0 --data-dir {}", path("file/data")), 1, "file/data"),
        (format!("dev --listen 127.0.0.1:0 --data-dir {}", path("foreign")), 1, "not empty"),
        (format!("{DEV} --credentials {}", path("open")), 2, "chmod 600"),
        (format!("{DEV} --credential AKIDEXAMPLE"), 2, "ID:SECRET"),
        (format!("{DEV} --faults {}", path("none.toml")), 2, "none.toml: it can't be read"),
        (format!("{DEV} --faults {}", path("file")), 2, "file: it is no TOML: line 1"),
    ] {
        let (ended, output, said) = run_to_end(&arguments);
        assert_eq!(ended, Some(code), "{arguments}: {said}");
        assert_eq!(output, "", "{arguments}");
        assert!(said.starts_with("millpond: ") && said.contains(words), "{arguments}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments}: {said}");
    }
}

#[test]
fn a_data_directory_has_one_process() {
    let directory = tempfile::tempdir().unwrap();
    let flags = serve(directory.path());
    let server = Millpond::start(&flags);
    server.client().create("clicks", 1);
    let (code, _, said) = run_to_end(&flags);
    assert_eq!(code, Some(1), "{said}");
    let pid = format!("another millpond (pid {})", server.pid());
    assert!(said.contains(&pid), "{said}");
    // The first one did not notice, and a crash leaves no lock behind.
    server.client().put("clicks", "k", "still here");
    server.kill();
    let server = Millpond::start(&flags);
    assert_eq!(server.client().texts("clicks", 0), ["still here"]);
}

#[test]
fn help_and_version_are_printed_with_success() {
    for (arguments, words) in [
        ("--help", "millpond dev"),
        ("help", "millpond dev"),
        ("help dev", "--quotas"),
        ("serve --help", "--data-dir"),
        ("--version", "millpond "),
    ] {
        let (code, output, said) = run_to_end(arguments);
        assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments}");
        assert!(output.contains(words), "{arguments}: {output}");
    }
}

#[test]
fn thousands_of_idle_connections_disturb_nobody() {
    let server = Millpond::start(DEV);
    let mut client = server.client();
    client.create("clicks", 1);
    let idle: Vec<_> = (0..3000)
        .map(|n| {
            let mut idle = TcpStream::connect(server.addr()).unwrap();
            // Every third has begun to say something.
            let said = [&b""[..], b"POST / HT", b"POST / HTTP/1.1\r\nhost: x\r\n"][n % 3];
            idle.write_all(said).unwrap();
            idle
        })
        .collect();
    for n in 0..200 {
        client.put("clicks", "k", &n.to_string());
    }
    assert_eq!(server.client().texts("clicks", 0).len(), 200);
    drop(idle);
    client.put("clicks", "k", "and on");
}

#[test]
fn bodies_that_break_off_store_nothing_and_disturb_nobody() {
    let server = Millpond::start(DEV);
    let mut client = server.client();
    client.create("clicks", 1);
    let body = client::put_record("clicks", "k", "broken off");
    let halves: Vec<_> = (0..100)
        .map(|n| {
            let mut half = server.client();
            half.write(&half.head("PutRecord", body.len(), ""));
            half.write(&body.as_bytes()[..n % body.len()]);
            half
        })
        .collect();
    for n in 0..100 {
        client.put("clicks", "k", &n.to_string());
    }
    drop(halves);
    assert_eq!(client.texts("clicks", 0).len(), 100);
}

#[test]
fn a_body_may_come_in_chunks_and_not_be_too_large() {
    let server = Millpond::start(DEV);
    let mut client = server.client();
    let head = client.head("ListStreams", 0, "transfer-encoding: chunked\r\n");
    let head = String::from_utf8(head).unwrap().replace("content-length: 0\r\n", "");
    client.write(head.as_bytes());
    client.write(b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n");
    assert_eq!(client.read().status, 200);
    let large = "x".repeat((16 << 20) + 1);
    let answer = client.send("ListStreams", &large);
    let said = String::from_utf8(answer.body).unwrap();
    assert!(answer.status == 413 && said.contains("16 MiB"), "{} {said}", answer.status);
    assert_eq!(server.client().send("ListStreams", "{}").status, 200);
}

#[test]
fn what_is_not_http_ends_its_own_connection_only() {
    let server = Millpond::start(DEV);
    let mut client = server.client();
    for said in [&b"\x16\x03\x01\x02\x00\x01\x00"[..], b"\r\n\r\n\r\n", b"GET\0/ x\r\n\r\n"] {
        let mut stranger = TcpStream::connect(server.addr()).unwrap();
        stranger.write_all(said).unwrap();
        stranger.shutdown(std::net::Shutdown::Write).unwrap();
        let mut heard = Vec::new();
        // A reset is as good as an end.
        let _ = stranger.read_to_end(&mut heard);
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 400"), "{heard}");
        assert_eq!(client.send("ListStreams", "{}").status, 200);
    }
}

#[test]
fn cbor_travels_over_the_wire() {
    let server = Millpond::start(DEV);
    let mut client: Client = server.client();
    client.create("clicks", 1);
    client.codec = Codec::Cbor;
    client.put("clicks", "k", "in CBOR");
    assert_eq!(client.texts("clicks", 0), ["in CBOR"]);
}
