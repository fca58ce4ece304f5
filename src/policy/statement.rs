//! A statement of a policy: to whom, for what and to which resources it applies.

use super::{
    condition::Condition,
    context::Request,
    pattern::{ArnPattern, Case, Pattern},
    principal::{Named, Naming},
};

/// What a statement says of requests that it applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) principals: Principals,
    pub(super) actions: List<ActionPattern>,
    pub(super) resources: List<ResourcePattern>,
    pub(super) conditions: Vec<Condition>,
}

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principals {
    /// Whoever holds the credential that has the policy.
    Holder,
    Some(Vec<Named>),
    /// Everybody else.
    AllBut(Vec<Named>),
}

/// What is listed, or everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) is_opposite: bool,
}

impl<T> List<T> {
    fn holds(&self, holds: impl FnMut(&T) -> bool) -> bool {
        self.items.iter().any(holds) != self.is_opposite
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ActionPattern {
    All,
    Some(Pattern),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResourcePattern {
    All,
    Some(ArnPattern),
}

impl Statement {
    /// How the statement names who asks, if it applies to the request.
    pub(super) fn applies(&self, request: &Request<'_>) -> Option<Naming> {
        let naming = self.principals.name(request)?;
        let action = |action: &ActionPattern| match action {
            ActionPattern::All => true,
            ActionPattern::Some(pattern) => pattern.matches(request.action, Case::Ignored, request),
        };
        let resource = |resource: &ResourcePattern| match resource {
            ResourcePattern::All => true,
            ResourcePattern::Some(pattern) => pattern.matches(request.resource, request),
        };
        let applies = self.actions.holds(action)
            && self.resources.holds(resource)
            && self.conditions.iter().all(|condition| condition.holds(request));
        applies.then_some(naming)
    }
}

impl Principals {
    fn name(&self, request: &Request<'_>) -> Option<Naming> {
        match self {
            Self::Holder => Some(Naming::Itself),
            Self::Some(named) => named.iter().filter_map(|n| n.names(request.principal)).max(),
            Self::AllBut(named) => {
                let is_named = |n: &Named| n.names(request.principal) == Some(Naming::Itself);
                (!named.iter().any(is_named)).then_some(Naming::Itself)
            }
        }
    }
}
