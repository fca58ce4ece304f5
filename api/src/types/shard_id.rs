//! Shard ids: an index within the stream, written `shardId-000000000000`.

use std::{fmt, str::FromStr};

use super::digits::{EIGHT, eight_digits};

/// A shard's index within its stream. Indices ascend in order of creation and are never reused.
///
/// Shards that exist have an index of 0 to 2,147,483,647; a decoded sequence number can carry a
/// negative one, which AWS prints as `shardId--02147483648`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(i32);

impl ShardId {
    /// The shard of this index.
    #[must_use]
    pub const fn new(index: i32) -> Self {
        Self(index)
    }

    /// The index that the id is made of.
    #[must_use]
    pub const fn index(self) -> i32 {
        self.0
    }
}

impl ShardId {
    /// The text of the id, in ASCII.
    #[must_use]
    pub fn to_text(self) -> [u8; 20] {
        let magnitude = u64::from(self.0.unsigned_abs());
        let [_, _, _, _, high @ ..] = eight_digits(magnitude / EIGHT);
        let mut text = *b"shardId-000000000000";
        let (rest, eight) = text.split_last_chunk_mut().expect("eight are fewer than twenty");
        *eight = eight_digits(magnitude % EIGHT);
        let (_, four) = rest.split_last_chunk_mut().expect("four are fewer than twelve");
        *four = high;
        if self.0 < 0 {
            four[0] = b'-';
        }
        text
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_text();
        f.write_str(std::str::from_utf8(&text).expect("an id is ASCII"))
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ShardId {
    type Err = InvalidShardId;

    /// As lenient as AWS: the number between the first and the second hyphen counts, or the whole
    /// text without one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = match text.split('-').nth(1) {
            Some(number) if !number.is_empty() => number,
            _ => text,
        };
        if number.is_empty() || !number.bytes().all(|c| c.is_ascii_digit()) {
            return Err(InvalidShardId);
        }
        number.parse().map(Self).map_err(|_| InvalidShardId)
    }
}

/// The text holds no shard index between 0 and 2,147,483,647.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidShardId;

impl fmt::Display for InvalidShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a shard id reads shardId-000000000000")
    }
}

impl std::error::Error for InvalidShardId {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_padded_to_twelve_digits() {
        assert_eq!(ShardId::new(7).to_string(), "shardId-000000000007");
        assert_eq!(ShardId::new(i32::MIN).to_string(), "shardId--02147483648");
    }

    proptest! {
        #[test]
        fn ids_are_text_as_format_writes_it(index: i32) {
            prop_assert_eq!(ShardId::new(index).to_string(), format!("shardId-{index:012}"));
        }
    }

    #[test]
    fn what_aws_accepts_is_accepted() {
        for (text, index) in [
            ("shardId-000000000003", 3),
            ("0", 0),
            ("anything-12", 12),
            ("shardId-02147483647", i32::MAX),
        ] {
            assert_eq!(text.parse(), Ok(ShardId::new(index)), "{text}");
        }
        for text in
            ["", "-", "shardId-", "shardId-x", "shardId-2147483648", "a-1x", "ok", "shardId--1"]
        {
            assert_eq!(text.parse::<ShardId>(), Err(InvalidShardId), "{text}");
        }
    }
}
