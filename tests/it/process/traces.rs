//! Traces leave the program for a collector, and a collector that is gone is nobody's trouble.

use std::net::TcpListener;

use serde_json::json;

use super::{DEV, child::Millpond, peer::peer};

fn holds(body: &[u8], words: &str) -> bool {
    body.windows(words.len()).any(|window| window == words.as_bytes())
}

#[test]
fn the_last_spans_are_sent_before_it_ends() {
    let (addr, requests) = peer("");
    let (flag, variable) =
        (format!("{DEV} --otlp-endpoint http://{addr}"), format!("http://{addr}"));
    let by_flag = Millpond::start(&flag);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*variable), ("OTEL_SERVICE_NAME", "pond")];
    let by_variable = Millpond::start_in(DEV, &variables);
    for (server, service) in [(by_flag, "millpond"), (by_variable, "pond")] {
        let mut client = server.client();
        client.call("CreateStream", &json!({"StreamName": "clicks", "ShardCount": 1}));
        client.put("clicks", "k", "data");
        let log = server.stop();
        assert!(
            log.contains(&format!("traces are sent collector=http://{addr}/v1/traces")),
            "{log}"
        );
        assert!(!log.contains("WARN"), "{log}");
        let requests: Vec<_> = requests.try_iter().collect();
        for (head, body) in &requests {
            assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
            assert!(head.contains("content-type: application/x-protobuf\r\n"), "{head}");
            assert!(head.contains(&format!("host: {addr}\r\n")), "{head}");
            assert!(holds(body, service));
        }
        for words in ["Kinesis/CreateStream", "Kinesis/PutRecord", "clicks"] {
            assert!(requests.iter().any(|(_, body)| holds(body, words)), "no {words}");
        }
    }
}

#[test]
fn a_collector_that_is_gone_is_told_of_and_changes_nothing() {
    // Nobody listens there any more.
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Millpond::start(&format!("{DEV} --stream clicks --otlp-endpoint http://{addr}"));
    let mut client = server.client();
    for _ in 0..10 {
        client.put("clicks", "k", "data");
    }
    let log = server.stop();
    let told = log.lines().filter(|line| line.contains("traces are lost")).count();
    assert_eq!(told, 1, "{log}");
}
