//! Every flag of `serve` and `dev`, with its help and its two defaults.

use std::{ffi::OsString, net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Arg, ArgAction, Args as _, Command, Subcommand as _, builder::BoolishValueParser};
use millpond_api::types::{AccountId, Region};

use super::{
    ClockStart, refusal,
    values::{
        Durability, LogFormat, Mode, QuotasBase, Secret, ShardLimit, StreamSpec, Switch, TlsChoice,
        connections, duration, listen_addr, log_filter, memory_size,
    },
};
use crate::{
    auth::Mode as Auth,
    cli::{self, CommonFlags, WITH_VARIABLE},
    http::MetricsAccess,
    kms::KmsUrl,
    tls::HostName,
    traces::CollectorUrl,
};

/// The flags as clap reads them. Both subcommands have all of them; only defaults differ.
#[derive(clap::Args)]
pub(super) struct Flags {
    /// Read further settings from this TOML file, whose keys are the flags' names
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Listen here; HTTP/1.1, HTTP/2 and TLS share the port
    #[arg(long, value_name = "IP:PORT", value_parser = listen_addr, help_heading = "Network")]
    pub listen: SocketAddr,
    /// Serve TLS too, on the same port: off, self-signed, or the files of a certificate and its key
    #[arg(long, value_name = "off|self-signed|CERT,KEY", help_heading = "Network")]
    pub tls: TlsChoice,
    /// Keep the authority of --tls self-signed here; where data is on disk, in DATA-DIR/tls
    #[arg(long, value_name = "DIR", help_heading = "Network")]
    pub tls_dir: Option<PathBuf>,
    /// A further name or address of this host for --tls self-signed to know; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    pub tls_name: Vec<HostName>,
    /// Connections at once; further ones wait
    #[arg(long, value_name = "N", value_parser = connections, help_heading = "Network")]
    pub max_connections: NonZeroUsize,
    /// Memory that all request bodies in flight may hold together; large answers, events of
    /// subscriptions and large answers to who looks into streams as much again each
    #[arg(long, value_name = "SIZE", value_parser = memory_size, help_heading = "Network")]
    pub inflight_bytes: u64,
    /// After SIGTERM or SIGINT, let requests at hand finish for up to this long
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Network")]
    pub drain: Duration,

    /// Keep everything in this directory, made if absent; one process at a time
    #[arg(long, value_name = "DIR", help_heading = "Storage")]
    pub data_dir: Option<PathBuf>,
    /// Keep everything in memory, lost at the end
    #[arg(
        long, value_name = "BOOL", help_heading = "Storage", action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    pub in_memory: Option<bool>,
    /// With --in-memory, refuse writes beyond this
    #[arg(long, value_name = "SIZE", value_parser = memory_size, help_heading = "Storage")]
    pub memory_limit: u64,
    /// Acknowledge a write when it is on disk, or when the operating system has it
    #[arg(long, value_enum, value_name = "WHEN", help_heading = "Storage")]
    pub durability: Durability,

    /// Verify every signature, or accept any well-formed one and verify known keys only
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Access")]
    pub auth: Auth,
    /// An access key, its secret, and the account it belongs to; may be repeated
    #[arg(long, value_name = "ID:SECRET[:ACCOUNT]", help_heading = "Access")]
    pub credential: Vec<Secret>,
    /// A file of credentials; keeps secrets out of the process list
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub credentials: Option<PathBuf>,
    /// A file of master keys, with which streams are encrypted; dev makes keys up without one
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub keyring: Option<PathBuf>,
    /// Take master keys from the key management service at this URL, which speaks AWS KMS' protocol
    #[arg(long, value_name = "URL", help_heading = "Access")]
    pub kms_endpoint: Option<KmsUrl>,
    /// With --kms-endpoint, sign calls with this access key and its secret
    #[arg(long, value_name = "ID:SECRET", help_heading = "Access")]
    pub kms_credential: Option<Secret>,
    /// With --kms-endpoint, a PEM file of the authorities to trust instead of the platform's
    #[arg(long, value_name = "FILE", help_heading = "Access")]
    pub kms_ca: Option<PathBuf>,
    /// The account of requests that name no other, and of streams made at start
    #[arg(long, value_name = "ID", help_heading = "Access")]
    pub account: AccountId,
    /// The region of requests that name no other, and of streams made at start
    #[arg(long, value_name = "NAME", help_heading = "Access")]
    pub region: Region,
    /// Serve the admin API under /_millpond/, with which tests own clock, faults and state
    #[arg(long, value_enum, value_name = "on|off", help_heading = "Access")]
    pub admin: Switch,
    /// What opens the admin API; unless said, data directories keep one in admin.token
    #[arg(long, value_name = "TOKEN", help_heading = "Access")]
    pub admin_token: Option<Secret>,
    /// Show /metrics to clients on this host only, or to all
    #[arg(long, value_enum, value_name = "WHO", help_heading = "Access")]
    pub metrics: MetricsAccess,

