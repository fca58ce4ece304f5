//! CBOR, as Smithy's RPC protocol has it: times are tagged numbers of seconds.

use std::collections::BTreeMap;

use minicbor::{
    Decoder, Encoder,
    data::{IanaTag, Type},
    decode::Error,
};

use super::{Fault, MAPS_MAX, Tree, VALUES_MAX, too_many};
use crate::companions::tree::approximate;

/// How deep values may stand in one another. Inputs need five.
const DEPTH_MAX: u32 = 16;

pub(super) fn read(body: &[u8]) -> Result<Tree, Fault> {
    // Operations without an input may have no body at all.
    if body.is_empty() {
        return Ok(Tree::map([]));
    }
    let mut reader = Reader { decoder: Decoder::new(body), maps: 0, values: 0 };
    let tree = reader.tree(DEPTH_MAX);
    if reader.is_full() {
        return Err(too_many());
    }
    let tree = tree.map_err(|error| Fault::malformed(format!("The body is not CBOR: {error}.")))?;
    Ok(tree.unwrap_or(Tree::map([])))
}

struct Reader<'a> {
    decoder: Decoder<'a>,
    maps: usize,
    values: usize,
}

impl Reader<'_> {
    fn is_full(&self) -> bool {
        self.maps > MAPS_MAX || self.values > VALUES_MAX
    }

    /// Nothing for null, which is as good as absent.
    fn tree(&mut self, depth: u32) -> Result<Option<Tree>, Error> {
        let depth = depth.checked_sub(1).ok_or_else(|| Error::message("it is nested too deep"))?;
        self.values += 1;
        if self.is_full() {
            return Err(Error::message("it is too large"));
        }
        let decoder = &mut self.decoder;
        Ok(Some(match decoder.datatype()? {
            Type::Null | Type::Undefined => {
                decoder.skip()?;
                return Ok(None);
            }
            Type::Bool => Tree::Flag(decoder.bool()?),
            Type::String => Tree::Text(decoder.str()?.to_owned()),
            Type::StringIndef => Tree::Text(decoder.str_iter()?.collect::<Result<_, _>>()?),
            Type::Array | Type::ArrayIndef => Tree::List(self.list(depth)?),
            Type::Map | Type::MapIndef => Tree::Map(self.map(depth)?),
            Type::F16 | Type::F32 | Type::F64 => Tree::Number(float(decoder)?),
            // Times are numbers, too; whoever wants one knows.
            Type::Tag => {
                decoder.tag()?;
                return self.tree(depth);
            }
            _ => Tree::Number(approximate(decoder.int()?.into())),
        }))
    }

    fn list(&mut self, depth: u32) -> Result<Vec<Tree>, Error> {
        let (mut left, mut values) = (self.decoder.array()?, Vec::new());
        while self.goes_on(&mut left)? {
            values.extend(self.tree(depth)?);
        }
        Ok(values)
    }

    fn map(&mut self, depth: u32) -> Result<BTreeMap<String, Tree>, Error> {
        self.maps += 1;
        let (mut left, mut members) = (self.decoder.map()?, BTreeMap::new());
        while self.goes_on(&mut left)? {
            let name = self.decoder.str()?.to_owned();
            members.extend(self.tree(depth)?.map(|value| (name, value)));
        }
        Ok(members)
    }

    /// Whether a list or a map has a further value; one of unknown length ends with a mark.
    fn goes_on(&mut self, left: &mut Option<u64>) -> Result<bool, Error> {
        match left {
            Some(0) => Ok(false),
            Some(count) => {
                *count -= 1;
                Ok(true)
            }
            None if self.decoder.datatype()? == Type::Break => {
                self.decoder.skip()?;
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

fn float(decoder: &mut Decoder<'_>) -> Result<f64, Error> {
    match decoder.datatype()? {
        Type::F16 => decoder.f16().map(f64::from),
        Type::F32 => decoder.f32().map(f64::from),
        _ => decoder.f64(),
    }
}

pub(super) fn write(tree: &Tree) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encode(tree, &mut encoder).expect("a vector takes all that is written");
    encoder.into_writer()
}

fn encode(
    tree: &Tree,
    to: &mut Encoder<Vec<u8>>,
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    match tree {
        Tree::Text(text) => to.str(text)?.ok(),
        Tree::Number(number) => to.f64(*number)?.ok(),
        Tree::Time(at) => to.tag(IanaTag::Timestamp)?.i64(at.seconds())?.ok(),
        Tree::Flag(flag) => to.bool(*flag)?.ok(),
        Tree::List(values) => {
            to.array(values.len() as u64)?;
            values.iter().try_for_each(|value| encode(value, to))
        }
        Tree::Map(members) => {
            to.map(members.len() as u64)?;
            members.iter().try_for_each(|(name, value)| {
                to.str(name)?;
                encode(value, to)
            })
        }
    }
}
