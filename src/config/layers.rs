//! Where settings come from: flags over variables over the file over defaults.
//!
//! Every source is spelled as flags and read by the same parser, so that a value means the same
//! wherever it stands, and a message names the place where it stands.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, parser::ValueSource};
use millpond_shards::stream::Namespace;

use super::{
    Refused, declared,
    flags::{self, Flag, Flags},
    refusal,
    streams::Declaration,
    values::Mode,
};
use crate::toml_text;

/// Two spellings of one setting: a source that gives either hides both of the sources below it.
const STORAGE: [&str; 2] = ["data-dir", "in-memory"];

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    CommandLine,
    Environment,
    File(PathBuf),
    Default,
}

impl Source {
    /// The flag's name as this source spells it.
    fn spell(&self, flag: &str) -> String {
        match self {
            Self::CommandLine | Self::Default => format!("--{flag}"),
            Self::Environment => flags::variable_of(flag),
            Self::File(path) => format!("{flag} in {}", path.display()),
        }
    }
}

/// The values of flags, the first source to give a flag having won; and what the file declares.
#[derive(Default)]
pub(super) struct Layers {
    said: BTreeMap<String, (Source, Vec<OsString>)>,
    declared: Option<(PathBuf, toml::Value)>,
}

impl Layers {
    /// Gathers what every source says.
    pub(super) fn gather(
        mode: Mode,
        command_line: &ArgMatches,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Refused> {
        let flags = flags::all();
        let mut layers = Self::default();
        layers.add(&Source::CommandLine, said_on_command_line(&flags, command_line));
        layers.add(&Source::Environment, said_by_variables(&flags, variable));
        if let Some((_, values)) = layers.said.get("config") {
            let path = values.first().map(PathBuf::from).unwrap_or_default();
            let mut table = read_file(&path)?;
            let declared = table.remove(declared::KEY);
            layers.declared = declared.map(|value| (path.clone(), value));
            let said = said_by_file(&flags, &path, table)?;
            layers.add(&Source::File(path), said);
        }
        layers.add(&Source::Default, defaults(mode, &flags));
        Ok(layers)
    }

    /// Reads all values, each as if it were a flag.
    pub(super) fn parse(&self) -> Result<Flags, Refused> {
        let mut arguments = Vec::new();
        for (flag, (_, values)) in &self.said {
            arguments.extend(values.iter().map(|value| argument(flag, value)));
        }
        flags::parse(arguments).map_err(|error| {
            Refused(refusal::sentence(&error, |flag| {
                let source = self.said.get(flag).map_or(&Source::CommandLine, |(source, _)| source);
                source.spell(flag)
            }))
        })
    }

    /// Reads the streams that the file declares; `flags` say where they are unless they do.
    pub(super) fn declared(&self, flags: &Flags) -> Result<Vec<Declaration>, Refused> {
        let Some((file, value)) = &self.declared else { return Ok(Vec::new()) };
        let namespace = Namespace { account: flags.account, region: flags.region.clone() };
        declared::read(file, value, &namespace)
    }

    fn add(&mut self, source: &Source, said: Vec<(String, Vec<OsString>)>) {
        let storage_is_settled = STORAGE.iter().any(|flag| self.said.contains_key(*flag));
        for (flag, values) in said {
            if !(storage_is_settled && STORAGE.contains(&flag.as_str())) {
                self.said.entry(flag).or_insert_with(|| (source.clone(), values));
            }
        }
    }
}

fn argument(flag: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(format!("--{flag}="));
    argument.push(value);
    argument
}

fn said_on_command_line(flags: &[Flag], given: &ArgMatches) -> Vec<(String, Vec<OsString>)> {
    let values = |flag: &Flag| {
        let id = flag.name.replace('-', "_");
        let is_said = given.value_source(&id) == Some(ValueSource::CommandLine);
        let values = given.get_raw(&id).filter(|_| is_said)?;
        Some((flag.name.clone(), values.map(OsStr::to_owned).collect()))
    };
    flags.iter().filter_map(values).collect()
}

fn said_by_variables(
    flags: &[Flag],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Vec<(String, Vec<OsString>)> {
    let values = |flag: &Flag| {
        // A variable that is set to nothing is how compose files leave one out.
        let text = variable(&flags::variable_of(&flag.name)).filter(|text| !text.is_empty())?;
        let values = match text.to_str() {
            Some(list) if flag.is_repeatable => list.split(',').map(OsString::from).collect(),
            _ => vec![text],
        };
        Some((flag.name.clone(), values))
    };
    flags.iter().filter_map(values).collect()
}

fn read_file(path: &Path) -> Result<toml::Table, Refused> {
    let refused = |reason: String| Refused(format!("{}: {reason}", path.display()));
    let text = fs::read_to_string(path)
        .map_err(|error| refused(format!("the configuration file cannot be read: {error}")))?;
    // Not the error's own display, which quotes the line: it may hold a secret.
    text.parse().map_err(|error| refused(toml_text::fault(&text, &error)))
}

fn said_by_file(
    flags: &[Flag],
    path: &Path,
    table: toml::Table,
) -> Result<Vec<(String, Vec<OsString>)>, Refused> {
    let refused = |reason: String| Refused(format!("{}: {reason}", path.display()));
    let mut said = Vec::new();
    for (key, value) in table {
        let flag = flags.iter().find(|flag| flag.name == key && key != "config");
        let flag = flag.ok_or_else(|| refused(unknown_key(flags, &key)))?;
        said.push((key, values_in_file(flag, value).map_err(refused)?));
    }
    Ok(said)
}

fn unknown_key(flags: &[Flag], key: &str) -> String {
    let names: Vec<_> = flags.iter().map(|flag| flag.name.as_str()).collect();
    let known = names.join(", ").replacen("config, ", "", 1);
    format!("unknown key `{key}`; the keys are {known}, and the tables [[{}]]", declared::KEY)
}

fn values_in_file(flag: &Flag, value: toml::Value) -> Result<Vec<OsString>, String> {
    let text = |value| match value {
        toml::Value::String(text) => Ok(text.into()),
        toml::Value::Integer(number) => Ok(number.to_string().into()),
        toml::Value::Boolean(yes) => Ok(yes.to_string().into()),
        _ => Err(format!("`{}` is a text, a number or true or false", flag.name)),
    };
    match value {
        toml::Value::Array(values) if flag.is_repeatable => values.into_iter().map(text).collect(),
        value => Ok(vec![text(value)?]),
    }
}

fn defaults(mode: Mode, flags: &[Flag]) -> Vec<(String, Vec<OsString>)> {
    let value = |flag: &Flag| match flags::default_of(mode, &flag.name) {
        "" => None,
        default => Some((flag.name.clone(), vec![default.into()])),
    };
    flags.iter().filter_map(value).collect()
}
