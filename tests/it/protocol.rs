//! The protocol: what is looked at first, which forms are read, and how answers look.

mod hostile;

use std::convert::Infallible;

use axum::body::Body;
use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, Request, request::Parts};
use millpond_api::{Codec, OperationId};
use serde_json::{Value, json};

use crate::{
    errors::served,
    server::{START_MILLIS, TestServer, in_both_formats},
    signing::Signer,
    wire::{self, Answer},
};

/// What is not served says so, and nothing else does.
#[tokio::test]
async fn an_operation_is_served_or_says_that_it_is_not() {
    in_both_formats("", async |server| {
        for operation in OperationId::ALL {
            let name = operation.name();
            let outcome = server.outcome(name, json!({})).await;
            let unserved = outcome.err().filter(|refusal| refusal.message.contains("not serve"));
            assert_eq!(unserved.is_none(), served().contains(name), "{name}: {unserved:?}");
            if let Some(refusal) = unserved {
                let expected =
                    format!("400 UnknownOperationException: millpond does not serve {name} yet.");
                assert_eq!(refusal.to_string(), expected);
            }
        }
    })
    .await;
}

/// Puts one thing right in a request's head or body.
type Step = fn(&mut Parts, &mut &str);

fn set(head: &mut Parts, name: &'static str, value: &'static str) {
    head.headers.insert(name, HeaderValue::from_static(value));
}

