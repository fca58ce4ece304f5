//! What callers may do: IAM policies, read once and asked often. Pure: [`judge`] knows nothing but
//! the question and the policies.
//!
//! A document is read by [`Policy::parse`], which refuses whatever it doesn't understand. A
//! credential may have identity policies, a stream or a consumer a resource policy.

mod condition;
mod context;
mod document;
mod json;
mod key;
mod pattern;
mod principal;
mod readings;
mod statement;
#[cfg(test)]
mod tests;

use std::fmt;

pub use self::{
    context::{Request, Tagging, Tags},
    pattern::Wildcards,
    principal::{Principal, account_of_arn},
    readings::Readings,
};
use self::{
    principal::Naming,
    statement::{Effect, Principals, Statement},
};

/// A policy document.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// What a policy belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A credential: whoever holds it is meant.
    Identity,
    /// A stream or a consumer: each statement says who is meant.
    Resource,
}

/// Why a document is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidPolicy {
    /// Where it is wrong, such as `Statement[1].Action`; empty for the whole document.
    place: String,
    fault: String,
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.fault),
            place => write!(f, "{place}: {}", self.fault),
        }
    }
}

/// Why a request may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// A statement of such a policy forbids it.
    Explicit(Kind),
    /// It would take such a policy to allow it, and none does.
    Implicit(Kind),
}

/// What one policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Opinion {
    Nothing,
    Allow(Naming),
    Deny,
}

impl Policy {
    fn opinion(&self, request: &Request<'_>) -> Opinion {
        let opinions = self.statements.iter().filter_map(|statement| {
            let naming = statement.applies(request)?;
            Some(match statement.effect {
                Effect::Allow => Opinion::Allow(naming),
                Effect::Deny => Opinion::Deny,
            })
        });
        opinions.max().unwrap_or(Opinion::Nothing)
    }
}

/// Whether a request may go on, by the policies of who asks and that of the resource. Who has no
/// policies at all may do everything in its own account.
///
/// Within an account one of the two must allow it; a resource policy that names the account leaves
/// it to the other. From another account both must. A statement that denies always wins.
///
/// # Errors
/// When the request may not go on.
pub fn judge(
    request: &Request<'_>,
    identity: Option<&[Policy]>,
    resource: Option<&Policy>,
) -> Result<(), Denial> {
    let of_all = |policies: &[Policy]| policies.iter().map(|policy| policy.opinion(request)).max();
    let identity = match identity {
        Some(policies) => of_all(policies).unwrap_or(Opinion::Nothing),
        None => Opinion::Allow(Naming::Itself),
    };
    let resource = resource.map_or(Opinion::Nothing, |policy| policy.opinion(request));
    let is_own = request.principal.account() == request.owner;
    match (identity, resource) {
        (Opinion::Deny, _) => Err(Denial::Explicit(Kind::Identity)),
        (_, Opinion::Deny) => Err(Denial::Explicit(Kind::Resource)),
        (Opinion::Allow(_), _) | (_, Opinion::Allow(Naming::Itself)) if is_own => Ok(()),
        (Opinion::Allow(_), Opinion::Allow(_)) => Ok(()),
        (Opinion::Allow(_), Opinion::Nothing) => Err(Denial::Implicit(Kind::Resource)),
        (Opinion::Nothing, _) => Err(Denial::Implicit(Kind::Identity)),
    }
}
