//! The command line, the environment and the configuration file, resolved into one value.
//!
//! No other place reads the environment, except that OpenTelemetry's SDK reads its own variables.

mod ask;
mod declared;
mod flags;
mod layers;
mod refusal;
mod streams;
mod table;
mod time;
mod traces;
mod values;

use std::{ffi::OsString, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::error::ErrorKind;
use millpond_api::types::{AccountId, Region};

use self::{flags::Flags, layers::Layers, values::TlsChoice};
use crate::{
    auth::Mode as Auth, cli::Ask, http::MetricsAccess, tls::TlsSettings, traces::TraceSettings,
};

pub(crate) use values::duration;

pub use streams::{Declaration, DeclaredConsumer, DeclaredMode};
pub use time::ClockStart;
pub use values::{
    Durability, Keys, LogFormat, Mode, QuotasBase, Secret, ShardLimit, Storage, Switch,
};

/// Where `serve` keeps its data unless told otherwise.
pub(crate) const DATA_DIR: &str = "./millpond-data";

/// Where our own authority for TLS is kept within the data.
const AUTHORITY_DIR: &str = "tls";

/// The credential of `serve` on a loopback address when it was given none.
const BUILT_IN_CREDENTIAL: &str = "test:test";

/// Everything that was decided before the start. Every value is in effect as it stands.
#[derive(Debug, Clone)]
pub struct Config {
    /// Which subcommand was given.
    pub mode: Mode,
    /// The address to bind.
    pub listen: SocketAddr,
    /// Whether there is TLS too, and whose certificate.
    pub tls: Option<TlsSettings>,
    /// Connections at once.
    pub max_connections: usize,
    /// Bytes that request bodies may hold together.
    pub inflight_bytes: usize,
    /// How long requests may take to finish after a signal.
    pub drain: Duration,
    /// Where records live.
    pub storage: Storage,
    /// When a write counts as stored.
    pub durability: Durability,
    /// Which requests are believed.
    pub auth: Auth,
    /// `ID:SECRET[:ACCOUNT]`, not parsed yet; the built-in one included.
    pub credentials: Vec<Secret>,
    /// Further credentials, not read yet.
    pub credentials_file: Option<PathBuf>,
    /// Whether `credentials` is the one that everybody knows.
    pub has_built_in_credential: bool,
    /// Where the master keys of encrypted streams are.
    pub keys: Keys,
    /// The account of requests that name no other.
    pub account: AccountId,
    /// The region of requests that name no other.
    pub region: Region,
    /// Whether the admin API is served.
    pub admin: Switch,
    /// What opens it, unless a data directory keeps that.
    pub admin_token: Option<Secret>,
    /// Who may read the metrics.
    pub metrics: MetricsAccess,
    /// Whether Kinesis' limits are kept, where the file says nothing else.
    pub quotas: QuotasBase,
    /// Single limits, not read yet.
    pub quotas_file: Option<PathBuf>,
    /// What AWS charges, not read yet.
    pub prices: Option<PathBuf>,
    /// Whether time passes, or where it stands.
    pub clock: ClockStart,
    /// What ids and tokens are made from, where they shall repeat.
    pub seed: Option<u64>,
    /// How long a stream stays in a state of transition.
    pub transition: Duration,
    /// Shards an account may have in a region.
    pub shard_limit: ShardLimit,
    /// Streams to make at start.
    pub streams: Vec<Declaration>,
    /// A script of what shall go wrong, not read yet.
    pub faults: Option<PathBuf>,
    /// Where spans of requests are sent, if anywhere.
    pub traces: Option<TraceSettings>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged: a filter that is known to parse.
    pub log_filter: String,
}

/// What the command line asks for.
#[derive(Debug, Clone)]
pub enum Request {
    /// Run the server.
    Run(Box<Config>),
    /// Print the certificate of the authority that is kept in this directory.
    PrintAuthority(PathBuf),
    /// Ask a running server.
    Ask(Box<Ask>),
    /// Print this text, help or version, and stop with success.
    Print(String),
}

/// Why the server will not start as asked: one sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    /// The exit code of unusable flags or configuration.
    pub const EXIT_CODE: u8 = 2;
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Reads this process' own command line and environment.
///
/// # Errors
/// [`Refused`], when what they say cannot be done.
pub fn of_this_process() -> Result<Request, Refused> {
    read(std::env::args_os(), |name| std::env::var_os(name))
}

/// Those of this process' variables that look like settings and are none, each with the setting
/// that is spelled most like it.
pub fn unknown_variables_of_this_process() -> impl Iterator<Item = (String, Option<String>)> {
    unknown_variables(std::env::vars_os().map(|(name, _)| name))
}

fn unknown_variables(
    names: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = (String, Option<String>)> {
    let settings = settings().into_iter().map(|setting| setting.variable);
    // Those of commands may stand in the same environment.
    let known: Vec<_> = settings.chain(ask::variables()).collect();
    let ours = names.into_iter().filter_map(|name| name.into_string().ok());
    let ours = ours.filter(|name| name.starts_with(flags::VARIABLE_PREFIX));
    ours.filter(move |name| !known.contains(name)).map(|name| {
        let nearest = flags::nearest_variable(&name);
        (name, nearest)
    })
}

/// Reads a command line, its first argument being the program, and an environment.
///
/// # Errors
/// [`Refused`], when what they say cannot be done.
pub fn read(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Request, Refused> {
    let command_line = match flags::command().try_get_matches_from(arguments) {
        Ok(command_line) => command_line,
        Err(error) => return answer(&error),
    };
    let (mode, command_line) = match command_line.subcommand() {
        Some(("serve", rest)) => (Mode::Serve, rest),
        Some(("dev", rest)) => (Mode::Dev, rest),
        Some(("ca", rest)) => {
            let flags = Layers::gather(Mode::Serve, rest, &variable)?.parse()?;
            return authority(&flags).map(Request::PrintAuthority);
        }
        Some((name, _)) if flags::is_ask(name) => {
            return ask::read(&command_line, &variable).map(Box::new).map(Request::Ask);
        }
        _ => return Ok(Request::Print(flags::command().render_version())),
    };
    let layers = Layers::gather(mode, command_line, &variable)?;
    let flags = layers.parse()?;
    let streams = streams::all(&flags, layers.declared(&flags)?, &variable)?;
    Config::resolve(mode, flags, streams, &variable).map(Box::new).map(Request::Run)
}

/// Help and version come as errors too.
fn answer(error: &clap::Error) -> Result<Request, Refused> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Request::Print(error.to_string())),
        _ => Err(Refused(refusal::sentence(error, |flag| format!("--{flag}")))),
    }
}

