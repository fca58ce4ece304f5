//! How the service under test is started: the flags that all measurements share.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::cases::{Durability, Setting};
use crate::sign::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};

/// Shards that an account may have: more than any measurement makes.
const SHARDS_MAX: &str = "40000";
/// Room for what a case puts in a minute.
const MEMORY_MAX: &str = "8GiB";
/// Limits that are counted and compared, and that nothing reaches.
const QUOTAS: &str = "\
shard-write-records-per-second = 1000000
shard-write-bytes-per-second = 1000000000
shard-read-calls-per-second = 1000000
shard-read-bytes-per-second = 2147483647
shard-iterator-calls-per-second = 1000000
";
const TLS_DIR: &str = "tls";

/// Where the data of a server lies that has its home here.
pub(crate) fn data_dir(home: &Path) -> PathBuf {
    home.join("data")
}

/// The certificate of the authority that vouches for a server that has its home here.
pub(crate) fn authority(home: &Path) -> PathBuf {
    home.join(TLS_DIR).join("ca.pem")
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Millpond {
    /// The millpond binary to measure: a release build, or the figures mean little; unless said,
    /// the one beside this program
    #[arg(long, value_name = "PATH", default_value_os_t = beside_this_program(),
        hide_default_value = true)]
    server_bin: PathBuf,
    /// One more argument for the server; may be given again
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    server_arg: Vec<String>,
    /// Where data directories are made, on the disk to be measured; else beside the binary, as the
    /// temporary folder may be in memory, where fsync costs nothing
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Where `cargo build -p millpond` puts the server when it puts this program where it is.
fn beside_this_program() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("millpond")
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

    /// `millpond serve` as for production in `home`, where its data goes to, but without quotas,
    /// which would be what is measured.
    pub(crate) fn serve(&self, home: &Path) -> Result<Vec<String>> {
        self.serve_as(home, &Setting::DEFAULT)
    }

    /// The same with what a case asks for.
    pub(crate) fn serve_as(&self, home: &Path, setting: &Setting) -> Result<Vec<String>> {
        let data_dir = data_dir(home).display().to_string();
        let credential = format!("{ACCESS_KEY_ID}:{SECRET_ACCESS_KEY}");
        let mut own = vec!["--listen", "127.0.0.1:0", "--auth", "verify"];
        own.extend(["--credential", &credential, "--shard-limit", SHARDS_MAX]);
        match setting.durability {
            Durability::Fsync => own.extend(["--durability", "fsync", "--data-dir", &data_dir]),
            Durability::Os => own.extend(["--durability", "os", "--data-dir", &data_dir]),
            Durability::Memory => own.extend(["--in-memory=true", "--memory-limit", MEMORY_MAX]),
        }
        let quotas_file = home.join("quotas.toml").display().to_string();
        if setting.quotas {
            fs::write(&quotas_file, QUOTAS).context("writing the limits")?;
            own.extend(["--quotas", "strict", "--quotas-file", &quotas_file]);
        } else {
            own.extend(["--quotas", "off"]);
        }
        let tls_dir = home.join(TLS_DIR).display().to_string();
        if setting.tls {
            own.extend(["--tls", "self-signed", "--tls-dir", &tls_dir]);
        }
        Ok(self.command("serve", &own))
    }

    /// The same with what the admin API moves, and without a wait for what is made.
    pub(crate) fn serve_owned(&self, home: &Path) -> Result<Vec<String>> {
        let mut arguments = self.serve(home)?;
        arguments.extend(["--admin", "on", "--transition", "0s"].map(str::to_owned));
        Ok(arguments)
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
