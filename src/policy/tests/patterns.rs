//! Actions and resources, wildcards and variables.

use proptest::prelude::*;

use super::*;
use crate::policy::pattern::{Case, Pattern, Syntax, Wildcards};

fn glob(pattern: &str, text: &str, case: Case) -> bool {
    let syntax = Syntax { wildcards: true, variables: true };
    Pattern::parse(pattern, syntax).unwrap().matches(text, case, &question())
}

proptest! {
    #[test]
    fn wildcards_are_those_of_an_expression(pattern in "[aAb*?é]{0,8}", text in "[aAbé]{0,8}") {
        for case in [Case::Exact, Case::Ignored] {
            let ascii = if case == Case::Ignored { "(?i-u:" } else { "(?:" };
            let pieces = pattern.chars().map(|letter| match letter {
                '*' => "(?s:.*)".to_owned(),
                '?' => "(?s:.)".to_owned(),
                // Case is that of the English alphabet.
                'é' => "é".to_owned(),
                letter => format!("{ascii}{letter})"),
            });
            let expression = format!("^{}$", pieces.collect::<String>());
            let oracle = regex::Regex::new(&expression).unwrap();
            prop_assert_eq!(glob(&pattern, &text, case), oracle.is_match(&text));
        }
        let exact = glob(&pattern, &text, Case::Exact);
        prop_assert_eq!(Wildcards::of(&pattern).is_of(&text), exact);
    }
}

#[test]
fn many_stars_take_no_longer_than_few() {
    let pattern = "*a".repeat(5_000) + "b";
    assert!(!glob(&pattern, &"a".repeat(20_000), Case::Exact));
    assert!(glob(&"*".repeat(20_000), "a", Case::Exact));
}

#[test]
fn values_of_variables_take_no_more_room_than_what_is_compared() {
    let long = tags(&[("a", &"x".repeat(256))]);
    let asked = Request { resource_tags: Some(&long), ..question() };
    let syntax = Syntax { wildcards: true, variables: true };
    let pattern = |count: usize| {
        let text = "*${aws:ResourceTag/a}".repeat(count);
        Pattern::parse(&text, syntax).unwrap()
    };
    assert!(pattern(900).resolved(&asked, 256 * 900 - 1).is_none());
    let resolved = pattern(2).resolved(&asked, 512).unwrap().into_owned();
    assert!(resolved.is_of(&"x".repeat(512), Case::Exact));
    assert!(resolved.is_of(&"x".repeat(513), Case::Exact));
    assert!(!resolved.is_of(&"x".repeat(511), Case::Exact));
    assert!(pattern(2).matches(&"x".repeat(512), Case::Exact, &asked));
    assert!(!pattern(2).matches(&"x".repeat(511), Case::Exact, &asked));
}

#[test]
fn actions_are_compared_without_case() {
    for (action, applies) in [
        (json!("*"), true),
        (json!("kinesis:*"), true),
        (json!("Kinesis:PUTrecord"), true),
        (json!("kinesis:Put*"), true),
        (json!("kinesis:PutRecord?"), false),
        (json!("kinesis:Get*"), false),
        (json!(["s3:*", "kinesis:P?tRecord"]), true),
        (json!("kinesisvideo:*"), false),
    ] {
        assert_eq!(allows(&json!({ "Action": action }), &question()), applies, "{action}");
        assert_eq!(allows(&json!({ "NotAction": action }), &question()), !applies, "{action}");
    }
}

#[test]
fn resources_are_compared_part_by_part() {
    for (resource, applies) in [
        (json!(STREAM), true),
        (json!("arn:aws:kinesis:us-east-1:111111111111:stream/*"), true),
        (json!("arn:aws:kinesis:*:*:stream/cl?cks"), true),
        (json!("arn:*:*:*:*:*"), true),
        (json!("arn:aws:kinesis:*:*:stream/CLICKS"), false),
        (json!("arn:aws:kinesis:*:*:stream/clicks/*"), false),
        (json!("arn:aws:kinesis:eu-*:*:stream/clicks"), false),
        // No star reaches over a colon.
        (json!("arn:aws:*:111111111111:stream/clicks:x"), false),
        (json!(["arn:aws:kinesis:*:*:stream/orders", STREAM]), true),
    ] {
        assert_eq!(allows(&json!({ "Resource": resource }), &question()), applies, "{resource}");
        assert_eq!(
            allows(&json!({ "NotResource": resource }), &question()),
            !applies,
            "{resource}"
        );
    }
    let consumer = format!("{STREAM}/consumer/a:1700000000");
    let asked = Request { resource: &consumer, ..question() };
    assert!(allows(&json!({"Resource": format!("{STREAM}/consumer/*")}), &asked));
    assert!(allows(&json!({"Resource": format!("{STREAM}/consumer/a:*")}), &asked));
    assert!(!allows(&json!({ "Resource": STREAM }), &asked));
}

#[test]
fn what_belongs_to_no_resource_is_a_star() {
    let asked = Request { action: "kinesis:ListStreams", resource: "*", ..question() };
    assert!(allows(&json!({}), &asked));
    assert!(!allows(&json!({"Resource": "arn:aws:kinesis:*:*:*"}), &asked));
}

#[test]
fn variables_stand_for_what_the_request_has() {
    let on = |resource: &str, asked: &Request<'_>| allows(&json!({ "Resource": resource }), asked);
    let star = principal(ACCOUNT, "user/*");
    let role = principal(ACCOUNT, "assumed-role/reader/session");
    let ours = "arn:aws:kinesis:${aws:RequestedRegion}:${aws:PrincipalAccount}:stream/*";
    assert!(on(ours, &question()));
    let named = "arn:aws:kinesis:*:*:stream/${aws:username}-*";
    let alices = "arn:aws:kinesis:us-east-1:111111111111:stream/alice-1";
    assert!(on(named, &Request { resource: alices, ..question() }));
    assert!(!on(named, &question()));
    let by_star = Request { principal: &star, resource: alices, ..question() };
    assert!(!on(named, &by_star), "a star in a name is only a star");
    let by_role = Request { principal: &role, resource: alices, ..question() };
    assert!(!on(named, &by_role), "a role has no user name");
    let odd = "arn:aws:kinesis:*:*:stream/${*}${?}${$}";
    let asked = Request { resource: "arn:aws:kinesis:a:b:stream/*?$", ..question() };
    assert!(on(odd, &asked) && !on(odd, &question()));
}

#[test]
fn without_a_version_there_are_no_variables() {
    let arn = "arn:aws:kinesis:*:*:stream/${aws:username}";
    let old = json!({"Statement": {"Effect": "Allow", "Action": "*", "Resource": arn}});
    let policy = Policy::parse(&old.to_string(), Kind::Identity).unwrap();
    let verdict = |resource: &str| {
        judge(&Request { resource, ..question() }, Some(std::slice::from_ref(&policy)), None)
    };
    assert_ne!(verdict("arn:aws:kinesis:a:b:stream/alice"), Ok(()));
    assert_eq!(verdict("arn:aws:kinesis:a:b:stream/${aws:username}"), Ok(()));
}