impl Config {
    fn resolve(
        mode: Mode,
        flags: Flags,
        streams: Vec<Declaration>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Refused> {
        let storage = storage(&flags)?;
        check_admin(mode, &flags, &storage)?;
        check_repeatable(mode, &flags)?;
        let keys = keys(mode, &flags)?;
        streams::check_keys(&streams, &keys)?;
        let traces = traces::settings(flags.otlp_endpoint.clone(), variable)?;
        let credentials_were_given = !flags.credential.is_empty() || flags.credentials.is_some();
        if mode == Mode::Serve && !credentials_were_given && !flags.listen.ip().is_loopback() {
            return Err(Refused(format!(
                "serve listens on {}, which other machines can reach, only with credentials of \
                 its own: add --credential ID:SECRET or --credentials FILE, or listen on 127.0.0.1",
                flags.listen,
            )));
        }
        let has_built_in_credential = flags.auth == Auth::Verify && !credentials_were_given;
        let tls = tls(&flags, &storage);
        let mut credentials = flags.credential;
        if has_built_in_credential {
            credentials.push(Secret::new(BUILT_IN_CREDENTIAL.to_owned()));
        }
        Ok(Self {
            mode,
            listen: flags.listen,
            tls,
            max_connections: flags.max_connections.get(),
            inflight_bytes: usize::try_from(flags.inflight_bytes).unwrap_or(usize::MAX),
            drain: flags.drain,
            storage,
            durability: flags.durability,
            auth: flags.auth,
            credentials,
            credentials_file: flags.credentials,
            has_built_in_credential,
            keys,
            account: flags.account,
            region: flags.region,
            admin: flags.admin,
            admin_token: flags.admin_token,
            metrics: flags.metrics,
            quotas: flags.quotas,
            quotas_file: flags.quotas_file,
            prices: flags.prices,
            clock: flags.clock,
            seed: flags.seed,
            transition: flags.transition,
            shard_limit: flags.shard_limit,
            streams,
            faults: flags.faults,
            traces,
            log_format: flags.log_format,
            log_filter: flags.log_level,
        })
    }
}

fn check_admin(mode: Mode, flags: &Flags, storage: &Storage) -> Result<(), Refused> {
    let refused = |sentence: &str| Err(Refused(sentence.to_owned()));
    match (flags.admin, &flags.admin_token) {
        (_, Some(token)) if !is_header_text(token.expose()) => {
            refused("--admin-token is one word of visible ASCII characters")
        }
        (Switch::Off, Some(_)) => refused("--admin-token is of use with --admin on only"),
        (Switch::On, None) if mode == Mode::Serve && matches!(storage, Storage::Memory { .. }) => {
            refused("--admin on needs --admin-token TOKEN where no data directory can keep one")
        }
        _ => Ok(()),
    }
}

/// What makes a server repeat itself is for tests.
fn check_repeatable(mode: Mode, flags: &Flags) -> Result<(), Refused> {
    let refused = |sentence: &str| Err(Refused(sentence.to_owned()));
    if flags.seed.is_some() && mode == Mode::Serve {
        return refused(
            "--seed makes tokens that can be guessed, and is of use with millpond dev only",
        );
    }
    if flags.clock != ClockStart::Running && flags.admin == Switch::Off {
        return refused(
            "--clock needs --admin on, as nothing else can move a clock that stands; or leave it \
             running",
        );
    }
    Ok(())
}

/// Whether a header can carry the text as one word.
fn is_header_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn tls(flags: &Flags, storage: &Storage) -> Option<TlsSettings> {
    match flags.tls.clone() {
        TlsChoice::Off => None,
        TlsChoice::SelfSigned => {
            let (dir, names) = (authority_dir(flags, storage), flags.tls_name.clone());
            Some(TlsSettings::SelfSigned { dir, names })
        }
        TlsChoice::Files { chain, key } => Some(TlsSettings::Files { chain, key }),
    }
}

/// Where our own authority is kept, if it is.
fn authority_dir(flags: &Flags, storage: &Storage) -> Option<PathBuf> {
    flags.tls_dir.clone().or_else(|| match storage {
        Storage::Directory(data) => Some(data.join(AUTHORITY_DIR)),
        Storage::Memory { .. } => None,
    })
}

/// The authority that `ca` prints.
fn authority(flags: &Flags) -> Result<PathBuf, Refused> {
    if let TlsChoice::Files { chain, .. } = &flags.tls {
        return Err(Refused(format!(
            "{} was issued by somebody else: ask there for what clients must trust",
            chain.display()
        )));
    }
    authority_dir(flags, &storage(flags)?).ok_or_else(|| {
        Refused(
            "an authority in memory is known to its server only: ask that for /_millpond/ca.pem, \
             or keep the authority with --tls-dir DIR"
                .to_owned(),
        )
    })
}

fn storage(flags: &Flags) -> Result<Storage, Refused> {
    match (&flags.data_dir, flags.in_memory.unwrap_or(false)) {
        (Some(_), true) => Err(Refused(
            "--data-dir and --in-memory exclude each other: leave one of them out".to_owned(),
        )),
        (None, true) => Ok(Storage::Memory { limit_bytes: flags.memory_limit }),
        (Some(directory), false) => Ok(Storage::Directory(directory.clone())),
        (None, false) => Ok(Storage::Directory(DATA_DIR.into())),
    }
}

fn keys(mode: Mode, flags: &Flags) -> Result<Keys, Refused> {
    let refused = |sentence: &str| Err(Refused(sentence.to_owned()));
    let (credential, ca) = (flags.kms_credential.clone(), flags.kms_ca.clone());
    match (&flags.keyring, &flags.kms_endpoint) {
        (Some(_), Some(_)) => {
            refused("--keyring and --kms-endpoint exclude each other: leave one of them out")
        }
        (None, Some(url)) if !url.is_private() => refused(
            "--kms-endpoint: data keys would cross the network in the clear: use https://, or \
             http:// with a loopback address",
        ),
        (None, Some(url)) => match credential {
            Some(credential) => Ok(Keys::Endpoint { url: url.clone(), credential, ca }),
            None => refused("--kms-endpoint needs --kms-credential ID:SECRET to sign with"),
        },
        (_, None) if credential.is_some() || ca.is_some() => {
            refused("--kms-credential and --kms-ca are of use with --kms-endpoint URL only")
        }
        (Some(file), None) => Ok(Keys::File(file.clone())),
        (None, None) if mode == Mode::Dev => Ok(Keys::MadeUp),
        (None, None) => Ok(Keys::None),
    }
}

/// A setting as an environment file would list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The variable's name.
    pub variable: String,
    /// What `serve` does without it; empty where there is no default.
    pub serve: &'static str,
    /// What `dev` does without it.
    pub dev: &'static str,
    /// One line about it.
    pub help: String,
}

/// Every setting with its defaults, in the order of the help.
#[must_use]
pub fn settings() -> Vec<Setting> {
    let setting = |flag: flags::Flag| Setting {
        variable: flags::variable_of(&flag.name),
        serve: flags::default_of(Mode::Serve, &flag.name),
        dev: flags::default_of(Mode::Dev, &flag.name),
        help: flag.help,
    };
    flags::all().into_iter().map(setting).collect()
}

#[cfg(test)]
mod tests;
