//! The model as botocore stores it: operations and a flat graph of shapes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{Result, facts};

#[derive(Deserialize)]
pub(crate) struct Model {
    pub(crate) operations: IndexMap<String, Operation>,
    pub(crate) shapes: IndexMap<String, Shape>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Operation {
    pub(crate) input: Reference,
    pub(crate) output: Option<Reference>,
    pub(crate) errors: Vec<Reference>,
    pub(crate) static_context_params: BTreeMap<String, Parameter>,
}

#[derive(Deserialize)]
pub(crate) struct Parameter {
    pub(crate) value: String,
}

#[derive(Deserialize, Clone)]
pub(crate) struct Reference {
    pub(crate) shape: String,
}

#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Blob,
    Boolean,
    Integer,
    List,
    Long,
    Map,
    String,
    Structure,
    Timestamp,
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are the model's own")]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) members: IndexMap<String, Reference>,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) pattern: Option<String>,
    #[serde(rename = "enum", default)]
    pub(crate) values: Vec<String>,
    pub(crate) member: Option<Reference>,
    pub(crate) key: Option<Reference>,
    pub(crate) value: Option<Reference>,
    #[serde(default)]
    pub(crate) exception: bool,
    #[serde(default)]
    pub(crate) fault: bool,
    #[serde(default)]
    pub(crate) event: bool,
    #[serde(default)]
    pub(crate) eventstream: bool,
}

impl Model {
    /// The model with the facts that override it.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let mut model = serde_json::from_str(&fs::read_to_string(path)?)?;
        facts::apply(&mut model)?;
        Ok(model)
    }

    pub(crate) fn shape(&self, name: &str) -> &Shape {
        self.shapes.get(name).expect("a model has every shape that it refers to")
    }

    /// Every shape that can be reached from this one, itself included.
    fn reach<'m>(&'m self, name: &'m str, seen: &mut BTreeSet<&'m str>) {
        if seen.insert(name) {
            for next in self.shape(name).references() {
                self.reach(&next.shape, seen);
            }
        }
    }

    pub(crate) fn reached_from<'m>(
        &'m self,
        roots: impl Iterator<Item = &'m str>,
    ) -> BTreeSet<&'m str> {
        let mut seen = BTreeSet::new();
        roots.for_each(|root| self.reach(root, &mut seen));
        seen
    }

    /// What the operation answers with. A stream of events counts as its event, since that is what
    /// is encoded.
    pub(crate) fn output<'m>(&'m self, operation: &'m Operation) -> Option<&'m str> {
        let output = operation.output.as_ref()?.shape.as_str();
        let reached = self.reached_from(std::iter::once(output));
        Some(reached.into_iter().find(|name| self.shape(name).event).unwrap_or(output))
    }

    pub(crate) fn inputs(&self) -> BTreeSet<&str> {
        self.reached_from(self.operations.values().map(|operation| operation.input.shape.as_str()))
    }

    /// Whether the structure says something: exceptions and envelopes of events have no Rust type
    /// of their own.
    pub(crate) fn is_plain(&self, name: &str) -> bool {
        let shape = self.shape(name);
        let envelope = |s: &Shape| s.references().any(|next| self.shape(&next.shape).eventstream);
        shape.kind == Kind::Structure && !shape.exception && !shape.eventstream && !envelope(shape)
    }

    /// The operations that use each structure.
    pub(crate) fn users(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, operation) in &self.operations {
            let roots = [Some(operation.input.shape.as_str()), self.output(operation)];
            for shape in self.reached_from(roots.into_iter().flatten()) {
                if self.is_plain(shape) {
                    users.entry(shape).or_default().insert(name);
                }
            }
        }
        users
    }
}

impl Shape {
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        let parts = [&self.member, &self.key, &self.value];
        parts.into_iter().flatten().chain(self.members.values())
    }

    pub(crate) fn requires(&self, member: &str) -> bool {
        self.required.iter().any(|name| name == member)
    }

    /// The shape of a list's items.
    pub(crate) fn item(&self) -> Result<&str> {
        Ok(&self.member.as_ref().ok_or("a list without a member")?.shape)
    }
}
