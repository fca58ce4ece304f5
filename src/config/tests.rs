//! Precedence, defaults and refusals of the command line.

use std::{collections::HashMap, fs};

use super::*;

/// A command line, an environment and perhaps a file.
#[derive(Default)]
struct Said<'a> {
    arguments: &'a str,
    variables: &'a [(&'a str, &'a str)],
    file: Option<&'a str>,
}

impl Said<'_> {
    fn read(&self) -> Result<Request, Refused> {
        let variables: HashMap<_, _> = self.variables.iter().copied().collect();
        let mut arguments = vec!["millpond".to_owned()];
        arguments.extend(self.arguments.split_whitespace().map(str::to_owned));
        let file = self.file.map(TemporaryFile::new);
        if let Some(TemporaryFile(path)) = &file {
            arguments.push(format!("--config={}", path.display()));
        }
        let read = read(arguments.into_iter().map(OsString::from), |name| {
            variables.get(name).map(OsString::from)
        });
        read.map_err(|Refused(text)| match &file {
            Some(TemporaryFile(path)) => {
                Refused(text.replace(path.to_str().unwrap(), "millpond.toml"))
            }
            None => Refused(text),
        })
    }

    fn config(&self) -> Config {
        match self.read() {
            Ok(Request::Run(config)) => *config,
            other => panic!("not a configuration: {other:?}"),
        }
    }

    fn refusal(&self) -> String {
        self.read().expect_err("this must be refused").to_string()
    }
}

struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(text: &str) -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let name = format!("millpond-config-{}-{thread}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn config(arguments: &str) -> Config {
    Said { arguments, ..Said::default() }.config()
}

fn refusal(arguments: &str) -> String {
    Said { arguments, ..Said::default() }.refusal()
}

fn printed(arguments: &str) -> String {
    match (Said { arguments, ..Said::default() }).read() {
        Ok(Request::Print(text)) => text,
        other => panic!("not a text: {other:?}"),
    }
}

#[test]
fn serve_is_durable_verified_and_limited() {
    let config = config("serve");
    assert_eq!(config.mode, Mode::Serve);
    assert_eq!(config.listen, "127.0.0.1:4567".parse().unwrap());
    assert_eq!(config.storage, Storage::Directory("./millpond-data".into()));
    assert_eq!(config.durability, Durability::Fsync);
    assert_eq!(config.quotas, QuotasBase::Strict);
    assert_eq!(config.auth, Auth::Verify);
    assert_eq!(config.transition, Duration::from_millis(500));
    assert_eq!(config.shard_limit, ShardLimit::Aws);
    assert!(config.has_built_in_credential);
    assert_eq!(config.credentials, [Secret::new("test:test".to_owned())]);
}

#[test]
fn dev_is_in_memory_open_and_at_once() {
    let config = config("dev");
    assert_eq!(config.mode, Mode::Dev);
    assert_eq!(config.listen, "127.0.0.1:4567".parse().unwrap());
    assert_eq!(config.storage, Storage::Memory { limit_bytes: 512 << 20 });
    assert_eq!(config.durability, Durability::Os);
    assert_eq!(config.quotas, QuotasBase::Off);
    assert_eq!(config.auth, Auth::Any);
    assert_eq!(config.transition, Duration::ZERO);
    assert_eq!(config.shard_limit, "10000".parse().unwrap());
    assert!(!config.has_built_in_credential);
    assert!(config.credentials.is_empty());
}

#[test]
fn keys_come_from_one_place() {
    assert_eq!(config("serve").keys, Keys::None);
    assert_eq!(config("dev").keys, Keys::MadeUp);
    assert_eq!(config("dev --keyring k.toml").keys, Keys::File("k.toml".into()));
    let endpoint = "serve --kms-endpoint https://kms.example.com";
    let credential = Secret::new("AKID:hidden".to_owned());
    let expected = Keys::Endpoint {
        url: "https://kms.example.com".parse().unwrap(),
        credential,
        ca: Some("ca.pem".into()),
    };
    let whole = format!("{endpoint} --kms-credential AKID:hidden --kms-ca ca.pem");
    assert_eq!(config(&whole).keys, expected);
    for (arguments, sentence) in [
        (endpoint.to_owned(), "needs --kms-credential"),
        (whole.replace("https", "http"), "use https://, or http:// with a loopback address"),
        (format!("{endpoint} --kms-credential a:b --keyring k"), "exclude each other"),
        ("dev --kms-ca ca.pem".to_owned(), "of use with --kms-endpoint"),
        ("dev --keyring k --kms-credential a:hidden".to_owned(), "of use with --kms-endpoint"),
        ("dev --kms-endpoint kms:443".to_owned(), "--kms-endpoint cannot be 'kms:443': it is http"),
    ] {
        let refusal = refusal(&arguments);
        assert!(refusal.contains(sentence), "{arguments}: {refusal}");
        assert!(!refusal.contains("hidden"), "{refusal}");
    }
}

