//! The environment file of `deploy/` tells the truth: every setting, each with its default.

use std::{collections::BTreeMap, fs, path::Path};

use millpond::config;

/// `#NAME=VALUE` lines: settings that the file leaves at their defaults.
fn listed() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/millpond.env");
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim_start_matches('#').split_once('=') else { continue };
        if !name.starts_with("MILLPOND_") {
            continue;
        }
        assert!(line.starts_with('#'), "a default needs no saying: {line}");
        let twice = listed.insert(name.to_owned(), value.to_owned());
        assert_eq!(twice, None, "{name} stands there twice");
    }
    listed
}

#[test]
fn the_environment_file_lists_every_default_of_serve() {
    let settings = config::settings().into_iter();
    let true_ones: BTreeMap<_, _> =
        settings.map(|setting| (setting.variable, setting.serve.to_owned())).collect();
    let listed = listed();
    let names: Vec<_> = true_ones.keys().chain(listed.keys()).collect();
    let differences: Vec<_> = names
        .into_iter()
        .filter(|name| listed.get(*name) != true_ones.get(*name))
        .map(|name| format!("{name}: {:?}, true is {:?}", listed.get(name), true_ones.get(name)))
        .collect();
    assert!(differences.is_empty(), "deploy/millpond.env differs:\n{}", differences.join("\n"));
}
