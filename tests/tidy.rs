//! The rules of this repository that no compiler checks: files, arrows, limits, true tables.

#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/packages.rs"]
mod packages;
#[path = "tidy/recipes.rs"]
mod recipes;
#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, read, tree};

/// Lines in a file of code.
const FILE_LINES_MAX: usize = 600;

/// Characters in a line of code.
const LINE_CHARS_MAX: usize = 100;

/// Numbers of the Kinesis contract that have a name in `quotas/src/limits.rs`.
const LIMITS: [&str; 10] = [
    "1_048_576",
    "1048576",
    "2_097_152",
    "2097152",
    "10_485_760",
    "10485760",
    "300_000",
    "8_760",
    "8760",
    "604_800",
];

/// Panics with all faults, if there is one.
fn none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}", faults.join("\n  "));
}

#[test]
fn a_file_is_one_idea() {
    let long = tree(&["rs", "py", "sh"])
        .filter(|file| file.text.lines().count() > FILE_LINES_MAX)
        .map(|file| format!("{}: {} lines", file.path, file.text.lines().count()));
    none("split by idea what has more than 600 lines", &long.collect::<Vec<_>>());
}

#[test]
fn a_file_says_in_its_first_line_what_it_is_for() {
    let silent = tree(&["rs"]).filter(|file| !file.text.starts_with("//! ")).map(|file| file.path);
    none("begin with a //! line", &silent.collect::<Vec<_>>());
}

#[test]
fn a_line_fits_the_eye() {
    let wide = tree(&["rs", "py", "sh"]).flat_map(|file| {
        file.numbered()
            .filter(|(_, line)| line.chars().count() > LINE_CHARS_MAX && !is_address(line))
            .map(|(number, _)| format!("{}:{number}", file.path))
            .collect::<Vec<_>>()
    });
    none("keep lines to 100 characters", &wide.collect::<Vec<_>>());
}

/// Whether the line is nothing but an address, which can't be broken.
fn is_address(line: &str) -> bool {
    let text = line.trim_start_matches(['/', '!', '#', ' ', '<']);
    text.starts_with("https://") && !text.contains(' ')
}

#[test]
fn no_file_is_dead() {
    let dead = modules::unreachable(&packages::targets());
    none("name the file in a mod line or a manifest, or drop it", &dead);
}

#[test]
fn arrows_between_crates_point_one_way() {
    none("see docs/architecture.md for who may use whom", &packages::wrong_arrows());
}

#[test]
fn a_direct_dependency_has_one_major_version() {
    none("two majors of what we use ourselves", &packages::duplicate_majors());
}

#[test]
fn every_dependency_has_its_reason() {
    let changelog = read("CHANGELOG.md");
    let silent = packages::direct_dependencies()
        .into_iter()
        .filter(|name| !changelog.contains(&format!("`{name}`")));
    none("say in CHANGELOG.md what it is for", &silent.collect::<Vec<_>>());
}

#[test]
fn limits_stand_in_one_file() {
    let elsewhere = tree(&["rs"]).filter(Source::is_product).flat_map(|file| {
        file.code()
            .filter(|(_, line)| numbers(line).any(|number| LIMITS.contains(&number)))
            .map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim()))
            .collect::<Vec<_>>()
    });
    none("use the name that quotas/src/limits.rs gives it", &elsewhere.collect::<Vec<_>>());
    let table = read("quotas/src/limits.rs");
    assert!(
        LIMITS.iter().any(|number| table.contains(number)),
        "quotas/src/limits.rs holds none of the numbers that this test looks for"
    );
}

/// Whatever in the line may be a number, without its type.
fn numbers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .map(|word| word.find(['i', 'u', 'f']).map_or(word, |end| word.get(..end).unwrap_or(word)))
        .map(|word| word.trim_end_matches('_'))
}

#[test]
fn operations_see_no_http() {
    let leaks = tree(&["rs"]).filter(|file| file.path.starts_with("src/ops/")).flat_map(|file| {
        let words = ["axum::", "hyper::", "http::"];
        words
            .into_iter()
            .filter(|word| file.code().any(|(_, line)| line.contains(word)))
            .map(|word| format!("{} names {word}", file.path))
            .collect::<Vec<_>>()
    });
    none("only gateway.rs and http.rs name HTTP types", &leaks.collect::<Vec<_>>());
}

