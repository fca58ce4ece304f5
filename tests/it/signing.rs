//! Requests that Amazon's own signer signed.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4::SigningParams,
};
use axum::body::Body;
use http::Request;
use millpond_api::Codec;

use crate::wire;

const HOST: &str = "127.0.0.1:4567";

/// Who signs what, when and how.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) token: Option<&'static str>,
    pub(crate) at_millis: i64,
    /// In the query instead of headers.
    pub(crate) presigned: bool,
}

impl Signer {
    pub(crate) const ID: &'static str = "AKIDEXAMPLE";
    pub(crate) const SECRET: &'static str = "obviously-fake-secret";

    /// Who is known to servers that are started with [`Signer::flags`].
    pub(crate) fn known(at_millis: i64) -> Self {
        Self { id: Self::ID, secret: Self::SECRET, token: None, at_millis, presigned: false }
    }

    /// A server that knows the signer and nobody else.
    pub(crate) fn flags() -> String {
        format!("serve --in-memory --credential {}:{}:123456789012", Self::ID, Self::SECRET)
    }

    /// A JSON request to an operation.
    pub(crate) fn request(&self, operation: &str, body: &str) -> Request<Body> {
        let target = format!("Kinesis_20131202.{operation}");
        let headers = [("content-type", Codec::Json.content_type()), ("x-amz-target", &target)];
        self.sign("kinesis", "/", &headers, body.as_bytes())
    }

    /// A request to a service.
    pub(crate) fn sign(
        &self,
        service: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Request<Body> {
        let mut request = wire::request(headers, body.to_vec());
        *request.uri_mut() = format!("http://{HOST}{path}").parse().unwrap();
        let credentials =
            Credentials::new(self.id, self.secret, self.token.map(str::to_owned), None, "test");
        let identity = credentials.into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(service)
            .time(SystemTime::UNIX_EPOCH + Duration::from_millis(self.at_millis.unsigned_abs()))
            .settings(self.settings())
            .build()
            .unwrap()
            .into();
        let uri = request.uri().to_string();
        let headers = headers.iter().copied();
        let signable = SignableBody::Bytes(body);
        let signable = SignableRequest::new("POST", uri, headers, signable).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        *request.uri_mut() = request.uri().path_and_query().unwrap().as_str().parse().unwrap();
        request
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_mins(15));
        }
        settings
    }
}
