//! Master keys of a key management service that speaks the protocol of AWS KMS: GenerateDataKey and
//! Decrypt, in JSON 1.1, signed with SigV4.
//!
//! As with Kinesis of AWS, the encryption context of each data key is its stream's ARN, so the
//! policy of a key can say for which streams it may be used.
//!
//! A wrapped data key, as it is given to be stored:
//!
//! | bytes | what |
//! |---|---|
//! | 13 | `millpond kms` and version, 1 |
//! | 2 + n | the ARN of the master key, which Decrypt is told; its length little-endian |
//! | the rest | the service's own CiphertextBlob |
//!
//! One that doesn't begin so is a CiphertextBlob alone, of a time when the ARN wasn't stored.

mod url;

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use base64_simd::STANDARD as BASE64;
use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, StatusCode, header};
use millpond_api::types::StreamArn;
use millpond_quotas::Clock;
use millpond_shards::crypt::{KeyService, KmsError, KmsFault, PlainKey};
use serde::Deserialize;
use serde_json::json;

pub use self::url::KmsUrl;
use crate::{
    config::Secret,
    outbound::{Connector, Failure, TlsFault},
    process::StartError,
};

/// How long one attempt may take.
const ATTEMPT_LIFE: Duration = Duration::from_secs(2);

/// How long to wait before each further attempt.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Bytes of a wrapped data key, as KMS bounds them.
const BLOB_BYTES_MAX: usize = 6144;

/// Bytes of the ARN of a key, likewise.
const ARN_BYTES_MAX: usize = 2048;

/// The member of the encryption context that names the stream.
const CONTEXT: &str = "aws:kinesis:arn";

/// What a wrapped data key begins with.
const MARK: &[u8] = b"millpond kms\x01";

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// A key management service.
pub(super) struct KmsEndpoint {
    connector: Connector,
    credentials: Credentials,
    clock: Clock,
}

/// An answer of GenerateDataKey or Decrypt.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    plaintext: String,
    #[serde(default)]
    ciphertext_blob: String,
    #[serde(default)]
    key_id: String,
}

/// An answer that refuses.
#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(rename = "__type", default)]
    code: String,
    #[serde(default, alias = "Message")]
    message: String,
}

impl KmsEndpoint {
    /// The service at `url`, asked in the name of `credential`. Over TLS it is trusted if one of
    /// the authorities of `ca` vouches for it, or else of the platform.
    pub(super) fn new(
        url: &KmsUrl,
        credential: &Secret,
        ca: Option<&Path>,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let (id, secret) = credential.expose().split_once(':').ok_or_else(|| {
            StartError::refused("--kms-credential: it is an access key and its secret, ID:SECRET")
        })?;
        let credentials = Credentials::new(id, secret, None, None, "configuration");
        let connector = Connector::new(&url.0, ca).map_err(untrusted)?;
        Ok(Self { connector, credentials, clock })
    }

    async fn generate_data_key(
        &self,
        key_id: &str,
        stream: &StreamArn,
    ) -> Result<Vec<u8>, KmsError> {
        let context = json!({ CONTEXT: stream.to_string() });
        let input = json!({"KeyId": key_id, "KeySpec": "AES_256", "EncryptionContext": context});
        let keys = self.call("GenerateDataKey", &input, stream).await?;
        let blob = BASE64.decode_to_vec(&keys.ciphertext_blob).unwrap_or_default();
        if !(1..=BLOB_BYTES_MAX).contains(&blob.len()) {
            return Err(unusable("GenerateDataKey", "no wrapped data key"));
        }
        if !(1..=ARN_BYTES_MAX).contains(&keys.key_id.len()) {
            return Err(unusable("GenerateDataKey", "no ARN of its key"));
        }
        let arn = keys.key_id.as_bytes();
        Ok([MARK, &(arn.len() as u16).to_le_bytes(), arn, &blob].concat())
    }

    async fn open(&self, wrapped: &[u8], stream: &StreamArn) -> Result<PlainKey, KmsError> {
        let context = json!({ CONTEXT: stream.to_string() });
        let (arn, blob) = take_apart(wrapped).unzip();
        let blob = BASE64.encode_to_string(blob.unwrap_or(wrapped));
        let input = match arn {
            Some(arn) => {
                json!({"CiphertextBlob": blob, "EncryptionContext": context, "KeyId": arn})
            }
            None => json!({"CiphertextBlob": blob, "EncryptionContext": context}),
        };
        plain(&self.call("Decrypt", &input, stream).await?)
    }

    /// Calls until there is an answer that another attempt would not change.
    async fn call(
        &self,
        operation: &'static str,
        input: &serde_json::Value,
        stream: &StreamArn,
    ) -> Result<Keys, KmsError> {
        let body = Bytes::from(input.to_string());
        let mut pauses = PAUSES.iter();
        loop {
            let attempt = self.attempt(operation, body.clone(), stream);
            let outcome = tokio::time::timeout(ATTEMPT_LIFE, attempt).await;
            let error = match outcome.unwrap_or_else(|_| Err(Failure::TimedOut.into())) {
                Ok(keys) => return Ok(keys),
                Err(error) => error,
            };
            let may_pass = matches!(error.fault, KmsFault::Unavailable | KmsFault::Throttling);
            let Some(pause) = pauses.next().filter(|_| may_pass) else { return Err(error) };
            tokio::time::sleep(*pause).await;
        }
    }

