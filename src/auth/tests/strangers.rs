//! `Mode::Any`: who is let in without being known, and as whom.

use millpond_api::ErrorKind;

use super::*;

fn stranger(credential: &str) -> Arriving {
    let header =
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=any");
    list_streams().with("authorization", &header).with("x-amz-date", "any")
}

fn caller(credential: &str) -> Caller {
    stranger(credential).verify(&verifier(Mode::Any), signed_at()).unwrap()
}

#[test]
fn a_stranger_has_the_default_account_and_the_region_of_the_scope() {
    let caller = caller("mock/20200101/eu-central-1/kinesis/aws4_request");
    assert_eq!(caller.account.as_str(), "000000000000");
    assert_eq!(caller.region.as_str(), "eu-central-1");
    assert_eq!(caller.access_key_id.as_ref(), "mock");
}

#[test]
fn an_account_number_as_access_key_id_is_that_account() {
    let caller = caller("210987654321/20200101/eu-central-1/kinesis/aws4_request");
    assert_eq!(caller.account.as_str(), "210987654321");
}

#[test]
fn a_region_that_is_none_becomes_the_default() {
    assert_eq!(caller("mock/20200101/EU/kinesis/aws4_request").region.as_str(), "us-east-1");
}

#[test]
fn a_stranger_may_presign() {
    let uri = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256\
               &X-Amz-Credential=mock%2Fx%2Feu-central-1%2Fkinesis%2Faws4_request\
               &X-Amz-Signature=any&X-Amz-SignedHeaders=host&X-Amz-Date=any";
    let request = Arriving { uri: uri.to_owned(), ..presigned() };
    let caller = request.verify(&verifier(Mode::Any), signed_at()).unwrap();
    assert_eq!(caller.region.as_str(), "eu-central-1");
}

#[test]
fn the_form_must_still_be_right() {
    let verifier = verifier(Mode::Any);
    for (request, kind) in [
        (list_streams().without("authorization"), ErrorKind::MissingAuthenticationToken),
        (presigned().with("authorization", "any"), ErrorKind::InvalidSignature),
        (list_streams().with("authorization", "any"), ErrorKind::IncompleteSignature),
        (stranger("mock"), ErrorKind::IncompleteSignature),
        (
            stranger("mock/a/b/c/d").replacing("authorization", "AWS4", "AWS3"),
            ErrorKind::IncompleteSignature,
        ),
        (stranger("mock/a/b/c/d").without("x-amz-date"), ErrorKind::IncompleteSignature),
    ] {
        assert_eq!(request.verify(&verifier, signed_at()).unwrap_err().kind(), kind);
    }
}

#[test]
fn who_is_known_must_sign_in_every_mode() {
    let verifier = verifier(Mode::Any);
    let stale = list_streams().verify(&verifier, at(SIGNED_AT, 301)).unwrap_err();
    assert!(matches!(stale, Refusal::Expired { .. }));
    let tampered = Arriving { body: b"{ }".to_vec(), ..list_streams() };
    let refusal = tampered.verify(&verifier, signed_at()).unwrap_err();
    assert_eq!(refusal, Refusal::SignatureMismatch);
}

#[test]
fn a_known_account_number_needs_no_account_beside_it() {
    let credential = Credential::new("210987654321", "fake", None).unwrap();
    let verifier = Verifier::new(Credentials::new([credential]).unwrap(), settings(Mode::Verify));
    assert_eq!(verifier.account_of("210987654321", None).as_str(), "210987654321");
    let named = Some("123456789012".parse().unwrap());
    assert_eq!(verifier.account_of("210987654321", named).as_str(), "123456789012");
}
