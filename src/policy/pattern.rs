//! Texts with wildcards and policy variables, as policies have them for actions, resources and
//! values.
//!
//! `*` stands for any characters and `?` for one. `${aws:username}` stands for what the request has
//! under that key, in which a star is only a star; `${*}`, `${?}` and `${$}` are the characters.

use std::{borrow::Cow, convert::Infallible, str::FromStr};

use super::{context::Request, key::Key};

/// A text to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Unit>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Unit {
    Char(char),
    /// One character, whichever.
    One,
    /// Any characters, also none.
    Any,
    Variable(Box<Key>),
}

/// What a text may hold beside characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) wildcards: bool,
    pub(super) variables: bool,
}

/// How characters are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Exact,
    /// Letters of the English alphabet are the same in both cases.
    Ignored,
}

impl Pattern {
    /// Reads a text.
    ///
    /// # Errors
    /// A sentence, when a variable is none that requests have.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let mut units = Vec::new();
        let mut rest = text;
        while let Some(letter) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("${").filter(|_| syntax.variables) {
                let (name, after) =
                    after.split_once('}').ok_or("a variable that begins with ${ has no }")?;
                units.push(Unit::of_variable(name)?);
                rest = after;
                continue;
            }
            units.push(match letter {
                '*' if syntax.wildcards => Unit::Any,
                '?' if syntax.wildcards => Unit::One,
                letter => Unit::Char(letter),
            });
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
        Ok(Self(units))
    }

    /// Whether it stands for `text`. A variable that the request has no value for stands for no
    /// text.
    pub(super) fn matches(&self, text: &str, case: Case, request: &Request<'_>) -> bool {
        self.resolved(request, text.len()).is_some_and(|pattern| pattern.is_of(text, case))
    }

    /// Whether it stands for `text`, once its variables are resolved.
    pub(super) fn is_of(&self, text: &str, case: Case) -> bool {
        glob(&self.0, text, case)
    }

    /// Whether it stands for `text` in a request that has the right values.
    pub(super) fn can_match(&self, text: &str, case: Case) -> bool {
        let widest = |unit: &Unit| match unit {
            Unit::Variable(_) => Unit::Any,
            unit => unit.clone(),
        };
        glob(&self.0.iter().map(widest).collect::<Vec<_>>(), text, case)
    }

    /// The parts between the first `count - 1` colons; what follows is the last.
    pub(super) fn split(&self, count: usize) -> Vec<Self> {
        let parts = self.0.splitn(count, |unit| *unit == Unit::Char(':'));
        parts.map(|units| Self(units.to_vec())).collect()
    }

    /// What it is in this request, where it has variables: the same with their values, if it can
    /// then stand for a text of at most `longest` bytes. A request can have values that would make
    /// it a thousand times larger than that.
    pub(super) fn resolved(&self, request: &Request<'_>, longest: usize) -> Option<Cow<'_, Self>> {
        if !self.0.iter().any(|unit| matches!(unit, Unit::Variable(_))) {
            return Some(Cow::Borrowed(self));
        }
        let (mut units, mut room) = (Vec::new(), longest);
        for unit in &self.0 {
            match unit {
                Unit::Variable(key) => {
                    let value = request.value(key)?;
                    room = room.checked_sub(value.len())?;
                    units.extend(value.chars().map(Unit::Char));
                }
                Unit::Char(_) | Unit::One => {
                    room = room.checked_sub(1)?;
                    units.push(unit.clone());
                }
                Unit::Any => units.push(Unit::Any),
            }
        }
        Some(Cow::Owned(Self(units)))
    }
}

/// A text with `*` for any characters, `?` for one, and nothing else: for those who compare names
/// apart from policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wildcards(Pattern);

impl Wildcards {
    /// Reads a text: every one is good.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let unit = |letter| match letter {
            '*' => Unit::Any,
            '?' => Unit::One,
            letter => Unit::Char(letter),
        };
        Self(Pattern(text.chars().map(unit).collect()))
    }

    /// Whether it stands for `text`, letter by letter in its case. Takes no more than its length
    /// times that of the text.
    #[must_use]
    pub fn is_of(&self, text: &str) -> bool {
        self.0.is_of(text, Case::Exact)
    }
}

impl FromStr for Wildcards {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::of(text))
    }
}

impl Unit {
    fn of_variable(name: &str) -> Result<Self, String> {
        let mut letters = name.chars();
        if let (Some(letter @ ('*' | '?' | '$')), None) = (letters.next(), letters.next()) {
            return Ok(Self::Char(letter));
        }
        let key = Key::parse(name).filter(Key::is_variable);
        let key = key.ok_or_else(|| format!("${{{name}}} is no variable that millpond knows"))?;
        Ok(Self::Variable(Box::new(key)))
    }
}

/// Compares segment by segment between the stars: each is sought once, from where the one before
/// ended, so there is nothing to go back to.
fn glob(units: &[Unit], text: &str, case: Case) -> bool {
    let mut segments = units.split(|unit| *unit == Unit::Any);
    let first = segments.next().unwrap_or_default();
    let Some(mut rest) = strip(first, text, case) else { return false };
    let Some(last) = segments.next_back() else { return rest.is_empty() };
    for segment in segments {
        let mut starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        let found = starts.find_map(|at| strip(segment, rest.get(at..)?, case));
        let Some(after) = found else { return false };
        rest = after;
    }
    let end = match last.len().checked_sub(1) {
        None => return true,
        Some(back) => rest.char_indices().nth_back(back),
    };
    end.and_then(|(at, _)| strip(last, rest.get(at..)?, case)).is_some()
}

/// What of `text` follows after a segment that it begins with.
fn strip<'t>(segment: &[Unit], text: &'t str, case: Case) -> Option<&'t str> {
    let mut letters = text.chars();
    for unit in segment {
        let letter = letters.next()?;
        let same = match unit {
            Unit::Char(expected) if case == Case::Exact => *expected == letter,
            Unit::Char(expected) => expected.eq_ignore_ascii_case(&letter),
            Unit::One => true,
            Unit::Any | Unit::Variable(_) => false,
        };
        same.then_some(())?;
    }
    Some(letters.as_str())
}

/// An ARN whose parts between colons are compared one by one, so that no star reaches beyond its
/// part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArnPattern(Vec<Pattern>);

impl ArnPattern {
    const PARTS: usize = 6;

    /// Reads a text such as `arn:aws:kinesis:*:123456789012:stream/clicks-*`.
    ///
    /// # Errors
    /// A sentence, when it isn't one.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, String> {
        let parts = Pattern::parse(text, syntax)?.split(Self::PARTS);
        if parts.len() < Self::PARTS || !text.starts_with("arn:") {
            let example = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks";
            return Err(format!("{text} is not an ARN, which has six parts such as {example}"));
        }
        Ok(Self(parts))
    }

    pub(super) fn matches(&self, arn: &str, request: &Request<'_>) -> bool {
        self.all_parts(arn, |pattern, part| pattern.matches(part, Case::Exact, request))
    }

    /// Whether it stands for `arn` in a request that has the right values.
    pub(super) fn can_match(&self, arn: &str) -> bool {
        self.all_parts(arn, |pattern, part| pattern.can_match(part, Case::Exact))
    }

    fn all_parts(&self, arn: &str, agree: impl Fn(&Pattern, &str) -> bool) -> bool {
        let parts: Vec<_> = arn.splitn(Self::PARTS, ':').collect();
        let mut pairs = self.0.iter().zip(&parts);
        parts.len() == Self::PARTS && pairs.all(|(pattern, part)| agree(pattern, part))
    }
}
