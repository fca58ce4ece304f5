//! Each refusal: its code and its sentence on the wire, in AWS' order.

use millpond_api::ErrorKind;

use super::*;

/// What the verifier answers to the head of `request`, before it has seen a body.
fn refusal_at(request: &Arriving, now: Timestamp) -> (ErrorKind, String) {
    let verifier = verifier(Mode::Verify);
    let parts = request.parts();
    match verifier.examine(&parts, Service::Kinesis, now) {
        Err(refusal) => (refusal.kind(), refusal.to_string()),
        Ok(_) => panic!("the head is in order: {:?}", request.headers),
    }
}

fn assert_refused(request: &Arriving, kind: ErrorKind, message: &str) {
    assert_eq!(refusal_at(request, signed_at()), (kind, message.to_owned()));
}

fn presigned_with(from: &str, to: &str) -> Arriving {
    let request = presigned();
    assert!(request.uri.contains(from), "{} has no {from}", request.uri);
    Arriving { uri: request.uri.replace(from, to), ..request }
}

#[test]
fn no_authorization() {
    let kind = ErrorKind::MissingAuthenticationToken;
    let message = "Missing Authentication Token";
    assert_refused(&list_streams().without("authorization"), kind, message);
    assert_refused(&list_streams().with("authorization", ""), kind, message);
    assert_refused(&presigned_with("X-Amz-Algorithm", "X-Amz-Other"), kind, message);
}

#[test]
fn two_authorizations() {
    let message = "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as \
                   HTTP header.";
    assert_refused(&presigned().with("authorization", "any"), ErrorKind::InvalidSignature, message);
    for uri in ["/?X-Amz-Algorithm", "/?X-Amz-Algorithm=", "/?a=1&X-Amz%2DAlgorithm=b"] {
        let request = Arriving { uri: uri.to_owned(), ..list_streams() };
        assert_refused(&request, ErrorKind::InvalidSignature, message);
    }
}

#[test]
fn a_header_that_lacks_parts() {
    let part = |name: &str| format!("Authorization header requires '{name}' parameter. ");
    let undated = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                   header. ";
    for (raw, missing) in [
        ("X", vec!["Credential", "Signature", "SignedHeaders"]),
        ("AWS4-HMAC-SHA256", vec!["Credential", "Signature", "SignedHeaders"]),
        ("AWS4-HMAC-SHA256 Signature=b,SignedHeaders=c", vec!["Credential"]),
        ("AWS4-HMAC-SHA256 Credential=a  SignedHeaders=c", vec!["Signature"]),
        ("AWS4-HMAC-SHA256 Credential=a, Signature=b", vec!["SignedHeaders"]),
        ("AWS4-HMAC-SHA256 Credential=, Signature=b", vec!["Credential", "SignedHeaders"]),
        ("AWS4-HMAC-SHA256 Credential=a,Signature,SignedHeaders=c", vec!["Signature"]),
    ] {
        let request = list_streams().with("authorization", raw);
        let parts: String = missing.into_iter().map(part).collect();
        let message = format!("{parts}Authorization={raw}");
        assert_refused(&request, ErrorKind::IncompleteSignature, &message);

        let message = format!("{parts}{undated}Authorization={raw}");
        assert_refused(&request.without("x-amz-date"), ErrorKind::IncompleteSignature, &message);
    }
    let raw = "AWS4-HMAC-SHA256 Credential=a,Signature=b,SignedHeaders=c";
    let request = list_streams().with("authorization", raw).with("x-amz-date", " ");
    let message = format!("{undated}Authorization={raw}");
    assert_refused(&request, ErrorKind::IncompleteSignature, &message);
}

#[test]
fn a_header_that_is_no_text() {
    let mut request = list_streams().without("authorization");
    request.headers.push(("authorization".to_owned(), b"AWS4-HMAC-SHA256 \xff".to_vec()));
    let (kind, message) = refusal_at(&request, signed_at());
    assert_eq!(kind, ErrorKind::IncompleteSignature);
    assert!(message.ends_with("Authorization=AWS4-HMAC-SHA256 \u{fffd}"), "{message}");
}

