//! A subscription as its client sees it.

use axum::body::Body;
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use millpond_api::{
    Codec,
    event_stream::{InvalidFrame, Message},
};
use serde_json::{Value, json};

use crate::{
    server::{TestServer, shard_id},
    wire,
};

/// The events of a subscription.
pub(crate) struct Events {
    body: Body,
    bytes: BytesMut,
    codec: Codec,
}

impl Events {
    /// The next message's type and payload, whether it is an event or an exception. `None` at the
    /// end of the stream.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            match Message::decode(&self.bytes) {
                Ok((message, taken)) => {
                    let kind = match message.text(":message-type").unwrap() {
                        "event" => ":event-type",
                        "exception" => ":exception-type",
                        other => panic!("no such message: {other}"),
                    };
                    assert_eq!(message.text(":content-type"), Some(self.codec.content_type()));
                    let kind = message.text(kind).unwrap().to_owned();
                    let told = (kind, wire::read(self.codec, message.payload));
                    let _ = self.bytes.split_to(taken);
                    return Some(told);
                }
                Err(InvalidFrame::Incomplete) => {
                    let frame = self.body.frame().await?.unwrap().into_data().unwrap();
                    self.bytes.extend_from_slice(&frame);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Value {
        let (kind, event) = self.next().await.expect("the stream goes on");
        assert_eq!(kind, "SubscribeToShardEvent", "{event}");
        event
    }

    /// Whether the connection is cut here, with nothing told since.
    pub(crate) async fn is_cut(&mut self) -> bool {
        assert!(self.bytes.is_empty(), "something is told");
        self.body.frame().await.is_some_and(|frame| frame.is_err())
    }

    /// The exception that ends the stream, as `CODE: MESSAGE`.
    pub(crate) async fn exception(&mut self) -> String {
        let (code, payload) = self.next().await.expect("the stream goes on");
        assert!(self.next().await.is_none(), "an exception is the last message");
        format!("{code}: {}", payload["message"].as_str().unwrap())
    }
}

/// SubscribeToShard's input.
pub(crate) fn input(consumer: &str, shard: u32, position: &Value) -> Value {
    json!({"ConsumerARN": consumer, "ShardId": shard_id(shard), "StartingPosition": position})
}

pub(crate) fn oldest() -> Value {
    json!({"Type": "TRIM_HORIZON"})
}

/// Subscribes, and takes the message that opens the stream.
pub(crate) async fn subscribe_at(
    server: &TestServer,
    consumer: &str,
    shard: u32,
    position: Value,
) -> Events {
    let codec = server.codec();
    let body = wire::write(codec, &input(consumer, shard, &position));
    let response = server.respond(server.request("SubscribeToShard", body)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/vnd.amazon.eventstream");
    let mut events = Events { body: response.into_body(), bytes: BytesMut::new(), codec };
    assert_eq!(events.next().await, Some(("initial-response".to_owned(), json!({}))));
    events
}
