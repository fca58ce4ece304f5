//! Against a key management service of our own, which checks what it is sent.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use axum::{Router, extract::Request, response::IntoResponse as _};
use http_body_util::BodyExt as _;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use millpond_api::types::Timestamp;
use millpond_quotas::Time;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

use super::*;
use crate::tls::{Tls, TlsSettings};

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI";
const ARN: &str = "arn:aws:kms:us-east-1:000000000000:key/k";

/// 2023-11-14 22:13:20.
const NOW: u64 = 1_700_000_000;

/// What the service answers instead of what it would.
type Scripted = (u16, String);

/// A key management service that wraps by turning bytes.
#[derive(Clone, Default)]
struct Stub {
    scripted: Arc<Mutex<VecDeque<Scripted>>>,
    calls: Arc<Mutex<Vec<String>>>,
    // What Decrypt was told.
    keys: Arc<Mutex<Vec<Option<String>>>>,
    tasks: TaskTracker,
}

impl Stub {
    async fn start(&self, tls: Option<TlsAcceptor>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stub = self.clone();
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answering = stub.clone();
                let router = Router::new().fallback(async move |request| {
                    answering.answer(addr, request).await.into_response()
                });
                let service = TowerToHyperService::new(router);
                let http = hyper::server::conn::http1::Builder::new();
                let tls = tls.clone();
                stub.tasks.spawn(async move {
                    // A client that doesn't trust us goes away.
                    match tls {
                        None => http.serve_connection(TokioIo::new(stream), service).await.ok(),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(s) => http.serve_connection(TokioIo::new(s), service).await.ok(),
                            Err(_) => None,
                        },
                    };
                });
            }
        };
        self.tasks.spawn(serve);
        addr
    }

    async fn answer(&self, addr: SocketAddr, request: Request) -> (StatusCode, String) {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
        assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/"));
        assert!(header("host").ends_with(&addr.port().to_string()));
        assert_eq!(header("content-type"), "application/x-amz-json-1.1");
        check_signature(&header("authorization"), &header, &body);
        let target = header("x-amz-target");
        self.calls.lock().unwrap().push(target.clone());
        if let Some((status, body)) = self.scripted.lock().unwrap().pop_front() {
            return (StatusCode::from_u16(status).unwrap(), body);
        }
        let input: Value = serde_json::from_slice(&body).unwrap();
        let context = input["EncryptionContext"]["aws:kinesis:arn"].as_str().unwrap().to_owned();
        let turn = |bytes: &[u8]| bytes.iter().map(|byte| byte ^ 0x5a).collect::<Vec<u8>>();
        let output = match target.as_str() {
            "TrentService.GenerateDataKey" => {
                assert_eq!(input["KeySpec"], "AES_256");
                let key = Sha256::digest(input["KeyId"].as_str().unwrap());
                let wrapped = [turn(&key), context.into_bytes()].concat();
                let wrapped = BASE64.encode_to_string(wrapped);
                json!({"Plaintext": BASE64.encode_to_string(key), "CiphertextBlob": wrapped,
                    "KeyId": ARN})
            }
            "TrentService.Decrypt" => {
                let blob = BASE64.decode_to_vec(input["CiphertextBlob"].as_str().unwrap()).unwrap();
                self.keys.lock().unwrap().push(input["KeyId"].as_str().map(str::to_owned));
                let (key, of) = blob.split_at(32);
                if of != context.as_bytes() {
                    let body = r#"{"__type":"InvalidCiphertextException"}"#;
                    return (StatusCode::BAD_REQUEST, body.to_owned());
                }
                json!({"Plaintext": BASE64.encode_to_string(turn(key))})
            }
            other => panic!("{other}"),
        };
        (StatusCode::OK, output.to_string())
    }

    fn script(&self, status: u16, body: &str) {
        self.scripted.lock().unwrap().push_back((status, body.to_owned()));
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

/// SigV4 from the other end.
fn check_signature(authorization: &str, header: &impl Fn(&str) -> String, body: &[u8]) {
    let date = header("x-amz-date");
    assert_eq!(date, "20231114T221320Z");
    let scope = "20231114/us-east-1/kms/aws4_request";
    let rest = authorization
        .strip_prefix(&format!("AWS4-HMAC-SHA256 Credential={ID}/{scope}, SignedHeaders="))
        .unwrap_or_else(|| panic!("{authorization}"));
    let (names, signature) = rest.split_once(", Signature=").unwrap();
    for name in ["content-type", "host", "x-amz-date", "x-amz-target"] {
        assert!(names.split(';').any(|signed| signed == name), "{name} is not in {names}");
    }
    let hex =
        |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let lines = names.split(';').map(|name| format!("{name}:{}\n", header(name)));
    let lines = lines.collect::<Vec<_>>().concat();
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
    let canonical = hex(&Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let key = generate_signing_key(SECRET, time, "us-east-1", "kms");
    assert_eq!(signature, calculate_signature(key, text.as_bytes()));
}

fn service(url: &str, ca: Option<&Path>) -> Result<KmsEndpoint, StartError> {
    let credential = Secret::new(format!("{ID}:{SECRET}"));
    let clock = Clock::manual(Time::from_seconds(NOW));
    KmsEndpoint::new(&url.parse().unwrap(), &credential, ca, clock)
}

async fn started() -> (Stub, KmsEndpoint) {
    let stub = Stub::default();
    let addr = stub.start(None).await;
    (stub, service(&format!("http://{addr}"), None).unwrap())
}

fn stream(name: &str) -> StreamArn {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{name}").parse().unwrap()
}

#[tokio::test]
async fn a_data_key_is_made_and_opened_for_its_stream() {
    let (stub, service) = started().await;
    let wrapped = service.generate("alias/a", &stream("a")).await.unwrap();
    let opened = service.decrypt(&wrapped, &stream("a")).await.unwrap();
    assert_eq!(opened.expose()[..], Sha256::digest("alias/a")[..]);
    let error = service.decrypt(&wrapped, &stream("b")).await.unwrap_err();
    let expected = KmsError::new(KmsFault::InvalidState, "InvalidCiphertextException");
    assert_eq!(error, expected);
    // As it was stored before the ARN was.
    let (_, blob) = take_apart(&wrapped).unwrap();
    let opened = service.decrypt(blob, &stream("a")).await.unwrap();
    assert_eq!(opened.expose()[..], Sha256::digest("alias/a")[..]);
    let key = || Some(ARN.to_owned());
    assert_eq!(*stub.keys.lock().unwrap(), [key(), key(), None]);
}

#[tokio::test]
async fn refusals_keep_their_words() {
    let (stub, service) = started().await;
    for (code, fault) in [
        ("AccessDeniedException", KmsFault::AccessDenied),
        ("UnrecognizedClientException", KmsFault::AccessDenied),
        ("com.amazonaws.kms#DisabledException", KmsFault::Disabled),
        ("KMSInvalidStateException", KmsFault::InvalidState),
        ("NotFoundException", KmsFault::NotFound),
        ("OptInRequired", KmsFault::OptInRequired),
    ] {
        stub.script(400, &json!({"__type": code, "message": "Why."}).to_string());
        let error = service.generate("k", &stream("a")).await.map(|_| ()).unwrap_err();
        assert_eq!(error, KmsError::new(fault, "Why."), "{code}");
    }
    assert_eq!(stub.calls(), 6, "another attempt would come to the same");
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again() {
    let (stub, service) = started().await;
    let throttled = r#"{"__type":"ThrottlingException","Message":"Slow down."}"#;
    stub.script(500, "");
    stub.script(400, throttled);
    assert!(service.generate("k", &stream("a")).await.is_ok());
    assert_eq!(stub.calls(), 3);
    (0..3).for_each(|_| stub.script(400, throttled));
    let error = service.generate("k", &stream("a")).await.map(|_| ()).unwrap_err();
    assert_eq!(error, KmsError::new(KmsFault::Throttling, "Slow down."));
    assert_eq!(stub.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_none_is_no_key() {
    let (stub, service) = started().await;
    let plain = BASE64.encode_to_string([1; 32]);
    let nameless = json!({"Plaintext": plain, "CiphertextBlob": "AAAA"}).to_string();
    let bare = json!({"Plaintext": plain, "KeyId": ARN}).to_string();
    let long = "x".repeat(100_000);
    for body in ["", "{}", "[]", &nameless, &bare, &long] {
        (0..3).for_each(|_| stub.script(200, body));
        let error = service.generate("k", &stream("a")).await.map(|_| ()).unwrap_err();
        assert_eq!(error.fault, KmsFault::Unavailable, "{body:.20}");
    }
}

/// Time passes by itself while nothing else happens: the test would hang if nobody gave up.
#[tokio::test]
async fn a_key_of_another_length_is_none() {
    let (stub, service) = started().await;
    let wrapped = service.generate("k", &stream("a")).await.unwrap();
    (0..3).for_each(|_| stub.script(200, r#"{"Plaintext":"AAAA"}"#));
    let error = service.decrypt(&wrapped, &stream("a")).await.unwrap_err();
    assert_eq!(error.fault, KmsFault::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_silent_or_gone_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let service = service(&format!("http://{addr}"), None).unwrap();
    for _ in 0..2 {
        let error = service.generate("k", &stream("a")).await.map(|_| ()).unwrap_err();
        assert_eq!(error.fault, KmsFault::Unavailable);
    }
    drop(silent);
    let error = service.generate("k", &stream("a")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.fault, KmsFault::Unavailable);
}

#[tokio::test]
async fn over_tls_it_must_be_vouched_for() {
    // The client looks at the real date.
    let now = Timestamp::from_millis(Clock::system().wall().millis());
    let settings = TlsSettings::SelfSigned { dir: None, names: Vec::new() };
    let [own, other] =
        [(); 2].map(|()| Tls::open(&settings, ([127, 0, 0, 1], 0).into(), now).unwrap());
    let stub = Stub::default();
    let addr = stub.start(Some(own.acceptor().clone())).await;
    let directory = tempfile::tempdir().unwrap();
    let ca = |tls: &Tls, name: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, tls.authority().unwrap().as_bytes()).unwrap();
        path
    };
    let url = format!("https://localhost:{}", addr.port());
    let trusting = service(&url, Some(&ca(&own, "own.pem"))).unwrap();
    assert!(trusting.generate("k", &stream("a")).await.is_ok());
    let wary = service(&url, Some(&ca(&other, "other.pem"))).unwrap();
    let error = wary.generate("k", &stream("a")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.fault, KmsFault::Unavailable);
    assert_eq!(stub.calls(), 1);
    let missing = service(&url, Some(&directory.path().join("none.pem")));
    assert!(missing.map(|_| ()).unwrap_err().to_string().contains("--kms-ca"));
}

#[test]
fn urls_have_a_scheme_and_a_host() {
    for (text, host, port, is_private) in [
        ("http://127.0.0.1:4599", "127.0.0.1", 4599, true),
        ("https://kms.eu-west-1.amazonaws.com/", "kms.eu-west-1.amazonaws.com", 443, true),
        ("http://[::1]", "::1", 80, true),
        ("http://localhost:1", "localhost", 1, true),
        ("http://10.0.0.1", "10.0.0.1", 80, false),
        ("http://localhost.example.com", "localhost.example.com", 80, false),
    ] {
        let url: KmsUrl = text.parse().unwrap();
        assert_eq!(url.is_private(), is_private, "{text}");
        assert!(format!("{url:?}").contains(&format!("\"{host}\", port: {port}")), "{url:?}");
    }
    for text in ["", "kms", "ftp://kms", "http://", "http://a/b", "http://u:p@a", "http://a:99999"]
    {
        assert!(text.parse::<KmsUrl>().is_err(), "{text}");
    }
}
