//! Opaque tokens that clients carry for us: authenticated, so that whatever comes back is ours.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the key that tokens are authenticated with.
pub const KEY_BYTES: usize = 32;

/// Every token begins with it, as AWS' shard iterators do.
const VERSION: [u8; 8] = 1_u64.to_be_bytes();

/// Bytes of the authentication code at a token's end.
const CODE_BYTES: usize = 16;

/// What a token is for; one is never taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A shard iterator.
    ShardIterator = 1,
    /// A NextToken of ListStreams.
    ListStreams = 2,
    /// A NextToken of ListShards.
    ListShards = 3,
    /// A NextToken of ListStreamConsumers.
    ListStreamConsumers = 4,
}

/// Makes tokens and recognises them. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    keyed: Arc<ArcSwap<Keyed>>,
    issued: Arc<AtomicU32>,
}

/// A key, and the code that is begun with it.
struct Keyed {
    key: [u8; KEY_BYTES],
    code: Hmac<Sha256>,
}

impl Tokens {
    /// Tokens under this key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let keyed = Arc::new(ArcSwap::from_pointee(Keyed::new(key)));
        Self { keyed, issued: Arc::default() }
    }

    /// From now on tokens are under this key, and others are no longer recognised.
    pub(crate) fn change_key(&self, key: &[u8; KEY_BYTES]) {
        self.keyed.store(Arc::new(Keyed::new(key)));
    }

    /// The key in use.
    pub(crate) fn key(&self) -> [u8; KEY_BYTES] {
        self.keyed.load().key
    }

    /// A number that tells apart what is issued in the same millisecond.
    pub(crate) fn next_number(&self) -> u32 {
        self.issued.fetch_add(1, Relaxed)
    }

    /// A token that carries `payload`, as base64 text.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, payload: &[u8]) -> String {
        let mut token = Vec::with_capacity(VERSION.len() + payload.len() + CODE_BYTES);
        token.extend(VERSION);
        token.extend(payload);
        let code = self.code(purpose, &token).finalize().into_bytes();
        token.extend(code.iter().take(CODE_BYTES));
        base64_simd::STANDARD.encode_to_string(token)
    }

    /// The payload of a token that `seal` made for this purpose; `None` for any other text.
    #[must_use]
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<Vec<u8>> {
        let mut bytes = base64_simd::STANDARD.decode_to_vec(token).ok()?;
        let sealed = bytes.len().checked_sub(CODE_BYTES)?;
        let (sealed, code) = bytes.split_at(sealed);
        self.code(purpose, sealed).verify_truncated_left(code).ok()?;
        sealed.strip_prefix(&VERSION)?;
        let payload = VERSION.len()..sealed.len();
        Some(bytes.drain(payload).collect())
    }

    fn code(&self, purpose: Purpose, sealed: &[u8]) -> Hmac<Sha256> {
        let mut code = self.keyed.load().code.clone();
        code.update(&[purpose as u8]);
        code.update(sealed);
        code
    }
}

impl Keyed {
    fn new(key: &[u8; KEY_BYTES]) -> Self {
        let code = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Self { key: *key, code }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_untouched_tokens_open(
            payload: Vec<u8>,
            index: prop::sample::Index,
            bit in 0..8_u8,
        ) {
            let tokens = Tokens::new(&[7; KEY_BYTES]);
            let token = tokens.seal(Purpose::ShardIterator, &payload);
            prop_assert_eq!(tokens.open(Purpose::ShardIterator, &token), Some(payload));
            prop_assert_eq!(tokens.open(Purpose::ListShards, &token), None);
            let other = Tokens::new(&[8; KEY_BYTES]);
            prop_assert_eq!(other.open(Purpose::ShardIterator, &token), None);
            let mut bytes = base64_simd::STANDARD.decode_to_vec(&token).unwrap();
            let index = index.index(bytes.len());
            bytes[index] ^= 1 << bit;
            let touched = base64_simd::STANDARD.encode_to_string(bytes);
            prop_assert_eq!(tokens.open(Purpose::ShardIterator, &touched), None);
        }

        #[test]
        fn any_text_is_survived(text: String) {
            prop_assert_eq!(Tokens::new(&[7; KEY_BYTES]).open(Purpose::ShardIterator, &text), None);
        }
    }
}
