//! A reader of CBOR as AWS' SDKs write it: definite and indefinite lengths, any width of number,
//! tags skipped.

use minicbor::{Decoder, data::Type};
use minicbor_serde::error::DecodeError;
use serde::{
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

/// Containers within containers that are followed; JSON's reader has the same bound.
const DEPTH_MAX: u8 = 128;

/// Reads one value after another from a body.
pub(super) struct Reader<'a> {
    input: Decoder<'a>,
    depth: u8,
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { input: Decoder::new(body), depth: 0 }
    }

    /// Checks that nothing follows what was read.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        if self.input.position() == self.input.input().len() {
            Ok(())
        } else {
            Err(Error::custom("trailing bytes"))
        }
    }

    /// The type of the next value, past any tags.
    fn datatype(&mut self) -> Result<Type, DecodeError> {
        loop {
            match self.input.datatype()? {
                Type::Tag => self.input.tag()?,
                other => return Ok(other),
            };
        }
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == DEPTH_MAX {
            return Err(Error::custom("nested too deeply"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn integer<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let value = i128::from(self.input.int()?);
        let bound = if value < 0 { i64::MIN } else { i64::MAX };
        visitor.visit_i64(i64::try_from(value).unwrap_or(bound))
    }

    fn chunked_text<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let mut text = String::new();
        for chunk in self.input.str_iter()? {
            text.push_str(chunk?);
        }
        visitor.visit_string(text)
    }

    fn chunked_bytes<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let mut bytes = Vec::new();
        for chunk in self.input.bytes_iter()? {
            bytes.extend_from_slice(chunk?);
        }
        visitor.visit_byte_buf(bytes)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.datatype()? {
            Type::Bool => visitor.visit_bool(self.input.bool()?),
            Type::Null => {
                self.input.null()?;
                visitor.visit_unit()
            }
            Type::Undefined => {
                self.input.undefined()?;
                visitor.visit_unit()
            }
            Type::F16 => visitor.visit_f64(self.input.f16()?.into()),
            Type::F32 => visitor.visit_f64(self.input.f32()?.into()),
            Type::F64 => visitor.visit_f64(self.input.f64()?),
            Type::String => visitor.visit_borrowed_str(self.input.str()?),
            Type::StringIndef => self.chunked_text(visitor),
            Type::Bytes => visitor.visit_borrowed_bytes(self.input.bytes()?),
            Type::BytesIndef => self.chunked_bytes(visitor),
            Type::Array | Type::ArrayIndef => {
                let left = self.input.array()?;
                self.nested(|reader| visitor.visit_seq(Items { reader, left }))
            }
            Type::Map | Type::MapIndef => {
                let left = self.input.map()?;
                self.nested(|reader| visitor.visit_map(Items { reader, left }))
            }
            Type::Simple | Type::Break | Type::Tag | Type::Unknown(_) => {
                Err(Error::custom("not a value of the model"))
            }
            _ => self.integer(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// The items of an array or the entries of a map: as many as declared, or up to a break.
struct Items<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: Option<u64>,
}

impl Items<'_, '_> {
    /// Whether another item follows; a break is consumed.
    fn more(&mut self) -> Result<bool, DecodeError> {
        if let Some(left) = &mut self.left {
            let more = *left > 0;
            *left = left.saturating_sub(1);
            return Ok(more);
        }
        let more = self.reader.input.datatype()? != Type::Break;
        if !more {
            self.reader.input.skip()?;
        }
        Ok(more)
    }
}

impl<'a> SeqAccess<'a> for Items<'_, 'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'a> MapAccess<'a> for Items<'_, 'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        if !self.more()? {
            return Ok(None);
        }
        match self.reader.datatype()? {
            Type::String | Type::StringIndef => seed.deserialize(&mut *self.reader).map(Some),
            _ => Err(Error::custom("the name of a member is text")),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        seed.deserialize(&mut *self.reader)
    }
}
