//! The clock over the admin API.

use serde_json::{Value, json};

use super::{HOUR, MILLI};
use crate::server::TestServer;

const NOW: f64 = 1_700_000_000.0;

async fn post(server: &TestServer, what: &str, body: Value) -> (u16, Value) {
    server.admin("POST", &format!("clock/{what}"), &body).await
}

#[tokio::test]
async fn each_answer_shows_the_clock_after_it() {
    let server = TestServer::with("--transition 10s").await;
    let clock = server.administer("GET", "clock", Value::Null).await;
    assert_eq!((&clock["epoch_seconds"], &clock["paused"]), (&json!(NOW), &json!(true)));
    server.create("clicks", 1).await;
    let clock = server.administer("POST", "clock/advance", json!({"seconds": 0.25})).await;
    assert_eq!(clock["epoch_seconds"], NOW + 0.25);
    assert_eq!(clock["next_due_epoch_seconds"], NOW + 10.0, "then it is created");
    let to = json!({"epoch_seconds": NOW + 9.999_999});
    server.administer("POST", "clock/set", to).await;
    assert_eq!(server.status("clicks").await, "CREATING");
    let clock = server.administer("POST", "clock/set", json!({"epoch_seconds": NOW + 10.0})).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
    assert_eq!(clock["paused"], true);
    let clock = server.administer("POST", "clock/resume", Value::Null).await;
    assert_eq!((&clock["epoch_seconds"], &clock["paused"]), (&json!(NOW + 10.0), &json!(false)));
    let clock = server.administer("POST", "clock/advance", json!({"seconds": 1})).await;
    assert_eq!(clock["paused"], false, "after a move it runs on");
    let clock = server.administer("POST", "clock/pause", json!({})).await;
    assert_eq!(clock["paused"], true);
    assert_eq!(clock, server.administer("GET", "clock", Value::Null).await);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_moves_nothing() {
    let server = TestServer::new().await;
    server.advance(HOUR + MILLI).await;
    let now = server.now();
    let number = "a number of seconds from 0 to 7258118400, here";
    for (path, body, expected) in [
        ("advance", json!({"seconds": -1}), &*format!("seconds: {number} -1")),
        ("advance", json!({"seconds": 1e300}), &*format!("seconds: {number} 1{}", "0".repeat(300))),
        ("advance", json!({"seconds": 7e9}), "time ends at 7258118400.000 s since the epoch"),
        ("set", json!({"epoch_seconds": -1}), &*format!("epoch_seconds: {number} -1")),
        (
            "set",
            json!({"epoch_seconds": NOW}),
            "time does not go back: it is 1700003600.001 s since the epoch already",
        ),
    ] {
        let (status, output) = post(&server, path, body).await;
        assert_eq!((status, output["message"].as_str().unwrap()), (400, expected));
    }
    for (path, body, field) in [
        ("advance", json!({}), "seconds"),
        ("advance", json!({"seconds": "1"}), "seconds"),
        ("advance", json!({"hours": 1}), "hours"),
        ("set", json!({"seconds": 1}), "seconds"),
        ("pause", json!({"now": true}), "now"),
    ] {
        let (status, output) = post(&server, path, body).await;
        let message = output["message"].as_str().unwrap();
        assert!(status == 400 && message.contains(field), "{status} {message}");
    }
    assert_eq!(server.now(), now);
}
