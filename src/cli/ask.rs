//! The commands and their flags, and which server they speak to.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use clap::{Args, Subcommand};
use millpond_api::types::{AccountId, HashKey, Region, ShardId, StreamName};

use super::{Ended, Outcome};
use crate::{
    admin,
    config::{DATA_DIR, Secret, duration},
    outbound::Url,
    policy::Wildcards,
};

/// Where a server listens unless it was told otherwise.
const ENDPOINT: &str = "http://127.0.0.1:4567";

/// Records that can be asked for.
const COUNT_MAX: usize = 10_000_000;

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
    /// List the streams of all accounts and regions, or of those that are named
    #[command(after_help = STREAMS)]
    Streams,
    /// Show one stream: its settings, tags, policies and consumers
    #[command(after_help = DESCRIBE)]
    Describe {
        /// The stream's name
        #[arg(value_name = "STREAM")]
        stream: StreamName,
    },
    /// Show the shards of a stream: hash keys, parents, how many records
    #[command(after_help = SHARDS)]
    Shards {
        /// The stream's name
        #[arg(value_name = "STREAM")]
        stream: StreamName,
    },
    /// Show the first records of a stream, or the last
    #[command(after_help = PEEK)]
    Peek(Peek),
    /// Follow a stream: print records as they arrive, of all its shards
    #[command(after_help = TAIL)]
    Tail(Tail),
    /// Put records to a stream: the one that is given, or a line of input each
    #[command(after_help = PUT)]
    Put(Put),
    /// Show what was refused for a limit, what would have sufficed, and what AWS would have charged
    #[command(after_help = THROTTLES)]
    Throttles {
        /// The stream's name; all streams without one
        #[arg(value_name = "STREAM")]
        stream: Option<StreamName>,
        /// Forget it and begin anew, instead of showing it
        #[arg(long)]
        clear: bool,
    },
}

/// Which records are shown, and how.
#[derive(Debug, Clone, Args)]
pub struct Selection {
    /// The stream's name
    #[arg(value_name = "STREAM")]
    pub stream: StreamName,
    /// Begin there: TRIM_HORIZON, LATEST, a sequence number, epoch seconds, or a date and time
    #[arg(long, value_name = "WHERE")]
    pub from: Option<String>,
    /// Begin with what arrived in this time, such as 10m or 24h
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "from")]
    pub since: Option<Duration>,
    /// Show this shard only
    #[arg(long, value_name = "SHARD")]
    pub shard: Option<ShardId>,
    /// Show records only whose partition key is like this; * stands for any text, ? for a letter
    #[arg(long, value_name = "GLOB")]
    pub key: Option<Wildcards>,
    /// Show records as they are stored: aggregates whole, gzip packed
    #[arg(long)]
    pub raw: bool,
}

/// `millpond peek`.
#[derive(Debug, Clone, Args)]
pub struct Peek {
    /// Which records.
    #[command(flatten)]
    pub selection: Selection,
    /// Show so many
    #[arg(short = 'n', long, value_name = "N", default_value = "10", value_parser = count)]
    pub count: usize,
    /// Show the last ones instead of the first
    #[arg(long, conflicts_with_all = ["from", "since"])]
    pub last: bool,
}

/// `millpond tail`.
#[derive(Debug, Clone, Args)]
pub struct Tail {
    /// Which records.
    #[command(flatten)]
    pub selection: Selection,
    /// End after so many
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub count: Option<usize>,
}

/// `millpond put`.
#[derive(Debug, Clone, Args)]
pub struct Put {
    /// The stream's name
    #[arg(value_name = "STREAM")]
    pub stream: StreamName,
    /// The data of one record; without it, each line of standard input that isn't empty is one,
    /// without its end
    #[arg(value_name = "DATA", conflicts_with = "file")]
    pub data: Option<String>,
    /// The partition key of all records, which then keep their order; without it, each has its own
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Put them to the shard of this hash key instead of that of their partition key
    #[arg(long, value_name = "NUMBER")]
    pub hash_key: Option<HashKey>,
    /// Put each line of this file instead of standard input
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Put the file, or standard input, as one record, whatever is in it
    #[arg(long, conflicts_with = "data")]
    pub whole: bool,
}

