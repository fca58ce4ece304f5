//! The cold path: after a body was refused, reads it again by its schema to find AWS' words for
//! why.

use std::{collections::BTreeSet, fmt};

use serde::de::{IgnoredAny, MapAccess, SeqAccess};

use super::{
    receive::{Name, Receive, Receiver},
    scalar::{Mismatch, PRINTED_BYTES_MAX, Scalar, Wanted},
};
use crate::{
    Error, ErrorKind,
    schema::{List, Map, Shape, Structure, Text},
    validate::{Checker, Members, Value},
};

/// Accepts any map and nothing else.
pub(super) struct IsMap;

impl<'a> Receive<'a> for IsMap {
    type Value = bool;

    fn scalar<E: serde::de::Error>(self, _: Scalar<'a>, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn map<A: MapAccess<'a>>(self, mut entries: A) -> Result<bool, A::Error> {
        while entries.next_key_seed(Receiver(Name))?.is_some() {
            entries.next_value::<IgnoredAny>()?;
        }
        Ok(true)
    }
}

/// What is wrong with a body: the first value of a wrong type, which goes first, or else the
/// violated constraints.
#[derive(Default)]
pub(super) struct Findings {
    mistyped: Option<String>,
    checker: Checker,
}

impl Findings {
    /// Something that reads a body's structure and notes what it finds.
    pub(super) fn walk(&mut self, shape: &'static Structure) -> Walk<'_> {
        Walk { findings: self, shape: Shape::Structure(shape), path: &Path::Body }
    }

    pub(super) fn into_error(self) -> Option<Error> {
        match self.mistyped {
            Some(message) => Some(ErrorKind::Serialization.with(message)),
            None => self.checker.into_error(),
        }
    }

    fn mistyped(&mut self, message: impl fmt::Display) {
        self.mistyped.get_or_insert_with(|| message.to_string());
    }
}

/// Where a value stands in a body, written as AWS does: `records.1.member.partitionKey`.
enum Path<'p> {
    Body,
    Member(&'p Path<'p>, &'static str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Body => Ok(()),
            Path::Item(list, index) => write!(f, "{list}.{}.member", index + 1),
            Path::Member(parent, name) => {
                if !matches!(parent, Path::Body) {
                    write!(f, "{parent}.")?;
                }
                let mut rest = name.chars();
                let first = rest.next().map(|c| c.to_ascii_lowercase());
                first.map_or(Ok(()), |first| write!(f, "{first}{}", rest.as_str()))
            }
        }
    }
}

/// Reads the value at `path`, which should be of `shape`; gives it as it is printed within a list,
/// `None` for null.
pub(super) struct Walk<'w> {
    findings: &'w mut Findings,
    shape: Shape,
    path: &'w Path<'w>,
}

impl<'a> Receive<'a> for Walk<'_> {
    type Value = Option<String>;

    fn scalar<E: serde::de::Error>(
        mut self,
        scalar: Scalar<'a>,
        human: bool,
    ) -> Result<Self::Value, E> {
        if scalar == Scalar::Null {
            return Ok(None);
        }
        let printed = match self.check_scalar(scalar, human) {
            Ok(printed) => printed,
            Err(mismatch) => {
                self.findings.mistyped(mismatch);
                String::new()
            }
        };
        Ok(Some(printed))
    }

    fn list<A: SeqAccess<'a>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        if let Shape::List(list) = self.shape {
            return self.walk_list(list, items).map(Some);
        }
        self.findings.mistyped("Start of list found where not expected");
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(String::new()))
    }

    fn map<A: MapAccess<'a>>(self, entries: A) -> Result<Self::Value, A::Error> {
        match self.shape {
            Shape::Structure(structure) => self.walk_structure(structure, entries).map(Some),
            Shape::Map(map) => self.walk_map(map, entries).map(Some),
            _ => {
                self.findings.mistyped("Start of structure or map found where not expected.");
                IsMap.map(entries).map(|_| Some(String::new()))
            }
        }
    }
}

