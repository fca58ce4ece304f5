//! Writing what the types of the model need, straight into the memory of an answer.
//!
//! One serializer for both formats; a [`Form`] says how each writes a single value and what stands
//! between values. What no type of the model needs is [`Unwritable`].

mod cbor;
mod json;
mod output;

use std::{fmt, marker::PhantomData};

use serde::{
    Serialize, Serializer,
    ser::{Impossible, SerializeMap, SerializeSeq, SerializeStruct},
};

pub(super) use self::{cbor::Cbor, json::Json};
pub use output::Output;

/// The name of a newtype around milliseconds since the epoch, which each format writes as a time.
pub(crate) const TIME: &str = "Time";

/// The name of a newtype around bytes that are text of which no format has anything to escape.
pub(crate) const PLAIN: &str = "Plain";

/// Bytes that are written at a time at most, so that an output in blocks loses little at the end of
/// each. A multiple of three, so that only the last piece of base64 is padded.
const PIECE_BYTES: usize = 3 * 1024;

/// How one format writes values.
pub(super) trait Form {
    /// Whether people read it: then blobs may stay base64 text.
    const IS_HUMAN_READABLE: bool;

    fn null(out: &mut impl Output);
    fn boolean(out: &mut impl Output, value: bool);
    fn signed(out: &mut impl Output, value: i64);
    fn unsigned(out: &mut impl Output, value: u64);
    fn float(out: &mut impl Output, value: f64);
    fn text(out: &mut impl Output, value: &str);
    fn bytes(out: &mut impl Output, value: &[u8]);
    fn time(out: &mut impl Output, epoch_millis: i64);
    /// A few bytes of text that has nothing to escape.
    fn plain(out: &mut impl Output, text: &[u8]);
    /// What stands before the values of a list or map of this length, if it is known.
    fn begin(out: &mut impl Output, of: Group, length: Option<usize>);
    /// What stands before each value of a list and each name of a map.
    fn next(out: &mut impl Output, of: Group, is_first: bool);
    /// The name of a structure's member, which no format escapes, and what stands around it.
    fn member(out: &mut impl Output, name: &'static str, is_first: bool);
    /// What stands between the name and the value of a map's entry.
    fn between(out: &mut impl Output);
    /// What stands after the values.
    fn end(out: &mut impl Output, of: Group, is_empty: bool, is_length_known: bool);
}

/// What holds values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    List,
    Map,
}

/// What was written: only text can be the name of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Text,
    Other,
}

/// No type of the model is of this kind.
#[derive(Debug)]
pub(super) struct Unwritable;

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no type of the model is written like this")
    }
}

impl std::error::Error for Unwritable {}

impl serde::ser::Error for Unwritable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// What the value stands in that is written next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Newtype {
    Time,
    Plain,
    Other,
}

type Result<T = Written, E = Unwritable> = std::result::Result<T, E>;

/// Writes one value to `O`.
pub(super) struct Writer<'o, O, F> {
    out: &'o mut O,
    newtype: Newtype,
    form: PhantomData<F>,
}

impl<'o, O: Output, F: Form> Writer<'o, O, F> {
    pub(super) fn new(out: &'o mut O) -> Self {
        Self { out, newtype: Newtype::Other, form: PhantomData }
    }

    #[inline]
    fn group(self, of: Group, length: Option<usize>) -> Values<'o, O, F> {
        F::begin(self.out, of, length);
        let (is_empty, is_length_known) = (true, length.is_some());
        Values { out: self.out, of, is_empty, is_length_known, form: PhantomData }
    }
}

/// Writes the values of a list, map or structure.
pub(super) struct Values<'o, O, F> {
    out: &'o mut O,
    of: Group,
    is_empty: bool,
    is_length_known: bool,
    form: PhantomData<F>,
}

impl<O: Output, F: Form> Values<'_, O, F> {
    #[inline]
    fn next(&mut self) {
        F::next(self.out, self.of, self.is_empty);
        self.is_empty = false;
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(Writer::<O, F>::new(self.out))
    }

    #[inline]
    fn finish(self) -> Written {
        F::end(self.out, self.of, self.is_empty, self.is_length_known);
        Written::Other
    }
}

