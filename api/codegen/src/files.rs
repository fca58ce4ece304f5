//! Which files there are, and how they reach the disk.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use crate::{
    Result, constraints, enums, errors, model::Model, names::snake, operations,
    structures::Structures,
};

/// Folders that hold nothing but generated files.
const FOLDERS: [&str; 2] = ["src/operations", "src/shapes"];

/// Paths below `api` and their formatted contents.
type Files = BTreeMap<String, String>;

pub(crate) fn generate(model: &Model) -> Result<Files> {
    let structures = Structures::new(model);
    let mut files = Files::new();
    let mut add = |path: &str, text: String| -> Result<()> {
        files.insert(path.to_owned(), rustfmt(&text)?);
        Ok(())
    };
    add("src/constraints.rs", constraints::file(&structures)?)?;
    add("src/error/kinds.rs", errors::file(model))?;
    add("src/operation/id.rs", operations::ids(model)?)?;
    add("src/operations.rs", operations::modules(&structures)?)?;
    add("src/shapes.rs", structures.modules())?;
    add("src/types/enums.rs", enums::file(model)?)?;
    for (name, operation) in &model.operations {
        let path = format!("src/operations/{}.rs", snake(name));
        add(&path, operations::file(&structures, name, operation)?)?;
    }
    for name in structures.shared_names() {
        add(&format!("src/shapes/{}.rs", snake(name)), structures.file(name)?)?;
    }
    Ok(files)
}

pub(crate) fn write(api: &Path, files: &Files) -> Result<ExitCode> {
    for stale in stale(api, files)? {
        fs::remove_file(api.join(stale))?;
    }
    for (path, text) in files {
        fs::write(api.join(path), text)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn check(api: &Path, files: &Files) -> Result<ExitCode> {
    let changed = |path: &&String| {
        fs::read_to_string(api.join(path)).ok().as_deref() != files.get(*path).map(String::as_str)
    };
    let mut differing: Vec<String> = files.keys().filter(changed).cloned().collect();
    differing.extend(stale(api, files)?);
    for path in &differing {
        eprintln!("api/{path} is not what the generator writes");
    }
    Ok(if differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Files of generated folders that no longer belong there.
fn stale(api: &Path, files: &Files) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for folder in FOLDERS {
        fs::create_dir_all(api.join(folder))?;
        for entry in fs::read_dir(api.join(folder))? {
            let path = format!("{folder}/{}", entry?.file_name().to_string_lossy());
            if !files.contains_key(&path) {
                stale.push(path);
            }
        }
    }
    Ok(stale)
}

/// Formats a file as the workspace does.
fn rustfmt(text: &str) -> Result<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path", root])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // The text is smaller than what rustfmt reads before it writes: it parses the whole of its
    // input first.
    child.stdin.take().ok_or("rustfmt has no standard input")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("rustfmt refuses what was generated:\n{text}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
