//! What Cargo says about our crates and what they depend on.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use super::source::{self, read};

/// Who may use whom among our own crates. What is not here uses none.
const ARROWS: [(&str, &[&str]); 3] = [
    ("millpond", &["millpond-api", "millpond-quotas", "millpond-shards"]),
    ("millpond-fuzz", &["millpond", "millpond-api"]),
    ("millpond-shards", &["millpond-api", "millpond-quotas"]),
];

/// Two majors of a direct dependency that others force on us, each with its reason.
const DUPLICATES: [(&str, &str); 0] = [];

/// Crates that would tie the types of the API to a server.
const NOT_IN_API: [&str; 5] = ["axum", "hyper", "rocksdb", "tokio", "tracing"];

static METADATA: LazyLock<Value> = LazyLock::new(|| {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(source::root())
        .output()
        .expect("cargo runs, it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
});

fn packages() -> impl Iterator<Item = &'static Value> {
    list(&METADATA, "packages")
}

fn list<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The root file of every target.
pub(crate) fn targets() -> BTreeSet<String> {
    packages()
        .flat_map(|package| list(package, "targets"))
        .map(|target| source::relative(Path::new(text(target, "src_path"))))
        .collect()
}

/// Arrows that are not in the table, and what the API's types must not lean on.
pub(crate) fn wrong_arrows() -> Vec<String> {
    let arrows = BTreeMap::from(ARROWS);
    let mut wrong = Vec::new();
    for package in packages() {
        let from = text(package, "name");
        let allowed = arrows.get(from).copied().unwrap_or_default();
        // Tests may use what they like.
        for to in list(package, "dependencies").filter(|to| text(to, "kind") != "dev") {
            let name = text(to, "name");
            if name.starts_with("millpond") && !allowed.contains(&name) {
                wrong.push(format!("{from} uses {name}"));
            }
            if from == "millpond-api" && NOT_IN_API.contains(&name) {
                wrong.push(format!("{from} uses {name}"));
            }
            if from == "millpond-shards" && name == "millpond-api" && !is_vocabulary_only(to) {
                wrong.push(format!("{from} uses more of {name} than its vocabulary"));
            }
        }
    }
    wrong
}

/// Whether the dependency takes no feature: no operation, no codec.
fn is_vocabulary_only(to: &Value) -> bool {
    let defaults = to.get("uses_default_features").and_then(Value::as_bool);
    defaults == Some(false) && list(to, "features").next().is_none()
}

/// Names of the crates of others that our own name in their manifests.
pub(crate) fn direct_dependencies() -> BTreeSet<String> {
    packages()
        .flat_map(|package| list(package, "dependencies"))
        .map(|dependency| text(dependency, "name").to_owned())
        .filter(|name| !name.starts_with("millpond"))
        .collect()
}

/// Direct dependencies of which Cargo.lock has two incompatible versions.
pub(crate) fn duplicate_majors() -> Vec<String> {
    let lock = read("Cargo.lock");
    let lines = lock.lines().collect::<Vec<_>>();
    let mut majors: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for pair in lines.windows(2) {
        let [name, version] = pair else { continue };
        if let (Some(name), Some(version)) =
            (name.strip_prefix("name = "), version.strip_prefix("version = "))
        {
            majors.entry(name.trim_matches('"')).or_default().insert(major(version));
        }
    }
    let ours = direct_dependencies();
    let excused = BTreeMap::from(DUPLICATES);
    majors
        .into_iter()
        .filter(|(name, majors)| majors.len() > 1 && ours.contains(*name))
        .filter(|(name, _)| !excused.contains_key(name))
        .map(|(name, majors)| format!("{name}: {}", Vec::from_iter(majors).join(", ")))
        .collect()
}

/// What semantic versioning holds compatible: `1` of 1.2.3, `0.25` of 0.25.1.
fn major(version: &str) -> String {
    let mut parts = version.trim_matches('"').split('.');
    match (parts.next(), parts.next()) {
        (Some("0"), Some(minor)) => format!("0.{minor}"),
        (first, _) => first.unwrap_or_default().to_owned(),
    }
}
