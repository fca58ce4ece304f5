//! How structures of the model are read: in one pass, borrowing from the body, refusing the first
//! value that breaks a constraint. Which words a refusal deserves is found later, by a second and
//! slower reading.

use std::{borrow::Cow, collections::BTreeMap, marker::PhantomData, str::FromStr};

use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess};

use crate::{
    codec::{
        receive::{Name, Receive, Receiver},
        scalar::{Mismatch, Scalar},
    },
    schema::{Length, List, Map, Range, Structure, Text},
    types::{Blob, Timestamp},
};

/// Texts by name.
type TextMap<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// A structure that requests are made of.
pub trait Decode<'a>: Sized {
    /// What the model says about it.
    const SHAPE: &'static Structure;

    /// Reads the structure from its members. Of a member that comes twice, the last one counts.
    ///
    /// # Errors
    /// When a member is mistyped, breaks a constraint, or is required and missing.
    fn read<M: MapAccess<'a>>(members: &mut Members<M>) -> Result<Self, M::Error>;
}

/// The members of a structure that is being read. Each method but `name` reads the value of the
/// member that `name` told last; null is `None`.
#[derive(Debug)]
pub struct Members<M>(M);

#[expect(missing_docs, clippy::missing_errors_doc, reason = "each method reads what it is called")]
impl<'a, M: MapAccess<'a>> Members<M> {
    pub fn name(&mut self) -> Result<Option<Cow<'a, str>>, M::Error> {
        self.0.next_key_seed(Receiver(Name))
    }

    pub fn boolean(&mut self) -> Result<Option<bool>, M::Error> {
        self.value(Of(|scalar: Scalar<'a>, _| scalar.boolean()))
    }

    pub fn timestamp(&mut self) -> Result<Option<Timestamp>, M::Error> {
        self.value(Of(Scalar::timestamp))
    }

    pub fn integer(&mut self, range: &'static Range) -> Result<Option<i32>, M::Error> {
        let value = self.value(Of(|scalar: Scalar<'a>, _| scalar.integer()))?;
        checked(value, |value| range.contains(*value))
    }

    pub fn text(&mut self, constraints: &'static Text) -> Result<Option<Cow<'a, str>>, M::Error> {
        self.value(AsText(constraints))
    }

    pub fn choice<E: FromStr>(&mut self) -> Result<Option<E>, M::Error> {
        self.value(AsChoice(PhantomData))
    }

    pub fn blob(&mut self, length: &'static Length) -> Result<Option<Blob<'a>>, M::Error> {
        let value = self.value(Of(|scalar: Scalar<'a>, _| scalar.blob()))?;
        checked(value, |blob| length.contains(blob.len()))
    }

    pub fn structure<S: Decode<'a>>(&mut self) -> Result<Option<S>, M::Error> {
        self.value(AsStructure(PhantomData))
    }

    pub fn structures<S: Decode<'a>>(
        &mut self,
        list: &'static List,
    ) -> Result<Option<Vec<S>>, M::Error> {
        self.value(AsList(&list.length, || AsStructure(PhantomData)))
    }

    pub fn choices<E: FromStr>(&mut self, list: &'static List) -> Result<Option<Vec<E>>, M::Error> {
        self.value(AsList(&list.length, || AsChoice(PhantomData)))
    }

    pub fn texts(
        &mut self,
        list: &'static List,
        item: &'static Text,
    ) -> Result<Option<Vec<Cow<'a, str>>>, M::Error> {
        self.value(AsList(&list.length, || AsText(item)))
    }

    pub fn map(&mut self, map: &'static Map) -> Result<Option<TextMap<'a>>, M::Error> {
        self.value(AsMap(map))
    }

    pub fn skip(&mut self) -> Result<(), M::Error> {
        self.0.next_value::<IgnoredAny>().map(|_| ())
    }

    fn value<R: Receive<'a>>(&mut self, receive: R) -> Result<R::Value, M::Error> {
        self.0.next_value_seed(Receiver(receive))
    }
}

/// The value of a member that has to be there.
pub(crate) fn required<T, E: Error>(value: Option<T>) -> Result<T, E> {
    value.ok_or_else(|| E::custom("a required member is missing"))
}

fn checked<T, E: Error>(
    value: Option<T>,
    accepts: impl FnOnce(&T) -> bool,
) -> Result<Option<T>, E> {
    if value.as_ref().is_none_or(accepts) { Ok(value) } else { Err(broken()) }
}

#[cold]
fn broken<E: Error>() -> E {
    E::custom("a value breaks a constraint of the model")
}

/// A scalar, converted by a function.
struct Of<F>(F);

impl<'a, T, F: FnOnce(Scalar<'a>, bool) -> Result<Option<T>, Mismatch<'a>>> Receive<'a> for Of<F> {
    type Value = Option<T>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, human: bool) -> Result<Option<T>, E> {
        (self.0)(scalar, human).map_err(E::custom)
    }
}

struct AsText(&'static Text);

impl<'a> Receive<'a> for AsText {
    type Value = Option<Cow<'a, str>>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, _human: bool) -> Result<Self::Value, E> {
        checked(scalar.text().map_err(E::custom)?, |text| self.0.accepts(text))
    }
}

struct AsChoice<E>(PhantomData<E>);

impl<'a, C: FromStr> Receive<'a> for AsChoice<C> {
    type Value = Option<C>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, _human: bool) -> Result<Option<C>, E> {
        let name = scalar.text().map_err(E::custom)?;
        name.map(|name| name.parse()).transpose().map_err(|_| broken())
    }
}

pub(crate) struct AsStructure<S>(pub(crate) PhantomData<S>);

impl<'a, S: Decode<'a>> Receive<'a> for AsStructure<S> {
    type Value = Option<S>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, _human: bool) -> Result<Option<S>, E> {
        if scalar == Scalar::Null { Ok(None) } else { Err(E::custom("a scalar for a structure")) }
    }

    fn map<A: MapAccess<'a>>(self, entries: A) -> Result<Option<S>, A::Error> {
        S::read(&mut Members(entries)).map(Some)
    }
}

