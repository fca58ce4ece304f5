//! Policies as AWS' documentation explains them.

mod conditions;
mod documents;
mod patterns;
mod principals;
mod verdicts;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use millpond_api::types::{AccountId, Timestamp};
use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "111111111111";
const STRANGER: &str = "222222222222";
const STREAM: &str = "arn:aws:kinesis:us-east-1:111111111111:stream/clicks";

static ALICE: LazyLock<Principal> = LazyLock::new(|| principal(ACCOUNT, "user/web/alice"));

/// Somebody of an account.
fn principal(account: &str, resource: &str) -> Principal {
    let service = if resource.starts_with("assumed-role/") { "sts" } else { "iam" };
    let arn = format!("arn:aws:{service}::{account}:{resource}");
    Principal::new(arn.into(), account.parse().unwrap(), "AKIDEXAMPLE".into())
}

/// Alice puts a record into `clicks` of her account, from 203.0.113.7 at 2023-11-14T22:13:20Z.
fn question() -> Request<'static> {
    Request {
        principal: &ALICE,
        action: "kinesis:PutRecord",
        resource: STREAM,
        owner: ACCOUNT.parse().unwrap(),
        region: "us-east-1",
        source_ip: Some([203, 0, 113, 7].into()),
        is_secure: false,
        now: Timestamp::from_millis(1_700_000_000_000),
        resource_tags: None,
        tagging: Tagging::Nothing,
    }
}

/// A statement with these members, about everything where they say nothing else.
fn statement(effect: &str, members: &Value) -> Value {
    let mut statement = json!({"Effect": effect, "Action": "*", "Resource": "*"});
    let (own, given) = (statement.as_object_mut().unwrap(), members.as_object().unwrap());
    for name in ["Action", "Resource"] {
        if given.contains_key(&format!("Not{name}")) {
            own.remove(name);
        }
    }
    own.extend(given.clone());
    statement
}

fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn identity(statements: &[Value]) -> Policy {
    Policy::parse(&document(statements), Kind::Identity).unwrap()
}

fn resource(statements: &[Value]) -> Policy {
    Policy::parse(&document(statements), Kind::Resource).unwrap()
}

/// Whether an identity policy of one statement that allows with these members does.
fn allows(members: &Value, question: &Request<'_>) -> bool {
    let policy = identity(&[statement("Allow", members)]);
    let verdict = judge(question, Some(&[policy]), None);
    assert_ne!(verdict, Err(Denial::Explicit(Kind::Identity)));
    verdict == Ok(())
}

/// Whether a condition on the question holds.
fn holds(operator: &str, key: &str, value: &Value, question: &Request<'_>) -> bool {
    allows(&json!({"Condition": {operator: {key: value}}}), question)
}

fn fault(document: &str, kind: Kind) -> String {
    Policy::parse(document, kind).unwrap_err().to_string()
}

fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
