//! The commands that look into a running server.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::Child,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{
    child::{Millpond, run_in, run_to_end, run_with_input, start},
    peer::peer,
};

/// What a command prints about this server. Panics unless it ends well and silently.
fn told(server: &Millpond, arguments: &str) -> String {
    let endpoint = format!("http://{}", server.addr());
    let variables = [("MILLPOND_ENDPOINT", endpoint.as_str())];
    let (code, output, said) = run_in(arguments, &variables);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments}: {output}");
    output
}

/// The same as objects, one a line.
pub(super) fn objects(server: &Millpond, arguments: &str) -> Vec<Value> {
    let output = told(server, &format!("{arguments} --json"));
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same, with this on standard input.
pub(super) fn put(server: &Millpond, arguments: &str, input: &[u8]) -> String {
    let endpoint = format!("http://{}", server.addr());
    let variables = [("MILLPOND_ENDPOINT", endpoint.as_str())];
    let (code, output, said) = run_with_input(arguments, &variables, input);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments}: {output}");
    output
}

/// A command that goes on until it is ended.
pub(super) fn going_on(server: &Millpond, arguments: &str) -> Child {
    let endpoint = format!("http://{}", server.addr());
    start(arguments, &[("MILLPOND_ENDPOINT", endpoint.as_str())])
}

pub(super) fn data(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["data"].as_str().unwrap()).collect()
}

pub(super) const DEV: &str = "dev --listen 127.0.0.1:0 --transition 0";

#[test]
fn streams_and_shards_are_shown_to_people_and_to_machines() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:2 --stream orders:1:eu-west-1"));
    server.client().put("clicks", "a", "some text");
    let listed = told(&server, "streams");
    let lines: Vec<_> = listed.lines().map(str::split_whitespace).map(Vec::from_iter).collect();
    assert_eq!(lines[0], ["NAME", "STATUS", "MODE", "SHARDS", "HOURS", "REGION", "ACCOUNT"]);
    let orders = ["orders", "ACTIVE", "PROVISIONED", "1", "24", "eu-west-1", "000000000000"];
    assert!(lines.contains(&orders.to_vec()), "{listed}");
    assert_eq!(objects(&server, "streams").len(), 2);
    assert_eq!(objects(&server, "streams --region eu-west-1")[0]["name"], "orders");
    assert_eq!(objects(&server, "describe clicks")[0]["open_shards"], 2);
    let described = told(&server, "describe orders --region eu-west-1");
    assert!(described.contains("arn:aws:kinesis:eu-west-1:000000000000:stream/orders"));
    let shards = objects(&server, "shards clicks");
    let records: Vec<_> = shards.iter().map(|shard| shard["records"].as_u64().unwrap()).collect();
    assert_eq!(records.iter().sum::<u64>(), 1);
    assert!(told(&server, "shards clicks").starts_with("SHARD "));
}

#[test]
fn who_sends_a_token_in_the_clear_is_told_once() {
    let (addr, requests) = peer(&json!({ "records": [{}] }).to_string());
    let port = addr.port();
    let warning = |host: &str| {
        format!(
            "millpond: the admin token goes to http://{host}:{port}/ in the clear, and others may \
             read it on its way: https:// keeps it\n"
        )
    };
    // 0.0.0.0 is this host, too, which nobody would know from looking at it.
    for (host, token, warned) in [
        ("0.0.0.0", "test", warning("0.0.0.0")),
        ("0.0.0.0", "", String::new()),
        ("127.0.0.1", "test", String::new()),
    ] {
        let endpoint = format!("http://{host}:{port}");
        let variables = [("MILLPOND_ENDPOINT", &*endpoint), ("MILLPOND_ADMIN_TOKEN", token)];
        let (code, _, said) = run_in("put clicks x", &variables);
        assert_eq!((code, said), (Some(0), warned), "{host} {token}");
        let (head, _) = requests.recv().unwrap();
        assert_eq!(head.contains("authorization: bearer test"), !token.is_empty(), "{head}");
    }
}

#[test]
fn what_was_refused_is_shown_and_cleared_and_told_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let limits = dir.path().join("quotas.toml");
    fs::write(&limits, "shard-write-records-per-second = 1\n").unwrap();
    let limits = limits.display();
    let server =
        Millpond::start(&format!("{DEV} --stream clicks --stream orders --quotas-file {limits}"));
    assert_eq!(told(&server, "throttles"), "nothing was refused\n");
    let entry = json!({"PartitionKey": "a key", "Data": ""});
    let input = json!({"StreamName": "clicks", "Records": vec![entry; 500]});
    server.client().call("PutRecords", &input);
    let shown = told(&server, "throttles clicks");
    assert!(shown.starts_with("STREAM  SHARD "), "{shown}");
    for words in [" shard-write-records-per-second  1 ", " a key\n", "would have cost"] {
        assert!(shown.contains(words), "{shown}");
    }
    let report = &objects(&server, "throttles")[0];
    assert!(report["streams"][0]["throttles"][0]["refused"].as_u64().unwrap() > 400, "{report}");
    assert_eq!(told(&server, "throttles orders"), "nothing was refused\n");
    assert_eq!(told(&server, "throttles --clear orders"), "");
    let last = server.stop();
    assert!(last.contains("stream clicks (000000000000, us-east-1): "), "{last}");
}