    async fn attempt(
        &self,
        operation: &'static str,
        body: Bytes,
        stream: &StreamArn,
    ) -> Result<Keys, KmsError> {
        let request = self.request(operation, body, stream.region.as_str());
        let (status, body) = self.connector.exchange(request).await.inspect_err(|failure| {
            tracing::warn!(%failure, operation, "key management service not reached");
        })?;
        if status == StatusCode::OK {
            let keys = serde_json::from_slice(&body);
            return keys.map_err(|_| unusable(operation, "no keys"));
        }
        let refusal: Refusal = serde_json::from_slice(&body).unwrap_or_default();
        Err(refused(status, refusal))
    }

    fn request(&self, operation: &str, body: Bytes, region: &str) -> Request<Bytes> {
        let target = format!("TrentService.{operation}");
        let host = self.connector.url().authority();
        let headers =
            [("host", host), ("content-type", CONTENT_TYPE), ("x-amz-target", target.as_str())];
        let identity = self.credentials.clone().into();
        let wall = Duration::from_nanos(self.clock.wall().nanos());
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("kms")
            .time(SystemTime::UNIX_EPOCH + wall)
            .settings(SigningSettings::default())
            .build()
            .expect("every parameter is given");
        let uri = self.connector.url().to_string();
        let signable =
            SignableRequest::new("POST", uri, headers.into_iter(), SignableBody::Bytes(&body));
        let signed = signable.and_then(|signable| sign(signable, &parameters.into()));
        let (instructions, _) = signed.expect("its URL was checked").into_parts();
        let mut request = Request::post("/")
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header("x-amz-target", &target)
            .body(body)
            .expect("each part of it is legal");
        instructions.apply_to_request_http1x(&mut request);
        request
    }
}

fn untrusted(fault: TlsFault) -> StartError {
    match fault {
        TlsFault::Name(_) => StartError::refused(format!("--kms-endpoint: {fault}")),
        TlsFault::Authorities { .. } => StartError::refused(format!("--kms-ca: {fault}")),
        TlsFault::NoAuthorities => {
            StartError::refused(format!("--kms-endpoint: {fault}; name one with --kms-ca FILE"))
        }
        TlsFault::Tls(error) => StartError::new(error),
    }
}

impl KeyService for KmsEndpoint {
    fn generate<'a>(
        &'a self,
        key_id: &'a str,
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        self.generate_data_key(key_id, stream).boxed()
    }

    fn decrypt<'a>(
        &'a self,
        wrapped: &'a [u8],
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<PlainKey, KmsError>> {
        self.open(wrapped, stream).boxed()
    }
}

/// The ARN of the master key and the blob; `None` when only a blob was stored.
fn take_apart(wrapped: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = wrapped.strip_prefix(MARK)?.split_first_chunk()?;
    let (arn, blob) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((std::str::from_utf8(arn).ok()?, blob))
}

fn plain(keys: &Keys) -> Result<PlainKey, KmsError> {
    let mut bytes = BASE64.decode_to_vec(&keys.plaintext).unwrap_or_default();
    let key = PlainKey::from_slice(&bytes);
    bytes.fill(0);
    key.ok_or_else(|| unusable("its answer", "no key of 32 bytes"))
}

/// An answer that isn't what KMS answers.
fn unusable(operation: &str, lacks: &str) -> KmsError {
    tracing::warn!(operation, lacks, "the key management service gave no usable answer");
    KmsError::new(KmsFault::Unavailable, UNAVAILABLE)
}

/// What clients are told when nobody can tell why.
const UNAVAILABLE: &str = "The key management service gave no usable answer.";

impl From<Failure> for KmsError {
    fn from(_: Failure) -> Self {
        Self::new(KmsFault::Unavailable, UNAVAILABLE)
    }
}

/// The fact that a refusal tells of.
fn refused(status: StatusCode, refusal: Refusal) -> KmsError {
    // It may stand behind the name of a namespace.
    let code = refusal.code.rsplit('#').next().unwrap_or_default();
    let fault = match code {
        "AccessDeniedException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationTokenException"
        | "UnrecognizedClientException" => KmsFault::AccessDenied,
        "DisabledException" => KmsFault::Disabled,
        "IncorrectKeyException"
        | "InvalidCiphertextException"
        | "InvalidGrantTokenException"
        | "InvalidKeyUsageException"
        | "KMSInvalidStateException" => KmsFault::InvalidState,
        "InvalidArnException" | "NotFoundException" | "ValidationException" => KmsFault::NotFound,
        "OptInRequired" | "SubscriptionRequiredException" => KmsFault::OptInRequired,
        "LimitExceededException" | "RequestLimitExceeded" | "ThrottlingException" => {
            KmsFault::Throttling
        }
        _ => {
            tracing::warn!(%status, code, "the key management service refused");
            return KmsError::new(KmsFault::Unavailable, UNAVAILABLE);
        }
    };
    let message = if refusal.message.is_empty() { code.to_owned() } else { refusal.message };
    KmsError::new(fault, message)
}

#[cfg(test)]
mod tests;
