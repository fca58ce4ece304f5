//! The values that flags take, each parsed from its text once.

use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::ValueEnum;
use millpond_api::types::{Region, StreamName};
use millpond_quotas::limits;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::kms::KmsUrl;

/// The least memory that a flag may grant: two largest bodies.
const MEMORY_BYTES_MIN: u64 = 32 << 20;

// The budget of bodies must hold two for one of them to be set aside.
const _: () = assert!(MEMORY_BYTES_MIN >= 2 * limits::REQUEST_BODY_BYTES_MAX as u64);

/// `serve` or `dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// For real: durable, verified, with quotas.
    Serve,
    /// For tests and laptops: in memory, any credentials, no quotas.
    Dev,
}

impl Mode {
    /// The subcommand's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Dev => "dev",
        }
    }
}

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, gone when the process ends.
    Memory {
        /// Writes beyond it are refused.
        limit_bytes: u64,
    },
    /// In a directory that belongs to one process.
    Directory(PathBuf),
}

/// Where the master keys of encrypted streams are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Nowhere: no stream can be encrypted.
    None,
    /// Each is made up from its name, and no secret.
    MadeUp,
    /// In a keyring file.
    File(PathBuf),
    /// In a key management service.
    Endpoint {
        /// Where it listens.
        url: KmsUrl,
        /// `ID:SECRET`, not parsed yet.
        credential: Secret,
        /// The authorities that vouch for it, unless the platform's do.
        ca: Option<PathBuf>,
    },
}

/// When a write counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// On disk: survives a crash of the machine.
    Fsync,
    /// With the operating system: survives a crash of the process.
    Os,
}

/// Whether Kinesis' throughput and request-rate limits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QuotasBase {
    /// As AWS keeps them.
    Strict,
    /// Not at all.
    Off,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// Whether there is TLS, and whose certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsChoice {
    /// There is none.
    Off,
    /// One that an authority of our own issues.
    SelfSigned,
    /// A given one.
    Files {
        /// The certificate's file.
        chain: PathBuf,
        /// Its key's file.
        key: PathBuf,
    },
}

impl FromStr for TlsChoice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.split_once(',')) {
            ("off", _) => Ok(Self::Off),
            ("self-signed", _) => Ok(Self::SelfSigned),
            (_, Some((chain, key))) if !chain.is_empty() && !key.is_empty() => {
                Ok(Self::Files { chain: chain.into(), key: key.into() })
            }
            _ => Err("TLS is off, self-signed, or two PEM files with a comma between them: \
                      the certificate's, then its key's"),
        }
    }
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is there.
    On,
    /// It is not.
    Off,
}

/// Shards that one account may have in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardLimit {
    /// AWS' own default for the region.
    Aws,
    /// This many.
    Shards(NonZeroU32),
}

impl FromStr for ShardLimit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "aws" => Ok(Self::Aws),
            number => number.parse().map(Self::Shards).map_err(
                |_| "a shard limit is a number from 1, or aws for the limit that AWS sets",
            ),
        }
    }
}

/// A stream to make at start: `NAME[:SHARDS[:REGION]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamSpec {
    /// Its name.
    pub(super) name: StreamName,
    /// How many shards it is made with, if that is said.
    pub(super) shards: Option<NonZeroU32>,
    /// Where; in the configured region unless said.
    pub(super) region: Option<Region>,
}

impl FromStr for StreamSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, shards, region) = parts(text);
        Self::of(name, shards, region)
    }
}

impl StreamSpec {
    /// The same in the notation of kinesis-mock and LocalStack, where parts may be empty.
    pub(super) fn with_empty_parts(text: &str) -> Result<Self, String> {
        let (name, shards, region) = parts(text);
        let said = |part: &&str| !part.is_empty();
        Self::of(name, shards.filter(said), region.filter(said))
    }

    fn of(name: &str, shards: Option<&str>, region: Option<&str>) -> Result<Self, String> {
        let name = name.parse().map_err(|error| format!("{error}, here '{name}'"))?;
        let number = |shards: &str| {
            let right = format!("after the name comes the number of shards, such as {name}:4");
            shards.parse().map_err(|_| right)
        };
        let known =
            |region: &str| region.parse().map_err(|error| format!("{error}, here '{region}'"));
        let (shards, region) = (shards.map(number).transpose()?, region.map(known).transpose()?);
        Ok(Self { name, shards, region })
    }
}

fn parts(text: &str) -> (&str, Option<&str>, Option<&str>) {
    let mut parts = text.splitn(3, ':');
    (parts.next().unwrap_or_default(), parts.next(), parts.next())
}

/// Text that never shows in logs or messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

