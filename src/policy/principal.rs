//! Who asks, and whom a policy names.

use std::{borrow::Cow, sync::Arc};

use millpond_api::types::AccountId;

/// Somebody who signs requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    arn: Arc<str>,
    account: AccountId,
    id: Arc<str>,
}

impl Principal {
    /// Somebody of this ARN, which is of `account`; `id` is the access key id.
    #[must_use]
    pub fn new(arn: Arc<str>, account: AccountId, id: Arc<str>) -> Self {
        Self { arn, account, id }
    }

    /// What the principal is called in answers.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The account that the principal belongs to.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The access key id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The last part of the ARN: `user/alice`.
    fn resource(&self) -> &str {
        self.arn.splitn(6, ':').nth(5).unwrap_or_default()
    }

    /// A user's name, without its path.
    pub(super) fn user_name(&self) -> Option<&str> {
        self.resource().strip_prefix("user/")?.rsplit('/').next()
    }

    /// The name of the role that a session is of.
    fn role(&self) -> Option<&str> {
        self.resource().strip_prefix("assumed-role/")?.split('/').next()
    }

    /// The ARN without the session: the role's, where it is one of a role.
    pub(super) fn identity(&self) -> Cow<'_, str> {
        let partition = self.arn.split(':').nth(1).unwrap_or_default();
        match self.role() {
            Some(role) => format!("arn:{partition}:iam::{}:role/{role}", self.account).into(),
            None => Cow::Borrowed(&self.arn),
        }
    }
}

/// What the ARN of somebody who signs requests looks like.
const ARN_FORMS: &str = "arn:aws:iam::123456789012:user/alice, ...:role/reader or ...:root";

/// The account and the last part of the ARN of a user, a role, a session or an account.
fn parse_arn(arn: &str) -> Option<(AccountId, &str)> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    let ["arn", partition, service @ ("iam" | "sts"), "", account, resource] = *parts else {
        return None;
    };
    let kinds: &[&str] = match service {
        "iam" => &["user/", "role/"],
        _ => &["assumed-role/", "federated-user/"],
    };
    let named = |kind: &&str| resource.strip_prefix(*kind).is_some_and(|name| !name.is_empty());
    let is_known = service == "iam" && resource == "root" || kinds.iter().any(named);
    (partition.starts_with("aws") && is_known).then_some(())?;
    Some((account.parse().ok()?, resource))
}

/// The account of the ARN of somebody who can sign requests.
#[must_use]
pub fn account_of_arn(arn: &str) -> Option<AccountId> {
    parse_arn(arn).filter(|_| !arn.contains(['*', '?'])).map(|(account, _)| account)
}

/// Whom a statement names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Everybody,
    Account(AccountId),
    /// A user, a role or a session, by ARN.
    Identity(String),
    /// A service or somebody of another directory: nobody who signs requests here.
    Stranger,
}

/// How a principal is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// With the whole account.
    Account,
    /// Itself, or with everybody.
    Itself,
}

impl Named {
    /// Reads what stands for `AWS`: a star, an account or an ARN.
    ///
    /// # Errors
    /// A sentence, when it is none of these.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Everybody);
        }
        if let Ok(account) = text.parse() {
            return Ok(Self::Account(account));
        }
        match parse_arn(text) {
            Some((account, "root")) => Ok(Self::Account(account)),
            Some((_, resource)) if !resource.contains(['*', '?']) => {
                Ok(Self::Identity(text.to_owned()))
            }
            _ => Err(format!(
                "{text} is not a principal: expected *, an account of twelve digits, or an ARN \
                 such as {ARN_FORMS}"
            )),
        }
    }

    /// How it names this principal, if it does.
    pub(super) fn names(&self, principal: &Principal) -> Option<Naming> {
        match self {
            Self::Everybody => Some(Naming::Itself),
            Self::Account(account) if *account == principal.account => {
                let is_root = principal.resource() == "root";
                Some(if is_root { Naming::Itself } else { Naming::Account })
            }
            Self::Identity(arn) => {
                let is_same = *arn == *principal.arn || is_role_of(arn, principal);
                is_same.then_some(Naming::Itself)
            }
            Self::Account(_) | Self::Stranger => None,
        }
    }
}

/// Whether a session is one of the role of this ARN. A session's ARN leaves out the role's path.
fn is_role_of(arn: &str, principal: &Principal) -> bool {
    let Some((account, resource)) = parse_arn(arn) else { return false };
    let name = resource.strip_prefix("role/").and_then(|name| name.rsplit('/').next());
    account == principal.account && name.is_some() && name == principal.role()
}
