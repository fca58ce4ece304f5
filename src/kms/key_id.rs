//! How users name a master key: by its UUID, by an alias, or by the ARN of either.

use std::fmt;

use millpond_api::types::{AccountId, Region, StreamArn};
use millpond_shards::crypt::{KmsError, KmsFault};

/// What the name of an alias begins with.
const ALIAS: &str = "alias/";

/// A master key, as a request or a keyring names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyId {
    /// Where it is, if the name tells.
    pub(super) place: Option<(Region, AccountId)>,
    /// The key's own id, or an alias with its prefix.
    pub(super) name: String,
}

impl KeyId {
    /// The key that the text names; `None` when no key is named so.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_prefix("arn:") else {
            return is_name(text).then(|| Self { place: None, name: text.to_owned() });
        };
        let mut parts = rest.splitn(5, ':');
        let partition = parts.next()?;
        if !partition.starts_with("aws") || parts.next()? != "kms" {
            return None;
        }
        let place = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let resource = parts.next()?;
        let name = match resource.strip_prefix("key/") {
            Some(id) if is_id(id) => id,
            Some(_) => return None,
            None => Some(resource).filter(|alias| is_alias(alias))?,
        };
        Some(Self { place: Some(place), name: name.to_owned() })
    }

    /// The key that a request names.
    pub(super) fn of_request(text: &str) -> Result<Self, KmsError> {
        let unknown = || KmsError::new(KmsFault::NotFound, format!("Invalid keyId '{text}'"));
        Self::parse(text).ok_or_else(unknown)
    }

    /// Whether it is the name of a key that streams of this account and region can mean.
    pub(super) fn place_or_that_of(&self, stream: &StreamArn) -> (Region, AccountId) {
        self.place.clone().unwrap_or_else(|| (stream.region.clone(), stream.account))
    }

    pub(super) fn is_alias(&self) -> bool {
        self.name.starts_with(ALIAS)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => f.write_str(&self.name),
            Some((region, account)) => {
                let kind = if self.is_alias() { "" } else { "key/" };
                write!(f, "arn:aws:kms:{region}:{account}:{kind}{}", self.name)
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    is_id(text) || is_alias(text)
}

/// A UUID, or the id of a key of several regions.
fn is_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|c| c.is_ascii_hexdigit());
    if let Some(rest) = text.strip_prefix("mrk-") {
        return rest.len() == 32 && is_hex(rest);
    }
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<_> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq(lengths) && parts.iter().all(|part| is_hex(part))
}

pub(super) fn is_alias(text: &str) -> bool {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'/' | b'_' | b'-');
    let name = text.strip_prefix(ALIAS);
    name.is_some_and(|name| (1..=250).contains(&name.len()) && name.bytes().all(legal))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn keys_have_five_forms_of_name() {
        let arn = format!("arn:aws:kms:us-east-1:111122223333:key/{UUID}");
        let alias = "arn:aws:kms:us-east-1:111122223333:alias/clicks";
        for text in [UUID, "alias/clicks", "alias/aws/kinesis", &arn, alias] {
            let id = KeyId::parse(text).unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(id.place.is_some(), text.starts_with("arn:"));
            assert_eq!(id.is_alias(), text.contains("alias/"));
        }
        assert!(KeyId::parse("mrk-1234abcd12ab34cd56ef1234567890ab").is_some());
    }

    #[test]
    fn anything_else_names_no_key() {
        for text in [
            "",
            "clicks",
            "alias/",
            "alias/a b",
            "1234abcd-12ab-34cd-56ef-1234567890a",
            "arn:aws:kms:us-east-1:111122223333:key/alias/clicks",
            "arn:aws:kms:us-east-1:1:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws:kinesis:us-east-1:111122223333:stream/clicks",
            "arn:aws:kms:us-east-1",
        ] {
            assert_eq!(KeyId::parse(text), None, "{text}");
        }
    }
}
