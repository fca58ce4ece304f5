//! The `use` lines of a generated file, found by the names that it mentions.

use std::collections::BTreeSet;

use crate::{names::screaming, structures::Structures};

/// Where names come from that aren't the model's.
const HOMES: [(&str, &[&str]); 9] = [
    ("std::borrow", &["Cow"]),
    ("std::collections", &["BTreeMap"]),
    ("serde::de", &["MapAccess"]),
    ("serde", &["Serialize"]),
    ("crate::decode", &["Decode", "Members", "required"]),
    ("crate::operation", &["Operation", "OperationId"]),
    ("crate::schema", &["Length", "List", "Map", "Member", "Range", "Shape", "Structure", "Text"]),
    ("crate::types", &["Blob", "SequenceNumber", "ShardId", "StreamRef", "Timestamp"]),
    ("crate::validate", &["patterns"]),
];

/// A file with its title and all `use` lines.
pub(crate) fn with_imports(structures: &Structures<'_>, title: &str, body: &str) -> String {
    let names = names(body);
    let mut std = Vec::new();
    let mut external = Vec::new();
    let mut ours = Vec::new();
    let enums = structures.model.shapes.iter().filter(|(_, shape)| !shape.values.is_empty());
    let constants = structures.model.shapes.keys().map(|name| screaming(name));
    let constants: Vec<String> = constants.collect();
    let constraints = constants.iter().map(|name| ("crate::constraints", name.as_str()));
    let shared = structures.shared_names().map(|name| ("crate::shapes", name));
    let single = structures.single_names().map(|name| ("crate::operations", name));
    let defined = |name: &str| {
        let starts = ["<", " "].map(|end| format!("pub struct {name}{end}"));
        starts.iter().any(|start| body.contains(start)) || body.contains(&format!("static {name}:"))
    };
    HOMES
        .iter()
        .flat_map(|(home, names)| names.iter().map(move |name| (*home, *name)))
        .chain(enums.map(|(name, _)| ("crate::types", name.as_str())))
        .chain(constraints)
        .chain(shared)
        .chain(single)
        .filter(|(_, name)| names.contains(name) && !defined(name))
        .for_each(|(home, name)| {
            let group = match home {
                home if home.starts_with("std") => &mut std,
                home if home.starts_with("serde") => &mut external,
                _ => &mut ours,
            };
            group.push((home, name));
        });
    let groups = [std, external, ours].into_iter().filter(|group| !group.is_empty());
    let lines: Vec<String> = groups.map(|group| one_use(&group)).collect();
    format!("//! {title}\n\n{}\n{body}", lines.join("\n"))
}

/// One `use` a crate: `use std::{borrow::Cow, collections::BTreeMap};`
fn one_use(group: &[(&str, &str)]) -> String {
    let homes: BTreeSet<&str> = group.iter().map(|(home, _)| *home).collect();
    let mut parts = Vec::new();
    for home in homes {
        let mut names: Vec<&str> =
            group.iter().filter(|(of, _)| *of == home).map(|(_, name)| *name).collect();
        names.sort_unstable();
        let (_, path) = home.split_once("::").unwrap_or((home, ""));
        let names = names.join(", ");
        match path {
            "" => parts.push(names),
            _ if names.contains(',') => parts.push(format!("{path}::{{{names}}}")),
            _ => parts.push(format!("{path}::{names}")),
        }
    }
    let (krate, _) =
        group.first().map_or(("", ""), |(home, _)| home.split_once("::").unwrap_or((home, "")));
    format!("use {krate}::{{{}}};\n", parts.join(", "))
}

/// Every name that the code mentions outside comments and texts, save those behind a `::`.
fn names(body: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    for line in body.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for code in line.split('"').step_by(2) {
            for (at, path) in code.split("::").enumerate() {
                let path = if at == 0 { path } else { path.trim_start_matches(is_part) };
                names.extend(path.split(|c| !is_part(c)));
            }
        }
    }
    if body.contains("::SHAPE") {
        names.insert("Decode");
    }
    names
}
