//! Errors of single members: of the wrong type, or against a constraint of the model.

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};

const SERIALIZATION: &str = "SerializationException";
const VALIDATION: &str = "ValidationException";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(blobs());
    cases.extend(constraints());
    cases
}

/// Members of a wrong type, which JSON alone has sentences for.
fn types() -> Vec<Case> {
    let members: [(&str, &str, fn(Value) -> Value); 8] = [
        ("String", "DescribeStream", |value| json!({ "StreamName": value })),
        ("Integer", "DescribeStream", |value| json!({ "Limit": value })),
        ("Boolean", "PutRecord", |value| json!({"PartitionKey": "k", "Data": "", "DryRun": value})),
        ("Blob", "PutRecord", |value| json!({"PartitionKey": "k", "Data": value})),
        ("Timestamp", "GetShardIterator", |value| {
            json!({"ShardId": "0", "ShardIteratorType": "AT_TIMESTAMP",
                    "Timestamp": value})
        }),
        ("List", "PutRecords", |value| json!({ "Records": value })),
        ("Map", "AddTagsToStream", |value| json!({ "Tags": value })),
        ("Structure", "ListShards", |value| json!({ "ShardFilter": value })),
    ];
    let given: [(&str, &[(&str, Value)]); 8] = [
        (
            "String",
            &[
                ("boolean", json!(true)),
                ("number", json!(1)),
                ("list", json!([])),
                ("object", json!({})),
            ],
        ),
        (
            "Integer",
            &[
                ("string", json!("1")),
                ("boolean", json!(true)),
                ("list", json!([])),
                ("object", json!({})),
            ],
        ),
        (
            "Boolean",
            &[("string other than boolean words", json!("perhaps")), ("integer", json!(7))],
        ),
        ("Blob", &[("boolean", json!(true)), ("number", json!(1))]),
        (
            "Timestamp",
            &[
                ("string", json!("now")),
                ("boolean", json!(true)),
                ("list", json!([])),
                ("object", json!({})),
            ],
        ),
        ("List", &[("scalar", json!("x")), ("object", json!({}))]),
        ("Map", &[("scalar", json!("x")), ("list", json!([]))]),
        ("Structure", &[("scalar", json!("x")), ("list", json!([]))]),
    ];
    let mut cases = Vec::new();
    for ((kind, operation, input), (_, values)) in members.into_iter().zip(given) {
        for (what, value) in values {
            cases.push(wrong(kind, what, operation, input(value.clone())));
        }
    }
    for what in ["string", "boolean"] {
        cases.push(Case::excused(
            "*",
            condition("Long", what),
            SERIALIZATION,
            "no operation takes a Long",
        ));
    }
    cases
}

fn condition(kind: &str, what: &str) -> String {
    format!("{kind} member given a {what} (member \"Message\", capital M)")
}

/// A member of this type, given something else in an operation's input.
fn wrong(kind: &str, what: &str, operation: &'static str, input: Value) -> Case {
    let case = Case::new("*", condition(kind, what), SERIALIZATION, move |codec| {
        let input = input.clone();
        async move { refused(&Scene::Active.set(codec).await, operation, input).await }
    });
    case.in_json()
}

fn blobs() -> Vec<Case> {
    let blob = |what: &str, text: &str| {
        let input = json!({"PartitionKey": "k", "Data": text});
        wrong("Blob", what, "PutRecord", input).fill("v", text).fill("n", text.len())
    };
    vec![
        blob("base64 length not multiple of 4", "YQ="),
        blob("bad base64 character", "YQ?=").fill("c", '?'),
        blob("bad trailing bits", "YR=="),
    ]
}

/// Members that break a constraint of the model.
fn constraints() -> Vec<Case> {
    let long = "x".repeat(129);
    let broken = |condition: &str, operation: &'static str, input: Value, v: &str, path: &str| {
        let case = Case::new("*", condition, VALIDATION, move |codec| {
            let input = input.clone();
            async move { refused(&Scene::Active.set(codec).await, operation, input).await }
        });
        case.fill("v", v).fill("path", path).fill("min", 1)
    };
    let data = json!({"StreamName": "clicks", "PartitionKey": "k"});
    let name = |name: &str| json!({ "StreamName": name });
    let limit = |limit: i32| json!({"StreamName": "clicks", "Limit": limit});
    let keys = |keys: &[&str]| json!({"StreamName": "clicks", "TagKeys": keys});
    let tags = |key: &str, value: &str| json!({"StreamName": "clicks", "Tags": {key: value}});
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    let mode = json!({"StreamName": "x", "StreamModeDetails": {"StreamMode": "FREE"}});
    let quoted = |text: &str| format!("'{text}'");
    vec![
        broken("required member absent", "PutRecord", data, "null", "data"),
        broken(
            "string/blob/list/map too short",
            "RemoveTagsFromStream",
            keys(&[]),
            "'[]'",
            "tagKeys",
        ),
        broken(
            "string/blob/list/map too long",
            "DescribeStream",
            name(&long),
            &quoted(&long),
            "streamName",
        )
        .fill("max", 128),
        broken("number too small", "DescribeStream", limit(0), "'0'", "limit"),
        broken("number too large", "DescribeStream", limit(10_001), "'10001'", "limit")
            .fill("max", 10_000),
        broken("pattern", "DescribeStream", name("a b"), "'a b'", "streamName")
            .fill("pattern", "[a-zA-Z0-9_.-]+"),
        broken("enum", "CreateStream", mode, "'FREE'", "streamModeDetails.streamMode")
            .fill("A, B", "…"),
        broken(
            "list item length",
            "RemoveTagsFromStream",
            keys(&["a", &key]),
            &format!("'[a, {key}]'"),
            "tagKeys",
        )
        .fill("max", 128),
        broken(
            "map key length",
            "AddTagsToStream",
            tags(&key, "v"),
            &format!("'{{{key}=v}}'"),
            "tags",
        ),
        broken(
            "map value length",
            "AddTagsToStream",
            tags("k", &value),
            &format!("'{{k={value}}}'"),
            "tags",
        ),
        ten_at_most(),
    ]
}

fn ten_at_most() -> Case {
    let condition = "more than 10 violations";
    let listed = "only the first 10 are listed; N = 10";
    Case::new("*", condition, VALIDATION, move |codec| async move {
        let entry = json!({"PartitionKey": "k"});
        let input = json!({"StreamName": "clicks", "Records": vec![entry; 11]});
        let server = Scene::Active.set(codec).await;
        let mut refusal = refused(&server, "PutRecords", input).await;
        assert!(refusal.message.starts_with("10 validation errors detected: "), "{refusal}");
        assert_eq!(refusal.message.matches("; ").count(), 9, "{refusal}");
        // The row says in prose what was just checked.
        refusal.message = listed.to_owned();
        refusal
    })
}
