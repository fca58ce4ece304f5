//! The file of `--quotas-file`: single limits, set over what `--quotas` says.

use std::{fs, path::Path, time::Duration};

use millpond_quotas::{Counts, Lives, Quotas, Unsettable, Value};

use crate::{
    config::{QuotasBase, duration},
    process::StartError,
    toml_text,
};

/// The table of the file that has the rates of control operations.
const CALLS: &str = "calls-per-second";

/// The text by which a limit is switched off.
const OFF: &str = "off";

/// The limits of `base` with those of the file.
///
/// # Errors
/// When the file can't be read, or sets something that can't be set so.
pub fn read(base: QuotasBase, file: Option<&Path>) -> Result<Quotas, StartError> {
    let quotas = match base {
        QuotasBase::Strict => Quotas::strict(),
        QuotasBase::Off => Quotas::off(),
    };
    let Some(path) = file else { return Ok(quotas) };
    let refused = |reason: String| StartError::refused(format!("{}: {reason}", path.display()));
    let text = fs::read_to_string(path)
        .map_err(|error| refused(format!("the file of --quotas-file cannot be read: {error}")))?;
    set_all(quotas, &text).map_err(refused)
}

fn set_all(mut quotas: Quotas, text: &str) -> Result<Quotas, String> {
    let table: toml::Table = text.parse().map_err(|error| toml_text::fault(text, &error))?;
    for (key, value) in table {
        match value {
            toml::Value::Table(calls) if key == CALLS => {
                for (operation, value) in calls {
                    let set = set(&value, |value| quotas.set_calls(&operation, value));
                    set.map_err(|why| wrong_call(&quotas, &operation, why))?;
                }
            }
            _ if key == CALLS => {
                return Err(format!("`{CALLS}` is a table: [{CALLS}], then CreateStream = 50"));
            }
            value => {
                let set = set(&value, |value| quotas.set(&key, value));
                set.map_err(|why| wrong(&key, why))?;
            }
        }
    }
    Ok(quotas)
}

/// Sets a limit to what the file says. A text may be a length of time or the word for off.
fn set(
    value: &toml::Value,
    set: impl FnOnce(Value) -> Result<(), Unsettable>,
) -> Result<(), Unsettable> {
    match value {
        toml::Value::Integer(number) => set(u64::try_from(*number).map_or_else(
            // Out of every range.
            |_| Value::Number(u64::MAX),
            Value::Number,
        )),
        toml::Value::String(text) if text == OFF => set(Value::Off),
        toml::Value::String(text) => set(Value::Length(duration(text).unwrap_or(Duration::MAX))),
        _ => set(Value::Number(u64::MAX)),
    }
}

fn wrong(key: &str, why: Unsettable) -> String {
    match why {
        Unsettable::UnknownName => {
            let names: Vec<_> = Quotas::names().chain([CALLS]).collect();
            format!("unknown key `{key}`; the keys are {}", names.join(", "))
        }
        why => right(key, why),
    }
}

fn wrong_call(quotas: &Quotas, operation: &str, why: Unsettable) -> String {
    match why {
        Unsettable::UnknownName => {
            let operations: Vec<_> = quotas.calls.operations().collect();
            let known = operations.join(", ");
            format!("[{CALLS}]: unknown operation `{operation}`; those with a rate are {known}")
        }
        why => format!("[{CALLS}]: {}", right(operation, why)),
    }
}

/// What the limit would have to be.
fn right(key: &str, why: Unsettable) -> String {
    let range = match why {
        Unsettable::UnknownName => return format!("`{key}` is not known"),
        Unsettable::NoRate(max) => format!("a whole number from 1 to {max}"),
        Unsettable::NoCount => format!("a whole number from 0 to {}", Counts::SET_MAX),
        Unsettable::NoLife => format!(
            "a time in quotes, such as \"30s\" or \"5m\", of at least {} s and at most {} h",
            Lives::SET_MIN.as_secs(),
            Lives::EVER.as_secs() / 3600
        ),
    };
    format!("`{key}` is {range}, or \"{OFF}\"")
}

#[cfg(test)]
mod tests {
    use millpond_quotas::Rate;

    use super::*;

    fn refusal(text: &str) -> String {
        set_all(Quotas::strict(), text).unwrap_err()
    }

    #[test]
    fn a_file_sets_single_limits_and_leaves_the_others() {
        let text = r#"
            shard-write-records-per-second = 200
            shard-read-calls-per-second = "off"
            consumers-per-stream = 3
            subscription-life = "10s"

            [calls-per-second]
            CreateStream = 50
            ListStreams = "off"
        "#;
        let set = set_all(Quotas::strict(), text).unwrap();
        let mut expected = Quotas::strict();
        expected.rates.write_records = Rate::per_second(200).unwrap();
        expected.rates.read_calls = Rate::OFF;
        expected.counts.consumers = 3;
        expected.lives.subscription = Duration::from_secs(10);
        expected.set_calls("CreateStream", Value::Number(50)).unwrap();
        expected.set_calls("ListStreams", Value::Off).unwrap();
        assert_eq!(set, expected);
        assert_eq!(set_all(Quotas::off(), "").unwrap(), Quotas::off());
    }

    #[test]
    fn a_refusal_names_the_key_and_what_would_be_right() {
        let number = "a whole number from 1 to 1000000, or \"off\"";
        for (text, expected) in [
            ("shard-read-calls-per-second = 0", number),
            ("shard-read-calls-per-second = -1", number),
            ("shard-read-calls-per-second = 4294967296", number),
            ("shard-read-calls-per-second = \"5s\"", number),
            ("shard-read-calls-per-second = 5.0", number),
            ("shard-read-calls-per-second = false", number),
        ] {
            assert_eq!(refusal(text), format!("`shard-read-calls-per-second` is {expected}"));
        }
        assert_eq!(
            refusal("tags-per-resource = \"none\""),
            "`tags-per-resource` is a whole number from 0 to 1000000, or \"off\""
        );
        assert_eq!(
            refusal("next-token-life = 300"),
            "`next-token-life` is a time in quotes, such as \"30s\" or \"5m\", of at least 1 s and \
             at most 876600 h, or \"off\""
        );
        assert_eq!(
            refusal("[calls-per-second]\nCreateStream = 0"),
            format!("[calls-per-second]: `CreateStream` is {number}")
        );
    }

    #[test]
    fn what_is_unknown_is_told_what_is_known() {
        let known = "unknown key `shard-writes`; the keys are shard-write-records-per-second, ";
        let words = refusal("shard-writes = 1");
        assert!(words.starts_with(known) && words.ends_with(", calls-per-second"), "{words}");
        let words = refusal("[calls-per-second]\nPutRecords = 1");
        let known = "[calls-per-second]: unknown operation `PutRecords`; those with a rate are ";
        assert!(words.starts_with(known) && words.contains("AddTagsToStream, "), "{words}");
        assert!(refusal("calls-per-second = 5").contains("is a table"));
        assert_eq!(
            refusal("a = 1\nb ="),
            "line 2: string values must be quoted, expected literal string"
        );
    }
}
