//! The files of the repository, as text.

use std::{fs, path::Path};

/// Folders of what is built, installed or stored.
const FOREIGN: [&str; 4] = ["target", "dist", "node_modules", "millpond-data"];

/// One file; the path is relative to the repository and uses `/`.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// Lines, counted from 1.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Lines that run in the product: no comments, nothing from the unit tests at the end on.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether the file is written by hand and part of the service.
    pub(crate) fn is_product(&self) -> bool {
        let crates = ["src/", "api/src/", "shards/src/", "quotas/src/"];
        crates.iter().any(|root| self.path.starts_with(root))
            && !self.path.ends_with("/tests.rs")
            && self.path != "quotas/src/limits.rs"
            && !self.text.lines().next().is_some_and(|line| line.contains("(generated"))
    }
}

/// All files with one of the extensions, in the order of their paths.
pub(crate) fn tree(extensions: &[&str]) -> impl Iterator<Item = Source> + use<> {
    let mut paths = Vec::new();
    walk(Path::new(root()), extensions, &mut paths);
    paths.sort();
    paths.into_iter().map(|path| Source { text: read(&path), path })
}

fn walk(folder: &Path, extensions: &[&str], paths: &mut Vec<String>) {
    // Caches mark themselves, and `.git` in a worktree is a file.
    let is_cache = folder.join("CACHEDIR.TAG").exists();
    if is_cache || folder.join("pyvenv.cfg").exists() {
        return;
    }
    for entry in fs::read_dir(folder).expect("folders can be read") {
        let path = entry.expect("entries can be read").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let hidden = name.starts_with('.') && !matches!(name, ".github" | ".cargo" | ".config");
        if path.is_dir() && !hidden && !FOREIGN.contains(&name) {
            walk(&path, extensions, paths);
        } else if path.extension().is_some_and(|end| extensions.iter().any(|e| end == *e)) {
            paths.push(relative(&path));
        }
    }
}

/// The path as the rules write it.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/")
}

/// The text of a file that a rule needs. Panics if it is not there.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(Path::new(root()).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn exists(path: &str) -> bool {
    Path::new(root()).join(path).exists()
}

/// The repository.
pub(crate) fn root() -> &'static str {
    env!("CARGO_MANIFEST_DIR")
}