/// What is found first, and how that is put right.
const STEPS: [(&str, Step); 10] = [
    ("403 AccessDeniedException", |head, _| head.method = Method::POST),
    ("400 UnknownOperationException", |_, body| *body = "["),
    ("403 AccessDeniedException", |head, _| set(head, "x-amz-target", "Other.Call")),
    ("404 UnknownOperationException", |head, _| set(head, "content-type", "application/json")),
    ("400 com.amazon.coral.service#SerializationException", |head, _| {
        set(head, "content-type", "application/x-amz-json-1.1");
    }),
    ("400 SerializationException", |_, body| *body = r#"{"Limit":"x"}"#),
    ("400 UnknownOperationException", |head, _| {
        set(head, "x-amz-target", "Kinesis_20131202.DescribeStream");
    }),
    ("400 MissingAuthenticationTokenException", |head, _| {
        set(head, "authorization", "AWS4-HMAC-SHA256");
    }),
    ("400 IncompleteSignatureException", |head, _| {
        // Signed, but over another body.
        let signed = Signer::known(START_MILLIS).request("DescribeStream", "{}");
        head.headers = signed.headers().clone();
    }),
    ("400 InvalidSignatureException", |_, _| {}),
];

/// A request that is wrong in every way is put right one fault at a time.
#[tokio::test]
async fn faults_are_found_in_the_order_of_aws() {
    let server = TestServer::run(&Signer::flags()).await;
    let mut head = Request::get("/").body(()).unwrap().into_parts().0;
    let mut body = "";
    for (at, (expected, put_right)) in STEPS.into_iter().enumerate() {
        let request = Request::from_parts(head.clone(), Body::from(body));
        let refusal = server.send(request).await.refusal();
        assert_eq!(format!("{} {}", refusal.status, refusal.code), expected, "step {at}");
        put_right(&mut head, &mut body);
    }
    for (body, expected) in [
        ("{\"Limit\":\"x\",\"StreamName\":\"\"}", "SerializationException"),
        ("{\"Limit\":0,\"StreamARN\":\"arn:x\"}", "ValidationException"),
        (
            "{\"StreamName\":\"a\",\"StreamARN\":\"arn:aws:kinesis:x:000000000000:stream/b\"}",
            "AccessDeniedException",
        ),
        ("{\"StreamName\":\"clicks\"}", "ResourceNotFoundException"),
    ] {
        let request = Signer::known(START_MILLIS).request("DescribeStream", body);
        assert_eq!(server.send(request).await.refusal().code, expected, "{body}");
    }
}

/// What can't be decoded or addressed spends no call.
#[tokio::test]
async fn faults_spend_no_calls() {
    let server = TestServer::with("--quotas strict").await.with_stream("clicks", 1).await;
    for input in [json!({"StreamName": ""}), json!({"StreamName": 1}), json!({})] {
        for _ in 0..10 {
            server.refusal("DescribeStream", input.clone()).await;
        }
    }
    for _ in 0..10 {
        server.call("DescribeStream", json!({"StreamName": "clicks"})).await;
    }
    let refusal = server.refusal("DescribeStream", json!({"StreamName": "clicks"})).await;
    assert!(refusal.starts_with("LimitExceededException"), "{refusal}");
}

#[tokio::test]
async fn what_amazons_signer_signs_is_let_in_as_its_account() {
    let server = TestServer::run(&Signer::flags()).await;
    let create = "{\"StreamName\":\"clicks\",\"ShardCount\":1}";
    let header = Signer::known(START_MILLIS);
    let query = Signer { presigned: true, ..header.clone() };
    let answer = server.send(header.request("CreateStream", create)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    for signer in [header, query] {
        let request = signer.request("DescribeStream", "{\"StreamName\":\"clicks\"}");
        let description = server.send(request).await.value()["StreamDescription"].clone();
        let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks";
        assert_eq!(description["StreamARN"], arn);
    }
}

/// With `--auth any`, who has a key here must still sign with it.
#[tokio::test]
async fn a_known_key_is_verified_although_strangers_are_let_in() {
    let flags = format!("dev --credential {}:{}", Signer::ID, Signer::SECRET);
    let server = TestServer::run(&flags).await;
    server.call("ListStreams", json!({})).await;
    let known = Signer::known(START_MILLIS);
    let answer = server.send(known.request("ListStreams", "{}")).await;
    assert_eq!(answer.status, 200);
    let forged = Signer { secret: "another", ..known };
    let refusal = server.send(forged.request("ListStreams", "{}")).await.refusal();
    assert_eq!(refusal.code, "InvalidSignatureException");
}

#[tokio::test]
async fn every_answer_has_ids_and_the_media_type_of_its_request() {
    in_both_formats("", async |server| {
        let mut seen = Vec::new();
        for (operation, input, empty) in [
            ("CreateStream", json!({"StreamName": "clicks", "ShardCount": 1}), true),
            ("ListStreams", json!({}), false),
            ("DescribeStream", json!({"StreamName": "missing"}), false),
            ("DescribeStream", json!({"StreamName": 1}), false),
            ("Paint", json!({}), false),
        ] {
            let answer = server.answer(operation, &input).await;
            assert_eq!(answer.body.is_empty(), empty, "{operation}");
            if !empty {
                assert_eq!(answer.header("content-type"), server.codec().content_type());
            }
            seen.push(ids(&answer.headers));
        }
        let xml = server.send(Request::get("/").body(Body::empty()).unwrap()).await;
        assert_eq!(xml.header("content-type"), "");
        seen.push(ids(&xml.headers));
        for (at, (request, extended)) in seen.iter().enumerate() {
            let rest = &seen[at + 1..];
            assert!(rest.iter().all(|(other, _)| other != request), "request ids are unique");
            assert!(rest.iter().all(|(_, other)| other != extended));
        }
    })
    .await;
}

/// The request id, which is a UUID, and the extended one, which is base64.
fn ids(headers: &HeaderMap) -> (String, String) {
    let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let (request, extended) = (text("x-amzn-requestid"), text("x-amz-id-2"));
    let groups: Vec<_> = request.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{request}");
    assert!(request.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit()));
    let bytes = BASE64.decode_to_vec(&extended).unwrap();
    assert!((64..=80).contains(&bytes.len()), "{extended}");
    (request, extended)
}

/// AWS looks neither at the path nor at what follows the media type.
#[tokio::test]
async fn path_parameters_and_case_do_not_matter() {
    let server = TestServer::new().await;
    for path in ["/", "/anything/at/all", "/?a=b", "/%00"] {
        let mut request = server.request("ListStreams", "{}");
        *request.uri_mut() = path.parse().unwrap();
        assert_eq!(server.send(request).await.status, 200, "{path}");
    }
    for content_type in [
        "application/x-amz-json-1.1; charset=utf-8",
        "Application/X-Amz-JSON-1.1",
        " application/x-amz-json-1.1 ;x=y",
    ] {
        let mut request = server.request("ListStreams", "{}");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let answer = server.send(request).await;
        assert_eq!(answer.status, 200, "{content_type}");
        assert_eq!(answer.header("content-type"), "application/x-amz-json-1.1");
    }
}

/// JSON as clients of all kinds write it.
#[tokio::test]
async fn json_is_read_as_aws_reads_it() {
    let server = TestServer::new().await.with_stream("clicks", 1).await;
    for (operation, body) in [
        ("ListStreams", " {\n}\t"),
        ("DescribeStream", r#"{"StreamName":"cl\u0069cks","Unknown":{"a":[1,{"b":null}]}}"#),
        ("DescribeStream", r#"{"StreamName":"clicks","Limit":null,"ExclusiveStartShardId":null}"#),
        ("DescribeStream", r#"{"StreamName":"clicks","Limit":2.9}"#),
        ("DescribeStream", r#"{"StreamName":"other","StreamName":"clicks"}"#),
        ("ListShards", r#"{"StreamName":"clicks","StreamCreationTimestamp":1.7E9}"#),
        ("ListShards", r#"{"StreamName":"clicks","StreamCreationTimestamp":1700000000.0004}"#),
        ("PutRecord", r#"{"StreamName":"clicks","PartitionKey":"k","Data":"","DryRun":"no"}"#),
    ] {
        let answer = server.send(server.request(operation, body)).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    }
}

/// CBOR as writers other than Java's may write it.
#[tokio::test]
async fn cbor_is_read_in_every_form() {
    let server = TestServer::new().await.with_stream("clicks", 1).await.speaking(Codec::Cbor);
    let name = b"\x6aStreamName\x66clicks";
    let join = |parts: &[&[u8]]| parts.concat();
    let bodies = [
        ("a map of known length", join(&[b"\xa1", name])),
        ("a map of unknown length", join(&[b"\xbf", name, b"\xff"])),
        ("text in pieces", join(&[b"\xa1\x6aStreamName\x7f\x63cli\x63cks\xff"])),
        ("the tag of CBOR itself", join(&[b"\xd9\xd9\xf7\xa1", name])),
        ("an unknown tag", join(&[b"\xa1\x6aStreamName\xd8\x63\x66clicks"])),
        ("null", join(&[b"\xa2", name, b"\x65Limit\xf6"])),
        ("undefined", join(&[b"\xa2", name, b"\x65Limit\xf7"])),
        ("an integer in one byte", join(&[b"\xa2", name, b"\x65Limit\x18\x09"])),
        ("an integer in eight bytes", join(&[b"\xa2", name, b"\x65Limit\x1b\0\0\0\0\0\0\0\x09"])),
        ("a half float", join(&[b"\xa2", name, b"\x65Limit\xf9\x42\x00"])),
        ("a float", join(&[b"\xa2", name, b"\x65Limit\xfa\x40\x40\0\0"])),
        ("a double", join(&[b"\xa2", name, b"\x65Limit\xfb\x40\x08\0\0\0\0\0\0"])),
        ("unknown members", join(&[b"\xa2", name, b"\x61x\x9f\x01\xa1\x61y\x80\xff"])),
    ];
    for (what, body) in bodies {
        let answer = server.send(server.request("DescribeStream", body)).await;
        assert_eq!(answer.status, 200, "{what}: {:?}", answer.refusal());
    }
    let created = 1_700_000_000_000_u64.to_be_bytes();
    for tag in [&b"\xc1\x1b"[..], b"\x1b"] {
        let body = join(&[b"\xa2", name, b"\x77StreamCreationTimestamp", tag, &created]);
        let answer = server.send(server.request("ListShards", body)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.outcome());
    }
}

/// Both formats carry the same values.
#[tokio::test]
async fn what_one_format_writes_the_other_reads() {
    let json = TestServer::new().await.with_stream("clicks", 2).await;
    let cbor = json.speaking(Codec::Cbor);
    let data: Vec<u8> = (0..=255).collect();
    for (writer, key) in [(&json, "a"), (&cbor, "b")] {
        let input = json!({"StreamName": "clicks", "PartitionKey": key, "Data": wire::blob(&data)});
        writer.call("PutRecord", input).await;
    }
    for shard in [0, 1] {
        let iterator = json.iterator("clicks", shard, "TRIM_HORIZON").await;
        let read = async |server: &TestServer| -> Value {
            let output = server.get(&iterator).await;
            output["Records"].clone()
        };
        let (by_json, by_cbor) = (read(&json).await, read(&cbor).await);
        assert_eq!(by_json, by_cbor);
        assert_eq!(wire::bytes(&by_json[0]["Data"]), data);
    }
    let describe = json!({"StreamName": "clicks"});
    let [by_json, by_cbor] =
        [&json, &cbor].map(|server| server.call("DescribeStream", describe.clone()));
    assert_eq!(by_json.await, by_cbor.await);
}

#[tokio::test]
async fn a_body_at_the_cap_is_read_and_one_above_it_is_not() {
    let server = TestServer::new().await;
    let sized = |bytes: usize| {
        let mut body = b"{}".to_vec();
        body.resize(bytes, b' ');
        Bytes::from(body)
    };
    let send = async |bytes: usize| -> Answer {
        server.send(server.request("ListStreams", sized(bytes))).await
    };
    assert_eq!(send(16 << 20).await.status, 200);
    let answer = send((16 << 20) + 1).await;
    let words = "The request's body is larger than 16 MiB, the most that this server takes.";
    assert_eq!((answer.status.as_u16(), answer.value()), (413, json!({ "message": words })));
}

/// The rest of the body never comes; time stands still but for the server's own deadlines.
#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    let server = TestServer::new().await;
    let mut request = server.request("ListStreams", "{}");
    let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
    *request.body_mut() = Body::from_stream(begun.chain(stream::pending()));
    let answer = server.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (408, 0));
    ids(&answer.headers);
    server.call("ListStreams", json!({})).await;
}
