//! A script of faults: a seed and rules, read from TOML or JSON of the same shape.

use std::{fs::File, io::Read as _, path::Path};

use serde_json::Value;

use super::{
    fields::{Fields, InvalidScript},
    rule::Rule,
};
use crate::toml_text;

/// Bytes of a script.
pub const SCRIPT_BYTES_MAX: usize = 256 << 10;

/// Faults in one script.
const FAULTS_MAX: usize = 256;

/// Everything that a script may say.
const MEMBERS: [&str; 2] = ["seed", "faults"];

/// How a script is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As a configuration file is.
    Toml,
    /// As the admin API speaks.
    Json,
}

/// What shall go wrong.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) seed: Option<u64>,
    pub(super) rules: Vec<Rule>,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// A sentence that names the fault, the field, and what would be right.
    pub fn read(text: &str, format: Format) -> Result<Self, InvalidScript> {
        if text.len() > SCRIPT_BYTES_MAX {
            let words = format!("a script has at most {SCRIPT_BYTES_MAX} bytes");
            return Err(InvalidScript(words));
        }
        let value = match format {
            Format::Json => serde_json::from_str(text)
                .map_err(|error| InvalidScript(format!("it is no JSON: {error}")))?,
            Format::Toml => toml::from_str(text).map_err(|error| of_toml(text, &error))?,
        };
        Self::of(&value)
    }

    /// Reads the script of a file, which is JSON if its name ends in `.json`, and TOML otherwise.
    /// Blocks on the disk.
    ///
    /// # Errors
    /// When the file can't be read, and those of `read`.
    pub fn load(path: &Path) -> Result<Self, InvalidScript> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(SCRIPT_BYTES_MAX as u64 + 1).read_to_string(&mut text))
            .map_err(|error| InvalidScript(format!("it can't be read: {error}")))?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        Self::read(&text, if is_json { Format::Json } else { Format::Toml })
    }

    fn of(value: &Value) -> Result<Self, InvalidScript> {
        let mut fields = Fields::of("the script", value)?;
        let seed = fields.whole("seed", 0..=u64::MAX)?;
        let rules = match fields.take("faults") {
            None => Vec::new(),
            Some(Value::Array(rules)) if rules.len() <= FAULTS_MAX => rules,
            Some(_) => {
                let words = format!("it is a list of at most {FAULTS_MAX} tables");
                return Err(fields.wrong("faults", &words));
            }
        };
        fields.end(&MEMBERS)?;
        let rules = rules.iter().enumerate().map(|(index, rule)| Rule::read(index + 1, rule));
        Ok(Self { seed, rules: rules.collect::<Result<_, _>>()? })
    }
}

fn of_toml(text: &str, error: &toml::de::Error) -> InvalidScript {
    InvalidScript(format!("it is no TOML: {}", toml_text::fault(text, error)))
}
