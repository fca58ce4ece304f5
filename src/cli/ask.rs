//! The commands and their flags, and which server they speak to.

use std::{path::PathBuf, str::FromStr};

use clap::{Args, Subcommand};
use millpond_api::types::{AccountId, Region, StreamName};

use super::{Ended, Outcome};
use crate::{
    admin::TOKEN_FILE,
    config::{DATA_DIR, Secret},
    outbound::Url,
    secret_file,
};

/// Where a server listens unless it was told otherwise.
const ENDPOINT: &str = "http://127.0.0.1:4567";

/// Bytes of a token's file.
const TOKEN_BYTES_MAX: u64 = 4 << 10;

/// A command, and the server that it is about.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What is asked.
    pub command: Command,
    /// Whom.
    pub server: Server,
    /// Whether machines read the answer.
    pub is_json: bool,
}

/// What can be asked of a running server.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List streams: of all accounts and regions, or of those that --account and --region name
    #[command(after_help = STREAMS)]
    Streams,
    /// Show one stream: its settings, tags, policies and consumers
    #[command(after_help = DESCRIBE)]
    Describe {
        /// The stream's name
        #[arg(value_name = "STREAM")]
        stream: StreamName,
    },
    /// Show the shards of a stream: their hash keys, their parents, and how many records they hold
    #[command(after_help = SHARDS)]
    Shards {
        /// The stream's name
        #[arg(value_name = "STREAM")]
        stream: StreamName,
    },
}

const STREAMS: &str = "\
Examples:
  millpond streams
  millpond streams --region eu-west-1 --json";

const DESCRIBE: &str = "\
Examples:
  millpond describe orders
  millpond describe orders --json | jq .tags";

const SHARDS: &str = "\
Example:
  millpond shards orders --endpoint http://127.0.0.1:4567";

/// The flags that all of them have.
#[derive(Debug, Clone, Args)]
pub struct CommonFlags {
    /// Where the server listens: http:// or https://, a host, and perhaps a port
    #[arg(long, value_name = "URL", global = true, help_heading = "Server")]
    pub endpoint: Option<Endpoint>,
    /// What opens the server's admin API; dev needs none on this host
    #[arg(long, value_name = "TOKEN", global = true, help_heading = "Server")]
    pub admin_token: Option<Secret>,
    /// Take the token from admin.token in here, the server's data directory
    #[arg(long, value_name = "DIR", global = true, help_heading = "Server")]
    pub data_dir: Option<PathBuf>,
    /// For https://, a PEM file of the authorities to trust instead of the platform's
    #[arg(long, value_name = "FILE", global = true, help_heading = "Server")]
    pub ca: Option<PathBuf>,
    /// The account whose streams are meant, instead of the server's own
    #[arg(long, value_name = "ID", global = true, help_heading = "Server")]
    pub account: Option<AccountId>,
    /// The region whose streams are meant, instead of the server's own
    #[arg(long, value_name = "NAME", global = true, help_heading = "Server")]
    pub region: Option<Region>,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
}

/// The flags of [`CommonFlags`] that a variable can stand for.
pub const WITH_VARIABLE: [&str; 5] = ["endpoint", "admin-token", "data-dir", "account", "region"];

impl CommonFlags {
    /// Says what a flag didn't.
    ///
    /// # Errors
    /// Why the text can't be the flag's value.
    pub fn say(&mut self, flag: &str, text: &str) -> Result<(), String> {
        fn fill<T: FromStr<Err: ToString>>(
            place: &mut Option<T>,
            text: &str,
        ) -> Result<(), String> {
            if place.is_none() {
                *place = Some(text.parse().map_err(|error: T::Err| error.to_string())?);
            }
            Ok(())
        }
        match flag {
            "endpoint" => fill(&mut self.endpoint, text),
            "admin-token" => fill(&mut self.admin_token, text),
            "data-dir" => fill(&mut self.data_dir, text),
            "account" => fill(&mut self.account, text),
            "region" => fill(&mut self.region, text),
            _ => Ok(()),
        }
    }

    /// The server that they name.
    #[must_use]
    pub fn server(self) -> Server {
        let Self { endpoint, admin_token, data_dir, ca, account, region, json: _ } = self;
        let endpoint = endpoint.unwrap_or_default();
        Server { endpoint, token: admin_token, data_dir, ca, account, region }
    }
}

/// The URL of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for Endpoint {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let right = "it is http:// or https://, a host, and perhaps a port, such as \
                     http://127.0.0.1:4567";
        Url::parse(text).map(Self).ok_or(right)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        ENDPOINT.parse().expect("the default is a URL")
    }
}

/// A running server, and what opens its admin API.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The admin token, if it was said.
    pub token: Option<Secret>,
    /// Where a token may be kept.
    pub data_dir: Option<PathBuf>,
    /// The authorities that vouch for it, unless the platform's do.
    pub ca: Option<PathBuf>,
    /// The account that is meant.
    pub account: Option<AccountId>,
    /// The region that is meant.
    pub region: Option<Region>,
}

impl Server {
    /// The token to send, if there is one: as it was said, or that of the data directory. The
    /// directory that a server has by default is looked into for a server on this host only.
    pub(super) fn token(&self) -> Outcome<Option<Secret>> {
        let kept = match (&self.token, &self.data_dir) {
            (Some(token), _) => return Ok(Some(token.clone())),
            (None, Some(data)) => data.join(TOKEN_FILE),
            (None, None) if self.endpoint.url().is_local() => {
                PathBuf::from(DATA_DIR).join(TOKEN_FILE)
            }
            (None, None) => return Ok(None),
        };
        match secret_file::find(&kept, TOKEN_BYTES_MAX) {
            // Without one, the server says what is missing.
            Ok(token) => Ok(token.map(|text| Secret::new(text.trim().to_owned()))),
            // A directory that nobody named and that isn't ours to read says nothing.
            Err(_) if self.data_dir.is_none() => Ok(None),
            Err(error) => {
                let kept = kept.display();
                Err(Ended::failed(format!("the admin token in {kept}: {error}")))
            }
        }
    }
}
