//! Errors of authentication.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use axum::body::Body;
use http::{HeaderValue, Request};
use serde_json::json;

use super::case::{Case, Scene, refused};
use crate::{
    server::{START_MILLIS, STRANGER, TestServer},
    signing::Signer,
    wire::Refusal,
};

const INCOMPLETE: &str = "IncompleteSignatureException";
const INVALID: &str = "InvalidSignatureException";

pub(super) fn cases() -> Vec<Case> {
    let signed = |condition: &str, code, change: fn(&mut Request<Body>)| {
        Case::new("*", condition, code, move |_| async move {
            let mut request = Signer::known(START_MILLIS).request("ListStreams", "{}");
            change(&mut request);
            answer(request).await
        })
        .in_json()
    };
    let missing = "MissingAuthenticationTokenException";
    let mut cases = vec![
        signed("no Authorization header and no X-Amz-Algorithm query", missing, |request| {
            request.headers_mut().remove("authorization");
        }),
        signed("both Authorization header and X-Amz-Algorithm query", INVALID, |request| {
            *request.uri_mut() = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256".parse().unwrap();
        }),
        signed("Authorization header lacks parts", INCOMPLETE, |request| {
            let headers = request.headers_mut();
            let alone = HeaderValue::from_static("AWS4-HMAC-SHA256 SignedHeaders=host");
            headers.insert("authorization", alone);
            headers.remove("x-amz-date");
        })
        .spelled(
            "400 IncompleteSignatureException: Authorization header requires 'Credential' \
             parameter. Authorization header requires 'Signature' parameter. Authorization header \
             requires existence of either a 'X-Amz-Date' or a 'Date' header. \
             Authorization=AWS4-HMAC-SHA256 SignedHeaders=host",
        ),
        signed("query auth lacks parts", INCOMPLETE, |request| {
            request.headers_mut().remove("authorization");
            *request.uri_mut() = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=x".parse().unwrap();
        })
        .spelled(
            "400 IncompleteSignatureException: AWS query-string parameters must include \
             'X-Amz-Credential'. AWS query-string \
             parameters must include 'X-Amz-Signature'. AWS query-string parameters must include \
             'X-Amz-SignedHeaders'. Re-examine the query-string parameters.",
        ),
        signed("signature mismatch", INVALID, |request| {
            *request.body_mut() = Body::from("{ }");
        }),
    ];
    cases.extend(credentials());
    cases
}

fn credentials() -> Vec<Case> {
    let signed = |condition: &str, code, signer: Signer| {
        Case::new("*", condition, code, move |_| answer(signer.request("ListStreams", "{}")))
            .in_json()
    };
    let known = Signer::known(START_MILLIS);
    let unknown = Signer { id: "AKIDUNKNOWN", ..known };
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
    vec![
        signed("date older than 5 min", INVALID, Signer::known(START_MILLIS - 301_000)),
        signed("date more than 5 min ahead", INVALID, Signer::known(START_MILLIS + 301_000)),
        signed("unknown access key or invalid token", "UnrecognizedClientException", unknown),
        Case::new("*", "expired session token", "ExpiredTokenException", |_| expired_session()),
        Case::new("*", "not authorised", "AccessDeniedException", move |codec| async move {
            let server = Scene::Active.set(codec).await.as_account(STRANGER);
            refused(&server, "DescribeStream", json!({ "StreamARN": arn })).await
        }),
    ]
}

async fn answer(request: Request<Body>) -> Refusal {
    TestServer::run(&Signer::flags()).await.send(request).await.refusal()
}

async fn expired_session() -> Refusal {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    let text = "[default]\n\
        aws_access_key_id = ASIDEXAMPLE\n\
        aws_secret_access_key = obviously-fake-secret\n\
        aws_session_token = obviously-fake-token\n\
        aws_session_expiration = 2023-11-14T22:13:20Z\n";
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let flags = format!("serve --in-memory --credentials {}", file.display());
    let signer = Signer {
        id: "ASIDEXAMPLE",
        token: Some("obviously-fake-token"),
        ..Signer::known(START_MILLIS)
    };
    let server = TestServer::run(&flags).await;
    server.send(signer.request("ListStreams", "{}")).await.refusal()
}