#[test]
fn a_limits_file_that_cannot_be_used_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("limits.toml");
    for (flag, text, words) in [
        ("quotas-file", "tags-per-resource = -1", "`tags-per-resource` is a whole number"),
        ("quotas-file", "no = 1", "unknown key `no`; the keys are shard-write-records"),
        ("prices", "currency = \"USD\"", "missing field"),
    ] {
        fs::write(&file, text).unwrap();
        let at = file.display();
        let (ended, output, said) = run_to_end(&format!("{DEV} --{flag} {at}"));
        assert_eq!((ended, output.as_str()), (Some(2), ""), "{said}");
        assert!(said.starts_with(&format!("millpond: {at}: ")) && said.contains(words), "{said}");
    }
    let (ended, _, said) = run_to_end(&format!("{DEV} --quotas-file /nowhere/limits"));
    assert!(ended == Some(2) && said.contains("/nowhere/limits: "), "{said}");
}

#[test]
fn what_goes_wrong_is_one_sentence_that_says_what_to_do() {
    let server = Millpond::start(DEV);
    let closed = Millpond::start("serve --listen 127.0.0.1:0 --in-memory --auth any");
    let locked = "serve --listen 127.0.0.1:0 --in-memory --admin on --admin-token s3same";
    let locked = Millpond::start(locked);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = |server: &Millpond| format!("--endpoint http://{}", server.addr());
    let (dev, closed, locked) = (at(&server), at(&closed), at(&locked));
    for (arguments, code, words) in [
        ("describe".to_owned(), 2, "<STREAM> is missing"),
        ("describe a/b".to_owned(), 2, "<STREAM> cannot be 'a/b'"),
        ("streams --endpoint 127.0.0.1".to_owned(), 2, "--endpoint cannot be '127.0.0.1': it is"),
        ("streams --region EU".to_owned(), 2, "--region cannot be 'EU'"),
        ("streams --listen 127.0.0.1:0".to_owned(), 2, "--listen"),
        (format!("streams --endpoint http://{free}"), 1, "start one with 'millpond dev'"),
        (format!("describe absent {dev}"), 1, "Stream absent under account 000000000000 not found"),
        (format!("streams {closed}"), 1, "the admin API is off: start millpond with --admin on"),
        (format!("streams {locked}"), 1, "here that is --admin-token TOKEN, or --data-dir DIR"),
        (format!("streams --admin-token wrong {locked}"), 1, "this is not the admin token"),
    ] {
        let (ended, output, said) = run_to_end(&arguments);
        assert_eq!((ended, output.as_str()), (Some(code), ""), "{arguments}: {said}");
        assert!(said.starts_with("millpond: ") && said.contains(words), "{arguments}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments}: {said}");
    }
    let bad = run_in("streams", &[("MILLPOND_ENDPOINT", "nowhere")]);
    assert_eq!(bad.0, Some(2));
    assert!(bad.2.contains("MILLPOND_ENDPOINT cannot be 'nowhere'"), "{}", bad.2);
}

#[test]
fn the_token_is_given_or_found_in_the_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let data = data.display();
    let flags = format!("serve --listen 127.0.0.1:0 --auth any --data-dir {data} --admin on");
    let server = Millpond::start(&flags);
    assert_eq!(told(&server, &format!("streams --json --data-dir {data}")), "");
    let token = fs::read_to_string(format!("{data}/admin.token")).unwrap();
    assert_eq!(told(&server, &format!("streams --json --admin-token {}", token.trim())), "");
    let endpoint = format!("http://{}", server.addr());
    let variables =
        [("MILLPOND_ENDPOINT", endpoint.as_str()), ("MILLPOND_ADMIN_TOKEN", token.trim())];
    assert_eq!(run_in("streams --json", &variables).0, Some(0));
    fs::set_permissions(format!("{data}/admin.token"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = format!("streams --endpoint {endpoint} --data-dir {data}");
    let (code, _, said) = run_to_end(&open);
    assert!(code == Some(1) && said.contains("chmod 600"), "{said}");
}

#[test]
fn the_last_record_of_a_key_is_found_however_far_back_it_is() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:1"));
    server.client().put("clicks", "rare", "here");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lines");
    fs::write(&file, "x\n".repeat(10_001)).unwrap();
    put(&server, &format!("put clicks --file {}", file.display()), b"");
    let found = objects(&server, "peek clicks --last -n 2 --key rare");
    assert_eq!(data(&found), ["here"]);
}

