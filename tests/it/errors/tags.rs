//! Errors of tags.

use serde_json::{Value, json};

use super::case::{Case, Scene, refused};

const INVALID: &str = "InvalidArgumentException";
const VALIDATION: &str = "ValidationException";

const RAISED: &str = "AWS has raised the limit since";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = characters();
    cases.push(Case::new(
        "AddTagsToStream",
        "more than 50 tags after merge (text says 10)",
        INVALID,
        |codec| async move {
            let server = Scene::Active.set(codec).await;
            let tags: Value = (0..51).map(|n| (n.to_string(), json!("v"))).collect();
            let input = json!({"StreamName": "clicks", "Tags": tags});
            refused(&server, "AddTagsToStream", input).await
        },
    ));
    cases.extend([
        Case::excused(
            "AddTagsToStream",
            "more than 10 tags in one request (old cap; model now 200)",
            VALIDATION,
            RAISED,
        ),
        Case::excused(
            "RemoveTagsFromStream",
            "more than 10 keys in one request (old cap; model now 50)",
            VALIDATION,
            RAISED,
        ),
        Case::call(
            "ListTagsForStream",
            "Limit above max (recorded max 10; model now 50)",
            VALIDATION,
            Scene::Active,
            json!({"Limit": 100}),
        )
        .unlike(
            RAISED,
            "400 ValidationException: 1 validation error detected: Value '100' at 'limit' failed \
             to satisfy constraint: Member must have value less than or equal to 50",
        ),
    ]);
    cases
}

fn characters() -> Vec<Case> {
    let mut cases = Vec::new();
    for (operation, condition, bad) in [
        (
            "AddTagsToStream",
            "; tab newline or comma in key (or value)",
            vec![
                json!({"Tags": {"a;": "b"}}),
                json!({"Tags": {"a": "\t"}}),
                json!({"Tags": {"\n": "b"}}),
                json!({"Tags": {"a": "b", "c": "d,"}}),
            ],
        ),
        (
            "AddTagsToStream",
            "% in key (or value)",
            vec![json!({"Tags": {"a%": "b"}}), json!({"Tags": {"a": "%"}})],
        ),
        (
            "RemoveTagsFromStream",
            "; tab newline or comma in key",
            vec![
                json!({"TagKeys": [";"]}),
                json!({"TagKeys": ["a", "\t"]}),
                json!({"TagKeys": [","]}),
            ],
        ),
        ("RemoveTagsFromStream", "% in key", vec![json!({"TagKeys": ["a", "%"]})]),
    ] {
        cases.push(Case::new(operation, condition, INVALID, move |codec| {
            let bad = bad.clone();
            async move {
                let server = Scene::Active.set(codec).await;
                let mut refusals = Vec::new();
                for mut input in bad {
                    input["StreamName"] = json!("clicks");
                    refusals.push(refused(&server, operation, input).await);
                }
                assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
                refusals.remove(0)
            }
        }));
    }
    cases
}
