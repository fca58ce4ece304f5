//! The verifier against other people's signers, and every way to be refused.

mod oracle;
mod recorded;
mod refusals;
mod replaced;
mod strangers;

use http::{HeaderName, HeaderValue, Request, request::Parts};

use super::*;

const ID: &str = "AKIDEXAMPLE";
const SESSION_ID: &str = "ASIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "example-token/with+odd//characters==";

/// When the recorded requests were signed.
const SIGNED_AT: &str = "20150830T123600Z";

/// A request as it arrives, easy to change.
#[derive(Clone)]
struct Arriving {
    method: String,
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Arriving {
    /// `METHOD URI`, a line for each header, an empty line, and the body.
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let (method, uri) = lines.next().unwrap().split_once(' ').unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Self {
            method: method.to_owned(),
            uri: uri.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.into())).collect(),
            body: body.into(),
        }
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn with(self, name: &str, value: &str) -> Self {
        let mut changed = self.without(name);
        changed.headers.push((name.to_owned(), value.into()));
        changed
    }

    fn header(&self, name: &str) -> &str {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name).unwrap();
        std::str::from_utf8(value).unwrap()
    }

    fn replacing(self, name: &str, from: &str, to: &str) -> Self {
        let value = self.header(name);
        assert!(value.contains(from), "{value} has no {from}");
        let value = value.replace(from, to);
        self.with(name, &value)
    }

    fn parts(&self) -> Parts {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.uri);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request = request.header(name, HeaderValue::from_bytes(value).unwrap());
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verify(&self, verifier: &Verifier, now: Timestamp) -> Result<Caller, Refusal> {
        let parts = self.parts();
        verifier.examine(&parts, Service::Kinesis, now)?.confirm(&self.body)
    }
}

fn list_streams() -> Arriving {
    Arriving::parse(include_str!("tests/botocore/list_streams.http"))
}

fn presigned() -> Arriving {
    Arriving::parse(include_str!("tests/botocore/presigned.http"))
}

fn with_session() -> Arriving {
    Arriving::parse(include_str!("tests/botocore/session_token.http"))
}

fn settings(mode: Mode) -> Settings {
    Settings {
        mode,
        account: "000000000000".parse().unwrap(),
        region: "us-east-1".parse().unwrap(),
        skew_minutes_max: Settings::SKEW_MINUTES_MAX,
    }
}

fn known() -> Credentials {
    let account = Some("123456789012".parse().unwrap());
    let permanent = Credential::new(ID, SECRET, account).unwrap();
    let session = Credential::new(SESSION_ID, SECRET, account).unwrap();
    let end = at(SIGNED_AT, 3600);
    Credentials::new([permanent, session.with_session(TOKEN, Some(end))]).unwrap()
}

fn verifier(mode: Mode) -> Verifier {
    Verifier::new(known(), settings(mode))
}

/// So many seconds after `date`.
fn at(date: &str, seconds: i64) -> Timestamp {
    let date = AmzDate::parse(date).unwrap();
    Timestamp::from_millis((date.seconds() + seconds) * 1000)
}

fn signed_at() -> Timestamp {
    at(SIGNED_AT, 0)
}

#[test]
fn a_claim_may_wait_for_its_body_on_any_thread() {
    fn is_send<T: Send>(_: &T) -> bool {
        true
    }
    let (verifier, parts) = (verifier(Mode::Verify), list_streams().parts());
    assert!(is_send(&verifier.examine(&parts, Service::Kinesis, signed_at()).unwrap()));
}
