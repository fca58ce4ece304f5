//! Takes the documentation out of a model: facts stay, Amazon's prose goes.

use std::{fs, path::Path, process::ExitCode};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::Result;

/// JSON with its members in their order.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Node {
    Object(IndexMap<String, Node>),
    List(Vec<Node>),
    Scalar(serde_json::Value),
}

impl Node {
    fn strip(&mut self) {
        match self {
            Self::Object(members) => {
                // A structure may have a member of that name: prose is a text, a member is an
                // object.
                let is_prose = |node: &Node| matches!(node, Node::Scalar(_));
                members.retain(|name, node| name != "documentation" || !is_prose(node));
                members.values_mut().for_each(Self::strip);
            }
            Self::List(items) => items.iter_mut().for_each(Self::strip),
            Self::Scalar(_) => {}
        }
    }
}

pub(crate) fn strip(from: &Path, to: &Path) -> Result<ExitCode> {
    let mut model: Node = serde_json::from_str(&fs::read_to_string(from)?)?;
    model.strip();
    fs::write(to, serde_json::to_string_pretty(&model)? + "\n")?;
    Ok(ExitCode::SUCCESS)
}