/// At least 1, and not more than anybody would look at.
fn count(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=COUNT_MAX).contains(number));
    number.ok_or("it is a number from 1 to 10000000")
}

const THROTTLES: &str = "\
Examples:
  millpond throttles
  millpond throttles orders --json | jq .streams[0].advice
  millpond throttles --clear";

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

const PEEK: &str = "\
Aggregates of the KPL are shown record by record, and gzip unpacked, unless there is --raw.

Examples:
  millpond peek orders
  millpond peek orders -n 3 --last --json
  millpond peek orders --since 10m --key 'user-*'
  millpond peek orders --shard shardId-000000000001 --raw";

const TAIL: &str = "\
Shards that a split or a merge makes are followed, too. Ctrl-C ends it, and so does the first
record after whatever reads the output has ended. Aggregates of the KPL are shown record by
record, and gzip unpacked, unless there is --raw.

Examples:
  millpond tail orders
  millpond tail orders --from TRIM_HORIZON --key 'user-1*'
  millpond tail orders --since 1h --json | jq -r .data
  millpond tail orders --endpoint https://kinesis.internal:4567 --admin-token TOKEN";

const PUT: &str = "\
Quotas apply as for every record; what is throttled is put again until it is stored. The input is
put to its end, even if nobody reads the results any more.

Examples:
  millpond put orders '{\"id\": 7}' --key user-1
  tail -f access.log | millpond put orders
  millpond put orders --file events.jsonl --key replay
  millpond put orders --file photo.jpg --whole";

/// The flags that all of them have.
#[derive(Debug, Clone, Args)]
pub struct CommonFlags {
    /// Where the server listens: http:// or https://, a host, and perhaps a port
    #[arg(long, value_name = "URL", global = true, help_heading = "Server")]
    pub endpoint: Option<Endpoint>,
    /// What opens the server's admin API; dev needs none on this host
    #[arg(long, value_name = "TOKEN", global = true, help_heading = "Server")]
    pub admin_token: Option<Secret>,
    /// Take the token from admin.token in here, the server's data directory; the variable counts
    /// for a server on this host only
    #[arg(long, value_name = "DIR", global = true, help_heading = "Server")]
    pub data_dir: Option<PathBuf>,
    /// The same, as the variable says it.
    #[arg(skip)]
    data_dir_variable: Option<PathBuf>,
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
            "data-dir" => fill(&mut self.data_dir_variable, text),
            "account" => fill(&mut self.account, text),
            "region" => fill(&mut self.region, text),
            _ => Ok(()),
        }
    }

    /// The server that they name. The variable of the data directory is that server's own, too: it
    /// doesn't send its token to servers elsewhere.
    #[must_use]
    pub fn server(self) -> Server {
        let Self { endpoint, admin_token, ca, account, region, .. } = self;
        let endpoint = endpoint.unwrap_or_default();
        let of_this_host = self.data_dir_variable.filter(|_| endpoint.url().is_local());
        let data_dir = self.data_dir.or(of_this_host);
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
        let data = match (&self.token, &self.data_dir) {
            (Some(token), _) => return Ok(Some(token.clone())),
            (None, Some(data)) => data.as_path(),
            (None, None) if self.endpoint.url().is_local() => Path::new(DATA_DIR),
            (None, None) => return Ok(None),
        };
        match admin::kept_token(data) {
            // Without one, the server says what is missing.
            Ok(token) => Ok(token),
            // A directory that nobody named and that isn't ours to read says nothing.
            Err(_) if self.data_dir.is_none() => Ok(None),
            Err(fault) => Err(Ended::failed(fault.to_string())),
        }
    }
}
