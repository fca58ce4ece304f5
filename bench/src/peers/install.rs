//! Peers installed by the registries' own clients, each version once into a folder of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::table::{Peer, Registry};
use crate::programs;

/// Stands in a folder whose installation went through.
const COMPLETE: &str = "complete";

/// The folder that peers are installed in unless the command line names another.
pub(crate) fn cache() -> Result<PathBuf> {
    let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = caches.or_else(home).context("there is no HOME to install peers in")?;
    Ok(caches.join("millpond/peers"))
}

/// The folder of a peer, which is installed there unless it was before.
///
/// # Errors
///
/// If a program that it takes is missing, or says no.
pub(crate) fn installed(peer: &Peer, cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(format!("{}-{}", peer.name, peer.version));
    if folder.join(COMPLETE).exists() {
        return Ok(folder);
    }
    println!("installing {} {} into {}", peer.name, peer.version, folder.display());
    let what = || format!("installing {}", peer.name);
    fs::create_dir_all(&folder).with_context(what)?;
    if peer.registry == Registry::MavenCentral {
        fs::write(folder.join("pom.xml"), POM.replace("{version}", peer.version))
            .with_context(what)?;
    }
    for (program, arguments) in steps(peer, &folder) {
        let program = self::program(&program, peer)?;
        run(&program, &arguments).with_context(what)?;
    }
    fs::write(folder.join(COMPLETE), "").with_context(what)?;
    Ok(folder)
}

/// What Maven is told of a broker: the libraries that it runs with, its tools, and quiet logs.
const POM: &str = include_str!("kafka/pom.xml");

/// What installs a peer: programs and their arguments.
fn steps(peer: &Peer, folder: &Path) -> Vec<(String, Vec<String>)> {
    let Peer { package, version, .. } = peer;
    let folder = folder.display().to_string();
    let step = |program: &str, arguments: &[&str]| {
        (program.to_owned(), arguments.iter().map(|&argument| argument.to_owned()).collect())
    };
    match peer.registry {
        Registry::CratesIo => {
            let crate_version = format!("{package}@{version}");
            vec![step(
                "cargo",
                &["install", "--quiet", "--locked", "--root", &folder, &crate_version],
            )]
        }
        Registry::Npm => {
            let package = format!("{package}@{version}");
            let quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
            let own = ["install", "--prefix", &folder, &package];
            vec![step("npm", &[own.as_slice(), &quiet].concat())]
        }
        Registry::MavenCentral => {
            let pom = format!("{folder}/pom.xml");
            let lib = format!("-DoutputDirectory={folder}/lib");
            let own = ["-q", "-B", "-f", &pom, "dependency:copy-dependencies"];
            vec![step("mvn", &[own.as_slice(), &["-DincludeScope=runtime", &lib]].concat())]
        }
        Registry::PyPi => {
            let package = format!("{package}=={version}");
            let pip = format!("{folder}/bin/pip");
            vec![
                step("python3", &["-m", "venv", "--clear", &folder]),
                step(&pip, &["install", "--quiet", "--disable-pip-version-check", &package]),
            ]
        }
    }
}

/// A program by its path, or by its name on the machine.
pub(crate) fn program(program: &str, peer: &Peer) -> Result<PathBuf> {
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    programs::find(program, &format!("for {}", peer.name))
}

fn run(program: &Path, arguments: &[String]) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("running {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} ended with {}: {said}", program.display(), output.status);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::table::{self, PEERS};

    #[test]
    fn every_peer_is_installed_in_its_folder_in_one_exact_version() {
        for peer in table::all() {
            let steps = steps(peer, Path::new("/cache/peer"));
            let all: Vec<&String> = steps.iter().flat_map(|(_, arguments)| arguments).collect();
            let exact = |argument: &&String| argument.ends_with(peer.version);
            let by_file = peer.registry == Registry::MavenCentral;
            assert!(by_file || all.iter().any(exact), "{all:?}");
            assert!(all.iter().any(|argument| argument.contains("/cache/peer")), "{all:?}");
        }
        assert!(POM.contains("<version>{version}</version>"));
    }

    #[test]
    fn what_is_installed_is_not_installed_again() {
        let cache = tempfile::tempdir().unwrap();
        let nothing = Peer { program: "no-such-program", ..PEERS[0] };
        let folder = cache.path().join(format!("{}-{}", nothing.name, nothing.version));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(COMPLETE), "").unwrap();
        assert_eq!(installed(&nothing, cache.path()).unwrap(), folder);
        let error = program("no-such-program", &nothing).unwrap_err().to_string();
        assert_eq!(error, "no-such-program is needed for ferrokinesis: install it");
    }
}