/// A list of items, each of which `1` receives. It grows as items arrive and stops at the model's
/// maximum.
struct AsList<F>(&'static Length, F);

impl<'a, T, R: Receive<'a, Value = Option<T>>, F: Fn() -> R> Receive<'a> for AsList<F> {
    type Value = Option<Vec<T>>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, _human: bool) -> Result<Self::Value, E> {
        if scalar == Scalar::Null { Ok(None) } else { Err(E::custom("a scalar for a list")) }
    }

    fn list<A: SeqAccess<'a>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Self(length, receive) = self;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Receiver(receive()))? {
            if list.len() == length.max {
                return Err(broken());
            }
            list.push(item.ok_or_else(broken)?);
        }
        checked(Some(list), |list| length.contains(list.len()))
    }
}

struct AsMap(&'static Map);

impl<'a> Receive<'a> for AsMap {
    type Value = Option<TextMap<'a>>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, _human: bool) -> Result<Self::Value, E> {
        if scalar == Scalar::Null { Ok(None) } else { Err(E::custom("a scalar for a map")) }
    }

    fn map<A: MapAccess<'a>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let Self(constraints) = self;
        let mut map = BTreeMap::new();
        while let Some(name) = entries.next_key_seed(Receiver(Name))? {
            let value = entries.next_value_seed(Receiver(AsText(constraints.value)))?;
            if !constraints.key.accepts(name.as_ref()) || map.len() > constraints.length.max {
                return Err(broken());
            }
            map.insert(name, value.ok_or_else(broken)?);
        }
        checked(Some(map), |map| constraints.length.contains(map.len()))
    }
}
