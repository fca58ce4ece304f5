//! Whom statements of resource policies name.

use super::*;

/// Whether a resource policy allows a principal of another account something.
fn admits(members: &Value, principal: &Principal) -> bool {
    let policy = resource(&[statement("Allow", members)]);
    let asked = Request { principal, owner: account("999999999999"), ..question() };
    judge(&asked, None, Some(&policy)) == Ok(())
}

#[test]
fn accounts_users_roles_and_sessions_can_be_named() {
    let user = principal(ACCOUNT, "user/web/alice");
    let session = principal(ACCOUNT, "assumed-role/reader/s1");
    for (named, of_user, of_session) in [
        (json!("*"), true, true),
        (json!({"AWS": "*"}), true, true),
        (json!({"AWS": ACCOUNT}), true, true),
        (json!({"AWS": "arn:aws:iam::111111111111:root"}), true, true),
        (json!({"AWS": STRANGER}), false, false),
        (json!({"AWS": "arn:aws:iam::111111111111:user/web/alice"}), true, false),
        (json!({"AWS": "arn:aws:iam::111111111111:user/alice"}), false, false),
        (json!({"AWS": "arn:aws:iam::222222222222:user/web/alice"}), false, false),
        (json!({"AWS": "arn:aws:iam::111111111111:role/reader"}), false, true),
        (json!({"AWS": "arn:aws:iam::111111111111:role/path/reader"}), false, true),
        (json!({"AWS": "arn:aws:iam::222222222222:role/reader"}), false, false),
        (json!({"AWS": "arn:aws:iam::111111111111:role/writer"}), false, false),
        (json!({"AWS": "arn:aws:sts::111111111111:assumed-role/reader/s1"}), false, true),
        (json!({"AWS": "arn:aws:sts::111111111111:assumed-role/reader/s2"}), false, false),
        (json!({"AWS": [STRANGER, ACCOUNT]}), true, true),
        (json!({"Service": "lambda.amazonaws.com"}), false, false),
        (json!({"Service": "lambda.amazonaws.com", "AWS": ACCOUNT}), true, true),
    ] {
        let members = json!({ "Principal": named });
        assert_eq!(
            (admits(&members, &user), admits(&members, &session)),
            (of_user, of_session),
            "{named}"
        );
    }
}

#[test]
fn all_but_some_can_be_denied() {
    let alice = "arn:aws:iam::111111111111:user/web/alice";
    let deny = statement("Deny", &json!({"NotPrincipal": {"AWS": alice}}));
    let policy = resource(&[statement("Allow", &json!({"Principal": "*"})), deny]);
    let verdict =
        |principal: &Principal| judge(&Request { principal, ..question() }, None, Some(&policy));
    assert_eq!(verdict(&ALICE), Ok(()));
    let bob = principal(ACCOUNT, "user/bob");
    assert_eq!(verdict(&bob), Err(Denial::Explicit(Kind::Resource)));
}

#[test]
fn accounts_are_read_from_arns() {
    for (arn, found) in [
        ("arn:aws:iam::111111111111:user/a", true),
        ("arn:aws-cn:iam::111111111111:role/x/a", true),
        ("arn:aws:sts::111111111111:assumed-role/a/b", true),
        ("arn:aws:iam::111111111111:root", true),
        ("arn:aws:iam::111111111111:user/", false),
        ("arn:aws:iam::111111111111:user/*", false),
        ("arn:aws:iam::1111:user/a", false),
        ("arn:aws:sts::111111111111:root", false),
        ("arn:aws:s3:::bucket", false),
        ("alice", false),
    ] {
        assert_eq!(account_of_arn(arn).is_some(), found, "{arn}");
    }
}
