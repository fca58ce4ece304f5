//! One serde visitor for everything that is read: the formats describe themselves, so a reader only
//! says what it does with a scalar, a list and a map.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::scalar::Scalar;

/// What becomes of the next value.
pub(crate) trait Receive<'a>: Sized {
    type Value;

    /// It is a single value. `human` tells JSON from CBOR.
    fn scalar<E: Error>(self, scalar: Scalar<'a>, human: bool) -> Result<Self::Value, E>;

    /// It is a list.
    fn list<A: SeqAccess<'a>>(self, _items: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("a list where none is expected"))
    }

    /// It is a structure or a map.
    fn map<A: MapAccess<'a>>(self, _entries: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("a structure or map where none is expected"))
    }
}

/// Reads a value by handing it to `receive`.
pub(crate) struct Receiver<R>(pub(crate) R);

impl<'a, R: Receive<'a>> DeserializeSeed<'a> for Receiver<R> {
    type Value = R::Value;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<R::Value, D::Error> {
        let human = deserializer.is_human_readable();
        deserializer.deserialize_any(Hand { receive: self.0, human, lifetime: PhantomData })
    }
}

struct Hand<'a, R> {
    receive: R,
    human: bool,
    lifetime: PhantomData<&'a ()>,
}

impl<'a, R: Receive<'a>> Visitor<'a> for Hand<'a, R> {
    type Value = R::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the model")
    }

    fn visit_unit<E: Error>(self) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Null, self.human)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Boolean(value), self.human)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Integer(value), self.human)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<R::Value, E> {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.receive.scalar(Scalar::Integer(value), self.human)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Float(value), self.human)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Text(Cow::Borrowed(text)), self.human)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Text(Cow::Owned(text.to_owned())), self.human)
    }

    fn visit_string<E: Error>(self, text: String) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Text(Cow::Owned(text)), self.human)
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'a [u8]) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Bytes(Cow::Borrowed(bytes)), self.human)
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<R::Value, E> {
        self.receive.scalar(Scalar::Bytes(Cow::Owned(bytes)), self.human)
    }

    fn visit_seq<A: SeqAccess<'a>>(self, items: A) -> Result<R::Value, A::Error> {
        self.receive.list(items)
    }

    fn visit_map<A: MapAccess<'a>>(self, entries: A) -> Result<R::Value, A::Error> {
        self.receive.map(entries)
    }
}

/// Receives the name of a member or of a map's entry.
pub(crate) struct Name;

impl<'a> Receive<'a> for Name {
    type Value = Cow<'a, str>;

    fn scalar<E: Error>(self, scalar: Scalar<'a>, _human: bool) -> Result<Cow<'a, str>, E> {
        match scalar {
            Scalar::Text(name) => Ok(name),
            _ => Err(E::custom("the name of a member is text")),
        }
    }
}
