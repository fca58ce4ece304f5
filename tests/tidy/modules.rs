//! Which Rust files a `mod` line or a manifest leads to.

use std::collections::BTreeSet;

use super::source::{self, Source, tree};

/// Files that nothing leads to. `targets` are the roots that Cargo knows.
pub(crate) fn unreachable(targets: &BTreeSet<String>) -> Vec<String> {
    let files = tree(&["rs"]).collect::<Vec<_>>();
    let is_dead = |file: &&Source| {
        !targets.contains(&file.path)
            && !named_by_manifest(&file.path)
            && !files.iter().any(|other| declares(other, targets.contains(&other.path), &file.path))
    };
    files.iter().filter(is_dead).map(|file| file.path.clone()).collect()
}

/// Whether `file` has the `mod` line for `path`; what lies between may be modules within the file.
fn declares(file: &Source, is_root: bool, path: &str) -> bool {
    if file.lines_with("#[path = ").any(|line| path_below(file, line).as_deref() == Some(path)) {
        return true;
    }
    // In a root, `mod a;` means a.rs beside it, elsewhere a.rs in the folder of the same name.
    let own_folder = file.path.strip_suffix(".rs").unwrap_or(&file.path);
    let beside = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folder = if is_root { beside } else { own_folder };
    let below =
        if folder.is_empty() { Some(path) } else { path.strip_prefix(&format!("{folder}/")) };
    let Some(below) = below.and_then(|below| below.strip_suffix(".rs")) else {
        return false;
    };
    let (inline, name) =
        below.rsplit_once('/').map_or(("", below), |(inline, name)| (inline, name));
    let inline_there = inline
        .split('/')
        .filter(|module| !module.is_empty())
        .all(|module| file.lines_with(&format!("mod {module} {{")).next().is_some());
    inline_there && file.lines_with(&format!("mod {name};")).next().is_some()
}

/// The file that a `#[path = "…"]` line names, relative to the repository.
fn path_below(file: &Source, line: &str) -> Option<String> {
    let named = line.split('"').nth(1)?;
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    Some(format!("{folder}/{named}"))
}

/// Fuzz targets are in a package of their own that is no member of the workspace.
fn named_by_manifest(path: &str) -> bool {
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        let manifest = format!("{above}/Cargo.toml");
        if source::exists(&manifest) {
            let within = path.strip_prefix(above).unwrap_or(path).trim_start_matches('/');
            return source::read(&manifest).contains(&format!("\"{within}\""));
        }
        folder = above;
    }
    false
}

impl Source {
    /// Lines that begin with the words, after any `pub`.
    fn lines_with(&self, words: &str) -> impl Iterator<Item = &str> {
        self.text.lines().map(str::trim).filter(move |line| {
            let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
            let line = line.strip_prefix("pub(super) ").unwrap_or(line);
            line.strip_prefix("pub ").unwrap_or(line).starts_with(words)
        })
    }
}
