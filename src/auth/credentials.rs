//! The credentials that this server knows, and how a user writes one down.

mod file;

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use millpond_api::types::{AccountId, Timestamp};
use subtle::ConstantTimeEq;
use thiserror::Error;

pub use self::file::{InvalidFile, Mistake};
use super::refusal::Refusal;
use crate::policy::Policy;

/// An access key id, its secret, and the account that it speaks for.
#[derive(Debug, Clone)]
pub struct Credential {
    id: Arc<str>,
    secret: Secret,
    account: Option<AccountId>,
    session: Option<Session>,
    identity: Option<Arc<Identity>>,
}

/// What the holder of a credential is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A user of the account, by its name and perhaps its path: `web/alice`.
    User(Arc<str>),
    /// A user, a role or a session, by ARN.
    Arn(Arc<str>),
}

/// Who holds a credential, where it says more than a key does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Identity {
    /// What the holder is called, if not like the key.
    pub name: Option<Name>,
    /// What the holder may do; everything in its account, if there are none.
    pub policies: Option<Vec<Policy>>,
}

/// What makes a credential temporary.
#[derive(Debug, Clone)]
struct Session {
    token: Secret,
    expires_at: Option<Timestamp>,
}

/// Text that no log and no error may show.
#[derive(Clone)]
struct Secret(Box<str>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Credential {
    /// The longest access key id that AWS' own API describes.
    pub const ID_LENGTH_MAX: usize = 128;

    /// A permanent credential. Without an account it speaks for its own id where that is an
    /// account number, else for the server's default account.
    ///
    /// # Errors
    /// When the id or the secret could never stand in a signature.
    pub fn new(
        id: &str,
        secret: &str,
        account: Option<AccountId>,
    ) -> Result<Self, InvalidCredential> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
        if !(1..=Self::ID_LENGTH_MAX).contains(&id.len()) || !id.bytes().all(legal) {
            return Err(InvalidCredential::Id);
        }
        if secret.is_empty() {
            return Err(InvalidCredential::Secret { id: id.to_owned() });
        }
        Ok(Self {
            id: id.into(),
            secret: Secret(secret.into()),
            account,
            session: None,
            identity: None,
        })
    }

    /// The same credential, valid only together with a session token and until `expires_at`.
    #[must_use]
    pub fn with_session(mut self, token: &str, expires_at: Option<Timestamp>) -> Self {
        self.session = Some(Session { token: Secret(token.into()), expires_at });
        self
    }

    /// The same credential, held by somebody of whom more is known.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(Arc::new(identity));
        self
    }

    /// `test:test`, which local tools of this kind accept by convention. Never for a network.
    #[must_use]
    pub fn test() -> Self {
        Self::new("test", "test", None).expect("both are legal")
    }

    /// The access key id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// The account that was named with the credential.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// What is known of the holder.
    pub(super) fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// The secret access key; only for deriving a signing key.
    pub(super) fn secret(&self) -> &str {
        &self.secret.0
    }

    /// Whether the session token of a request, or its absence, is that of this credential.
    pub(super) fn check_token(&self, token: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        match (&self.session, token) {
            (None, None) => Ok(()),
            (Some(session), Some(token))
                if bool::from(session.token.0.as_bytes().ct_eq(token.as_bytes())) =>
            {
                let expired = session.expires_at.is_some_and(|end| end <= now);
                if expired { Err(Refusal::ExpiredToken) } else { Ok(()) }
            }
            _ => Err(Refusal::InvalidToken),
        }
    }
}

/// `ID:SECRET` or `ID:SECRET:ACCOUNT`.
impl FromStr for Credential {
    type Err = InvalidCredential;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(id), Some(secret), account, None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidCredential::Shape);
        };
        let credential = Self::new(id, secret, None)?;
        let account = account.map(|account| parse_account(id, account)).transpose()?;
        Ok(Self { account, ..credential })
    }
}

