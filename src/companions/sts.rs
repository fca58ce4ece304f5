//! STS: GetCallerIdentity, by which clients learn their account.

use super::{Call, tree::Tree};

/// Needs no permission, and no policy can forbid it, as on AWS.
pub(super) fn caller_identity(call: &Call<'_>) -> Tree {
    let principal = call.caller.principal();
    Tree::map([
        ("Account", Tree::Text(call.caller.account.to_string())),
        ("Arn", Tree::Text(principal.arn().to_string())),
        ("UserId", Tree::Text(principal.id().to_owned())),
    ])
}