impl Walk<'_> {
    fn check_scalar<'a>(
        &mut self,
        scalar: Scalar<'a>,
        human: bool,
    ) -> Result<String, Mismatch<'a>> {
        let Self { findings, shape, path } = self;
        match shape {
            Shape::Boolean => scalar.boolean().map(|_| String::new()),
            Shape::Timestamp => scalar.timestamp(human).map(|_| String::new()),
            Shape::Integer(range) => {
                let value = scalar.integer()?.unwrap_or_default();
                findings.checker.range(*path, value, **range);
                Ok(value.to_string())
            }
            Shape::Blob(length) => {
                let bytes = scalar.blob()?.map_or(0, |blob| blob.len());
                findings.checker.length(Value::Omitted, *path, bytes, **length);
                Ok(String::new())
            }
            Shape::Text(constraints) => {
                let text = scalar.text()?.unwrap_or_default();
                findings.checker.text(*path, &text, constraints);
                Ok(text.into_owned())
            }
            Shape::List(_) => Err(Mismatch(scalar, Wanted::List)),
            Shape::Map(_) => Err(Mismatch(scalar, Wanted::Map)),
            Shape::Structure(_) => Err(Mismatch(scalar, Wanted::Structure)),
        }
    }

    fn walk_structure<'a, A: MapAccess<'a>>(
        self,
        structure: &'static Structure,
        mut entries: A,
    ) -> Result<String, A::Error> {
        let mut present = BTreeSet::new();
        while let Some(name) = entries.next_key_seed(Receiver(Name))? {
            let Some(member) = structure.members.iter().find(|member| member.name == name) else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            let path = Path::Member(self.path, member.name);
            let walk = Walk { findings: self.findings, shape: member.shape, path: &path };
            match entries.next_value_seed(Receiver(walk))? {
                Some(_) => present.insert(member.name),
                None => present.remove(member.name),
            };
        }
        let missing = |name: &'static str| !present.contains(name);
        for member in structure.members.iter().filter(|m| m.required && missing(m.name)) {
            self.findings.checker.missing(Path::Member(self.path, member.name));
        }
        let index = if let Path::Item(_, index) = self.path { *index } else { 0 };
        Ok(format!("com.amazonaws.kinesis.v20131202.{}@{index:x}", structure.name))
    }

    fn walk_list<'a, A: SeqAccess<'a>>(
        self,
        list: &'static List,
        mut items: A,
    ) -> Result<String, A::Error> {
        let mut printed = Printed::default();
        let mut items_ok = true;
        // The items of a list of texts are judged together, by one sentence about the list.
        let simple = if let Shape::Text(text) = list.item { Some(text) } else { None };
        loop {
            let path = Path::Item(self.path, printed.count);
            let shape = if simple.is_some() { Shape::Text(&Text::ANY) } else { list.item };
            let walk = Walk { findings: self.findings, shape, path: &path };
            match items.next_element_seed(Receiver(walk))? {
                None => break,
                Some(None) => {
                    self.findings.checker.missing(&path);
                    printed.push("null");
                }
                Some(Some(item)) => {
                    items_ok &= simple.is_none_or(|text| text.accepts(&item));
                    printed.push(&item);
                }
            }
        }
        let (count, value) = (printed.count, printed.close('[', ']'));
        self.findings.checker.length(Value::Text(&value), self.path, count, list.length);
        if let Some(text) = simple.filter(|_| !items_ok) {
            self.findings.checker.members(Value::Text(&value), self.path, Members::Items, text);
        }
        Ok(value)
    }

    fn walk_map<'a, A: MapAccess<'a>>(
        self,
        map: &'static Map,
        mut entries: A,
    ) -> Result<String, A::Error> {
        let mut printed = Printed::default();
        let mut names = BTreeSet::new();
        let (mut keys_ok, mut values_ok) = (true, true);
        while let Some(name) = entries.next_key_seed(Receiver(Name))? {
            let shape = Shape::Text(&Text::ANY);
            let walk = Walk { findings: self.findings, shape, path: self.path };
            let value = entries.next_value_seed(Receiver(walk))?;
            keys_ok &= map.key.accepts(&name);
            values_ok &= value.as_deref().is_some_and(|value| map.value.accepts(value));
            printed.push(&format!("{name}={}", value.as_deref().unwrap_or("null")));
            // One name above the maximum is enough to know that there are too many.
            if names.len() <= map.length.max {
                names.insert(name);
            }
        }
        let value = printed.close('{', '}');
        let value = Value::Text(&value);
        self.findings.checker.length(value, self.path, names.len(), map.length);
        if !keys_ok {
            self.findings.checker.members(value, self.path, Members::Keys, map.key);
        }
        if !values_ok {
            self.findings.checker.members(value, self.path, Members::Values, map.value);
        }
        Ok(String::new())
    }
}

/// The printed form of a list or map, of which no more is kept than a message repeats.
#[derive(Default)]
struct Printed {
    text: String,
    count: usize,
}

impl Printed {
    fn push(&mut self, item: &str) {
        if self.text.len() < PRINTED_BYTES_MAX {
            let separator = if self.count == 0 { "" } else { ", " };
            self.text.push_str(separator);
            self.text.push_str(item);
        }
        self.count += 1;
    }

    fn close(self, open: char, close: char) -> String {
        format!("{open}{}{close}", self.text)
    }
}
