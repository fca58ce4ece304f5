//! Inputs and outputs without a protocol: texts, numbers, times, lists and maps.

use std::{collections::BTreeMap, ops::Range};

use millpond_api::types::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::fault::Fault;

/// The years from 1970 to 9999, which every protocol can write.
const MOMENTS_MILLIS: Range<i64> = 0..253_402_300_800_000;

/// The number that is nearest to a count: beyond 2^53 the last digits don't matter to statistics.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "that is what this is for")]
pub fn approximate(count: i128) -> f64 {
    count as f64
}

/// A value of an input or an output.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// Text; in forms, which know nothing else, also numbers, times and truth.
    Text(String),
    /// A number; in inputs also a time, in seconds since the epoch.
    Number(f64),
    /// A time, to the second.
    Time(Timestamp),
    /// Yes or no.
    Flag(bool),
    /// Values in order.
    List(Vec<Tree>),
    /// Values by name.
    Map(BTreeMap<String, Tree>),
}

impl Tree {
    /// A map of these members.
    #[must_use]
    pub fn map<const N: usize>(members: [(&str, Tree); N]) -> Self {
        members.into_iter().collect()
    }
}

impl<'a> FromIterator<(&'a str, Tree)> for Tree {
    fn from_iter<I: IntoIterator<Item = (&'a str, Tree)>>(members: I) -> Self {
        Self::Map(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&str> for Tree {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A value of an input, and the way to it, for errors: `MetricData.member.1.Value`.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    path: String,
    value: Option<&'a Tree>,
}

impl<'a> Place<'a> {
    /// The whole input.
    #[must_use]
    pub fn of(input: &'a Tree) -> Self {
        Self { path: String::new(), value: Some(input) }
    }

    /// The way to it.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is such a value.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.value.is_some()
    }

    /// A member of this map.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        let value = match self.value {
            Some(Tree::Map(members)) => members.get(name),
            _ => None,
        };
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { path, value }
    }

    /// The values of this list, none when it isn't there. Forms number them from 1.
    ///
    /// # Errors
    /// When it is something else, or has more than `size_max` values.
    pub fn list(&self, size_max: usize) -> Result<Vec<Self>, Fault> {
        let values: Vec<_> = match self.value {
            None => Vec::new(),
            Some(Tree::List(values)) => values.iter().collect(),
            Some(Tree::Map(members)) => {
                numbered(members).ok_or_else(|| self.malformed("a list"))?
            }
            // What forms have for a list of none.
            Some(Tree::Text(text)) if text.is_empty() => Vec::new(),
            Some(_) => return Err(self.malformed("a list")),
        };
        if values.len() > size_max {
            return Err(Fault::invalid(format!(
                "The collection {} must not have a size greater than {size_max}.",
                self.path
            )));
        }
        let path = |index: usize| format!("{}.member.{}", self.path, index + 1);
        let places = values.into_iter().enumerate();
        Ok(places.map(|(at, value)| Self { path: path(at), value: Some(value) }).collect())
    }

    /// The text here, if there is something.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self) -> Result<Option<&'a str>, Fault> {
        match self.value {
            None => Ok(None),
            Some(Tree::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.malformed("a string")),
        }
    }

    /// The text here.
    ///
    /// # Errors
    /// When there is none, or it has more than `length_max` bytes.
    pub fn required_text(&self, length_max: usize) -> Result<&'a str, Fault> {
        match self.text()? {
            Some(text) if !text.is_empty() && text.len() <= length_max => Ok(text),
            Some(text) if !text.is_empty() => Err(Fault::invalid(format!(
                "The parameter {} must be shorter than {} characters.",
                self.path,
                length_max + 1
            ))),
            _ => Err(self.missing()),
        }
    }

    /// The number here, if there is something.
    ///
    /// # Errors
    /// When it is something else, or not finite.
    pub fn number(&self) -> Result<Option<f64>, Fault> {
        let number = match self.value {
            None => return Ok(None),
            Some(Tree::Number(number)) => *number,
            Some(Tree::Text(text)) => {
                text.parse().map_err(|_| self.invalid_value(&format!("{text:?}")))?
            }
            Some(_) => return Err(self.malformed("a number")),
        };
        if number.is_finite() { Ok(Some(number)) } else { Err(self.invalid_value(&number)) }
    }

    /// The number here.
    ///
    /// # Errors
    /// When there is none.
    pub fn required_number(&self) -> Result<f64, Fault> {
        self.number()?.ok_or_else(|| self.missing())
    }

    /// The moment here, if there is something.
    ///
    /// # Errors
    /// When it is something else, or no time of this age of the world.
    pub fn moment(&self) -> Result<Option<Timestamp>, Fault> {
        let millis = match self.value {
            None => return Ok(None),
            Some(Tree::Number(seconds)) if seconds.is_finite() => Some((seconds * 1000.0) as i64),
            Some(Tree::Text(text)) => {
                let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
                moment.map(|moment| moment.unix_timestamp() * 1000)
            }
            Some(_) => None,
        };
        let millis = millis.filter(|millis| MOMENTS_MILLIS.contains(millis));
        let millis = millis.ok_or_else(|| self.malformed("a timestamp"))?;
        Ok(Some(Timestamp::from_millis(millis)))
    }

    /// The whole number from 0 on here, if there is something.
    ///
    /// # Errors
    /// When it is something else.
    #[expect(clippy::cast_sign_loss, reason = "the number is not below 0")]
    pub fn integer(&self) -> Result<Option<u64>, Fault> {
        let Some(number) = self.number()? else { return Ok(None) };
        let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
        if is_whole { Ok(Some(number as u64)) } else { Err(self.invalid_value(&number)) }
    }

    /// The truth here, if there is something.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self) -> Result<Option<bool>, Fault> {
        match self.value {
            None => Ok(None),
            Some(Tree::Flag(flag)) => Ok(Some(*flag)),
            Some(Tree::Text(text)) if text == "true" => Ok(Some(true)),
            Some(Tree::Text(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(self.malformed("true or false")),
        }
    }

    /// There is nothing here.
    #[must_use]
    pub fn missing(&self) -> Fault {
        Fault::missing(format!("The parameter {} is required.", self.path))
    }

    /// The value here can't be.
    #[must_use]
    pub fn invalid_value(&self, value: &dyn std::fmt::Display) -> Fault {
        Fault::invalid(format!("The value {value} for parameter {} is invalid.", self.path))
    }

    fn malformed(&self, expected: &str) -> Fault {
        Fault::malformed(format!("The parameter {} must be {expected}.", self.path))
    }
}

/// The values under `member.1`, `member.2` and so on, in order.
fn numbered(members: &BTreeMap<String, Tree>) -> Option<Vec<&Tree>> {
    let Some(Tree::Map(members)) = members.get("member") else { return None };
    let numbered = members.iter().map(|(number, value)| Some((number.parse::<u32>().ok()?, value)));
    let mut numbered = numbered.collect::<Option<Vec<_>>>()?;
    numbered.sort_by_key(|(number, _)| *number);
    Some(numbered.into_iter().map(|(_, value)| value).collect())
}
