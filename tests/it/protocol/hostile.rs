//! Bodies and heads that mean harm: whatever comes, the answer is an error, soon, and nobody else
//! notices.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue};
use millpond::gateway::REFUSED_BODIES_MAX;
use millpond_api::Codec;
use proptest::{collection::vec, prelude::*};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::{
    errors::served,
    server::TestServer,
    wire::{self, Answer},
};

/// A server beside its runtime, for properties, which are not asynchronous.
struct Victim {
    runtime: Runtime,
    server: TestServer,
}

impl Victim {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let server =
            runtime.block_on(async { TestServer::new().await.with_stream("clicks", 2).await });
        Self { runtime, server }
    }

    fn send(&self, operation: &str, codec: Codec, body: Vec<u8>) -> Answer {
        let server = self.server.speaking(codec);
        self.runtime.block_on(server.send(server.request(operation, body)))
    }

    /// Sends the body to each operation; none may fail otherwise than by refusing it.
    fn survives(&self, codec: Codec, body: &[u8]) {
        for operation in served() {
            let answer = self.send(operation, codec, body.to_vec());
            assert!(answer.status == 200 || answer.status == 400, "{operation}: {answer:?}");
            if answer.status == 400 {
                assert!(!answer.refusal().code.is_empty());
            }
        }
    }
}

/// A PutRecords that is in order.
fn put_records(codec: Codec) -> Vec<u8> {
    let entry = json!({"PartitionKey": "key", "Data": wire::blob("data"), "ExplicitHashKey": "7"});
    wire::write(codec, &json!({"StreamName": "clicks", "Records": [entry, entry]}))
}

#[test]
fn random_bytes_are_refused() {
    let victim = Victim::new();
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() };
    proptest!(config, |(body in vec(any::<u8>(), 0..200))| {
        for codec in [Codec::Json, Codec::Cbor] {
            victim.survives(codec, &body);
        }
    });
}

#[test]
fn a_valid_body_with_wrong_bytes_is_stored_or_refused_whole() {
    let victim = Victim::new();
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let change = (any::<prop::sample::Index>(), any::<u8>());
    proptest!(config, |(changes in vec(change, 1..4), cut in any::<prop::sample::Index>())| {
        for codec in [Codec::Json, Codec::Cbor] {
            let mut body = put_records(codec);
            for (at, byte) in &changes {
                let at = at.index(body.len());
                body[at] = *byte;
            }
            let short = body[..cut.index(body.len())].to_vec();
            for body in [body, short] {
                let answer = victim.send("PutRecords", codec, body);
                prop_assert!(answer.status == 200 || answer.status == 400, "{:?}", answer);
                if answer.status == 200 {
                    prop_assert_eq!(&answer.value()["FailedRecordCount"], &json!(0));
                }
            }
        }
    });
}

#[test]
fn nesting_without_end_is_refused() {
    let victim = Victim::new();
    let deep = |open: &[u8]| open.repeat((2 << 20) / open.len());
    for body in [deep(b"["), deep(b"{\"a\":"), deep(b"{\"StreamName\":[")] {
        let answer = victim.send("DescribeStream", Codec::Json, body);
        assert_eq!(answer.refusal().code, "SerializationException");
    }
    // A map whose one member nests: arrays, maps, tags, of known length and of unknown.
    for open in [&b"\x81"[..], b"\x9f", b"\xa1\x61a", b"\xbf\x61a", b"\xc6", b"\xd9\xd9\xf7"] {
        for start in [&b"\xa1\x61x"[..], b"\xa1\x6aStreamName", b""] {
            let body = [start, &deep(open)].concat();
            let answer = victim.send("DescribeStream", Codec::Cbor, body);
            assert_eq!(answer.refusal().code, "SerializationException");
        }
    }
    // Nesting that ends is passed over in a member that nobody knows.
    for (member, status) in [("a", 200), ("Limit", 400)] {
        let name = format!("{{\"{member}\":").into_bytes();
        let body = [name, b"[".repeat(1 << 20), b"]".repeat(1 << 20), b"}".to_vec()].concat();
        let answer = victim.send("ListStreams", Codec::Json, body);
        assert_eq!(answer.status, status, "{member}");
    }
}

