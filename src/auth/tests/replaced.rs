//! Credentials that are put in place of others.

use super::*;

#[test]
fn only_the_new_ones_count() {
    let verifier = verifier(Mode::Verify);
    let verify = || list_streams().verify(&verifier, signed_at());
    verify().unwrap();
    verifier.replace(Credentials::new([Credential::new(ID, "other", None).unwrap()]).unwrap());
    assert_eq!(verify(), Err(Refusal::SignatureMismatch));
    verifier.replace(Credentials::default());
    assert_eq!(verify(), Err(Refusal::InvalidToken));
    verifier.replace(known());
    verify().unwrap();
}

#[test]
fn nothing_of_an_old_one_is_kept() {
    let verifier = verifier(Mode::Verify);
    let credential = Arc::downgrade(verifier.known.load().credentials.get(ID).unwrap());
    // A key is remembered, and another request is on its way.
    list_streams().verify(&verifier, signed_at()).unwrap();
    let (parts, body) = (list_streams().parts(), list_streams().body);
    let claim = verifier.examine(&parts, Service::Kinesis, signed_at()).unwrap();
    verifier.replace(Credentials::default());
    assert!(credential.upgrade().is_some(), "the request has it");
    claim.confirm(&body).unwrap();
    assert!(credential.upgrade().is_none());
}

#[test]
fn a_key_that_is_derived_too_late_is_not_kept() {
    let verifier = verifier(Mode::Verify);
    let credential = Arc::downgrade(verifier.known.load().credentials.get(ID).unwrap());
    let (parts, body) = (list_streams().parts(), list_streams().body);
    let claim = verifier.examine(&parts, Service::Kinesis, signed_at()).unwrap();
    verifier.replace(known());
    claim.confirm(&body).unwrap();
    assert!(credential.upgrade().is_none());
}
