//! The commands that look into a running server.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use super::child::{Millpond, run_in, run_to_end};

/// What a command prints about this server. Panics unless it ends well and silently.
fn told(server: &Millpond, arguments: &str) -> String {
    let endpoint = format!("http://{}", server.addr());
    let variables = [("MILLPOND_ENDPOINT", endpoint.as_str())];
    let (code, output, said) = run_in(arguments, &variables);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments}: {output}");
    output
}

/// The same as objects, one a line.
fn objects(server: &Millpond, arguments: &str) -> Vec<Value> {
    let output = told(server, &format!("{arguments} --json"));
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const DEV: &str = "dev --listen 127.0.0.1:0 --transition 0";

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
fn every_command_teaches_by_examples() {
    let (code, help, _) = run_to_end("--help");
    assert_eq!(code, Some(0));
    for command in ["streams", "describe", "shards"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let (code, help, said) = run_to_end(&format!("{command} --help"));
        assert_eq!((code, said.as_str()), (Some(0), ""));
        assert!(help.contains("[env: MILLPOND_ENDPOINT]") && help.contains("Example"), "{help}");
    }
}
