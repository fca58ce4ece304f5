//! Operators and keys of conditions.

use std::borrow::Cow;

use super::*;

#[test]
fn texts_are_compared() {
    let key = "aws:username";
    for (operator, value, expected) in [
        ("StringEquals", json!("alice"), true),
        ("StringEquals", json!(["bob", "alice"]), true),
        ("StringEquals", json!("Alice"), false),
        ("StringEquals", json!("al*"), false),
        ("StringNotEquals", json!("alice"), false),
        ("StringNotEquals", json!(["bob", "alice"]), false),
        ("StringNotEquals", json!("bob"), true),
        ("StringEqualsIgnoreCase", json!("ALICE"), true),
        ("StringNotEqualsIgnoreCase", json!("ALICE"), false),
        ("StringLike", json!("a?i*"), true),
        ("StringLike", json!("b*"), false),
        ("StringNotLike", json!("a*"), false),
        ("StringEquals", json!("${aws:username}"), true),
    ] {
        assert_eq!(holds(operator, key, &value, &question()), expected, "{operator} {value}");
    }
}

#[test]
fn what_the_request_lacks_fails_all_but_opposites() {
    let role = principal(ACCOUNT, "assumed-role/reader/s1");
    let asked = Request { principal: &role, source_ip: None, ..question() };
    for (operator, key, value, expected) in [
        ("StringEquals", "aws:username", json!("alice"), false),
        ("StringNotEquals", "aws:username", json!("alice"), true),
        ("StringEqualsIfExists", "aws:username", json!("alice"), true),
        ("StringNotEqualsIfExists", "aws:username", json!("alice"), true),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!("a"), true),
        ("ForAnyValue:StringEquals", "aws:TagKeys", json!("a"), false),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", json!("a"), false),
        ("IpAddress", "aws:SourceIp", json!("0.0.0.0/0"), false),
        ("NotIpAddress", "aws:SourceIp", json!("203.0.113.0/24"), true),
        ("Null", "aws:username", json!("true"), true),
        ("Null", "aws:username", json!(false), false),
        ("Null", "aws:PrincipalArn", json!(false), true),
        ("Null", "aws:TagKeys", json!(true), true),
    ] {
        assert_eq!(holds(operator, key, &value, &asked), expected, "{operator} {key}");
    }
    assert!(!holds("StringEqualsIfExists", "aws:username", &json!("bob"), &question()));
}

#[test]
fn arns_are_compared_part_by_part() {
    let key = "aws:PrincipalArn";
    for operator in ["ArnEquals", "ArnLike"] {
        for (value, expected) in [
            ("arn:aws:iam::111111111111:user/web/alice", true),
            ("arn:aws:iam::*:user/*", true),
            ("arn:aws:*:user/web/alice:::", false),
            ("arn:aws:iam::222222222222:user/web/alice", false),
        ] {
            assert_eq!(holds(operator, key, &json!(value), &question()), expected, "{value}");
            let opposite = operator.replace("Arn", "ArnNot");
            assert_eq!(holds(&opposite, key, &json!(value), &question()), !expected, "{value}");
        }
    }
    let session = principal(ACCOUNT, "assumed-role/reader/s1");
    let asked = Request { principal: &session, ..question() };
    let role = json!("arn:aws:iam::111111111111:role/reader");
    assert!(holds("ArnEquals", key, &role, &asked), "a session's principal is its role");
}

#[test]
fn addresses_are_in_ranges_or_not() {
    let from = |address: &str| Request { source_ip: address.parse().ok(), ..question() };
    for (range, address, expected) in [
        ("203.0.113.0/24", "203.0.113.255", true),
        ("203.0.113.9/24", "203.0.113.7", true),
        ("203.0.113.0/24", "203.0.114.0", false),
        ("203.0.113.7", "203.0.113.7", true),
        ("203.0.113.7", "203.0.113.8", false),
        ("0.0.0.0/0", "198.51.100.1", true),
        ("0.0.0.0/0", "2001:db8::1", false),
        ("203.0.113.0/24", "::ffff:203.0.113.7", true),
        ("2001:db8::/32", "2001:db8:1::7", true),
        ("2001:db8::/32", "2001:db9::7", false),
        ("::/0", "2001:db8::1", true),
        ("::ffff:203.0.113.0/120", "203.0.113.7", true),
        ("::ffff:203.0.113.0/120", "203.0.114.7", false),
        ("::ffff:203.0.113.7", "203.0.113.7", true),
        ("::ffff:0:0/96", "198.51.100.1", true),
        ("::ffff:0:0/95", "198.51.100.1", false),
    ] {
        let (asked, value) = (from(address), json!([range, "192.0.2.1"]));
        assert_eq!(holds("IpAddress", "aws:SourceIp", &value, &asked), expected, "{range}");
        assert_eq!(holds("NotIpAddress", "aws:SourceIp", &value, &asked), !expected, "{range}");
    }
    assert!(holds("StringLike", "aws:SourceIp", &json!("203.*"), &from("203.0.113.7")));
}

