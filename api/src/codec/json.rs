//! A reader of JSON for bodies that are mostly long strings without an escape: the end of one is
//! looked for many bytes at a time. The rest, escapes and numbers, is left to serde_json.

use serde::{
    de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use serde_json::Error;

use super::plain::plain_bytes;

/// Containers within containers that are followed, as in serde_json.
const DEPTH_MAX: u8 = 127;

/// Reads one value after another from a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u8,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Checks that nothing but blanks follows what was read.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.peek().is_none() { Ok(()) } else { Err(Error::custom("trailing characters")) }
    }

    /// The next byte that isn't blank, which is not taken.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                next => return next.copied(),
            }
        }
    }

    /// Takes this byte, after blanks.
    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(not_json());
        }
        self.at += 1;
        Ok(())
    }

    /// What follows the bytes that were taken, without the first `skip`.
    fn rest(&self, skip: usize) -> &'a str {
        self.text.get(self.at + skip..).unwrap_or_default()
    }

    /// A string, whose opening quote comes next.
    fn string<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let rest = self.rest(1);
        let length = plain_bytes(rest.as_bytes());
        let (plain, after) = rest.split_at_checked(length).ok_or_else(not_json)?;
        match after.as_bytes().first() {
            Some(b'"') => {
                self.at += length + 2;
                visitor.visit_borrowed_str(plain)
            }
            Some(b'\\') => self.escaped(visitor, length),
            _ => Err(not_json()),
        }
    }

    /// The same for one whose first escape is `length` bytes behind the quote.
    #[cold]
    fn escaped<V: Visitor<'a>>(
        &mut self,
        visitor: V,
        mut length: usize,
    ) -> Result<V::Value, Error> {
        loop {
            let rest = self.rest(1).as_bytes().get(length..).unwrap_or_default();
            let plain = plain_bytes(rest);
            length += plain;
            match rest.get(plain) {
                Some(b'"') => break,
                // What stands behind it may be a quote, or else is plain.
                Some(b'\\') => length += 2,
                _ => return Err(not_json()),
            }
        }
        let (token, _) = self.rest(0).split_at_checked(length + 2).ok_or_else(not_json)?;
        self.at += token.len();
        visitor.visit_string(serde_json::from_str(token)?)
    }

    fn number<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let rest = self.rest(0);
        let is_part = |byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let length = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let (token, _) = rest.split_at_checked(length).ok_or_else(not_json)?;
        self.at += length;
        let mut number = serde_json::Deserializer::from_str(token);
        let value = number.deserialize_any(visitor)?;
        number.end().map(|()| value)
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        if !self.rest(0).starts_with(word) {
            return Err(not_json());
        }
        self.at += word.len();
        Ok(())
    }

    /// What `read` makes of the items between this bracket and that.
    fn nested<T>(
        &mut self,
        close: u8,
        read: impl FnOnce(Items<'_, 'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.depth == DEPTH_MAX {
            return Err(Error::custom("nested too deeply"));
        }
        (self.at, self.depth) = (self.at + 1, self.depth + 1);
        let value = read(Items { reader: self, close, is_first: true })?;
        self.depth -= 1;
        self.expect(close).map(|()| value)
    }
}

#[cold]
fn not_json() -> Error {
    Error::custom("not JSON")
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'"') => self.string(visitor),
            Some(b'{') => self.nested(b'}', |entries| visitor.visit_map(entries)),
            Some(b'[') => self.nested(b']', |items| visitor.visit_seq(items)),
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_unit()),
            Some(b't') => self.word("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.word("false").and_then(|()| visitor.visit_bool(false)),
            _ => Err(not_json()),
        }
    }

    /// Passes over a value, however deep it nests.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut values = serde_json::Deserializer::from_str(self.rest(0)).into_iter();
        let IgnoredAny = values.next().ok_or_else(not_json)??;
        self.at += values.byte_offset();
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// The items of an array or the entries of a map, up to the bracket that closes it.
struct Items<'r, 'a> {
    reader: &'r mut Reader<'a>,
    close: u8,
    is_first: bool,
}

impl Items<'_, '_> {
    /// Whether another item follows; the comma before it is taken.
    fn more(&mut self) -> Result<bool, Error> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.reader.peek() {
            Some(byte) if byte == self.close => Ok(false),
            Some(_) if is_first => Ok(true),
            _ => self.reader.expect(b',').map(|()| true),
        }
    }
}

impl<'a> SeqAccess<'a> for Items<'_, 'a> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'a>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.more()? { seed.deserialize(&mut *self.reader).map(Some) } else { Ok(None) }
    }
}

impl<'a> MapAccess<'a> for Items<'_, 'a> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if !self.more()? {
            return Ok(None);
        }
        match self.reader.peek() {
            Some(b'"') => seed.deserialize(&mut *self.reader).map(Some),
            _ => Err(not_json()),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize as _;
    use serde_json::Value;

    use super::*;

    fn read(text: &str) -> Option<Value> {
        let mut reader = Reader::new(text);
        let value = Value::deserialize(&mut reader).ok()?;
        reader.end().ok().map(|()| value)
    }

    /// A text of JSON's own pieces, most often not JSON.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"",
                "\\",
                "\"a\"",
                "\"\":",
                "\\\"",
                "\\u00e9",
                "\\ud800",
                "\\/",
                "null",
                "true",
                "false",
                "nul",
                "0",
                "-",
                "1",
                "01",
                "1.5",
                "-0",
                "1e5",
                "1e999",
                "18446744073709551616",
                ".",
                "e",
                "+",
                " ",
                "\n",
                "\t",
                "\r",
                "\u{0}",
                "\u{1f}",
                "\u{7f}",
                "é",
                "\u{feff}",
            ])
            .prop_map(str::to_owned),
            "\"[a-z\\\\\"/]{0,9}\"",
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::btree_map(".{0,9}", inner, 0..8)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_reads_and_refuses_the_rest(text in pieces()) {
            let expected: Option<Value> = serde_json::from_str(&text).ok();
            prop_assert_eq!(read(&text), expected, "{}", text);
            let mut reader = Reader::new(&text);
            let ignored = IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end());
            prop_assert_eq!(ignored.is_ok(), serde_json::from_str::<IgnoredAny>(&text).is_ok());
        }

        #[test]
        fn what_serde_json_writes_is_read(value in value(), cut: prop::sample::Index) {
            for text in [value.to_string(), format!(" {value:#}\n")] {
                prop_assert_eq!(read(&text), serde_json::from_str(&text).ok());
                let cut = text.floor_char_boundary(cut.index(text.len()));
                let text = &text[..cut];
                prop_assert_eq!(read(text), serde_json::from_str(text).ok());
            }
        }
    }

    #[test]
    fn nesting_is_passed_over_without_end() {
        let text = "[".repeat(1 << 20) + &"]".repeat(1 << 20) + " ";
        for (text, is_read) in [(text.as_str(), true), (&text[1..], false)] {
            let mut reader = Reader::new(text);
            let read = IgnoredAny::deserialize(&mut reader).and_then(|_| reader.end());
            assert_eq!(read.is_ok(), is_read);
        }
    }

    #[test]
    fn nesting_is_followed_as_far_as_serde_json_does() {
        for depth in [1, 126, 127, 128, 129, 100_000] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            let expected: Option<Value> = serde_json::from_str(&text).ok();
            assert_eq!(read(&text).is_some(), expected.is_some(), "{depth}");
        }
    }
}
