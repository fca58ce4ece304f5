//! What is printed at the start: where to reach it, what it keeps, whom it believes, how to try it.

use std::{fmt::Write as _, net::SocketAddr, path::Path};

use crate::{
    admin::{PATH, TOKEN_FILE},
    auth::Mode as Auth,
    config::{ClockStart, Config, Durability, Keys, Mode, QuotasBase, Storage, Switch},
    http::AUTHORITY_PATH,
    tls::TlsSettings,
};

/// The banner of a server that was configured so and is bound to `addr`. Shows no secret.
#[must_use]
pub fn banner(config: &Config, addr: SocketAddr) -> String {
    let endpoint = endpoint(addr);
    let key = example_key(config);
    let rows = [
        ("endpoint", format!("{endpoint}{}", reach(addr))),
        ("tls", tls(config, &endpoint)),
        ("data", data(config)),
        ("requests", requests(config).to_owned()),
        ("keys", keys(&config.keys)),
        ("quotas", quotas(config)),
        ("admin", admin(config)),
        ("defaults", format!("account {}, region {}", config.account, config.region)),
    ];
    let apart = [
        clock(config.clock).map(|text| ("clock", text)),
        config
            .seed
            .map(|_| ("seed", "ids and tokens repeat, and ANYBODY CAN GUESS them".to_owned())),
    ];
    let rows = rows.into_iter().chain(apart.into_iter().flatten());
    let version = env!("CARGO_PKG_VERSION");
    let mut banner = format!("millpond {version}, {}\n\n", config.mode.name());
    let faults = config.faults.as_ref().map(|path| ("faults", faults(path)));
    for (name, text) in rows.into_iter().chain(faults) {
        writeln!(banner, "  {name:<9} {text}").expect("a string takes all that is written");
    }
    let (region, secret) = (&config.region, secret_of(key));
    banner
        + &format!(
            "
  export AWS_ENDPOINT_URL_KINESIS={endpoint} AWS_DEFAULT_REGION={region}
  export AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={secret}
  aws kinesis list-streams    # in Python: boto3.client(\"kinesis\").list_streams()
"
        )
}

/// A URL that works on this host, also when every interface is listened on.
#[must_use]
pub fn endpoint(addr: SocketAddr) -> String {
    let mut shown = addr;
    if addr.ip().is_unspecified() {
        shown.set_ip([127, 0, 0, 1].into());
    }
    format!("http://{shown}")
}

fn reach(addr: SocketAddr) -> &'static str {
    match addr.ip() {
        ip if ip.is_unspecified() => ", and every other address of this host",
        ip if ip.is_loopback() => ", from this host only",
        _ => "",
    }
}

fn tls(config: &Config, endpoint: &str) -> String {
    match &config.tls {
        None => "none".to_owned(),
        Some(TlsSettings::SelfSigned { .. }) => {
            format!("on the same port, for who trusts {endpoint}{AUTHORITY_PATH}")
        }
        Some(TlsSettings::Files { chain, .. }) => {
            format!("on the same port, with the certificate in {}", chain.display())
        }
    }
}

fn data(config: &Config) -> String {
    match (&config.storage, config.durability) {
        (Storage::Memory { limit_bytes }, _) => {
            format!("in memory, up to {} MiB; LOST when this process ends", limit_bytes >> 20)
        }
        (Storage::Directory(path), Durability::Fsync) => {
            format!("in {}; a write is answered when it is on disk", path.display())
        }
        (Storage::Directory(path), Durability::Os) => {
            format!("in {}; a crash of the machine may lose the last writes", path.display())
        }
    }
}

const fn requests(config: &Config) -> &'static str {
    match (config.auth, config.has_built_in_credential) {
        (Auth::Verify, false) => "verified: signature, date and scope of a known key",
        (Auth::Verify, true) => {
            "verified, but with the key test and the secret test that EVERYBODY KNOWS; \
             see --credentials"
        }
        (Auth::Any, _) => "any access key and secret will do; known keys are verified",
    }
}

fn keys(keys: &Keys) -> String {
    match keys {
        Keys::None => "none, so no stream can be encrypted; see --keyring".to_owned(),
        Keys::MadeUp => "made up from their names, and no secret".to_owned(),
        Keys::File(path) => format!("in the keyring {}", path.display()),
        Keys::Endpoint { .. } => "in the service of --kms-endpoint".to_owned(),
    }
}

fn quotas(config: &Config) -> String {
    let base = match config.quotas {
        QuotasBase::Strict => "as Kinesis has them, per shard, consumer and account",
        QuotasBase::Off => "no rates; counts, such as 20 consumers a stream, are kept",
    };
    match &config.quotas_file {
        Some(file) => format!("{base}; others set by {}", file.display()),
        None => base.to_owned(),
    }
}

/// What is to be said of a clock that doesn't run.
fn clock(start: ClockStart) -> Option<String> {
    let standing = |at: &str| format!("stands {at} until the admin API moves it");
    match start {
        ClockStart::Running => None,
        ClockStart::Paused => Some(standing("still")),
        ClockStart::At(time) => {
            Some(standing(&format!("at {}.{:03}", time.seconds(), time.millis() % 1000)))
        }
    }
}