    /// Keep Kinesis' rates per shard, consumer and account; its counts are kept in any case
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Behaviour")]
    pub quotas: QuotasBase,
    /// Set single limits by this TOML file, over what --quotas says
    #[arg(long, value_name = "FILE", help_heading = "Behaviour")]
    pub quotas_file: Option<PathBuf>,
    /// Take what AWS charges from this TOML file; it tells what throttled streams would have cost
    #[arg(long, value_name = "FILE", help_heading = "Behaviour")]
    pub prices: Option<PathBuf>,
    /// Let time pass, or have it stand, now or at TIME, until the admin API moves it
    #[arg(long, value_name = "running|paused|TIME", help_heading = "Behaviour")]
    pub clock: ClockStart,
    /// With dev: make ids and tokens from this number, so that they repeat; ANYBODY CAN GUESS them
    #[arg(long, value_name = "N", help_heading = "Behaviour")]
    pub seed: Option<u64>,
    /// How long a stream or consumer stays CREATING, UPDATING or DELETING
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "Behaviour")]
    pub transition: Duration,
    /// Shards an account may have in a region, those of on-demand streams apart: a number, or aws
    #[arg(long, value_name = "N", help_heading = "Behaviour")]
    pub shard_limit: ShardLimit,
    /// Make this stream at start if it is absent; may be repeated
    #[arg(long, value_name = "NAME[:SHARDS[:REGION]]", help_heading = "Behaviour")]
    pub stream: Vec<StreamSpec>,
    /// Inject the faults of this script, in TOML, or in JSON if its name ends in .json
    #[arg(long, value_name = "FILE", help_heading = "Behaviour")]
    pub faults: Option<PathBuf>,

    /// Log lines for people or for machines
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Logs")]
    pub log_format: LogFormat,
    /// What to log: error, warn, info, debug, trace, or a filter such as warn,millpond=debug
    #[arg(long, value_name = "FILTER", value_parser = log_filter, help_heading = "Logs")]
    pub log_level: String,
    /// Send a span for each request to the OpenTelemetry collector at this URL, by OTLP over HTTP
    #[arg(long, value_name = "URL", help_heading = "Traces")]
    pub otlp_endpoint: Option<CollectorUrl>,
}

/// Flag, default of `serve`, default of `dev`; empty where there is none.
pub(super) const DEFAULTS: &[(&str, &str, &str)] = &[
    ("account", "000000000000", "000000000000"),
    ("admin", "off", "on"),
    ("auth", "verify", "any"),
    ("clock", "running", "running"),
    ("data-dir", super::DATA_DIR, ""),
    ("drain", "30s", "30s"),
    ("durability", "fsync", "os"),
    ("in-memory", "", "true"),
    ("inflight-bytes", "256MiB", "256MiB"),
    ("listen", "127.0.0.1:4567", "127.0.0.1:4567"),
    ("log-format", "text", "text"),
    ("log-level", "info", "info"),
    ("max-connections", "10000", "10000"),
    ("memory-limit", "512MiB", "512MiB"),
    ("metrics", "local", "local"),
    ("quotas", "strict", "off"),
    ("region", "us-east-1", "us-east-1"),
    ("shard-limit", "aws", "10000"),
    ("tls", "off", "self-signed"),
    ("transition", "500ms", "0s"),
];

/// The default of `flag`, as text; empty when it has none.
pub(super) fn default_of(mode: Mode, flag: &str) -> &'static str {
    let found = DEFAULTS.iter().find(|(name, ..)| *name == flag);
    found.map_or("", |(_, serve, dev)| match mode {
        Mode::Serve => serve,
        Mode::Dev => dev,
    })
}

/// What the name of every variable begins with.
pub(super) const VARIABLE_PREFIX: &str = "MILLPOND_";

/// The variable that stands for `flag`: `MILLPOND_DATA_DIR` for `data-dir`.
pub(super) fn variable_of(flag: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", flag.to_ascii_uppercase().replace('-', "_"))
}

/// The variable of the flag that is spelled most like this one, which is none.
pub(super) fn nearest_variable(variable: &str) -> Option<String> {
    let flag = variable.strip_prefix(VARIABLE_PREFIX)?.to_ascii_lowercase().replace('_', "-");
    let tried =
        command().try_get_matches_from(["millpond", Mode::Serve.name(), &format!("--{flag}")]);
    let nearest = refusal::suggestion(&tried.err()?)?;
    Some(variable_of(nearest.trim_start_matches('-')))
}

/// A flag's name, and whether it may be repeated.
pub(super) struct Flag {
    pub name: String,
    pub is_repeatable: bool,
    pub help: String,
}

/// Every flag, in the order of the help.
pub(super) fn all() -> Vec<Flag> {
    let described = |arg: &Arg| Flag {
        name: long(arg).to_owned(),
        is_repeatable: matches!(arg.get_action(), ArgAction::Append),
        help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
    };
    Flags::augment_args(Command::new("flags")).get_arguments().map(described).collect()
}

/// Reads `--flag=value` arguments that hold everything, defaults included.
pub(super) fn parse(arguments: Vec<OsString>) -> Result<Flags, clap::Error> {
    let command = Flags::augment_args(Command::new("millpond").no_binary_name(true));
    clap::FromArgMatches::from_arg_matches_mut(&mut command.try_get_matches_from(arguments)?)
}