#[test]
fn the_readme_tells_truly_which_operations_are_served() {
    let served = served();
    let readme = read("README.md");
    let rows = readme.lines().filter_map(row).collect::<BTreeMap<_, _>>();
    let mut faults = Vec::new();
    for operation in model() {
        let test = format!("tests/it/ops/{}.rs", snake(&operation));
        let expected = if served.contains(&operation) {
            format!("[served]({test})")
        } else {
            "not yet".to_owned()
        };
        let found = rows.get(operation.as_str()).copied().unwrap_or("missing");
        if found != expected {
            faults.push(format!("{operation}: README says {found:?}, true is {expected:?}"));
        }
        if served.contains(&operation) && !source::exists(&test) {
            faults.push(format!("{operation} has no {test}"));
        }
    }
    none("README's table of operations", &faults);
    let counts = format!("All {} operations", model().len());
    assert!(readme.contains(&counts), "README doesn't say {counts:?}");
    let counts = format!("are in the types; {} are served", served.len());
    assert!(readme.contains(&counts), "README doesn't say {counts:?}");
}

/// The operations that `src/ops.rs` serves.
fn served() -> BTreeSet<String> {
    let table = read("src/ops.rs");
    let names = table.split(" served::<").skip(1).filter_map(|rest| rest.split('>').next());
    names.map(str::to_owned).collect()
}

/// All operations of Amazon's model.
fn model() -> BTreeSet<String> {
    let model = read("api/model/kinesis-2013-12-02.json");
    let model: serde_json::Value = serde_json::from_str(&model).expect("the model is JSON");
    let operations = model.get("operations").and_then(serde_json::Value::as_object);
    operations.expect("the model has operations").keys().cloned().collect()
}

/// `| CreateStream | not yet | … |` as (name, state).
fn row(line: &str) -> Option<(&str, &str)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    Some((cells.next()?, cells.next()?.trim_end_matches(" |")))
}

/// `PutRecords` as `put_records`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[test]
fn links_lead_to_files() {
    let dead = tree(&["md"]).flat_map(|file| {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let targets = file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets
            .map(|target| target.split('#').next().unwrap_or_default())
            .filter(|path| !path.is_empty() && !path.contains("://"))
            .filter(|path| !source::exists(format!("{folder}/{path}").trim_start_matches('/')))
            .map(|path| format!("{}: {path}", file.path))
            .collect::<Vec<_>>()
    });
    none("there is no such file", &dead.collect::<Vec<_>>());
}

#[test]
fn a_recipe_is_what_the_tests_run() {
    let untrue = tree(&["md"]).flat_map(|file| recipes::untrue(&file));
    none(
        "show what the file has between `docs: PART` and `docs: end`",
        &untrue.collect::<Vec<_>>(),
    );
}

#[test]
fn a_todo_names_its_issue() {
    let todo = concat!("TO", "DO");
    let numbered = format!("{todo}(#");
    let unknown = tree(&["rs", "py", "sh", "md", "toml", "yml", "yaml"]).flat_map(|file| {
        file.numbered()
            .filter(|(_, line)| line.matches(todo).count() > line.matches(&numbered).count())
            .map(|(number, _)| format!("{}:{number}", file.path))
            .collect::<Vec<_>>()
    });
    none("write the number of the issue behind it", &unknown.collect::<Vec<_>>());
}

#[test]
fn nothing_is_unfinished_silenced_or_of_one_machine() {
    let words = [
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("db", "g!("),
        concat!("#[al", "low("),
        // With a reason it may be: some tests are the child process of another.
        concat!("#[ig", "nore]"),
        concat!("super::", "super::"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let found = tree(&["rs", "py", "sh", "md", "toml", "yml", "yaml", "env"]).flat_map(|file| {
        let found = words.iter().filter(|word| file.text.contains(**word));
        found.map(|word| format!("{}: {word}", file.path)).collect::<Vec<_>>()
    });
    none("words that have no place here", &found.collect::<Vec<_>>());
}
