//! One table of a TOML file, taken apart field by field; each fault says where it is and what would
//! be right.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, path::Path, str::FromStr};

use toml::{Table, Value};

/// A table's fields that were not taken yet, and what the table is called in sentences.
#[derive(Debug)]
pub(super) struct Fields {
    place: String,
    table: Table,
}

impl Fields {
    /// The tables of an array in `file`.
    pub(super) fn all(file: &Path, key: &str, value: &Value) -> Result<Vec<Self>, String> {
        Self::of_array(&file.display().to_string(), key, value)
    }

    fn of_array(place: &str, key: &str, value: &Value) -> Result<Vec<Self>, String> {
        let wrong = || format!("{place}: {key} is an array of tables, each begun with [[{key}]]");
        let tables = value.as_array().ok_or_else(wrong)?;
        let fields = tables.iter().enumerate().map(|(index, table)| {
            let table = table.as_table().ok_or_else(wrong)?.clone();
            Ok(Self { place: format!("{place}: {key}[{index}]"), table })
        });
        fields.collect()
    }

    /// The field `name`, which there must be, and which the table is called by from then on.
    pub(super) fn named<T>(&mut self, kind: &str) -> Result<T, String>
    where
        T: FromStr + Display,
        T::Err: Display,
    {
        let name = self.parsed::<T>("name")?;
        let name = name.ok_or_else(|| self.fault("name", &format!("of the {kind} is missing")))?;
        let above = self.place.rsplit_once(": ").map_or("", |(above, _)| above);
        self.place = format!("{above}: {kind} {name}");
        Ok(name)
    }

    /// A sentence about a field.
    pub(super) fn fault(&self, field: &str, reason: &str) -> String {
        format!("{}: {field} {reason}", self.place)
    }

    /// A text.
    pub(super) fn text(&mut self, field: &str) -> Result<Option<String>, String> {
        match self.table.remove(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.fault(field, &format!("is a text, and not {}", kind(&other)))),
        }
    }

    /// A text that means something.
    pub(super) fn parsed<T>(&mut self, field: &str) -> Result<Option<T>, String>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let parsed = text.parse().map_err(|error| {
            let reason = format!("cannot be '{text}': {error}");
            self.fault(field, &reason)
        });
        parsed.map(Some)
    }

    /// A whole number within these bounds.
    pub(super) fn whole(
        &mut self,
        field: &str,
        bounds: RangeInclusive<u32>,
    ) -> Result<Option<u32>, String> {
        let Some(value) = self.table.remove(field) else { return Ok(None) };
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| bounds.contains(number));
        let (least, most) = (bounds.start(), bounds.end());
        let right =
            || format!("is a whole number from {least} to {most}, and not {}", shown(&value));
        number.map(Some).ok_or_else(|| self.fault(field, &right()))
    }

    /// A table of texts.
    pub(super) fn texts(
        &mut self,
        field: &str,
    ) -> Result<Option<BTreeMap<String, String>>, String> {
        let Some(value) = self.table.remove(field) else { return Ok(None) };
        let right = "is a table of texts, such as { team = \"payments\" }";
        let Value::Table(table) = value else { return Err(self.fault(field, right)) };
        let text = |(key, value): (String, Value)| match value {
            Value::String(text) => Ok((key, text)),
            other => {
                let reason = format!("{right}, and '{key}' is {}", kind(&other));
                Err(self.fault(field, &reason))
            }
        };
        table.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// An array of tables; none where the field is missing.
    pub(super) fn tables(&mut self, field: &str) -> Result<Vec<Self>, String> {
        match self.table.remove(field) {
            None => Ok(Vec::new()),
            Some(value) => Self::of_array(&self.place, field, &value),
        }
    }

    /// Refuses what is none of these fields.
    pub(super) fn check_known(&self, known: &[&str]) -> Result<(), String> {
        match self.table.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                Err(self.fault(key, &format!("is no field; the fields are {}", known.join(", "))))
            }
        }
    }
}

/// A value as the file has it, where that is short.
fn shown(value: &Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::String(text) => format!("\"{text}\""),
        other => kind(other).to_owned(),
    }
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}
