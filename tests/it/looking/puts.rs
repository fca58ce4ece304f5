//! What is put over the admin API takes no more memory than the same by Kinesis, and is refused in
//! a sentence.

use axum::body::Body;
use http::Request;
use serde_json::json;

use super::two_shards;
use crate::server::{TestServer, here};

#[tokio::test]
async fn a_call_to_put_takes_no_more_records_than_one_of_kinesis() {
    let server = two_shards().await;
    let path = "streams/clicks/records";
    let record = json!({"partition_key": "k", "data": "x"});
    let of = |records: usize| json!({ "records": vec![record.clone(); records] });
    let (status, answer) = server.admin("POST", path, &of(500)).await;
    assert_eq!((status, &answer["failed"]), (200, &json!(0)));
    let (status, answer) = server.admin("POST", path, &of(501)).await;
    let message = answer["message"].as_str().unwrap();
    assert!(status == 400 && message.contains("records: at most 500 fit a call"), "{message}");
    // Those behind them may be anything, and what stands behind the first of these isn't even read.
    let records = format!("{record},").repeat(500) + "{\"nonsense\": []},";
    let request = Request::post(format!("/_millpond/{path}")).header("host", "localhost");
    let body = Body::from(format!("{{\"records\": [{records} what is this"));
    let answer = server.send(request.extension(here()).body(body).unwrap()).await;
    assert!(answer.text().contains("at most 500 fit a call"), "{}", answer.text());
}

#[tokio::test(start_paused = true)]
async fn what_is_put_keeps_its_room_until_it_is_stored() {
    let server = TestServer::with("--inflight-bytes 40MiB").await.with_stream("clicks", 2).await;
    server.put("clicks", "k", "the shard is open").await;
    server.engine().faults().hold();
    let data = "x".repeat(900_000);
    let records = json!(vec![json!({"partition_key": "k", "data": data}); 11]);
    let large = json!({ "records": records });
    let path = "streams/clicks/records";
    let asks = || server.admin("POST", path, &large);
    let refused = json!({ "records": records, "nonsense": "y".repeat(3 << 20) });
    let refusal = server.admin("POST", path, &refused);
    // Three of these bodies fit: the last of them has the room that is set aside. Nobody waits for
    // storage longer than ten seconds, which pass at once.
    let stored = futures::future::select_all((0..3).map(|_| Box::pin(asks())));
    tokio::select! {
        biased;
        _ = stored => {}
        _ = refusal => panic!("there was room for one more"),
    }
}

#[tokio::test]
async fn a_sentence_does_not_repeat_all_that_was_sent() {
    let server = two_shards().await;
    let long = "x".repeat(1 << 20);
    for body in [json!({ "records": long }), json!({ "records": [], &long: 1 })] {
        let (status, answer) = server.admin("POST", "streams/clicks/records", &body).await;
        let message = answer["message"].as_str().unwrap();
        assert!(status == 400 && message.len() <= 4_096, "{status}: {message:.100}");
    }
    let to = json!({ "to": long });
    let (status, answer) = server.admin("POST", "streams/clicks/fork", &to).await;
    let words = "the body has more than 65536 bytes, the most here";
    assert_eq!((status, answer["message"].as_str()), (413, Some(words)));
}
