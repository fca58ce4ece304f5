//! Constraint violations in AWS' words, up to ten in one sentence.

pub(crate) mod patterns;

use std::fmt;

use crate::{
    Error, ErrorKind,
    schema::{Length, Range, Text},
};

/// Violations that one message lists; the rest are left out.
pub const VIOLATIONS_MAX: usize = 10;

/// A value as a violation tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// It isn't there.
    Null,
    /// It is there but isn't repeated, as for blobs.
    Omitted,
    /// Its text.
    Text(&'a str),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Value null"),
            Self::Omitted => f.write_str("Value"),
            Self::Text(text) => write!(f, "Value '{}'", crate::codec::scalar::excerpt(text)),
        }
    }
}

/// Collects violations. Paths are AWS' own, such as `records.1.member.data`.
#[derive(Debug, Default)]
pub struct Checker {
    violations: Vec<String>,
}

impl Checker {
    /// Adds a violation of the rule, unless there are enough already.
    pub fn violation(
        &mut self,
        value: Value<'_>,
        path: impl fmt::Display,
        rule: fmt::Arguments<'_>,
    ) {
        if self.violations.len() < VIOLATIONS_MAX {
            let text = format!("{value} at '{path}' failed to satisfy constraint: {rule}");
            self.violations.push(text);
        }
    }

    /// Adds a violation when a required member isn't there.
    pub fn missing(&mut self, path: impl fmt::Display) {
        self.violation(Value::Null, path, format_args!("Member must not be null"));
    }

    /// Adds a violation when a text, a blob, a list or a map of this length is too short or too
    /// long.
    pub fn length(
        &mut self,
        value: Value<'_>,
        path: impl fmt::Display,
        length: usize,
        limits: Length,
    ) {
        let Length { min, max } = limits;
        if length < min {
            self.violation(value, path, format_args!("{}", LengthAtLeast(min)));
        } else if length > max {
            self.violation(value, path, format_args!("{}", LengthAtMost(max)));
        }
    }

    /// Adds a violation when an integer is out of range.
    pub fn range(&mut self, path: impl fmt::Display, value: i32, limits: Range) {
        let Range { min, max } = limits;
        let text = value.to_string();
        let rule = "Member must have value";
        if value < min {
            let rule = format_args!("{rule} greater than or equal to {min}");
            self.violation(Value::Text(&text), path, rule);
        } else if value > max {
            let rule = format_args!("{rule} less than or equal to {max}");
            self.violation(Value::Text(&text), path, rule);
        }
    }

    /// Adds a violation for each constraint that a text breaks, the pattern first.
    pub fn text(&mut self, path: impl fmt::Display, text: &str, constraints: &Text) {
        let (value, Text { length, pattern, values }) = (Value::Text(text), *constraints);
        if let Some(pattern) = pattern.filter(|pattern| !(pattern.matches)(text)) {
            self.violation(value, &path, format_args!("{}", Matches(pattern.text)));
        }
        self.length(value, &path, text.chars().count(), length);
        if !values.is_empty() && !values.contains(&text) {
            self.violation(value, &path, format_args!("{}", OneOf(values)));
        }
    }

    /// Adds a violation for items of a list of texts, or names or values of a map, that break the
    /// constraints.
    pub(crate) fn members(
        &mut self,
        value: Value<'_>,
        path: impl fmt::Display,
        which: Members,
        constraints: &Text,
    ) {
        let subject = match which {
            Members::Items => "Member",
            Members::Keys => "Map keys",
            Members::Values => "Map value",
        };
        let rules = Rules(constraints);
        self.violation(value, path, format_args!("{subject} must satisfy constraint: [{rules}]"));
    }

    /// The violations as one error, if there are any.
    #[must_use]
    pub fn into_error(self) -> Option<Error> {
        let count = self.violations.len();
        let plural = if count == 1 { "" } else { "s" };
        let list = self.violations.join("; ");
        let message = || format!("{count} validation error{plural} detected: {list}");
        (count > 0).then(|| ErrorKind::Validation.with(message()))
    }
}

/// Which parts of a list or map one violation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    Items,
    Keys,
    Values,
}

struct LengthAtLeast(usize);

impl fmt::Display for LengthAtLeast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member must have length greater than or equal to {}", self.0)
    }
}

struct LengthAtMost(usize);

impl fmt::Display for LengthAtMost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member must have length less than or equal to {}", self.0)
    }
}

struct Matches(&'static str);

impl fmt::Display for Matches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member must satisfy regular expression pattern: {}", self.0)
    }
}

struct OneOf(&'static [&'static str]);

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Member must satisfy enum value set: [{}]", self.0.join(", "))
    }
}

/// All constraints of a text, broken or not, as they stand in a violation about many texts.
struct Rules<'a>(&'a Text);

impl fmt::Display for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text { length, pattern, values } = *self.0;
        if !values.is_empty() {
            return OneOf(values).fmt(f);
        }
        write!(f, "{}, {}", LengthAtMost(length.max), LengthAtLeast(length.min))?;
        pattern.map_or(Ok(()), |pattern| write!(f, ", {}", Matches(pattern.text)))
    }
}
