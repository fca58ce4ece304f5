//! Programs of the machine that the bench needs.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Finds a program in the folders that `PATH` names; `what_for` completes the error's sentence.
pub(crate) fn find(name: &str, what_for: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name));
    match found.into_iter().find(|program| is_program(program)) {
        Some(program) => Ok(program),
        None => bail!("{name} is needed {what_for}: install it"),
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_others_are_asked_for() {
        assert!(find("sh", "for this test").is_ok());
        let error = find("no-such-program", "for this test").unwrap_err();
        assert_eq!(error.to_string(), "no-such-program is needed for this test: install it");
    }
}
