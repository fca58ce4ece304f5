//! JSON: times are numbers of seconds.

use serde_json::Value;

use super::{Fault, MAPS_MAX, Tree, too_many};

pub(super) fn read(body: &[u8]) -> Result<Tree, Fault> {
    if body.split(|byte| *byte == b'{').count() > MAPS_MAX {
        return Err(too_many());
    }
    let value = serde_json::from_slice(body)
        .map_err(|error| Fault::malformed(format!("The body is not JSON: {error}.")))?;
    Ok(tree(value).unwrap_or(Tree::map([])))
}

pub(super) fn write(tree: Tree) -> Vec<u8> {
    value(tree).to_string().into_bytes()
}

/// Nothing for null, which is as good as absent.
fn tree(value: Value) -> Option<Tree> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => Tree::Flag(flag),
        Value::Number(number) => Tree::Number(number.as_f64()?),
        Value::String(text) => Tree::Text(text),
        Value::Array(values) => Tree::List(values.into_iter().filter_map(tree).collect()),
        Value::Object(members) => {
            let members = members.into_iter();
            Tree::Map(members.filter_map(|(name, value)| Some((name, tree(value)?))).collect())
        }
    })
}

fn value(tree: Tree) -> Value {
    match tree {
        Tree::Text(text) => text.into(),
        Tree::Number(number) => number.into(),
        Tree::Time(at) => at.seconds().into(),
        Tree::Flag(flag) => flag.into(),
        Tree::List(values) => values.into_iter().map(value).collect(),
        Tree::Map(members) => {
            members.into_iter().map(|(name, member)| (name, value(member))).collect()
        }
    }
}