/// The whole command line, in which nothing is required: other sources may say it.
pub(super) fn command() -> Command {
    Command::new("millpond")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Kinesis Data Streams, run by yourself")
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .subcommand(subcommand(Mode::Serve, "Run it for real: durable, verified, with quotas"))
        .subcommand(subcommand(Mode::Dev, "Run it for tests: in memory, any credentials, at once"))
        .subcommand(authority())
        .subcommands(asks())
        .subcommand(
            Command::new("version").about("Print the version").display_order(ASKS_PLACE - 1),
        )
}

fn subcommand(mode: Mode, about: &'static str) -> Command {
    let after_help = match mode {
        Mode::Serve => AFTER_HELP_SERVE,
        Mode::Dev => AFTER_HELP_DEV,
    };
    Flags::augment_args(Command::new(mode.name()))
        .about(about)
        .after_help(after_help)
        .mut_args(|arg| explained(mode, arg).required(false))
}

/// Where they stand in the help: after those that run one.
const ASKS_PLACE: usize = 10;

/// The commands that ask a running server.
fn asks() -> impl Iterator<Item = Command> {
    let common = CommonFlags::augment_args(Command::new("common"));
    let common: Vec<_> = common.get_arguments().map(explained_ask).collect();
    let commands = cli::Command::augment_subcommands(Command::new("asks"));
    let commands: Vec<_> = commands.get_subcommands().cloned().collect();
    let placed = commands.into_iter().zip(ASKS_PLACE..);
    placed.map(move |(command, place)| command.args(common.clone()).display_order(place))
}

/// Whether this is one of them.
pub(super) fn is_ask(name: &str) -> bool {
    cli::Command::has_subcommand(name)
}

fn explained_ask(arg: &Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    match long(arg) {
        flag if WITH_VARIABLE.contains(&flag) => {
            arg.clone().help(format!("{help}\n[env: {}]", variable_of(flag)))
        }
        _ => arg.clone(),
    }
}

/// The flags that decide where the authority is; the others are taken too, so that a server's own
/// settings can be repeated.
const AUTHORITY_FLAGS: [&str; 3] = ["config", "data-dir", "tls-dir"];

fn authority() -> Command {
    let about = "Print the certificate that clients of --tls self-signed must trust";
    Flags::augment_args(Command::new("ca")).about(about).after_help(AFTER_HELP_CA).mut_args(|arg| {
        let is_shown = AUTHORITY_FLAGS.contains(&long(&arg));
        explained(Mode::Serve, arg).required(false).hide(!is_shown)
    })
}

/// Adds to a flag's help where else it can be said, and what holds if nobody says it.
fn explained(mode: Mode, arg: Arg) -> Arg {
    let flag = long(&arg);
    let variable = variable_of(flag);
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = match default_of(mode, flag) {
        "" => format!("{help}\n[env: {variable}]"),
        default => format!("{help}\n[default: {default}] [env: {variable}]"),
    };
    arg.help(help)
}

fn long(arg: &Arg) -> &str {
    arg.get_long().expect("every flag has a long name, and there are no other arguments")
}

const AFTER_HELP: &str = "\
Begin with:  millpond dev
Then:        aws kinesis list-streams --endpoint-url http://127.0.0.1:4567
Look inside: millpond tail STREAM
Every flag:  millpond serve --help";

const AFTER_HELP_CA: &str = "\
The authority is made if there is none yet. Its certificate is no secret; a server that keeps its
authority in memory shows it at /_millpond/ca.pem, and so does every other.

Example:
  millpond ca --data-dir /var/lib/millpond > ca.pem
  AWS_CA_BUNDLE=ca.pem aws kinesis list-streams --endpoint-url https://localhost:4567";

const AFTER_HELP_SERVE: &str = "\
Each flag is also an environment variable and a key of the --config file, without the dashes; a
flag wins over a variable, a variable over the file. Several values are separated by commas in a
variable and are a list in the file.

Examples:
  Try it on this machine, signing as test with the secret test:
      millpond serve
  Serve a network (there must be credentials then):
      millpond serve --listen 0.0.0.0:4567 --data-dir /var/lib/millpond \\
          --credentials /etc/millpond/credentials
  The same as a file, used with --config /etc/millpond/millpond.toml:
      listen = \"0.0.0.0:4567\"
      data-dir = \"/var/lib/millpond\"
      credentials = \"/etc/millpond/credentials\"
      stream = [\"clicks:4\", \"orders:2:eu-west-1\"]
  The file can also say more of a stream:
      [[streams]]
      name = \"payments\"
      retention-hours = 168
      tags = { team = \"billing\" }";

const AFTER_HELP_DEV: &str = "\
Each flag is also an environment variable and a key of the --config file, without the dashes; a
flag wins over a variable, a variable over the file. Several values are separated by commas in a
variable and are a list in the file.

Examples:
  Start with two streams, for the tests of a project:
      millpond dev --stream clicks:4 --stream orders
  Keep what is written:
      millpond dev --data-dir ./streams
  See how a client copes with Kinesis' limits and waiting times:
      millpond dev --quotas strict --transition 500ms";