pub(super) fn listen_addr(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(
        |_| "an address is IP:PORT, such as 127.0.0.1:4567, or 0.0.0.0:4567 for every interface",
    )
}

/// `500ms`, `30s`, `5m`, `24h`, or `0`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let (number, unit) = number_and_unit(text);
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if number == "0" => 1,
        _ => return Err(NOT_A_DURATION),
    };
    let number: u64 = number.parse().map_err(|_| NOT_A_DURATION)?;
    number.checked_mul(ms_per_unit).map(Duration::from_millis).ok_or(NOT_A_DURATION)
}

const NOT_A_DURATION: &str = "a duration is a number and a unit, such as 500ms, 30s, 5m or 24h";

/// At least 1.
pub(super) fn connections(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "the number of connections is 1 or more")
}

/// A size of memory that has room for two of the largest requests.
pub(super) fn memory_size(text: &str) -> Result<u64, &'static str> {
    byte_size(text).filter(|bytes| *bytes >= MEMORY_BYTES_MIN).ok_or(NOT_A_MEMORY_SIZE)
}

const NOT_A_MEMORY_SIZE: &str = "it is a number and a unit, such as 512MiB or 4GiB, and at least \
                                 32MiB, which is room for two of the largest requests";

/// `512MiB`, `4GiB`, `64KiB`, `100B`, or a plain number of bytes.
fn byte_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text);
    let bytes_per_unit = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(bytes_per_unit)
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let refused = |reason: &dyn fmt::Display| {
        format!(
            "{reason}; a filter is a level (error, warn, info, debug, trace or off), or several as \
             in warn,millpond=debug"
        )
    };
    // A bare word would be a target, of which no event is.
    let is_bare = |directive: &&str| !directive.contains(['=', '[']);
    let is_no_level = |directive: &&str| directive.trim().parse::<LevelFilter>().is_err();
    if let Some(word) = text.split(',').filter(is_bare).find(is_no_level) {
        return Err(refused(&format_args!("'{word}' is no level")));
    }
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("24h"), Ok(Duration::from_hours(24)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(byte_size("512MiB"), Some(512 << 20));
        assert_eq!(byte_size("4GiB"), Some(4 << 30));
        assert_eq!(byte_size("100"), Some(100));
        for text in ["", "5", "s", "-1s", "1.5s", "1 s", "1d", "99999999999999999999h"] {
            assert_eq!(duration(text), Err(NOT_A_DURATION), "{text}");
        }
        for text in ["", "MiB", "1MB", "1.5GiB", "-1", "99999999999999999GiB"] {
            assert_eq!(byte_size(text), None, "{text}");
        }
    }

    fn told(spec: StreamSpec) -> (String, Option<u32>, Option<String>) {
        let StreamSpec { name, shards, region } = spec;
        (name.to_string(), shards.map(NonZeroU32::get), region.map(|region| region.to_string()))
    }

    #[test]
    fn a_stream_has_a_name_and_perhaps_shards_and_a_region() {
        let spec = |text: &str| told(text.parse().unwrap());
        let abroad = ("clicks".to_owned(), Some(4), Some("eu-west-1".to_owned()));
        assert_eq!(spec("clicks"), ("clicks".to_owned(), None, None));
        assert_eq!(spec("clicks:4"), ("clicks".to_owned(), Some(4), None));
        assert_eq!(spec("clicks:4:eu-west-1"), abroad);
        for text in ["", "a b", "clicks:", "clicks:0", "clicks:x", "clicks:4:", "clicks:4:EU"] {
            assert!(text.parse::<StreamSpec>().is_err(), "{text}");
        }
    }

    #[test]
    fn other_tools_leave_parts_of_a_stream_empty() {
        let spec = |text: &str| told(StreamSpec::with_empty_parts(text).unwrap());
        let abroad = Some("us-west-2".to_owned());
        for text in ["clicks", "clicks:", "clicks::"] {
            assert_eq!(spec(text), ("clicks".to_owned(), None, None), "{text}");
        }
        assert_eq!(spec("clicks:3:"), ("clicks".to_owned(), Some(3), None));
        assert_eq!(spec("clicks::us-west-2"), ("clicks".to_owned(), None, abroad.clone()));
        assert_eq!(spec("clicks:3:us-west-2"), ("clicks".to_owned(), Some(3), abroad));
        for text in ["", ":3", "a b", "clicks:0", "clicks:x", "clicks:3:EU", "clicks:3:eu:1"] {
            assert!(StreamSpec::with_empty_parts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let secret = Secret::new("AKID:hidden".to_owned());
        assert_eq!(format!("{secret:?}"), "(secret)");
        assert_eq!(secret.expose(), "AKID:hidden");
    }
}