#[test]
fn lengths_that_nothing_can_have_are_refused() {
    let victim = Victim::new();
    let huge = [&[0xff; 8][..], &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]];
    for length in huge {
        for kind in [b"\x5b", b"\x7b", b"\x9b", b"\xbb"] {
            for start in [&b""[..], b"\xa1\x61x", b"\xa1\x67Records", b"\xa1\x64Tags"] {
                let body = [start, kind, length].concat();
                victim.survives(Codec::Cbor, &body);
                let answer = victim.send("PutRecords", Codec::Cbor, body);
                assert_eq!(answer.refusal().code, "SerializationException");
            }
        }
    }
    // Numbers that no integer holds are clamped or refused, never wrapped around.
    for number in ["1e999", "-1e999", "99999999999999999999999999", "-0.0000001"] {
        let body = format!("{{\"StreamName\":\"clicks\",\"Limit\":{number}}}");
        let answer = victim.send("DescribeStream", Codec::Json, body.into());
        assert_eq!(answer.status, 400, "{number}: {}", answer.text());
    }
}

#[test]
fn thousands_of_members_and_items_are_refused_or_passed_over() {
    let victim = Victim::new();
    let items = vec!["{}"; 200_000].join(",");
    let members: Vec<_> = (0..100_000).map(|n| format!("\"k{n}\":\"v\"")).collect();
    let members = members.join(",");
    for (operation, body, status) in [
        ("PutRecords", format!("{{\"StreamName\":\"clicks\",\"Records\":[{items}]}}"), 400),
        ("AddTagsToStream", format!("{{\"StreamName\":\"clicks\",\"Tags\":{{{members}}}}}"), 400),
        ("DescribeStream", format!("{{{members},\"StreamName\":\"clicks\"}}"), 200),
    ] {
        let answer = victim.send(operation, Codec::Json, body.into());
        assert_eq!(answer.status, status, "{operation}");
        // A refusal repeats only so much of what it refuses.
        assert!(answer.body.len() < 1 << 20, "{operation}: {} bytes", answer.body.len());
    }
}

#[test]
fn no_header_is_too_strange() {
    let victim = Victim::new();
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let name = prop::sample::select(vec![
        "authorization",
        "content-type",
        "x-amz-date",
        "x-amz-target",
        "x-amz-content-sha256",
        "x-amz-security-token",
        "expect",
        "host",
    ]);
    let value = vec(prop_oneof![b' '..=b'~', 0x80..=0xff_u8], 0..60);
    proptest!(config, |(name in name, value in value)| {
        let server = &victim.server;
        let mut request = server.request("ListStreams", "{}");
        let name = HeaderName::from_static(name);
        request.headers_mut().insert(name, HeaderValue::from_bytes(&value).unwrap());
        let answer = victim.runtime.block_on(server.send(request));
        prop_assert!([200, 400, 403, 404].contains(&answer.status.as_u16()), "{:?}", answer);
    });
    let answer = victim.send("ListStreams", Codec::Json, b"{}".to_vec());
    assert_eq!(answer.status, 200);
}

/// A body that is announced and never comes.
struct Stalled;

impl hyper::body::Body for Stalled {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(60_000)
    }
}

/// What strangers announce holds little, so that others' bodies find room.
#[tokio::test]
async fn few_bodies_are_read_of_requests_that_are_refused_anyway() {
    let server = TestServer::new().await;
    let unsigned = |body: Body| {
        let mut request = server.request("ListStreams", "").map(|_| body);
        request.headers_mut().remove("authorization");
        request
    };
    let code = async || server.send(unsigned("rubbish".into())).await.refusal().code;
    assert_eq!(code().await, "SerializationException", "as AWS does");

    let mut stalled: Vec<_> = (0..REFUSED_BODIES_MAX)
        .map(|_| server.respond(unsigned(Body::new(Stalled))))
        .map(Box::pin)
        .collect();
    for waiting in &mut stalled {
        assert!(waiting.now_or_never().is_none());
    }
    assert_eq!(code().await, "MissingAuthenticationTokenException");
    drop(stalled);
    assert_eq!(code().await, "SerializationException");
}
