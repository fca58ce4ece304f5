//! How the service under test is started: the flags that all measurements share.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::sign::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

#[derive(Clone, Copy, Debug, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Durability {
    Fsync,
    Os,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Millpond {
    /// The millpond binary to measure; a release build, or the figures mean little
    #[arg(long, value_name = "PATH")]
    server_bin: PathBuf,
    /// When a record counts as stored
    #[arg(long, value_enum, default_value_t = Durability::Fsync)]
    pub(crate) durability: Durability,
    /// One more argument for the server; may be given again
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    server_arg: Vec<String>,
    /// Where data directories are made, on the disk to be measured; else beside the binary, as the
    /// temporary folder may be in memory, where fsync costs nothing
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

impl Millpond {
    pub(crate) fn program(&self) -> &Path {
        &self.server_bin
    }

    /// An empty directory that goes away when dropped.
    pub(crate) fn scratch(&self) -> Result<TempDir> {
        let beside = || self.server_bin.parent().unwrap_or(Path::new("."));
        let scratch = self.scratch.as_deref().unwrap_or_else(beside);
        tempfile::Builder::new()
            .prefix("millpond-bench-")
            .tempdir_in(scratch)
            .with_context(|| format!("making a directory in {}", scratch.display()))
    }

    /// `millpond serve` as for production, but without quotas, which would be what is measured.
    pub(crate) fn serve(&self, data_dir: &Path) -> Vec<String> {
        let data_dir = data_dir.display().to_string();
        let credential = format!("{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}");
        let durability = match self.durability {
            Durability::Fsync => "fsync",
            Durability::Os => "os",
        };
        let own = [
            ["--listen", "127.0.0.1:0"],
            ["--data-dir", &data_dir],
            ["--durability", durability],
            ["--quotas", "off"],
            ["--auth", "verify"],
            ["--credential", &credential],
        ];
        self.command("serve", own.as_flattened())
    }

    /// `millpond dev` as a test starts it.
    pub(crate) fn dev(&self) -> Vec<String> {
        self.command("dev", &["--listen", "127.0.0.1:0"])
    }

    fn command(&self, name: &str, own: &[&str]) -> Vec<String> {
        let own = [name].into_iter().chain(own.iter().copied()).map(str::to_owned);
        own.chain(self.server_arg.iter().cloned()).collect()
    }
}