#[test]
fn both_share_the_rest() {
    for config in [config("serve"), config("dev")] {
        assert_eq!(config.account.as_str(), "000000000000");
        assert_eq!(config.region.as_str(), "us-east-1");
        assert_eq!(config.inflight_bytes, 256 << 20);
        assert_eq!(config.max_connections, 10_000);
        assert_eq!(config.drain, Duration::from_secs(30));
        assert_eq!(config.metrics, MetricsAccess::Local);
        assert_eq!(config.log_format, LogFormat::Text);
        assert_eq!(config.log_filter, "info");
        assert_eq!(config.credentials_file, None);
        assert!(config.streams.is_empty());
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let file = "region = \"eu-west-1\"\ndrain = \"3s\"\nmax-connections = 3\n";
    let variables = &[("MILLPOND_REGION", "eu-west-2"), ("MILLPOND_DRAIN", "2s")];
    let arguments = "serve --region eu-west-3";
    let config = Said { arguments, variables, file: Some(file) }.config();
    assert_eq!(config.region.as_str(), "eu-west-3");
    assert_eq!(config.drain, Duration::from_secs(2));
    assert_eq!(config.max_connections, 3);
}

#[test]
fn the_place_of_data_is_one_setting_with_two_spellings() {
    let variables = &[("MILLPOND_DATA_DIR", "/var/lib/millpond")];
    let storage = |arguments, file| Said { arguments, variables, file }.config().storage;
    let memory = Storage::Memory { limit_bytes: 512 << 20 };
    assert_eq!(storage("dev", None), Storage::Directory("/var/lib/millpond".into()));
    assert_eq!(storage("serve --in-memory", None), memory);
    assert_eq!(
        storage("serve", Some("in-memory = true")),
        Storage::Directory("/var/lib/millpond".into())
    );
    assert_eq!(config("dev --in-memory=false").storage, Storage::Directory(DATA_DIR.into()));
    assert!(refusal("serve --in-memory --data-dir x").contains("exclude each other"));
}

#[test]
fn lists_are_repeated_separated_or_listed() {
    let file = "stream = [\"a:2\", \"b\"]\ncredential = \"AKIDFILE:has,a comma\"";
    let from_file = Said { arguments: "dev", file: Some(file), ..Said::default() }.config();
    let variables = &[("MILLPOND_STREAM", "a:2,b"), ("MILLPOND_CREDENTIAL", "")];
    let from_variables = Said { arguments: "dev", variables, file: None }.config();
    let from_flags = config("dev --stream a:2 --stream b");
    assert_eq!(from_flags.streams.len(), 2);
    assert_eq!(from_file.streams, from_flags.streams);
    assert_eq!(from_variables.streams, from_flags.streams);
    assert_eq!(from_file.credentials, [Secret::new("AKIDFILE:has,a comma".to_owned())]);
    assert!(from_variables.credentials.is_empty());
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let file = TemporaryFile::new("region = \"eu-west-1\"");
    let variables = &[("MILLPOND_CONFIG", file.0.to_str().unwrap())];
    let config = Said { arguments: "dev", variables, file: None }.config();
    assert_eq!(config.region.as_str(), "eu-west-1");
}

#[test]
fn serve_needs_credentials_of_its_own_to_be_reached_by_others() {
    let refused = refusal("serve --listen 0.0.0.0:4567");
    assert!(refused.contains("--credential ID:SECRET or --credentials FILE"), "{refused}");
    assert!(refusal("serve --auth any --listen [::]:4567").contains("credentials of its own"));

    let config = config("serve --listen 0.0.0.0:4567 --credential AKIDEXAMPLE:not-a-secret");
    assert!(!config.has_built_in_credential);
    assert_eq!(config.credentials.len(), 1);
    self::config("serve --listen 0.0.0.0:4567 --credentials /etc/millpond/credentials");
    self::config("serve --listen [::1]:4567");
    self::config("dev --listen 0.0.0.0:4567");
}

#[test]
fn an_admin_api_that_strangers_could_reach_has_a_token() {
    assert!(refusal("serve --admin on --in-memory").contains("needs --admin-token TOKEN"));
    config("serve --admin on");
    config("serve --admin on --in-memory --admin-token t");
    config("dev --admin on --listen 0.0.0.0:4567");
    assert!(refusal("serve --admin-token t").contains("of use with --admin on only"));
    let empty = Said { arguments: "dev --admin-token=", ..Said::default() }.refusal();
    assert!(empty.contains("one word"), "{empty}");
}

#[test]
fn a_refusal_is_one_sentence_that_names_the_place_and_the_cure() {
    let said = |arguments, variables, file| Said { arguments, variables, file }.refusal();
    assert_eq!(
        refusal("serve --drain soon"),
        "--drain cannot be 'soon': a duration is a number and a unit, such as 500ms, 30s, 5m or 24h"
    );
    assert_eq!(
        said("serve", &[("MILLPOND_ACCOUNT", "12")], None),
        "MILLPOND_ACCOUNT cannot be '12': an account id is twelve digits, such as 123456789012"
    );
    assert_eq!(
        said("serve", &[], Some("quotas = \"lax\"")),
        "quotas in millpond.toml cannot be 'lax': it is strict or off"
    );
    assert_eq!(
        said("dev", &[], Some("region = \"us-east-1\"\ndata-dir = 1.5")),
        "millpond.toml: `data-dir` is a text, a number or true or false"
    );
    let unknown = said("dev", &[], Some("durabilty = \"os\""));
    assert!(unknown.starts_with("millpond.toml: unknown key `durabilty`; the keys are listen, "));
    let unknown = said("dev", &[], Some("config = \"other.toml\""));
    assert!(unknown.contains("unknown key `config`"), "{unknown}");
    assert_eq!(
        refusal("serve --durabilty os"),
        "unexpected argument '--durabilty' found; did you mean --durability?"
    );
    assert_eq!(refusal("serve --data-dir"), "--data-dir needs a value");
    assert!(refusal("serve --config /absent.toml").contains("configuration file cannot be read"));
    assert!(refusal("").contains("millpond dev"));
    for arguments in ["", "run", "serve x", "serve --tls", "serve --max-connections 0"] {
        assert_eq!(refusal(arguments).lines().count(), 1, "{arguments}");
    }
    assert_eq!(
        refusal("serve --max-connections 0"),
        "--max-connections cannot be '0': the number of connections is 1 or more"
    );
    for flag in ["--inflight-bytes", "--memory-limit"] {
        for size in ["1MiB", "1KB", "x"] {
            let refused = refusal(&format!("dev {flag} {size}"));
            assert!(refused.starts_with(&format!("{flag} cannot be '{size}': ")), "{refused}");
            assert!(refused.contains("at least 32MiB"), "{refused}");
        }
    }
}

#[test]
fn a_log_filter_is_levels_and_targets() {
    for filter in ["blah", "warn,blah", "verbose", "millpond"] {
        let refused = refusal(&format!("dev --log-level {filter}"));
        assert!(refused.starts_with(&format!("--log-level cannot be '{filter}': ")), "{refused}");
        assert!(refused.contains("error, warn, info, debug, trace"), "{refused}");
    }
    for filter in ["off", "WARN", "warn,millpond=debug", "[request]", "millpond[{id}]=trace"] {
        assert_eq!(config(&format!("dev --log-level {filter}")).log_filter, filter);
    }
}

#[test]
fn variables_that_are_no_settings_are_told_with_the_nearest_that_is() {
    let ours = ["MILLPOND_QUOTAS", "MILLPOND_ENDPOINT", "MILLPOND_ADMIN_TOKEN"];
    let names = [&ours[..], &["PATH", "MILLPOND_DURABILTY", "MILLPOND_XYZZY"]].concat();
    let unknown: Vec<_> = unknown_variables(names.into_iter().map(OsString::from)).collect();
    let told = |name: &str, nearest: Option<&str>| (name.to_owned(), nearest.map(str::to_owned));
    let nearest = Some("MILLPOND_DURABILITY");
    assert_eq!(unknown, [told("MILLPOND_DURABILTY", nearest), told("MILLPOND_XYZZY", None)]);
}

#[test]
fn secrets_in_a_broken_file_are_not_repeated() {
    let file = "region = \"us-east-1\"\ncredential = [\"AKID:hidden\"\n";
    let refused = Said { arguments: "dev", file: Some(file), ..Said::default() }.refusal();
    assert!(refused.starts_with("millpond.toml: line "), "{refused}");
    assert!(!refused.contains("hidden"), "{refused}");
    let config = config("dev --credential AKID:hidden");
    assert!(!format!("{config:?}").contains("hidden"));
}

/// A value for each flag that none of the defaults equals, and how it shows in a `Config`.
const OTHERWISE: &[(&str, &str, &str)] = &[
    ("listen", "127.0.0.9:1", "listen: 127.0.0.9:1,"),
    ("tls", "c.pem,k.pem", "tls: Some(Files { chain: \"c.pem\", key: \"k.pem\" }),"),
    ("tls-dir", "/authority", "dir: Some(\"/authority\")"),
    ("tls-name", "a.example", "names: [HostName(DnsName(Ia5String(\"a.example\")))]"),
    ("max-connections", "77", "max_connections: 77,"),
    ("inflight-bytes", "64MiB", "inflight_bytes: 67108864,"),
    ("drain", "7s", "drain: 7s,"),
    ("data-dir", "/elsewhere", "storage: Directory(\"/elsewhere\"),"),
    ("in-memory", "true", "storage: Memory {"),
    ("memory-limit", "64MiB", "limit_bytes: 67108864"),
    ("durability", "os", "durability: Os,"),
    ("auth", "any", "auth: Any,"),
    ("credential", "AKIDEXAMPLE:x", "has_built_in_credential: false,"),
    ("credentials", "/file", "credentials_file: Some(\"/file\"),"),
    ("keyring", "/keys", "keys: File(\"/keys\"),"),
    ("kms-endpoint", "https://kms:8", "authority: \"kms:8\""),
    ("kms-credential", "a:b", "credential: (secret)"),
    ("kms-ca", "/ca", "ca: Some(\"/ca\")"),
    ("account", "123456789012", "account: 123456789012,"),
    ("region", "eu-west-1", "region: eu-west-1,"),
    ("admin", "on", "admin: On,"),
    ("admin-token", "t", "admin_token: Some((secret)),"),
    ("metrics", "open", "metrics: Open,"),
    ("quotas", "off", "quotas: Off,"),
    ("quotas-file", "/quotas", "quotas_file: Some(\"/quotas\"),"),
    ("prices", "/prices", "prices: Some(\"/prices\"),"),
    ("clock", "paused", "clock: Paused,"),
    ("seed", "7", "seed: Some(7),"),
    ("transition", "9s", "transition: 9s,"),
    ("shard-limit", "55", "shard_limit: Shards(55),"),
    ("stream", "clicks", "streams: [Declaration {"),
    ("faults", "/faults.toml", "faults: Some(\"/faults.toml\"),"),
    ("log-format", "json", "log_format: Json,"),
    ("log-level", "debug", "log_filter: \"debug\""),
    ("otlp-endpoint", "http://otel:8/a", "path: \"/a/v1/traces\""),
];

#[test]
fn every_flag_is_a_variable_and_a_key_and_stands_in_the_help() {
    let helps = [printed("serve --help"), printed("dev --help")];
    let named: Vec<_> = flags::all().into_iter().map(|flag| flag.name).collect();
    let tried: Vec<_> = OTHERWISE.iter().map(|(flag, ..)| *flag).collect();
    assert_eq!(named, [&["config"], tried.as_slice()].concat(), "OTHERWISE names every flag");
    for (flag, value, shown) in OTHERWISE {
        let variable = flags::variable_of(flag);
        // A limit on memory means nothing on disk, nor an authority without TLS, and so on.
        let serve = match *flag {
            "memory-limit" => "serve --in-memory",
            "tls-dir" | "tls-name" => "serve --tls self-signed",
            "kms-endpoint" => "serve --kms-credential a:b",
            "kms-credential" => "serve --kms-endpoint https://kms",
            "admin-token" | "clock" => "serve --admin on",
            "seed" => "dev",
            "kms-ca" => "serve --kms-endpoint https://kms --kms-credential a:b",
            _ => "serve",
        };
        let arguments = format!("{serve} --{flag}={value}");
        let by_flag = config(&arguments);
        let variables = &[(variable.as_str(), *value)];
        let by_variable = Said { arguments: serve, variables, file: None }.config();
        let file = format!("{flag} = \"{value}\"");
        let by_key = Said { arguments: serve, file: Some(&file), ..Said::default() }.config();
        for config in [by_flag, by_variable, by_key] {
            let config = format!("{config:?}");
            assert!(config.contains(shown), "{flag}: {config}");
        }
        for help in &helps {
            assert!(help.contains(&format!("--{flag}")), "{flag} is not in the help");
            assert!(help.contains(&format!("[env: {variable}]")), "{variable} is not in the help");
        }
    }
}

#[test]
fn the_help_shows_each_mode_its_own_defaults() {
    let (serve, dev) = (printed("serve --help"), printed("dev --help"));
    for setting in settings() {
        let shown = |default: &str| format!("[default: {default}] [env: {}]", setting.variable);
        assert!(setting.serve.is_empty() || serve.contains(&shown(setting.serve)), "{setting:?}");
        assert!(setting.dev.is_empty() || dev.contains(&shown(setting.dev)), "{setting:?}");
    }
    assert_eq!(settings().len(), OTHERWISE.len() + 1);
    let with_default = settings().into_iter().filter(|s| !(s.serve.is_empty() && s.dev.is_empty()));
    assert_eq!(with_default.count(), flags::DEFAULTS.len(), "every default belongs to a flag");
}

#[test]
fn the_version_can_be_asked_for_in_two_ways() {
    let expected = format!("millpond {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(printed("version"), expected);
    assert_eq!(printed("--version"), expected);
}

#[test]
fn a_clock_that_stands_needs_somebody_to_move_it() {
    assert_eq!(config("dev").clock, ClockStart::Running);
    assert_eq!(config("dev --clock paused").clock, ClockStart::Paused);
    config("serve --clock paused --admin on");
    let refused = "--clock needs --admin on, as nothing else can move a clock that stands; or \
                   leave it running";
    assert_eq!(refusal("serve --clock paused"), refused);
    assert_eq!(refusal("dev --clock 1700000000 --admin off"), refused);
    let refusal = refusal("dev --clock yesterday");
    assert!(refusal.contains("--clock") && refusal.contains("which yesterday is not"), "{refusal}");
}

#[test]
fn a_seed_is_for_tests() {
    assert_eq!(config("dev --seed 7").seed, Some(7));
    assert_eq!(config("dev").seed, None);
    assert_eq!(
        refusal("serve --seed 7"),
        "--seed makes tokens that can be guessed, and is of use with millpond dev only"
    );
}

#[test]
fn the_variable_of_the_data_directory_opens_servers_on_this_host_only() {
    let directory = |arguments: &str, variables: &[(&str, &str)]| match (Said {
        arguments,
        variables,
        file: None,
    })
    .read()
    {
        Ok(Request::Ask(ask)) => ask.server.data_dir,
        other => panic!("it asks for something else: {other:?}"),
    };
    let data = Some(PathBuf::from("/data"));
    let there = ("MILLPOND_ENDPOINT", "http://10.0.0.1:4567");
    let kept = ("MILLPOND_DATA_DIR", "/data");
    assert_eq!(directory("streams", &[kept]), data);
    assert_eq!(directory("streams --endpoint http://localhost:1", &[kept, there]), data);
    assert_eq!(directory("streams", &[kept, there]), None);
    assert_eq!(directory("streams --endpoint http://10.0.0.1:4567", &[kept]), None);
    assert_eq!(directory("streams --data-dir /data", &[there]), data, "whoever says so means it");
    assert_eq!(directory("streams --data-dir /data", &[("MILLPOND_DATA_DIR", "/other")]), data);
}
