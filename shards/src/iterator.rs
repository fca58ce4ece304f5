//! Shard iterators: a position in a shard, as an opaque token that lives five minutes.

use bytes::{Buf, BufMut};
use millpond_api::types::{ShardId, StreamArn, Timestamp};

use crate::{
    engine::Offset,
    stream::StreamNumber,
    token::{Purpose, Tokens},
};

/// A position in a shard, as a client holds it. Survives a restart of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIterator {
    /// When it was issued.
    pub issued: Timestamp,
    /// The stream, by name: it may be gone by the time that the iterator is used.
    pub arn: StreamArn,
    /// The stream, among all that ever had the name.
    pub number: StreamNumber,
    /// The shard.
    pub shard: ShardId,
    /// Where to read.
    pub position: Offset,
}

impl ShardIterator {
    /// The iterator as text; different each time.
    #[must_use]
    pub fn seal(&self, tokens: &Tokens) -> String {
        let mut payload = Vec::with_capacity(128);
        payload.put_i64(self.issued.millis());
        payload.put_u32(tokens.next_number());
        payload.put_u32(self.number.0);
        payload.put_i32(self.shard.index());
        payload.put_u64(self.position.value());
        payload.put_slice(self.arn.account.as_str().as_bytes());
        payload.put_slice(self.arn.region.as_str().as_bytes());
        payload.put_u8(b'/');
        payload.put_slice(self.arn.name.as_str().as_bytes());
        tokens.seal(Purpose::ShardIterator, &payload)
    }

    /// The iterator that the text stands for; `None` for text that `seal` didn't make.
    #[must_use]
    pub fn open(tokens: &Tokens, text: &str) -> Option<Self> {
        let payload = tokens.open(Purpose::ShardIterator, text)?;
        let mut rest = payload.as_slice();
        let issued = Timestamp::from_millis(rest.try_get_i64().ok()?);
        let _apart = rest.try_get_u32().ok()?;
        let number = StreamNumber(rest.try_get_u32().ok()?);
        let shard = ShardId::new(rest.try_get_i32().ok()?);
        let position = Offset::new(rest.try_get_u64().ok()?);
        let (account, names) = std::str::from_utf8(rest).ok()?.split_at_checked(12)?;
        let (region, name) = names.split_once('/')?;
        let arn = StreamArn {
            account: account.parse().ok()?,
            region: region.parse().ok()?,
            name: name.parse().ok()?,
        };
        Some(Self { issued, arn, number, shard, position })
    }
}

#[cfg(test)]
mod tests {
    use millpond_quotas::limits;

    use super::*;

    #[test]
    fn an_iterator_reads_back_and_never_looks_the_same() {
        let name = "n".repeat(128);
        let arn = format!("arn:aws:kinesis:us-gov-east-1:123456789012:stream/{name}");
        let iterator = ShardIterator {
            issued: Timestamp::from_millis(1_700_000_000_123),
            arn: arn.parse().unwrap(),
            number: StreamNumber(7),
            shard: ShardId::new(3),
            position: Offset::new(u64::MAX),
        };
        let tokens = Tokens::new(&[1; crate::token::KEY_BYTES]);
        let (one, two) = (iterator.seal(&tokens), iterator.seal(&tokens));
        assert_ne!(one, two);
        assert!(one.len() <= limits::SHARD_ITERATOR_CHARS_MAX, "{}", one.len());
        assert_eq!(ShardIterator::open(&tokens, &one), Some(iterator.clone()));
        assert_eq!(ShardIterator::open(&tokens, &two), Some(iterator));
        assert_eq!(ShardIterator::open(&tokens, "AAAA"), None);
    }
}
