//! Identifiers that only have to be different, and the keys that have to be secret.

use std::sync::{Mutex, PoisonError};

use base64_simd::STANDARD;
use fastrand::Rng;
use millpond_shards::token::KEY_BYTES;
use ring::{
    digest,
    rand::{self, Random, SystemRandom},
};
use thiserror::Error;
use uuid::Uuid;

/// Bytes of `x-amz-id-2`, as AWS sends them at the least.
const EXTENDED_ID_BYTES: usize = 64;

/// What the key of tokens is derived from beside a seed.
const TOKEN_KEY_LABEL: &[u8] = b"millpond token key of seed ";

/// Where the ids of a server's answers come from.
#[derive(Debug)]
pub struct Ids {
    seed: Option<u64>,
    // Under a seed, so that they come in one order whatever the thread.
    seeded: Option<Mutex<Rng>>,
}

impl Ids {
    /// The same ids for the same seed; without one, others each time.
    #[must_use]
    pub fn new(seed: Option<u64>) -> Self {
        Self { seed, seeded: seed.map(|seed| Mutex::new(Rng::with_seed(seed))) }
    }

    /// A value for `x-amzn-RequestId`.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        let number = self.draw(|rng| rng.u128(..));
        uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid()
    }

    /// A value for `x-amz-id-2`.
    #[must_use]
    pub fn extended_request_id(&self) -> String {
        let mut bytes = [0; EXTENDED_ID_BYTES];
        self.draw(|rng| rng.fill(&mut bytes));
        STANDARD.encode_to_string(bytes)
    }

    /// The key that the tokens of a new server are authenticated with. Under a seed, whoever knows
    /// that can make them.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn token_key(&self) -> Result<[u8; KEY_BYTES], NoRandomness> {
        let Some(seed) = self.seed else { return secret_key() };
        let mut text = TOKEN_KEY_LABEL.to_vec();
        text.extend(seed.to_be_bytes());
        let digest = digest::digest(&digest::SHA256, &text);
        Ok(digest.as_ref().try_into().expect("SHA-256 has as many bytes as a key"))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        match &self.seeded {
            // A generator is whole at any time, so a panic elsewhere spoils nothing.
            Some(rng) => draw(&mut rng.lock().unwrap_or_else(PoisonError::into_inner)),
            None => draw(&mut Rng::new()),
        }
    }
}

/// A key that nobody can guess.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn secret_key() -> Result<[u8; KEY_BYTES], NoRandomness> {
    rand::generate(&SystemRandom::new()).map(Random::expose).map_err(|_| NoRandomness)
}

/// The operating system gives nothing that nobody can guess.
#[derive(Debug, Error)]
#[error("the system has no random numbers to give")]
pub struct NoRandomness;

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: Option<u64>) -> (Uuid, String, Uuid, [u8; KEY_BYTES]) {
        let ids = Ids::new(seed);
        let key = ids.token_key().unwrap();
        (ids.request_id(), ids.extended_request_id(), ids.request_id(), key)
    }

    #[test]
    fn a_seed_decides_all_of_them() {
        assert_eq!(drawn(Some(7)), drawn(Some(7)));
        let (seven, eight) = (drawn(Some(7)), drawn(Some(8)));
        assert_ne!(seven.0, seven.2, "each is another");
        assert_ne!((seven.0, &seven.1), (eight.0, &eight.1));
        assert_ne!(seven.3, eight.3);
    }

    #[test]
    fn without_a_seed_nothing_repeats() {
        let (one, two) = (drawn(None), drawn(None));
        assert_ne!(one.0, two.0);
        assert_ne!(one.1, two.1);
        assert_ne!(one.3, two.3);
    }
}
