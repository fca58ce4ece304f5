//! Whatever Amazon's own signer signs is let in, and nothing else that looks like it.

use std::time::{Duration, SystemTime};

use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
        sign,
    },
    sign::v4,
};
use proptest::{collection::vec, option, prelude::*};

use super::*;

const HOST: &str = "127.0.0.1:4567";

/// All that a signer may choose.
#[derive(Debug, Clone)]
struct Choice {
    method: &'static str,
    path_and_query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    secret: String,
    token: Option<String>,
    region: String,
    seconds: u32,
    presigned: bool,
    declares_hash: bool,
    over_http2: bool,
}

impl Choice {
    fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds.into())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::from(self.seconds) * 1000)
    }

    fn credentials(&self, secret: &str) -> Credentials {
        let credential = Credential::new(ID, secret, None).unwrap();
        let credential = match &self.token {
            Some(token) => credential.with_session(token, None),
            None => credential,
        };
        Credentials::new([credential]).unwrap()
    }

    fn verifier(&self, secret: &str) -> Verifier {
        Verifier::new(self.credentials(secret), settings(Mode::Verify))
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        if self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(Duration::from_mins(15));
        }
        if self.declares_hash {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        settings
    }

    /// The request, signed by Amazon's signer over `body`, as a server receives it.
    fn signed_over(&self, body: SignableBody<'_>) -> Arriving {
        let credentials = aws_credential_types::Credentials::new(
            ID,
            &self.secret,
            self.token.clone(),
            None,
            "test",
        );
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("kinesis")
            .time(self.time())
            .settings(self.settings())
            .build()
            .unwrap()
            .into();
        let mut request = Request::builder()
            .method(self.method)
            .uri(format!("http://{HOST}{}", self.path_and_query))
            .body(())
            .unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let uri = request.uri().to_string();
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(self.method, uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        self.arriving(&request)
    }

    fn signed(&self) -> Arriving {
        self.signed_over(SignableBody::Bytes(&self.body))
    }

    fn arriving(&self, request: &Request<()>) -> Arriving {
        let headers = request.headers().iter();
        let arriving = Arriving {
            method: self.method.to_owned(),
            uri: request.uri().to_string(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.as_bytes().into()))
                .collect(),
            body: self.body.clone(),
        };
        if self.over_http2 {
            return arriving;
        }
        let uri = request.uri().path_and_query().unwrap().to_string();
        Arriving { uri, ..arriving.with("host", HOST) }
    }
}

/// Text for a URI, some of it percent-encoded.
fn uri_text(literal: &'static str, length_max: usize) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => literal.prop_map(String::from),
        1 => prop_oneof!["%20", "%2F", "%25", "%41", "%7e", "%C3%BC", "%2b"],
    ];
    vec(piece, 0..length_max).prop_map(|pieces| pieces.concat())
}

fn path_and_query() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        6 => uri_text("[a-zA-Z0-9._~:,!$&'()*+;=@-]", 6),
        1 => Just(".".to_owned()),
        1 => Just("..".to_owned()),
    ];
    let path = vec(segment, 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    let pair = (uri_text("[a-zA-Z0-9._~+/?:@!$'()*,;-]", 6), uri_text("[a-z=+/?:@!$'()*,;-]", 6));
    let pair = pair.prop_map(|(name, value)| format!("{name}={value}"));
    let query = vec(pair, 0..4).prop_map(|pairs| pairs.join("&"));
    prop_oneof![
        1 => Just("/".to_owned()),
        2 => (path, query).prop_map(|(path, query)| format!("{path}?{query}")),
    ]
}

/// Few names, so that some come twice.
const HEADER_NAME: &str = "x-[a-c]{1,2}|content-type";
const HEADER_VALUE: &str = " {0,2}[!-~]{0,5}( {0,3}[!-~]{0,5}){0,3}";