#[test]
fn a_query_that_lacks_parameters() {
    let names = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Signature",
        "X-Amz-SignedHeaders",
        "X-Amz-Date",
    ];
    let sentence = |name: &str| format!("AWS query-string parameters must include '{name}'. ");
    let expected = |missing: &[&str]| {
        let sentences: String = missing.iter().map(|name| sentence(name)).collect();
        format!("{sentences}Re-examine the query-string parameters.")
    };
    let empty = Arriving { uri: "/?X-Amz-Algorithm".to_owned(), ..presigned() };
    assert_refused(&empty, ErrorKind::IncompleteSignature, &expected(&names));
    for name in &names[1..] {
        let message = expected(&[name]);
        let from = format!("{name}=");
        let renamed = presigned_with(&from, "Other=");
        assert_refused(&renamed, ErrorKind::IncompleteSignature, &message);
        let emptied = presigned_with(&from, &format!("{name}=&Other="));
        assert_refused(&emptied, ErrorKind::IncompleteSignature, &message);
    }
}

#[test]
fn a_date_that_is_none() {
    let message = "Date must be in ISO-8601 'basic format'. Got '201'. See \
                   http://en.wikipedia.org/wiki/ISO_8601";
    assert_refused(
        &list_streams().with("x-amz-date", "201"),
        ErrorKind::IncompleteSignature,
        message,
    );
    let dated = list_streams().without("x-amz-date").with("date", "201");
    assert_refused(&dated, ErrorKind::IncompleteSignature, message);
    let request = presigned_with("20150830T123600Z", "201");
    assert_refused(&request, ErrorKind::IncompleteSignature, message);
}

#[test]
fn x_amz_date_goes_before_date() {
    let request = list_streams().with("date", "Thu, 01 Jan 1970 00:00:00 GMT");
    assert!(request.verify(&verifier(Mode::Verify), signed_at()).is_ok());
}

#[test]
fn a_date_is_good_for_five_minutes_either_way() {
    let request = list_streams();
    let verifier = verifier(Mode::Verify);
    for seconds in [-300, 300] {
        assert!(request.verify(&verifier, at(SIGNED_AT, seconds)).is_ok());
    }
    let late = "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
                (20150830T124101Z - 5 min.)";
    let early = "Signature not yet current: 20150830T123600Z is still later than \
                 20150830T123559Z (20150830T123059Z + 5 min.)";
    for (seconds, message) in [(301, late), (-301, early)] {
        let refusal = refusal_at(&request, at(SIGNED_AT, seconds));
        assert_eq!(refusal, (ErrorKind::InvalidSignature, message.to_owned()));
    }
}

#[test]
fn a_presigned_request_lives_as_long_as_it_says() {
    let request = presigned();
    let verifier = verifier(Mode::Verify);
    for seconds in [-300, 900] {
        assert!(request.verify(&verifier, at(SIGNED_AT, seconds)).is_ok());
    }
    let message = "Signature expired: 20150830T125100Z is now earlier than 20150830T125101Z";
    let refusal = refusal_at(&request, at(SIGNED_AT, 901));
    assert_eq!(refusal, (ErrorKind::InvalidSignature, message.to_owned()));
    let (_, message) = refusal_at(&request, at(SIGNED_AT, -301));
    assert!(message.starts_with("Signature not yet current: "), "{message}");
}

#[test]
fn a_presigned_request_without_a_life_has_the_usual_one() {
    let request = presigned_with("X-Amz-Expires=900&", "");
    let (_, message) = refusal_at(&request, at(SIGNED_AT, 301));
    assert!(message.ends_with("(20150830T124101Z - 5 min.)"), "{message}");
}

