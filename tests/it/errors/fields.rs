//! Errors of single members: of the wrong type, or against a constraint of the model.

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};

const SERIALIZATION: &str = "SerializationException";
const VALIDATION: &str = "ValidationException";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(blobs());
    cases.extend(numbers_and_texts());
    cases.extend(lists_and_maps());
    cases.push(ten_at_most());
    cases
}

/// A type, a member of it, and what the member is given instead.
const WRONG: [(&str, &str, &str, &[&str]); 8] = [
    ("String", "DescribeStream", "StreamName", &["boolean", "number", "list", "object"]),
    ("Integer", "DescribeStream", "Limit", &["string", "boolean", "list", "object"]),
    ("Boolean", "PutRecord", "DryRun", &["string other than boolean words", "integer"]),
    ("Blob", "PutRecord", "Data", &["boolean", "number"]),
    ("Timestamp", "GetShardIterator", "Timestamp", &["string", "boolean", "list", "object"]),
    ("List", "PutRecords", "Records", &["scalar", "object"]),
    ("Map", "AddTagsToStream", "Tags", &["scalar", "list"]),
    ("Structure", "ListShards", "ShardFilter", &["scalar", "list"]),
];

fn given(what: &str) -> Value {
    match what {
        "boolean" => json!(true),
        "number" | "integer" => json!(7),
        "list" => json!([]),
        "object" => json!({}),
        _ => json!("perhaps"),
    }
}

/// Members of a wrong type, for which JSON alone has sentences.
fn types() -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, operation, member, others) in WRONG {
        for what in others {
            cases.push(wrong(kind, what, operation, member, &given(what)));
        }
    }
    for what in ["string", "boolean"] {
        let why = "no operation takes a Long";
        cases.push(Case::excused("*", condition("Long", what), SERIALIZATION, why));
    }
    cases
}

fn condition(kind: &str, what: &str) -> String {
    format!("{kind} member given a {what} (member \"Message\", capital M)")
}

/// The member of this type, given something else.
fn wrong(kind: &str, what: &str, operation: &'static str, member: &str, value: &Value) -> Case {
    let condition = condition(kind, what);
    let input = json!({ member: value });
    Case::call(operation, condition, SERIALIZATION, Scene::Active, input).of_all().in_json()
}

fn blobs() -> Vec<Case> {
    let blob = |what: &str, text: &str| {
        let case = wrong("Blob", what, "PutRecord", "Data", &json!(text));
        case.fill("v", text).fill("n", text.len())
    };
    vec![
        blob("base64 length not multiple of 4", "YQ="),
        blob("bad base64 character", "YQ?=").fill("c", '?'),
        blob("bad trailing bits", "YR=="),
    ]
}

/// An input that breaks one constraint: the printed value, and the member's path.
fn broken(
    condition: &str,
    operation: &'static str,
    input: Value,
    value: impl ToString,
    path: &str,
) -> Case {
    let case = Case::call(operation, condition, VALIDATION, Scene::Active, input).of_all();
    case.fill("v", value).fill("path", path)
}

fn numbers_and_texts() -> Vec<Case> {
    let describe = |condition, input, value: &str, path| {
        broken(condition, "DescribeStream", input, format!("'{value}'"), path)
    };
    let long = "x".repeat(129);
    let name = |name: &str| json!({ "StreamName": name });
    let limit = |limit: i32| json!({ "Limit": limit });
    let mode = json!({"StreamName": "x", "StreamModeDetails": {"StreamMode": "FREE"}});
    vec![
        broken("required member absent", "PutRecord", json!({}), "null", "data"),
        describe("string/blob/list/map too long", name(&long), &long, "streamName")
            .fill("max", 128),
        describe("number too small", limit(0), "0", "limit").fill("min", 1),
        describe("number too large", limit(10_001), "10001", "limit").fill("max", 10_000),
        describe("pattern", name("a b"), "a b", "streamName").fill("pattern", "[a-zA-Z0-9_.-]+"),
        broken("enum", "CreateStream", mode, "'FREE'", "streamModeDetails.streamMode")
            .fill("A, B", "…"),
    ]
}

fn lists_and_maps() -> Vec<Case> {
    let (key, value) = ("k".repeat(129), "v".repeat(257));
    let keys = |condition, keys: &[&str]| {
        let printed = format!("'[{}]'", keys.join(", "));
        let input = json!({ "TagKeys": keys });
        let case = broken(condition, "RemoveTagsFromStream", input, printed, "tagKeys");
        case.fill("min", 1).fill("max", 128)
    };
    let tags = |condition, key: &str, value: &str| {
        let printed = format!("'{{{key}={value}}}'");
        broken(condition, "AddTagsToStream", json!({"Tags": {key: value}}), printed, "tags")
    };
    vec![
        keys("string/blob/list/map too short", &[]),
        keys("list item length", &["a", &key]),
        tags("map key length", &key, "v"),
        tags("map value length", "k", &value),
    ]
}

fn ten_at_most() -> Case {
    let condition = "more than 10 violations";
    Case::new("*", condition, VALIDATION, |codec| async move {
        let entry = json!({"PartitionKey": "k"});
        let input = json!({"StreamName": "clicks", "Records": vec![entry; 11]});
        let server = Scene::Active.set(codec).await;
        let mut refusal = refused(&server, "PutRecords", input).await;
        assert!(refusal.message.starts_with("10 validation errors detected: "), "{refusal}");
        assert_eq!(refusal.message.matches("; ").count(), 9, "{refusal}");
        // The row says in prose what was just checked.
        refusal.message = "only the first 10 are listed; N = 10".into();
        refusal
    })
}
