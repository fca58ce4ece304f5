//! Reading a table member by member, with errors that name the place and what would be right.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr};

use serde_json::{Map, Value};
use thiserror::Error;

use crate::policy::Wildcards;

/// Texts in one list.
const LIST_MAX: usize = 64;

/// Bytes of one text: a partition key has 256 characters at most.
pub(super) const TEXT_BYTES_MAX: usize = 1024;

/// Why a text is no script: one sentence that says where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidScript(pub(super) String);

/// The members of a table, taken one by one. `delay-ms` may be written `delay_ms`, too.
pub(super) struct Fields {
    place: String,
    members: Map<String, Value>,
}

impl Fields {
    /// The members of the table at `place`.
    pub(super) fn of(place: impl Into<String>, value: &Value) -> Result<Self, InvalidScript> {
        let place = place.into();
        let Value::Object(table) = value else {
            return Err(InvalidScript(format!("{place}: it is a table of names and values")));
        };
        let mut members = Map::new();
        for (name, value) in table {
            let name = name.replace('_', "-");
            if members.insert(name.clone(), value.clone()).is_some() {
                return Err(InvalidScript(format!("{place}: {name} stands there twice")));
            }
        }
        Ok(Self { place, members })
    }

    /// From now on the table is called this in errors.
    pub(super) fn rename(&mut self, place: String) {
        self.place = place;
    }

    /// What this table is called, with a member of it.
    pub(super) fn place(&self, member: &str) -> String {
        format!("{}: {member}", self.place)
    }

    /// An error about a member.
    pub(super) fn wrong(&self, member: &str, words: &str) -> InvalidScript {
        InvalidScript(format!("{}: {member}: {words}", self.place))
    }

    /// An error about the table itself.
    pub(super) fn wrong_itself(&self, words: &str) -> InvalidScript {
        InvalidScript(format!("{}: {words}", self.place))
    }

    pub(super) fn take(&mut self, member: &str) -> Option<Value> {
        self.members.remove(member)
    }

    pub(super) fn text(&mut self, member: &str) -> Result<Option<String>, InvalidScript> {
        self.take(member).map(|value| self.as_text(member, value)).transpose()
    }

    fn as_text(&self, member: &str, value: Value) -> Result<String, InvalidScript> {
        match value {
            Value::String(text) if text.len() > TEXT_BYTES_MAX => {
                let words = format!("it has more than {TEXT_BYTES_MAX} bytes");
                Err(self.wrong(member, &words))
            }
            Value::String(text) if !text.is_empty() => Ok(text),
            _ => Err(self.wrong(member, "it is a text that is not empty")),
        }
    }

    /// One text, or a list of them; none when the member is absent.
    pub(super) fn texts(&mut self, member: &str) -> Result<Vec<String>, InvalidScript> {
        match self.take(member) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if (1..=LIST_MAX).contains(&items.len()) => {
                items.into_iter().map(|item| self.as_text(member, item)).collect()
            }
            Some(Value::Array(_)) => {
                Err(self.wrong(member, &format!("a list has from 1 to {LIST_MAX} texts")))
            }
            Some(value) => Ok(vec![self.as_text(member, value)?]),
        }
    }

    /// The same as names with wildcards.
    pub(super) fn names(&mut self, member: &str) -> Result<Names, InvalidScript> {
        self.names_of::<String>(member)
    }

    /// The same as names of something: those without wildcards as it writes them.
    pub(super) fn names_of<T: FromStr<Err: Display> + Display>(
        &mut self,
        member: &str,
    ) -> Result<Names, InvalidScript> {
        let texts = self.texts(member)?;
        let whole = |text: String| {
            if text.contains(['*', '?']) {
                return Ok(Wildcards::of(&text));
            }
            let name = text.parse::<T>().map_err(|right| {
                let words = format!("nothing can be called '{text}': {right}");
                self.wrong(member, &format!("{words}; * and ? stand for what may be any"))
            });
            name.map(|name| Wildcards::of(&name.to_string()))
        };
        texts.into_iter().map(whole).collect::<Result<_, _>>().map(Names)
    }

    pub(super) fn whole(
        &mut self,
        member: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, InvalidScript> {
        let Some(value) = self.take(member) else { return Ok(None) };
        let number = value.as_u64().filter(|number| range.contains(number));
        let (least, most) = range.into_inner();
        let words = || format!("it is a whole number from {least} to {most}");
        number.map(Some).ok_or_else(|| self.wrong(member, &words()))
    }

    /// A chance: more than 0, and at most 1.
    pub(super) fn chance(&mut self, member: &str) -> Result<Option<f64>, InvalidScript> {
        let Some(value) = self.take(member) else { return Ok(None) };
        let number = value.as_f64().filter(|number| *number > 0.0 && *number <= 1.0);
        let words = "it is a number above 0 and up to 1, such as 0.1 for one in ten";
        number.map(Some).ok_or_else(|| self.wrong(member, words))
    }

    /// Whether the member is there. Its only value is `true`.
    pub(super) fn flag(&mut self, member: &str) -> Result<bool, InvalidScript> {
        match self.take(member) {
            None => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(_) => Err(self.wrong(member, "it is true, or left out")),
        }
    }

    /// Nothing may be left.
    pub(super) fn end(&self, known: &[&str]) -> Result<(), InvalidScript> {
        let Some(name) = self.members.keys().next() else { return Ok(()) };
        let known = known.join(", ");
        Err(InvalidScript(format!("{}: {name} is not known here; known are {known}", self.place)))
    }
}

/// Names with wildcards, of which one has to fit; none of them stands for every name, and for none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<Wildcards>);

impl Names {
    /// Whether any name will do.
    pub(super) fn are_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the name, if there is one, fits.
    pub(super) fn fit(&self, name: Option<&str>) -> bool {
        self.are_any() || name.is_some_and(|name| self.0.iter().any(|known| known.is_of(name)))
    }
}