#[test]
fn a_life_that_is_none() {
    for text in ["soon", "-1", "", "9.5", "99999999999"] {
        let request = presigned_with("Expires=900", &format!("Expires={text}"));
        assert_refused(
            &request,
            ErrorKind::IncompleteSignature,
            "X-Amz-Expires should be a number",
        );
    }
    let message = "X-Amz-Expires must be less than a week (in seconds); that is, the given \
                   X-Amz-Expires must be less than 604800 seconds";
    let request = presigned_with("Expires=900", "Expires=604801");
    assert_refused(&request, ErrorKind::InvalidSignature, message);
    let week = presigned_with("Expires=900", "Expires=604800");
    let refusal = week.verify(&verifier(Mode::Verify), at(SIGNED_AT, 1000)).unwrap_err();
    assert_eq!(refusal, Refusal::SignatureMismatch, "only the changed query is at fault");
}

#[test]
fn a_host_that_is_not_signed() {
    let message = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
    for names in ["content-type;x-amz-date", "hosts", "x-host;x-amz-date"] {
        let request =
            list_streams().replacing("authorization", "content-type;host;x-amz-date", names);
        assert_refused(&request, ErrorKind::InvalidSignature, message);
    }
}

#[test]
fn another_algorithm() {
    let message =
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). ";
    let request = list_streams().replacing("authorization", "SHA256", "SHA25");
    assert_refused(&request, ErrorKind::IncompleteSignature, message);
}

#[test]
fn a_credential_of_fewer_or_more_elements() {
    for credential in ["a/b/c/d", "a", "a/b/c/d/e/f", "AKIDEXAMPLE/20150830/eu-west-1/kinesis/"] {
        let from = "AKIDEXAMPLE/20150830/eu-west-1/kinesis/aws4_request";
        let request = list_streams().replacing("authorization", from, credential);
        let message = format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        );
        assert_refused(&request, ErrorKind::IncompleteSignature, &message);
    }
}

#[test]
fn slashes_after_the_credential_do_not_count() {
    let request = list_streams().replacing("authorization", "aws4_request", "aws4_request//");
    assert!(request.verify(&verifier(Mode::Verify), signed_at()).is_ok());
}

#[test]
fn another_scope() {
    let region = "Credential should be scoped to a valid region.";
    let service = "Credential should be scoped to correct service: 'kinesis'.";
    let terminator =
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'e'.";
    let day = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date \
               from HTTP: '20150831' != '20150830', from '20150830T123600Z'.";
    for (scope, message) in [
        ("20150830/EU/kinesis/aws4_request", region.to_owned()),
        ("20150830//kinesis/aws4_request", region.to_owned()),
        ("20150830/eu-west-1/dynamodb/aws4_request", service.to_owned()),
        ("20150830/eu-west-1/kinesis/e", terminator.to_owned()),
        ("20150831/eu-west-1/kinesis/aws4_request", day.to_owned()),
        ("20150831/*/s3/e", [region, service, terminator, day].join(" ")),
    ] {
        let from = "20150830/eu-west-1/kinesis/aws4_request";
        let request = list_streams().replacing("authorization", from, scope);
        assert_refused(&request, ErrorKind::InvalidSignature, &message);
    }
}

#[test]
fn an_unknown_access_key_id() {
    let message = "The security token included in the request is invalid.";
    let request = list_streams().replacing("authorization", "AKIDEXAMPLE", "AKIDOTHER");
    assert_refused(&request, ErrorKind::UnrecognizedClient, message);
}

#[test]
fn a_session_needs_its_token() {
    let message = "The security token included in the request is invalid.";
    let other = with_session().with("x-amz-security-token", "another");
    assert_refused(&other, ErrorKind::UnrecognizedClient, message);
    let none = with_session().without("x-amz-security-token");
    assert_refused(&none, ErrorKind::UnrecognizedClient, message);
    let stray = list_streams().with("x-amz-security-token", TOKEN);
    assert_refused(&stray, ErrorKind::UnrecognizedClient, message);
    let presigned = presigned_with("example-token", "another-token");
    assert_refused(&presigned, ErrorKind::UnrecognizedClient, message);
}

