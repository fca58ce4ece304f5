//! Reading a policy document, with the place of what is wrong in it.

use std::{collections::BTreeSet, fmt::Display};

use millpond_api::OperationId;
use millpond_quotas::limits::POLICY_BYTES_MAX;

use super::{
    Effect, InvalidPolicy, Kind, Policy, Principals, Statement,
    condition::{Condition, Operator},
    json::Node,
    key::Key,
    pattern::{ArnPattern, Case, Pattern, Syntax},
    principal::Named,
    statement::{ActionPattern, List, ResourcePattern},
};

/// The version in which texts have variables.
const WITH_VARIABLES: &str = "2012-10-17";

/// What a document says that names no version.
const WITHOUT_VARIABLES: &str = "2008-10-17";

/// The service whose operations are served.
const SERVICE: &str = "kinesis";

/// A part of the document, and where it stands.
struct At<'a> {
    place: String,
    node: &'a Node,
}

impl Policy {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is too large, or any part of it isn't understood: what a policy says and is not
    /// looked at could let somebody in.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, InvalidPolicy> {
        Self::read(text, kind, None)
    }

    /// Reads a document that is to be the policy of a stream or a consumer.
    ///
    /// # Errors
    /// Those of `parse`, and when it names a resource that is never the one of this ARN: nothing
    /// would come of what it says of that.
    pub fn of_resource(text: &str, arn: &str) -> Result<Self, InvalidPolicy> {
        Self::read(text, Kind::Resource, Some(arn))
    }

    fn read(text: &str, kind: Kind, own: Option<&str>) -> Result<Self, InvalidPolicy> {
        let whole = |fault: String| InvalidPolicy { place: String::new(), fault };
        if text.len() > POLICY_BYTES_MAX {
            return Err(whole(format!("it has more than {POLICY_BYTES_MAX} bytes")));
        }
        let node: Node = serde_json::from_str(text).map_err(|error| whole(error.to_string()))?;
        let document = At { place: String::new(), node: &node };
        document.check_members(&["Version", "Id", "Statement"])?;
        if let Some(id) = document.member("Id") {
            id.text()?;
        }
        let version = match document.member("Version") {
            Some(version) => match version.text()? {
                WITH_VARIABLES => WITH_VARIABLES,
                WITHOUT_VARIABLES => WITHOUT_VARIABLES,
                _ => {
                    let known = format!("expected {WITH_VARIABLES} or {WITHOUT_VARIABLES}");
                    return Err(version.fault(known));
                }
            },
            None => WITHOUT_VARIABLES,
        };
        let statements = document.required("Statement")?.items()?;
        let ids = BTreeSet::new();
        let mut reader = Reader { kind, own, variables: version == WITH_VARIABLES, ids };
        let statements = statements.iter().map(|statement| reader.statement(statement));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }
}

/// How a document is read.
struct Reader<'a> {
    kind: Kind,
    /// What it is the policy of, where that is known.
    own: Option<&'a str>,
    variables: bool,
    /// Those of the statements so far.
    ids: BTreeSet<&'a str>,
}

impl<'a> Reader<'a> {
    fn statement(&mut self, at: &At<'a>) -> Result<Statement, InvalidPolicy> {
        at.check_members(&[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ])?;
        if let Some(id) = at.member("Sid")
            && !self.ids.insert(id.text()?)
        {
            return Err(id.fault("another statement has this Sid"));
        }
        let effect = at.required("Effect")?;
        let effect = match effect.text()? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return Err(effect.fault("expected Allow or Deny")),
        };
        Ok(Statement {
            effect,
            principals: self.principals(at, effect)?,
            actions: at.list_or_not("Action", "NotAction", |text| self.action(text))?,
            resources: at.list_or_not("Resource", "NotResource", |text| self.resource(text))?,
            conditions: self.conditions(at)?,
        })
    }

    fn principals(&self, at: &At<'_>, effect: Effect) -> Result<Principals, InvalidPolicy> {
        let (some, others) = (at.member("Principal"), at.member("NotPrincipal"));
        match (self.kind, some, others) {
            (Kind::Identity, None, None) => Ok(Principals::Holder),
            (Kind::Identity, Some(named), _) | (Kind::Identity, None, Some(named)) => {
                Err(named.fault("the policy of a credential names no principal"))
            }
            (Kind::Resource, Some(named), None) => Ok(Principals::Some(named.principals()?)),
            (Kind::Resource, None, Some(named)) if effect == Effect::Deny => {
                Ok(Principals::AllBut(named.principals()?))
            }
            (Kind::Resource, None, Some(named)) => {
                Err(named.fault("only a statement that denies can have NotPrincipal"))
            }
            (Kind::Resource, _, _) => Err(at.fault("it needs Principal or NotPrincipal, not both")),
        }
    }

    fn action(&self, text: &str) -> Result<ActionPattern, String> {
        if text == "*" {
            return Ok(ActionPattern::All);
        }
        let shape = "an action is * or reads service:Name, such as kinesis:PutRecord";
        let (service, name) = text.split_once(':').ok_or(shape)?;
        let is_service = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
        let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'*' || c == b'?';
        if service.is_empty() || !service.bytes().all(is_service) {
            return Err(shape.to_owned());
        }
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(shape.to_owned());
        }
        let syntax = Syntax { wildcards: true, variables: false };
        if service.eq_ignore_ascii_case(SERVICE) {
            let name = Pattern::parse(name, syntax)?;
            if !OperationId::ALL.iter().any(|id| name.can_match(id.name(), Case::Ignored)) {
                return Err("no operation of Kinesis is called so".to_owned());
            }
        } else if self.kind == Kind::Resource {
            let words = "the policy of a stream or a consumer is about actions of kinesis only";
            return Err(words.to_owned());
        }
        Ok(ActionPattern::Some(Pattern::parse(text, syntax)?))
    }

    fn resource(&self, text: &str) -> Result<ResourcePattern, String> {
        if text == "*" {
            return Ok(ResourcePattern::All);
        }
        let syntax = Syntax { wildcards: true, variables: self.variables };
        let pattern = ArnPattern::parse(text, syntax)?;
        match self.own.filter(|own| !pattern.can_match(own)) {
            None => Ok(ResourcePattern::Some(pattern)),
            Some(own) => Err(format!("{text} is never {own}, whose policy it is")),
        }
    }

    fn conditions(&self, at: &At<'_>) -> Result<Vec<Condition>, InvalidPolicy> {
        let mut conditions = Vec::new();
        let Some(block) = at.member("Condition") else { return Ok(conditions) };
        for (name, keys) in block.members()? {
            let unknown = || keys.fault("millpond doesn't know this operator");
            let operator = Operator::parse(name).ok_or_else(unknown)?;
            for (name, values) in keys.members()? {
                let unknown = || {
                    let known = Key::NAMES;
                    values.fault(format!("millpond doesn't know this key; it knows {known}"))
                };
                let key = Key::parse(name).ok_or_else(unknown)?;
                let texts =
                    values.items()?.iter().map(At::scalar).collect::<Result<Vec<_>, _>>()?;
                let condition = Condition::new(operator, key, &texts, self.variables);
                conditions.push(condition.map_err(|fault| values.fault(fault))?);
            }
        }
        Ok(conditions)
    }
}

