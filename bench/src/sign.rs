//! SigV4 for requests that differ in nothing but their date and their body.
//!
//! Everything before the body's hash is the same for a whole second, so it is hashed once a second
//! and kept as a midstate. A request then costs about five blocks of SHA-256.

use bytes::BufMut;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::body::{Body, Hex, hex};

/// The key that the servers under test are told of; it opens nothing anywhere else.
pub(crate) const ACCESS_KEY_ID: &str = "AKIDEXAMPLEBENCH";
pub(crate) const SECRET_ACCESS_KEY: &str = "obviously-fake-secret-for-the-bench";
pub(crate) const REGION: &str = "us-east-1";

const SIGNED_HEADERS: &str = "content-type;host;x-amz-date;x-amz-target";

/// Writes the heads of signed requests to one operation of one host.
#[derive(Debug)]
pub(crate) struct Signer {
    host: String,
    content_type: &'static str,
    operation: &'static str,
    stamp: Stamp,
}

/// All that stays the same for one second.
#[derive(Debug)]
struct Stamp {
    epoch_seconds: u64,
    /// The request head, up to the signature's digits.
    head: Vec<u8>,
    /// SHA-256 of the canonical request, up to the body's hash.
    canonical: Sha256,
    /// HMAC of the string to sign, up to the canonical request's hash.
    to_sign: Hmac<Sha256>,
}

impl Signer {
    /// A signer whose first request will be sent about `epoch_seconds`.
    pub(crate) fn new(
        host: String,
        content_type: &'static str,
        operation: &'static str,
        epoch_seconds: u64,
    ) -> Self {
        let stamp = Stamp::new(&host, content_type, operation, epoch_seconds);
        Self { host, content_type, operation, stamp }
    }

    /// Replaces what `out` holds by the head of a request with this body, signed at this time.
    pub(crate) fn head(&mut self, epoch_seconds: u64, body: &Body, out: &mut Vec<u8>) {
        if self.stamp.epoch_seconds != epoch_seconds {
            self.stamp = Stamp::new(&self.host, self.content_type, self.operation, epoch_seconds);
        }
        let length = body.bytes.len().to_string();
        out.clear();
        out.put_slice(&self.stamp.head);
        out.put_slice(&self.stamp.signature(&body.sha256));
        out.put_slice(b"\r\ncontent-length: ");
        out.put_slice(length.as_bytes());
        out.put_slice(b"\r\n\r\n");
    }
}

impl Stamp {
    fn new(host: &str, content_type: &str, operation: &str, epoch_seconds: u64) -> Self {
        let date = amz_date(epoch_seconds);
        let (day, _) = date.split_once('T').expect("a date and a time");
        let scope = format!("{day}/{REGION}/kinesis/aws4_request");
        let target = format!("Kinesis_20131202.{operation}");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: {content_type}\r\n\
             x-amz-date: {date}\r\nx-amz-target: {target}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/{scope}, \
             SignedHeaders={SIGNED_HEADERS}, Signature="
        );
        let canonical = format!(
            "POST\n/\n\ncontent-type:{content_type}\nhost:{host}\nx-amz-date:{date}\n\
             x-amz-target:{target}\n\n{SIGNED_HEADERS}\n"
        );
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n");
        Self {
            epoch_seconds,
            head: head.into_bytes(),
            canonical: Sha256::new().chain_update(canonical),
            to_sign: signing_key(day).chain_update(to_sign),
        }
    }

    fn signature(&self, body_sha256: &Hex) -> Hex {
        let request = self.canonical.clone().chain_update(body_sha256).finalize().into();
        hex(&self.to_sign.clone().chain_update(hex(&request)).finalize().into_bytes().into())
    }
}

/// The day's key, ready to sign.
fn signing_key(day: &str) -> Hmac<Sha256> {
    let secret = format!("AWS4{SECRET_ACCESS_KEY}");
    [day, REGION, "kinesis", "aws4_request"].iter().fold(keyed(secret.as_bytes()), |key, part| {
        keyed(&key.chain_update(part).finalize().into_bytes())
    })
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// `20131202T235959Z`.
fn amz_date(epoch_seconds: u64) -> String {
    let seconds = i64::try_from(epoch_seconds).expect("a date before the year 9999");
    let at = OffsetDateTime::from_unix_timestamp(seconds).expect("a date before the year 9999");
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4::SigningParams;

    use super::*;

    const HOST: &str = "127.0.0.1:4567";
    const JSON: &str = "application/x-amz-json-1.1";

    /// What Amazon's own signer puts into the authorization header.
    fn oracle(epoch_seconds: u64, body: &[u8]) -> String {
        let credentials = Credentials::from_keys(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None).into();
        let params = SigningParams::builder()
            .identity(&credentials)
            .region(REGION)
            .name("kinesis")
            .time(UNIX_EPOCH + Duration::from_secs(epoch_seconds))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = [
            ("content-type", JSON),
            ("host", HOST),
            ("x-amz-target", "Kinesis_20131202.PutRecord"),
        ];
        let uri = format!("http://{HOST}/");
        let request =
            SignableRequest::new("POST", &uri, headers.into_iter(), SignableBody::Bytes(body));
        let (instructions, _) = sign(request.unwrap(), &params).unwrap().into_parts();
        let (headers, _) = instructions.into_parts();
        let found = headers.iter().find(|header| header.name() == "authorization");
        found.expect("an authorization header").value().to_owned()
    }

    #[test]
    fn signatures_equal_those_of_amazons_signer() {
        let first = 1_700_000_000;
        let mut signer = Signer::new(HOST.into(), JSON, "PutRecord", first);
        let mut head = Vec::new();
        for epoch_seconds in [first, first, first + 1, first + 86_400] {
            for body in ["{}", r#"{"Data":"aGVsbG8="}"#] {
                signer.head(epoch_seconds, &Body::new(body), &mut head);
                let head = std::str::from_utf8(&head).unwrap();
                let expected =
                    format!("\r\nauthorization: {}\r\n", oracle(epoch_seconds, body.as_bytes()));
                assert!(head.contains(&expected), "{expected} in {head}");
                assert!(head.contains(&format!("\r\nx-amz-date: {}\r\n", amz_date(epoch_seconds))));
                assert!(head.ends_with(&format!("\r\ncontent-length: {}\r\n\r\n", body.len())));
            }
        }
    }

    #[test]
    fn dates_are_written_as_amazon_does() {
        assert_eq!(amz_date(0), "19700101T000000Z");
        assert_eq!(amz_date(1_709_251_199), "20240229T235959Z");
    }
}