#[test]
fn times_numbers_and_truth_values_are_compared() {
    for (operator, key, value, expected) in [
        ("DateGreaterThan", "aws:CurrentTime", json!("2023-11-14T22:13:19Z"), true),
        ("DateGreaterThan", "aws:CurrentTime", json!("2023-11-14T22:13:20Z"), false),
        ("DateGreaterThanEquals", "aws:CurrentTime", json!("2023-11-14T22:13:20Z"), true),
        ("DateLessThan", "aws:CurrentTime", json!("2023-11-15"), true),
        ("DateLessThanEquals", "aws:EpochTime", json!("1700000000"), true),
        ("DateEquals", "aws:EpochTime", json!(1_700_000_000), true),
        ("DateNotEquals", "aws:CurrentTime", json!("1700000000"), false),
        ("NumericLessThan", "aws:EpochTime", json!(1_700_000_000.5), true),
        ("NumericLessThanEquals", "aws:EpochTime", json!(1_700_000_000), true),
        ("NumericGreaterThan", "aws:EpochTime", json!("1700000000"), false),
        ("NumericGreaterThanEquals", "aws:EpochTime", json!([1_800_000_000, 1]), true),
        ("NumericEquals", "aws:EpochTime", json!("1.7e9"), true),
        ("NumericNotEquals", "aws:EpochTime", json!(1), true),
        ("Bool", "aws:SecureTransport", json!("false"), true),
        ("Bool", "aws:SecureTransport", json!(true), false),
        ("StringEquals", "aws:RequestedRegion", json!("us-east-1"), true),
        ("StringEquals", "aws:PrincipalAccount", json!(ACCOUNT), true),
        ("StringEquals", "AWS:userId", json!("AKIDEXAMPLE"), true),
    ] {
        assert_eq!(holds(operator, key, &value, &question()), expected, "{operator} {value}");
    }
    let over_tls = Request { is_secure: true, ..question() };
    assert!(holds("Bool", "aws:SecureTransport", &json!(true), &over_tls));
}

#[test]
fn tags_of_resource_and_request_are_seen() {
    let stored = tags(&[("Team", "web"), ("cost", "12")]);
    let sent = [("env", "test"), ("team", "data")];
    let sent: BTreeMap<Cow<'_, str>, Cow<'_, str>> =
        sent.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    let asked =
        Request { resource_tags: Some(&stored), tagging: Tagging::Tags(&sent), ..question() };
    for (operator, key, value, expected) in [
        ("StringEquals", "aws:ResourceTag/Team", json!("web"), true),
        ("StringEquals", "aws:ResourceTag/team", json!("web"), true),
        ("StringEquals", "aws:resourcetag/Team", json!("data"), false),
        ("NumericLessThan", "aws:ResourceTag/cost", json!(13), true),
        ("NumericLessThan", "aws:ResourceTag/Team", json!(13), false),
        ("StringLike", "aws:RequestTag/env", json!("t*"), true),
        ("Null", "aws:RequestTag/owner", json!(true), true),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!(["env", "team", "x"]), true),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!("env"), false),
        ("ForAnyValue:StringEquals", "aws:TagKeys", json!("env"), true),
        ("ForAnyValue:StringEquals", "aws:TagKeys", json!("x"), false),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", json!("env"), true),
        ("ForAllValues:StringNotLike", "aws:TagKeys", json!("e*"), false),
    ] {
        assert_eq!(holds(operator, key, &value, &asked), expected, "{operator} {key} {value}");
    }
    let removed = ["env".into()];
    let asked = Request { tagging: Tagging::Keys(&removed), ..question() };
    assert!(holds("ForAnyValue:StringEquals", "aws:TagKeys", &json!("env"), &asked));
    assert!(holds("Null", "aws:RequestTag/env", &json!(true), &asked));
}

#[test]
fn of_two_tags_that_differ_by_case_the_same_spelling_counts() {
    let stored = tags(&[("Env", "prod"), ("env", "dev")]);
    let asked = Request { resource_tags: Some(&stored), ..question() };
    assert!(holds("StringEquals", "aws:ResourceTag/env", &json!("dev"), &asked));
    assert!(holds("StringEquals", "aws:ResourceTag/Env", &json!("prod"), &asked));
}

#[test]
fn all_conditions_have_to_hold() {
    let both = |second: &str| {
        json!({"Condition": {
            "StringEquals": {"aws:username": "alice", "aws:PrincipalAccount": second},
            "Bool": {"aws:SecureTransport": "false"},
        }})
    };
    assert!(allows(&both(ACCOUNT), &question()));
    assert!(!allows(&both(STRANGER), &question()));
}
