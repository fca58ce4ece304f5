//! What operators ask: whether it lives, whether it is ready, and what it has counted.

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::{server::TestServer, wire::Answer};

pub(crate) async fn get(server: &TestServer, path: &str) -> Answer {
    server.send(Request::get(path).body(Body::empty()).unwrap()).await
}

/// A full disk makes the server unready, not dead; it recovers by itself.
#[tokio::test]
async fn a_full_disk_is_told_and_forgotten() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    let put = json!({"StreamName": "clicks", "PartitionKey": "k", "Data": ""});
    for full in [false, true, false] {
        server.engine().faults().set_full(full);
        let live = get(&server, "/_millpond/health/live").await;
        assert_eq!((live.status.as_u16(), live.text()), (200, "live\n"));
        let ready = get(&server, "/_millpond/health/ready").await;
        let outcome = server.outcome("PutRecord", put.clone()).await;
        if full {
            assert_eq!(ready.status, 503);
            // Storage's own words name files, so they are for the log.
            let told = "Storage is full: no space left for records.";
            assert_eq!(ready.text(), format!("{told}\n"));
            let refusal = outcome.unwrap_err();
            assert_eq!((refusal.status, refusal.message.as_str()), (500, told));
        } else {
            assert_eq!((ready.status.as_u16(), ready.text()), (200, "ready\n"));
            outcome.unwrap();
        }
    }
    assert_eq!(server.read("clicks", 0).await.len(), 2);
}

/// Reading goes on while nothing can be written, and so does giving up streams.
#[tokio::test]
async fn a_full_disk_stops_writes_only() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    server.engine().faults().set_full(true);
    assert_eq!(server.read("clicks", 0).await, ["1"]);
    let create = json!({"StreamName": "orders", "ShardCount": 1});
    let refusal = server.outcome("CreateStream", create.clone()).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code.as_str()), (500, "InternalFailureException"));
    server.engine().faults().set_full(false);
    server.call("CreateStream", create).await;
}

/// Without a connection there is no host that could be this one.
#[tokio::test]
async fn metrics_are_for_this_host_unless_they_are_open() {
    assert_eq!(get(&TestServer::new().await, "/metrics").await.status, 403);
    let server = TestServer::with("--metrics open").await.with_stream("clicks", 1).await;
    server.put("clicks", "k", "1").await;
    let iterator = server.iterator("clicks", 0, "TRIM_HORIZON").await;
    server.get(&iterator).await;
    server.refusal("DescribeStream", json!({"StreamName": "missing"})).await;
    let metrics = get(&server, "/metrics").await;
    let refused = "error=\"ResourceNotFoundException\",operation=\"DescribeStream\"";
    let labels = "account=\"000000000000\",region=\"us-east-1\",stream=\"clicks\",\
                  shard=\"shardId-000000000000\"";
    for line in [
        format!("millpond_incoming_records_total{{{labels}}} 1"),
        format!("millpond_incoming_bytes_total{{{labels}}} 2"),
        format!("millpond_outgoing_records_total{{{labels}}} 1"),
        format!("millpond_outgoing_bytes_total{{{labels}}} 2"),
        format!("millpond_requests_total{{{refused}}} 1"),
    ] {
        assert!(metrics.text().lines().any(|found| found == line), "no {line}");
    }
}

#[tokio::test]
async fn throttled_calls_are_counted() {
    let flags = "--metrics open --quotas strict";
    let server = TestServer::with(flags).await.with_stream("clicks", 1).await;
    let iterator = server.iterator("clicks", 0, "LATEST").await;
    for _ in 0..7 {
        // Five are admitted.
        let _ = server.outcome("GetRecords", json!({ "ShardIterator": iterator })).await;
    }
    let entry = json!({"PartitionKey": "k", "Data": ""});
    for count in [500, 500, 3] {
        let input = json!({"StreamName": "clicks", "Records": vec![&entry; count]});
        server.call("PutRecords", input).await;
    }
    let metrics = get(&server, "/metrics").await;
    for (name, count) in [("write", 3), ("read", 2)] {
        let name = format!("millpond_{name}_provisioned_throughput_exceeded_total{{");
        let line = metrics.text().lines().find(|line| line.starts_with(&name)).unwrap();
        assert!(line.ends_with(&format!(" {count}")), "{line}");
    }
}