fn parse_account(id: &str, text: &str) -> Result<AccountId, InvalidCredential> {
    text.parse().map_err(|_| InvalidCredential::Account { id: id.to_owned() })
}

/// Why a text is not a credential. Quotes nothing that could be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidCredential {
    /// Too few or too many parts.
    #[error("a credential is written ID:SECRET or ID:SECRET:ACCOUNT, and no part holds a colon")]
    Shape,

    /// The access key id is empty, too long, or has other characters.
    #[error("an access key id is 1 to 128 letters, digits, hyphens, dots and underscores")]
    Id,

    /// The secret is empty.
    #[error("credential {id} has no secret access key")]
    Secret {
        /// The access key id.
        id: String,
    },

    /// The account is not twelve digits.
    #[error("the account of credential {id} is not twelve digits, such as 123456789012")]
    Account {
        /// The access key id.
        id: String,
    },

    /// Two credentials have the same access key id.
    #[error("credential {id} is given twice")]
    Twice {
        /// The access key id.
        id: String,
    },
}

/// All credentials of a server, by access key id.
#[derive(Debug, Clone, Default)]
pub struct Credentials(HashMap<Arc<str>, Arc<Credential>>);

impl Credentials {
    /// Gathers credentials.
    ///
    /// # Errors
    /// When two have the same access key id.
    pub fn new(
        credentials: impl IntoIterator<Item = Credential>,
    ) -> Result<Self, InvalidCredential> {
        let mut known = HashMap::new();
        for credential in credentials {
            let id = Arc::clone(&credential.id);
            if known.insert(Arc::clone(&id), Arc::new(credential)).is_some() {
                return Err(InvalidCredential::Twice { id: id.as_ref().to_owned() });
            }
        }
        Ok(Self(known))
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Credential>> {
        self.0.get(id)
    }

    /// Whether a holder is limited.
    pub(super) fn have_policies(&self) -> bool {
        let mut identities = self.0.values().filter_map(|credential| credential.identity());
        identities.any(|identity| identity.policies.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credential, InvalidCredential> {
        text.parse()
    }

    #[test]
    fn an_account_is_optional() {
        let plain = parse("AKIDEXAMPLE:wJalr/XUtn+FEMI=").unwrap();
        assert_eq!(plain.id().as_ref(), "AKIDEXAMPLE");
        assert_eq!(plain.secret(), "wJalr/XUtn+FEMI=");
        assert_eq!(plain.account(), None);
        let scoped = parse("AKIDEXAMPLE:secret:123456789012").unwrap();
        assert_eq!(scoped.account(), Some("123456789012".parse().unwrap()));
    }

    #[test]
    fn each_mistake_has_its_sentence_and_no_secret() {
        for (text, sentence) in [
            ("AKIDEXAMPLE", "ID:SECRET"),
            ("AKIDEXAMPLE:hush:123456789012:x", "no part holds a colon"),
            (":hush", "an access key id is"),
            ("a b:hush", "an access key id is"),
            ("a/b:hush", "an access key id is"),
            ("AKIDEXAMPLE:", "AKIDEXAMPLE has no secret"),
            ("AKIDEXAMPLE:hush:hush", "account of credential AKIDEXAMPLE is not twelve digits"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(sentence), "{text}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
        assert_eq!(parse(&format!("{}:s", "A".repeat(129))).unwrap_err(), InvalidCredential::Id);
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let credential = parse("AKIDEXAMPLE:hush").unwrap().with_session("hush", None);
        let shown = format!("{:?}", Credentials::new([credential]).unwrap());
        assert!(shown.contains("AKIDEXAMPLE") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn one_id_has_one_credential() {
        let twice = Credentials::new([Credential::test(), parse("test:other").unwrap()]);
        assert_eq!(twice.unwrap_err(), InvalidCredential::Twice { id: "test".to_owned() });
    }
}
