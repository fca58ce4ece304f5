//! StopStreamEncryption.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    addressing,
    server::{TestServer, in_both_formats, texts},
};

#[tokio::test]
async fn a_stream_is_addressed_by_name_or_arn() {
    addressing::check("StopStreamEncryption", json!({"EncryptionType": "KMS", "KeyId": "alias/k"}))
        .await;
}

#[tokio::test]
async fn later_records_are_plain_and_older_ones_stay_readable() {
    in_both_formats("", async |server| {
        server.create("clicks", 1).await;
        server.call("StartStreamEncryption", input("alias/a")).await;
        server.put("clicks", "k", "1").await;
        let answer = server.answer("StopStreamEncryption", &input("alias/a")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        let summary = server.summary("clicks").await;
        assert_eq!(summary["EncryptionType"], "NONE");
        assert_eq!(summary.get("KeyId"), None);
        assert_eq!(server.put("clicks", "k", "2").await.get("EncryptionType"), None);
        let server = server.after_crash().await;
        let output = server.get(&server.iterator("clicks", 0, "TRIM_HORIZON").await).await;
        assert_eq!(texts(&output), ["1", "2"]);
        assert_eq!(output["Records"][0]["EncryptionType"], "KMS");
        assert_eq!(output["Records"][1].get("EncryptionType"), None);
        server.call("StartStreamEncryption", input("alias/b")).await;
        server.put("clicks", "k", "3").await;
        assert_eq!(server.read("clicks", 0).await, ["1", "2", "3"]);
    })
    .await;
}

#[tokio::test]
async fn the_stream_is_updating_meanwhile() {
    let server = TestServer::with("--transition 20s").await.with_stream("clicks", 1).await;
    server.advance(Duration::from_secs(20)).await;
    server.call("StopStreamEncryption", input("alias/a")).await;
    assert_eq!(server.status("clicks").await, "ACTIVE", "there was nothing to stop");
    server.call("StartStreamEncryption", input("alias/a")).await;
    let refusal = server.refusal("StopStreamEncryption", input("alias/a")).await;
    assert!(refusal.starts_with("ResourceInUseException: "), "{refusal}");
    server.advance(Duration::from_secs(20)).await;
    server.call("StopStreamEncryption", input("alias/a")).await;
    assert_eq!(server.status("clicks").await, "UPDATING");
    server.advance(Duration::from_secs(20)).await;
    assert_eq!(server.status("clicks").await, "ACTIVE");
}

/// Terraform passes the key that it remembers, which may be another one by now.
#[tokio::test]
async fn any_key_id_will_do_but_no_other_type() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    server.call("StartStreamEncryption", input("alias/a")).await;
    let none = json!({"StreamName": "clicks", "EncryptionType": "NONE", "KeyId": "alias/a"});
    let refusal = server.refusal("StopStreamEncryption", none).await;
    assert_eq!(refusal, "InvalidArgumentException: EncryptionType must be KMS.");
    server.call("StopStreamEncryption", input("alias/b")).await;
    assert_eq!(server.summary("clicks").await["EncryptionType"], "NONE");
}

#[tokio::test]
async fn twenty_five_a_day_take_effect() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for _ in 0..25 {
        server.call("StartStreamEncryption", input("alias/a")).await;
        server.call("StopStreamEncryption", input("alias/a")).await;
    }
    server.advance(Duration::from_hours(23)).await;
    let refusal = server.refusal("StartStreamEncryption", input("alias/a")).await;
    assert!(refusal.starts_with("LimitExceededException: "), "{refusal}");
    server.advance(Duration::from_hours(1)).await;
    server.call("StartStreamEncryption", input("alias/a")).await;
    server.call("StopStreamEncryption", input("alias/a")).await;
}

fn input(key_id: &str) -> Value {
    json!({"StreamName": "clicks", "EncryptionType": "KMS", "KeyId": key_id})
}
