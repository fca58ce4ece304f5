//! A structure that begins with a long list, written in parts as the elements come.

use serde::Serialize;

use super::{
    Codec,
    write::{self, Form, Group, Output, Writer},
};

/// A structure whose first member is a list, which is written element by element, however many
/// there will be.
///
/// In JSON it is what [`Codec::encode`] writes; in CBOR the list is one without a length.
#[derive(Debug)]
pub struct Parts {
    codec: Codec,
    is_empty: bool,
}

impl Codec {
    /// Begins a structure of so many members, of which the first is the list `name`.
    pub fn begin(self, members: usize, name: &'static str, body: &mut impl Output) -> Parts {
        match self {
            Self::Json => begin::<write::Json>(members, name, body),
            Self::Cbor => begin::<write::Cbor>(members, name, body),
        }
        Parts { codec: self, is_empty: true }
    }
}

impl Parts {
    /// Adds elements to the list.
    ///
    /// # Panics
    /// When one is of a kind that no type of the model is of.
    pub fn elements(&mut self, values: &[impl Serialize], body: &mut impl Output) {
        match self.codec {
            Codec::Json => elements::<write::Json>(self.is_empty, values, body),
            Codec::Cbor => elements::<write::Cbor>(self.is_empty, values, body),
        }
        self.is_empty &= values.is_empty();
    }

    /// Ends the list. The other members follow.
    pub fn end_list(self, body: &mut impl Output) -> Rest {
        match self.codec {
            Codec::Json => write::Json::end(body, Group::List, self.is_empty, false),
            Codec::Cbor => write::Cbor::end(body, Group::List, self.is_empty, false),
        }
        Rest(self.codec)
    }
}

/// What follows the list.
#[derive(Debug)]
pub struct Rest(Codec);

impl Rest {
    /// Adds the member `name`.
    ///
    /// # Panics
    /// When it is of a kind that no type of the model is of.
    pub fn member(&self, name: &'static str, value: &impl Serialize, body: &mut impl Output) {
        match self.0 {
            Codec::Json => write::Json::member(body, name, false),
            Codec::Cbor => write::Cbor::member(body, name, false),
        }
        self.0.encode_into(value, body);
    }

    /// Ends the structure.
    pub fn end(self, body: &mut impl Output) {
        match self.0 {
            Codec::Json => write::Json::end(body, Group::Map, false, true),
            Codec::Cbor => write::Cbor::end(body, Group::Map, false, true),
        }
    }
}

fn begin<F: Form>(members: usize, name: &'static str, body: &mut impl Output) {
    F::begin(body, Group::Map, Some(members));
    F::member(body, name, true);
    F::begin(body, Group::List, None);
}

fn elements<F: Form>(is_first: bool, values: &[impl Serialize], body: &mut impl Output) {
    for (index, value) in values.iter().enumerate() {
        F::next(body, Group::List, is_first && index == 0);
        let written = value.serialize(Writer::<_, F>::new(body));
        written.expect("types of the model are written by either format");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(rename = "List")]
        list: &'a [u32],
        #[serde(rename = "Text")]
        text: &'a str,
        #[serde(rename = "Number")]
        number: i64,
    }

    fn in_parts(codec: Codec, whole: &Whole<'_>, each: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let mut parts = codec.begin(3, "List", &mut body);
        parts.elements(&[] as &[u32], &mut body);
        whole.list.chunks(each).for_each(|some| parts.elements(some, &mut body));
        let rest = parts.end_list(&mut body);
        rest.member("Text", &whole.text, &mut body);
        rest.member("Number", &whole.number, &mut body);
        rest.end(&mut body);
        body
    }

    #[test]
    fn parts_make_the_whole() {
        for list in [&[][..], &[7], &[7, 8, 9, 10]] {
            let whole = Whole { list, text: "a\"b", number: -1 };
            for each in 1..=5 {
                assert_eq!(in_parts(Codec::Json, &whole, each), Codec::Json.encode(&whole));
                let cbor = in_parts(Codec::Cbor, &whole, each);
                let read: serde_json::Value = minicbor_serde::from_slice(&cbor).unwrap();
                assert_eq!(read, json!({"List": list, "Text": "a\"b", "Number": -1}));
            }
        }
    }
}
