//! What conditions and variables of policies can ask about.

/// A condition key. One that is unknown is refused when a policy is read: a condition that is never
/// looked at could let somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    SourceIp,
    SecureTransport,
    PrincipalArn,
    PrincipalAccount,
    UserId,
    UserName,
    CurrentTime,
    EpochTime,
    RequestedRegion,
    ResourceTag(String),
    RequestTag(String),
    TagKeys,
}

impl Key {
    /// The keys that have one name, for a sentence.
    pub(super) const NAMES: &str = "aws:SourceIp, aws:SecureTransport, aws:PrincipalArn, \
        aws:PrincipalAccount, aws:userid, aws:username, aws:CurrentTime, aws:EpochTime, \
        aws:RequestedRegion, aws:ResourceTag/..., aws:RequestTag/... and aws:TagKeys";

    /// The key of this name, in which case doesn't count.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let tag = |kind: &str| {
            let tag = lower.starts_with(kind).then(|| name.get(kind.len()..))?;
            tag.filter(|tag| !tag.is_empty()).map(str::to_owned)
        };
        Some(match lower.as_str() {
            "aws:sourceip" => Self::SourceIp,
            "aws:securetransport" => Self::SecureTransport,
            "aws:principalarn" => Self::PrincipalArn,
            "aws:principalaccount" => Self::PrincipalAccount,
            "aws:userid" => Self::UserId,
            "aws:username" => Self::UserName,
            "aws:currenttime" => Self::CurrentTime,
            "aws:epochtime" => Self::EpochTime,
            "aws:requestedregion" => Self::RequestedRegion,
            "aws:tagkeys" => Self::TagKeys,
            _ => match tag("aws:resourcetag/") {
                Some(tag) => Self::ResourceTag(tag),
                None => Self::RequestTag(tag("aws:requesttag/")?),
            },
        })
    }

    /// Whether it can stand in a text as a variable.
    pub(super) fn is_variable(&self) -> bool {
        !matches!(self, Self::CurrentTime | Self::TagKeys)
    }

    /// Whether a request can have several values of it.
    pub(super) fn is_set(&self) -> bool {
        *self == Self::TagKeys
    }

    pub(super) fn is_tag(&self) -> bool {
        matches!(self, Self::ResourceTag(_) | Self::RequestTag(_))
    }
}