impl<'a> At<'a> {
    fn fault(&self, fault: impl Display) -> InvalidPolicy {
        InvalidPolicy { place: self.place.clone(), fault: fault.to_string() }
    }

    fn below(&self, name: &str, node: &'a Node) -> Self {
        let place = match self.place.as_str() {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        };
        Self { place, node }
    }

    fn text(&self) -> Result<&'a str, InvalidPolicy> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.fault("expected a text")),
        }
    }

    /// A text, or a number or a truth value as a text.
    fn scalar(&self) -> Result<String, InvalidPolicy> {
        match self.node {
            Node::Text(text) | Node::Number(text) => Ok(text.clone()),
            Node::Bool(value) => Ok(value.to_string()),
            _ => Err(self.fault("expected a text")),
        }
    }

    /// The items of a list that isn't empty, or the only one, without the list.
    fn items(&self) -> Result<Vec<Self>, InvalidPolicy> {
        let Node::List(items) = self.node else {
            return Ok(vec![Self { place: self.place.clone(), node: self.node }]);
        };
        if items.is_empty() {
            return Err(self.fault("the list is empty"));
        }
        let item = |(n, node)| Self { place: format!("{}[{n}]", self.place), node };
        Ok(items.iter().enumerate().map(item).collect())
    }

    fn members(&self) -> Result<Vec<(&'a str, Self)>, InvalidPolicy> {
        let Node::Object(members) = self.node else { return Err(self.fault("expected an object")) };
        let member = |(name, node): (&'a String, &'a Node)| (name.as_str(), self.below(name, node));
        Ok(members.iter().map(member).collect())
    }

    fn member(&self, name: &str) -> Option<Self> {
        let Node::Object(members) = self.node else { return None };
        members.get(name).map(|node| self.below(name, node))
    }

    fn required(&self, name: &str) -> Result<Self, InvalidPolicy> {
        self.member(name).ok_or_else(|| self.fault(format_args!("it has no {name}")))
    }

    fn check_members(&self, known: &[&str]) -> Result<(), InvalidPolicy> {
        match self.members()?.into_iter().find(|(name, _)| !known.contains(name)) {
            None => Ok(()),
            Some((_, member)) => {
                Err(member.fault(format_args!("it is none of {}", known.join(", "))))
            }
        }
    }

    /// The member `name`, or its opposite.
    fn list_or_not<T>(
        &self,
        name: &str,
        opposite: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<List<T>, InvalidPolicy> {
        let (list, is_opposite) = match (self.member(name), self.member(opposite)) {
            (Some(list), None) => (list, false),
            (None, Some(list)) => (list, true),
            _ => return Err(self.fault(format_args!("it needs {name} or {opposite}, not both"))),
        };
        let read = |item: &Self| read(item.text()?).map_err(|fault| item.fault(fault));
        let items = list.items()?.iter().map(read).collect::<Result<_, _>>()?;
        Ok(List { items, is_opposite })
    }

    /// `"*"`, or an object of kinds of principals.
    fn principals(&self) -> Result<Vec<Named>, InvalidPolicy> {
        if matches!(self.node, Node::Text(text) if text == "*") {
            return Ok(vec![Named::Everybody]);
        }
        let kinds = match self.node {
            Node::Object(_) => self.members()?,
            _ => return Err(self.fault("expected * or an object such as {\"AWS\": \"...\"}")),
        };
        let mut named = Vec::new();
        for (kind, principals) in kinds {
            for principal in principals.items()? {
                let text = principal.text()?;
                named.push(match kind {
                    "AWS" => Named::parse(text).map_err(|fault| principal.fault(fault))?,
                    "Service" | "Federated" | "CanonicalUser" => Named::Stranger,
                    _ => {
                        let known = "expected AWS, Service, Federated or CanonicalUser";
                        return Err(principals.fault(known));
                    }
                });
            }
        }
        if named.is_empty() { Err(self.fault("it names nobody")) } else { Ok(named) }
    }
}
