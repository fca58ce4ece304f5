//! Errors of the form of a request: its method, its media type, its target, its body.

use http::{Method, Request};
use millpond_api::Codec;

use super::case::Case;
use crate::{
    server::TestServer,
    wire::{self, Refusal},
};

const SERIALIZATION: &str = "SerializationException";
const UNKNOWN: &str = "UnknownOperationException";
const DENIED: &str = "AccessDeniedException";

const JSON: &str = "application/x-amz-json-1.1";
const LIST: &str = "Kinesis_20131202.ListStreams";

const LATER: &str = "the later recording of the same requests counts: the media type goes first";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = empty_bodies();
    cases.extend(targets());
    cases.push(Case::new("*", "method other than POST (XML body)", DENIED, |_| async {
        let server = TestServer::new().await;
        let mut answers = Vec::new();
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let mut request = server.request("ListStreams", "{}");
            *request.method_mut() = method;
            answers.push(server.send(request).await.refusal());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        answers.remove(0)
    }));
    cases.push(
        Case::new("*", "request body over cap", "", |_| async {
            let server = TestServer::new().await;
            let body = vec![b' '; (16 << 20) + 1];
            server.send(server.request("ListStreams", body)).await.refusal()
        })
        .unlike(
            "the limit is this server's own, so that nobody could look it up",
            "413 : The request's body is larger than 16 MiB, the most that this server takes.",
        ),
    );
    cases.push(Case::new("*", "body not parsable as a JSON/CBOR map", SERIALIZATION, |codec| {
        not_a_map(codec)
    }));
    cases.push(Case::excused(
        "*",
        "internal framework error",
        "InternalFailure",
        "nothing is known to provoke one; failing storage is tested with the operations",
    ));
    cases
}

/// Sends a body with these headers, and no signature.
async fn unsigned(content_type: &str, target: &str, body: &'static str) -> Refusal {
    let mut headers = vec![];
    if !content_type.is_empty() {
        headers.push(("content-type", content_type));
    }
    if !target.is_empty() {
        headers.push(("x-amz-target", target));
    }
    let server = TestServer::new().await;
    server.send(wire::request(&headers, body)).await.refusal()
}

fn empty_bodies() -> Vec<Case> {
    let empty = |condition: &str, code, content_type: &'static str, target: &'static str| {
        Case::new("*", condition, code, move |_| unsigned(content_type, target, ""))
    };
    vec![
        empty("empty body, valid target, JSON content type", SERIALIZATION, JSON, LIST),
        empty("empty body, bad/missing target, JSON content type", UNKNOWN, JSON, "Other.Call"),
        empty(
            "empty body, valid target, content type not JSON 1.1 (answer is CBOR)",
            SERIALIZATION,
            "text/plain",
            LIST,
        ),
        empty(
            "empty body, bad target, content type not JSON 1.1 (answer is CBOR)",
            UNKNOWN,
            "",
            "",
        ),
    ]
}

fn targets() -> Vec<Case> {
    let sent = |condition: &str, code, content_type: &'static str, target: &'static str, body| {
        Case::new("*", condition, code, move |_| unsigned(content_type, target, body))
    };
    vec![
        sent(
            "unknown service or operation in X-Amz-Target (checked before auth)",
            UNKNOWN,
            JSON,
            "Kinesis_20131202.Paint",
            "{}",
        ),
        sent(
            "Content-Type application/json, unparsable body",
            "com.amazon.coral.service#SerializationException",
            "application/json",
            LIST,
            "{",
        ),
        sent(
            "Content-Type application/json, parsable body",
            "com.amazon.coral.service#UnknownOperationException",
            "application/json",
            LIST,
            "{}",
        ),
        sent(
            "body but no usable Content-Type and no complete target (XML body)",
            DENIED,
            "text/plain",
            "Kinesis_20131202.",
            "{}",
        ),
        sent(
            "body, unusable Content-Type, complete target (XML body)",
            UNKNOWN,
            "text/plain",
            LIST,
            "{}",
        ),
        Case::excused(
            "*",
            "unusable Content-Type, signed, foreign service target (XML, older matrix)",
            "UnrecognizedClientException",
            LATER,
        ),
        Case::excused(
            "*",
            "unusable Content-Type, signed, Kinesis_20131202.{unknown} (XML, older matrix)",
            "InternalFailure",
            LATER,
        ),
        Case::excused(
            "*",
            "same auth errors when content type unusable (XML body)",
            "(same codes)",
            LATER,
        ),
    ]
}

async fn not_a_map(codec: Codec) -> Refusal {
    let server = TestServer::new().await.speaking(codec);
    let bodies: &[&'static [u8]] = match codec {
        Codec::Json => &[b"[]", b"7", b"\"{}\"", b"{", b"{} {}", b"\xff", b"null"],
        Codec::Cbor => &[b"\x80", b"\x07", b"\xbf", b"\xa1", b"\xa0\xa0", b"\xff", b"\xf6"],
    };
    let mut refusals = Vec::new();
    for body in bodies {
        // Whether signed or not: the body is looked at first.
        let mut request: Request<_> = server.request("ListStreams", *body);
        refusals.push(server.send(request).await.refusal());
        request = server.request("ListStreams", *body);
        request.headers_mut().remove("authorization");
        refusals.push(server.send(request).await.refusal());
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    refusals.remove(0)
}
