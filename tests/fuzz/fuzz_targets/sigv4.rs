//! Any query and any headers as a signed request: refused, never a panic, and nobody who doesn't
//! know the secret is taken for one who does.
//!
//! The first line is the query, each further one a header, up to an empty line; then comes the
//! body.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, Request, request::Parts};
use libfuzzer_sys::fuzz_target;
use millpond::auth::{Credential, Credentials, Mode, Service, Settings, Verifier};
use millpond_api::types::Timestamp;

const KNOWN: &str = "AKIDEXAMPLE";

/// 2023-11-14T22:13:20Z, which the seeds are signed for.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

static VERIFIERS: LazyLock<[(Mode, Verifier); 2]> =
    LazyLock::new(|| [Mode::Verify, Mode::Any].map(|mode| (mode, verifier(mode))));

fn verifier(mode: Mode) -> Verifier {
    let credential = Credential::new(KNOWN, "a secret that no input holds", None);
    let credentials = Credentials::new(vec![credential.expect("it is legal")]);
    let settings = Settings {
        mode,
        account: "000000000000".parse().expect("twelve digits"),
        region: "us-east-1".parse().expect("a region"),
        skew_minutes_max: Settings::SKEW_MINUTES_MAX,
    };
    Verifier::new(credentials.expect("it is one"), settings)
}

fn request(head: &[u8]) -> Option<Parts> {
    let mut lines = head.split(|byte| *byte == b'\n');
    let query = str::from_utf8(lines.next()?).ok()?;
    let mut request = Request::post(format!("http://127.0.0.1:4567/?{query}"));
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name).ok()?;
        request = request.header(name, HeaderValue::from_bytes(value.get(1..)?).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = end.and_then(|end| bytes.split_at_checked(end)).unwrap_or((bytes, &[]));
    let body = body.get(2..).unwrap_or_default();
    let Some(head) = request(head) else { return };
    for (mode, verifier) in &*VERIFIERS {
        if let Ok(caller) =
            verifier.examine(&head, Service::Kinesis, NOW).and_then(|claim| claim.confirm(body))
        {
            assert_ne!(&*caller.access_key_id, KNOWN, "a signature was guessed");
            assert_eq!(*mode, Mode::Any, "a stranger was let in");
        }
    }
});