fn admin(config: &Config) -> String {
    let token = match (&config.admin_token, &config.storage) {
        (Some(_), _) => "with the token of --admin-token".to_owned(),
        (None, Storage::Directory(path)) => {
            format!("with the token in {}", path.join(TOKEN_FILE).display())
        }
        (None, Storage::Memory { .. }) => "nobody else, for want of --admin-token".to_owned(),
    };
    match (config.admin, config.mode) {
        (Switch::Off, _) => "off; see --admin".to_owned(),
        (Switch::On, Mode::Serve) => format!("under {PATH}/, {token}"),
        (Switch::On, Mode::Dev) => format!("under {PATH}/, to this host, and {token}"),
    }
}

fn faults(script: &Path) -> String {
    format!("INJECTED, as {} says", script.display())
}

/// A key id that works, or a place for the user's own.
fn example_key(config: &Config) -> &'static str {
    // A known key is verified in either case, and nobody has read the file yet.
    let may_be_known = config.credentials_file.is_some()
        || config.credentials.iter().any(|known| known.expose().starts_with("test:"));
    match (config.auth, config.has_built_in_credential) {
        (Auth::Verify, true) => "test",
        (Auth::Any, _) if !may_be_known => "test",
        _ => "<your-key-id>",
    }
}

fn secret_of(key: &str) -> &'static str {
    if key == "test" { "test" } else { "<its-secret>" }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{Request, read};

    fn banner_of(arguments: &str, addr: &str) -> String {
        let arguments = arguments.split_whitespace().map(OsString::from);
        let Ok(Request::Run(config)) = read(arguments, |_| None) else {
            panic!("not a configuration");
        };
        banner(&config, addr.parse().unwrap())
            .replace(concat!("millpond ", env!("CARGO_PKG_VERSION")), "millpond VERSION")
    }

    #[test]
    fn dev_says_that_data_is_lost() {
        let expected = r#"millpond VERSION, dev

  endpoint  http://127.0.0.1:4567, from this host only
  tls       on the same port, for who trusts http://127.0.0.1:4567/_millpond/ca.pem
  data      in memory, up to 512 MiB; LOST when this process ends
  requests  any access key and secret will do; known keys are verified
  keys      made up from their names, and no secret
  quotas    no rates; counts, such as 20 consumers a stream, are kept
  admin     under /_millpond/, to this host, and nobody else, for want of --admin-token
  defaults  account 000000000000, region us-east-1

  export AWS_ENDPOINT_URL_KINESIS=http://127.0.0.1:4567 AWS_DEFAULT_REGION=us-east-1
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
  aws kinesis list-streams    # in Python: boto3.client("kinesis").list_streams()
"#;
        assert_eq!(banner_of("millpond dev", "127.0.0.1:4567"), expected);
    }

    #[test]
    fn a_server_that_repeats_itself_says_so() {
        let banner = banner_of("millpond dev --clock 1700000000.5 --seed 7", "127.0.0.1:4567");
        assert!(
            banner.contains("  clock     stands at 1700000000.500 until the admin API moves it\n"),
            "{banner}"
        );
        assert!(banner.contains("ANYBODY CAN GUESS"), "{banner}");
    }

    #[test]
    fn serve_without_credentials_says_that_everybody_knows_them() {
        let banner = banner_of("millpond serve --durability os", "[::1]:4567");
        assert!(banner.contains("EVERYBODY KNOWS"), "{banner}");
        assert!(banner.contains("http://[::1]:4567, from this host only"), "{banner}");
        assert!(banner.contains("a crash of the machine may lose the last writes"), "{banner}");
    }

    #[test]
    fn dev_suggests_no_key_that_it_knows_with_another_secret() {
        for (flags, key) in [
            ("--credential test:other", "AWS_ACCESS_KEY_ID=<your-key-id>"),
            ("--credentials /unread", "AWS_ACCESS_KEY_ID=<your-key-id>"),
            ("--credential other:test", "AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test"),
        ] {
            let banner = banner_of(&format!("millpond dev {flags}"), "127.0.0.1:4567");
            assert!(banner.contains(key), "{flags}: {banner}");
        }
    }

    #[test]
    fn serve_shows_no_secret() {
        let arguments = "millpond serve --listen 0.0.0.0:4567 --region eu-west-1 \
                         --data-dir /var/lib/millpond --credential AKIDEXAMPLE:not-a-secret";
        let expected = r#"millpond VERSION, serve

  endpoint  http://127.0.0.1:4567, and every other address of this host
  tls       none
  data      in /var/lib/millpond; a write is answered when it is on disk
  requests  verified: signature, date and scope of a known key
  keys      none, so no stream can be encrypted; see --keyring
  quotas    as Kinesis has them, per shard, consumer and account
  admin     off; see --admin
  defaults  account 000000000000, region eu-west-1

  export AWS_ENDPOINT_URL_KINESIS=http://127.0.0.1:4567 AWS_DEFAULT_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=<your-key-id> AWS_SECRET_ACCESS_KEY=<its-secret>
  aws kinesis list-streams    # in Python: boto3.client("kinesis").list_streams()
"#;
        assert_eq!(banner_of(arguments, "0.0.0.0:4567"), expected);
    }
}