#[test]
fn a_stream_is_followed_over_a_split_until_there_was_enough() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:1"));
    let mut client = server.client();
    client.put("clicks", "k", "before");
    let mut tail = going_on(&server, "tail clicks --from TRIM_HORIZON -n 3 --json");
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["data"], "before");
    client.put("clicks", "k", "while it waits");
    assert_eq!(next()["data"], "while it waits");
    let split = json!({"StreamName": "clicks", "ShardToSplit": "shardId-000000000000",
        "NewStartingHashKey": "170141183460469231731687303715884105728"});
    client.call("SplitShard", &split);
    client.put("clicks", "k", "after");
    let after = next();
    assert_eq!(after["data"], "after");
    assert_ne!(after["shard"], "shardId-000000000000");
    assert_eq!(tail.wait().unwrap().code(), Some(0));
    let mut closed =
        going_on(&server, "tail clicks --from TRIM_HORIZON --shard shardId-000000000000");
    assert_eq!(closed.wait().unwrap().code(), Some(0), "a closed shard has an end");
}

#[test]
fn a_tail_ends_quietly() {
    let server = Millpond::start(&format!("{DEV} --stream clicks:1"));
    server.client().put("clicks", "k", "text");
    for signal in [Signal::INT, Signal::TERM] {
        let mut tail = going_on(&server, "tail clicks --from TRIM_HORIZON");
        let mut line = String::new();
        BufReader::new(tail.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.ends_with("  0  k  text\n"), "{line}");
        kill_process(Pid::from_child(&tail), signal).unwrap();
        let said = io::read_to_string(tail.stderr.take().unwrap()).unwrap();
        assert_eq!((tail.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    }
    // Whoever reads has enough.
    let mut tail = going_on(&server, "tail clicks --from TRIM_HORIZON");
    drop(tail.stdout.take());
    server.client().put("clicks", "k", "more");
    let said = io::read_to_string(tail.stderr.take().unwrap()).unwrap();
    assert_eq!((tail.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    // A server that stops doesn't wait for its readers.
    let mut tail = going_on(&server, "tail clicks --from TRIM_HORIZON");
    let mut line = String::new();
    BufReader::new(tail.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    assert_eq!(tail.wait().unwrap().code(), Some(1));
    let said = io::read_to_string(tail.stderr.take().unwrap()).unwrap();
    assert!(said.starts_with("millpond: ") && said.lines().count() == 1, "{said}");
}

#[test]
fn every_command_teaches_by_examples() {
    let (code, help, _) = run_to_end("--help");
    assert_eq!(code, Some(0));
    for command in ["streams", "describe", "shards", "peek", "tail", "put", "throttles"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let (code, help, said) = run_to_end(&format!("{command} --help"));
        assert_eq!((code, said.as_str()), (Some(0), ""));
        assert!(help.contains("[env: MILLPOND_ENDPOINT]") && help.contains("Example"), "{help}");
    }
}

#[test]
fn streams_of_other_tools_variables_and_of_the_file_are_there_and_differences_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let file = |hours: u32| {
        let text = format!("[[streams]]\nname = \"orders\"\nretention-hours = {hours}\n");
        fs::write(path("millpond.toml"), text).unwrap();
    };
    file(48);
    let flags = "serve --listen 127.0.0.1:0 --auth any --admin on --data-dir";
    let flags = format!("{flags} {} --config {}", path("data"), path("millpond.toml"));
    let variables = [("KINESIS_INITIALIZE_STREAMS", "clicks::eu-west-1,orders:2")];
    let server = Millpond::start_in(&flags, &variables);
    let list = format!("streams --data-dir {}", path("data"));
    let told = |server: &Millpond| -> Vec<String> {
        let streams = objects(server, &list);
        let told = streams.iter().map(|stream| {
            let (name, region) = (stream["name"].as_str(), stream["region"].as_str());
            format!("{}/{} {}", region.unwrap(), name.unwrap(), stream["open_shards"])
        });
        told.collect()
    };
    assert_eq!(told(&server), ["eu-west-1/clicks 4", "us-east-1/orders 2"]);
    assert!(!server.stop().contains("not as declared"));

    file(168);
    let log = Millpond::start(&flags).stop();
    let difference = "retention-hours is 48, declared 168";
    assert!(log.contains("not as declared") && log.contains(difference), "{log}");
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_is_told_from_none() {
    let home = tempfile::tempdir().unwrap();
    let server = Millpond::start(&format!("{DEV} --tls self-signed"));
    let port = server.addr().port();
    let streams = format!("streams --endpoint https://localhost:{port}");
    let (code, _, said) = run_to_end(&streams);
    assert_eq!(code, Some(1));
    assert!(said.contains("isn't trusted") && said.contains("--ca FILE"), "{said}");
    assert!(said.contains("/_millpond/ca.pem"), "{said}");

    let shown = server.client().get("/_millpond/ca.pem");
    let authority = home.path().join("shown.pem");
    fs::write(&authority, shown.body).unwrap();
    let (code, _, said) = run_to_end(&format!("{streams} --ca {}", authority.display()));
    assert_eq!((code, said.as_str()), (Some(0), ""));
}