/// The methods for values that are written by one call of the form.
macro_rules! scalars {
    ($($method:ident($value:ident: $type:ty) => $write:ident($written:expr);)*) => {$(
        #[inline]
        fn $method(self, $value: $type) -> Result {
            F::$write(self.out, $written);
            Ok(Written::Other)
        }
    )*};
}

impl<'o, O: Output, F: Form> Serializer for Writer<'o, O, F> {
    type Ok = Written;
    type Error = Unwritable;
    type SerializeSeq = Values<'o, O, F>;
    type SerializeMap = Values<'o, O, F>;
    type SerializeStruct = Values<'o, O, F>;
    type SerializeTuple = Impossible<Written, Unwritable>;
    type SerializeTupleStruct = Impossible<Written, Unwritable>;
    type SerializeTupleVariant = Impossible<Written, Unwritable>;
    type SerializeStructVariant = Impossible<Written, Unwritable>;

    scalars! {
        serialize_bool(value: bool) => boolean(value);
        serialize_i8(value: i8) => signed(value.into());
        serialize_i16(value: i16) => signed(value.into());
        serialize_i32(value: i32) => signed(value.into());
        serialize_u8(value: u8) => unsigned(value.into());
        serialize_u16(value: u16) => unsigned(value.into());
        serialize_u32(value: u32) => unsigned(value.into());
        serialize_u64(value: u64) => unsigned(value);
        serialize_f64(value: f64) => float(value);
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result {
        match self.newtype {
            Newtype::Time => F::time(self.out, value),
            _ => F::signed(self.out, value),
        }
        Ok(Written::Other)
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result {
        if self.newtype == Newtype::Plain {
            F::plain(self.out, value);
            return Ok(Written::Text);
        }
        F::bytes(self.out, value);
        Ok(Written::Other)
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result {
        F::text(self.out, value);
        Ok(Written::Text)
    }

    fn serialize_none(self) -> Result {
        F::null(self.out);
        Ok(Written::Other)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result {
        self.serialize_str(name)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result {
        let newtype = match name {
            TIME => Newtype::Time,
            PLAIN => Newtype::Plain,
            _ => Newtype::Other,
        };
        value.serialize(Self { newtype, ..self })
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Values<'o, O, F>> {
        Ok(self.group(Group::List, length))
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Values<'o, O, F>> {
        Ok(self.group(Group::Map, length))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Values<'o, O, F>> {
        Ok(self.group(Group::Map, Some(length)))
    }

    /// Within the newtypes that are known here, values come as each form makes its own of them.
    #[inline]
    fn is_human_readable(&self) -> bool {
        F::IS_HUMAN_READABLE && self.newtype == Newtype::Other
    }

    fn serialize_f32(self, _: f32) -> Result {
        Err(Unwritable)
    }

    fn serialize_char(self, _: char) -> Result {
        Err(Unwritable)
    }

    fn serialize_unit(self) -> Result {
        Err(Unwritable)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        Err(Unwritable)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result {
        Err(Unwritable)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple> {
        Err(Unwritable)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct> {
        Err(Unwritable)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant> {
        Err(Unwritable)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant> {
        Err(Unwritable)
    }
}

impl<O: Output, F: Form> SerializeSeq for Values<'_, O, F> {
    type Ok = Written;
    type Error = Unwritable;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.next();
        self.value(value).map(drop)
    }

    #[inline]
    fn end(self) -> Result {
        Ok(self.finish())
    }
}

impl<O: Output, F: Form> SerializeMap for Values<'_, O, F> {
    type Ok = Written;
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.next();
        match self.value(key)? {
            Written::Text => Ok(()),
            Written::Other => Err(Unwritable),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        F::between(self.out);
        self.value(value).map(drop)
    }

    fn end(self) -> Result {
        Ok(self.finish())
    }
}

impl<O: Output, F: Form> SerializeStruct for Values<'_, O, F> {
    type Ok = Written;
    type Error = Unwritable;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        F::member(self.out, name, self.is_empty);
        self.is_empty = false;
        self.value(value).map(drop)
    }

    #[inline]
    fn end(self) -> Result {
        Ok(self.finish())
    }
}

#[cfg(test)]
mod tests;