#[test]
fn a_session_that_has_expired() {
    let session = Credential::new(SESSION_ID, SECRET, None).unwrap();
    let session = session.with_session(TOKEN, Some(signed_at()));
    let credentials = Credentials::new([session]).unwrap();
    let verifier = Verifier::new(credentials, settings(Mode::Verify));
    let refusal = with_session().verify(&verifier, signed_at()).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::ExpiredToken);
    assert_eq!(refusal.to_string(), "The security token included in the request is expired");
    assert!(with_session().verify(&verifier, at(SIGNED_AT, -1)).is_ok());
}

#[test]
fn a_payload_that_is_not_signed() {
    for declared in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
        let request = list_streams().with("x-amz-content-sha256", declared);
        let message = format!("The value '{declared}' of 'x-amz-content-sha256' is not supported.");
        assert_refused(&request, ErrorKind::InvalidSignature, &message);
    }
}

#[test]
fn a_declared_hash_is_compared_with_the_body() {
    let request = list_streams().with("x-amz-content-sha256", &"0".repeat(64));
    let refusal = request.verify(&verifier(Mode::Verify), signed_at()).unwrap_err();
    assert_eq!(refusal, Refusal::PayloadMismatch);
    assert_eq!(refusal.kind(), ErrorKind::InvalidSignature);
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    assert_eq!(refusal.to_string(), message);
}

#[test]
fn another_signature() {
    let verifier = verifier(Mode::Verify);
    let message = "The request signature we calculated does not match the signature you \
                   provided. Check your AWS Secret Access Key and signing method. Consult the \
                   service documentation for details.";
    for signature in ["0", &"0".repeat(64), &"0".repeat(65), "é"] {
        let request = list_streams();
        let header = request.header("authorization").to_owned();
        let (head, _) = header.split_once("Signature=").unwrap();
        let request = request.with("authorization", &format!("{head}Signature={signature}"));
        let refusal = request.verify(&verifier, signed_at()).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::InvalidSignature);
        assert_eq!(refusal.to_string(), message);
    }
}

#[test]
fn signed_headers_are_sorted_lower_case_and_present() {
    let verifier = verifier(Mode::Verify);
    let names = "content-type;host;x-amz-date;x-amz-target";
    for other in [
        "host;content-type;x-amz-date;x-amz-target",
        "content-type;host;host;x-amz-date;x-amz-target",
        "Content-Type;host;x-amz-date;x-amz-target",
        "content-type;host;x-absent;x-amz-date;x-amz-target",
        ":path;content-type;host;x-amz-date;x-amz-target",
        ";content-type;host;x-amz-date;x-amz-target",
        "content-type;host;x-amz-date;x-amz-target;",
    ] {
        let request = list_streams().replacing("authorization", names, other);
        let refusal = request.verify(&verifier, signed_at()).unwrap_err();
        assert_eq!(refusal, Refusal::SignatureMismatch, "{other}");
    }
}

/// Takes one fault out of a request.
type Mend = fn(Arriving) -> Arriving;

#[test]
fn earlier_faults_are_named_first() {
    let faulty = list_streams()
        .replacing("authorization", "AKIDEXAMPLE/20150830", "AKIDOTHER/20150831")
        .replacing("authorization", "AWS4-HMAC-SHA256", "AWS3")
        .replacing("authorization", ";host;", ";")
        .with("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    let steps: [(Mend, &str); 4] = [
        (|request| request.replacing("authorization", "content-type", "host"), "'Host'"),
        (|request| request.replacing("authorization", "AWS3", "AWS4-HMAC-SHA256"), "Unsupported"),
        (|request| request.replacing("authorization", "20150831", "20150830"), "Date in"),
        (|request| request.replacing("authorization", "AKIDOTHER", ID), "The security token"),
    ];
    let (_, expired) = refusal_at(&faulty, at(SIGNED_AT, 301));
    assert!(expired.starts_with("Signature expired"), "{expired}");
    let mended = steps.into_iter().fold(faulty, |request, (mend, sentence)| {
        let (_, message) = refusal_at(&request, signed_at());
        assert!(message.starts_with(sentence), "{message}");
        mend(request)
    });
    let (_, message) = refusal_at(&mended, signed_at());
    assert!(message.starts_with("The value 'UNSIGNED-PAYLOAD'"), "{message}");
}