prop_compose! {
    fn choice()(
        method in prop_oneof![4 => Just("POST"), 1 => Just("GET"), 1 => Just("PUT")],
        path_and_query in path_and_query(),
        headers in vec((HEADER_NAME, HEADER_VALUE), 0..5),
        body in vec(any::<u8>(), 0..300),
        secret in "[!-9;-~]{1,60}",
        token in option::of("[!-~]{1,80}"),
        region in "[a-z0-9-]{1,32}",
        seconds in any::<u32>(),
        (presigned, declares_hash, over_http2) in any::<(bool, bool, bool)>(),
    ) -> Choice {
        Choice {
            method, path_and_query, headers, body, secret, token, region, seconds, presigned,
            declares_hash, over_http2,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_amazons_signer_signs_is_let_in(choice in choice()) {
        let verifier = choice.verifier(&choice.secret);
        let request = choice.signed();
        let caller = request.verify(&verifier, choice.now());
        let expected = Caller {
            account: "000000000000".parse().unwrap(),
            region: choice.region.parse().unwrap(),
            access_key_id: ID.into(),
            identity: None,
        };
        prop_assert_eq!(caller.as_ref(), Ok(&expected), "{:?}", request.headers);
        // The second time, with the signing key that was remembered.
        prop_assert_eq!(request.verify(&verifier, choice.now()), Ok(expected));
    }

    #[test]
    fn another_secret_is_refused(choice in choice()) {
        let verifier = choice.verifier("another");
        let outcome = choice.signed().verify(&verifier, choice.now());
        prop_assert_eq!(outcome, Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn another_body_is_refused(choice in choice(), at in any::<prop::sample::Index>()) {
        let verifier = choice.verifier(&choice.secret);
        let mut request = choice.signed();
        request.body.push(0);
        let at = at.index(request.body.len());
        request.body[at] ^= 1;
        let declared = choice.declares_hash && !choice.presigned;
        let expected = if declared { Refusal::PayloadMismatch } else { Refusal::SignatureMismatch };
        prop_assert_eq!(request.verify(&verifier, choice.now()), Err(expected));
    }

    #[test]
    fn no_request_panics(
        header in option::of("[ -~]{0,80}"),
        query in option::of("(X-Amz-(Algorithm|Date|Credential|Expires)=?[!$-;=?-~]{0,9}&){0,4}"),
        date in option::of("[ -~]{0,30}"),
    ) {
        let mut request = list_streams();
        request.uri = format!("/?{}", query.unwrap_or_default());
        for (name, value) in [("authorization", header), ("x-amz-date", date)] {
            request = match value {
                Some(value) => request.with(name, &value),
                None => request.without(name),
            };
        }
        // Whatever it is, it is not signed; the request line alone differs from the recorded one.
        prop_assert!(request.verify(&verifier(Mode::Verify), signed_at()).is_err());
    }
}

fn plain() -> Choice {
    Choice {
        method: "POST",
        path_and_query: "/".to_owned(),
        headers: Vec::new(),
        body: b"{}".to_vec(),
        secret: SECRET.to_owned(),
        token: None,
        region: "eu-west-1".to_owned(),
        seconds: 1_440_938_160,
        presigned: false,
        declares_hash: false,
        over_http2: false,
    }
}

#[test]
fn an_unsigned_payload_is_refused() {
    let choice = Choice { declares_hash: true, ..plain() };
    let request = choice.signed_over(SignableBody::UnsignedPayload);
    assert_eq!(request.header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
    let refusal = request.verify(&choice.verifier(SECRET), choice.now()).unwrap_err();
    assert!(matches!(refusal, Refusal::PayloadNotSigned { .. }));
}

#[test]
fn a_signature_is_not_good_for_another_operation() {
    for presigned in [false, true] {
        let choice = Choice { presigned, ..plain() };
        let verifier = choice.verifier(SECRET);
        assert!(choice.signed().verify(&verifier, choice.now()).is_ok());
        let request = choice.signed().with("x-amz-target", "Kinesis_20131202.DeleteStream");
        let refusal = request.verify(&verifier, choice.now()).unwrap_err();
        assert_eq!(refusal, Refusal::SignatureMismatch);
    }
}
