//! What policies are asked about: who wants to do what to which resource, and how.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use millpond_api::types::{AccountId, Timestamp};

use super::{key::Key, principal::Principal};

/// One question to policies.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What for, such as `kinesis:PutRecord`.
    pub action: &'a str,
    /// The ARN of the resource, or `*` for what belongs to no resource.
    pub resource: &'a str,
    /// The account that the resource belongs to.
    pub owner: AccountId,
    /// The region that was called.
    pub region: &'a str,
    /// Where the request came from.
    pub source_ip: Option<IpAddr>,
    /// Whether it came over TLS.
    pub is_secure: bool,
    /// When it came.
    pub now: Timestamp,
    /// The tags of the resource.
    pub resource_tags: Option<&'a BTreeMap<String, String>>,
    /// The tags in the request.
    pub tagging: Tagging<'a>,
}

/// Tags as requests have them.
pub type Tags<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// The tags that a request is about.
#[derive(Debug, Clone, Copy, Default)]
pub enum Tagging<'a> {
    /// None.
    #[default]
    Nothing,
    /// Tags to be set.
    Tags(&'a Tags<'a>),
    /// Keys of tags to be removed.
    Keys(&'a [Cow<'a, str>]),
}

impl Request<'_> {
    /// What the request has under a key that has one value.
    pub(super) fn value(&self, key: &Key) -> Option<Cow<'_, str>> {
        Some(match key {
            Key::SourceIp => self.source_ip?.to_canonical().to_string().into(),
            Key::SecureTransport => self.is_secure.to_string().into(),
            Key::PrincipalArn => self.principal.identity(),
            Key::PrincipalAccount => self.principal.account().to_string().into(),
            Key::UserId => self.principal.id().into(),
            Key::UserName => self.principal.user_name()?.into(),
            Key::CurrentTime | Key::EpochTime => self.now.seconds().to_string().into(),
            Key::RequestedRegion => self.region.into(),
            Key::ResourceTag(tag) => {
                let tags = self.resource_tags?;
                named(&tags.iter().map(|(key, value)| (key.as_str(), value.as_str())), tag)?.into()
            }
            Key::RequestTag(tag) => {
                let Tagging::Tags(tags) = self.tagging else { return None };
                named(&tags.iter().map(|(key, value)| (key.as_ref(), value.as_ref())), tag)?.into()
            }
            Key::TagKeys => return None,
        })
    }

    /// All that the request has under a key; nothing when it doesn't have it.
    pub(super) fn values(&self, key: &Key) -> Vec<Cow<'_, str>> {
        match (key, self.tagging) {
            (Key::TagKeys, Tagging::Nothing) => Vec::new(),
            (Key::TagKeys, Tagging::Tags(tags)) => {
                tags.keys().map(|key| Cow::Borrowed(key.as_ref())).collect()
            }
            (Key::TagKeys, Tagging::Keys(keys)) => {
                keys.iter().map(|key| Cow::Borrowed(key.as_ref())).collect()
            }
            _ => self.value(key).into_iter().collect(),
        }
    }
}

/// The value of the tag of this key. Policies don't tell the cases of a key apart; a tag that is
/// spelled the same comes before others.
fn named<'t>(
    tags: &(impl Iterator<Item = (&'t str, &'t str)> + Clone),
    key: &str,
) -> Option<&'t str> {
    let exact = tags.clone().find(|(name, _)| *name == key);
    let found = exact.or_else(|| tags.clone().find(|(name, _)| name.eq_ignore_ascii_case(key)));
    found.map(|(_, value)| value)
}
