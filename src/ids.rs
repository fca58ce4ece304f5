//! Identifiers that only have to be different, and the one key that has to be secret.

use base64_simd::STANDARD;
use millpond_shards::token::KEY_BYTES;
use ring::rand::{self, Random, SystemRandom};
use thiserror::Error;
use uuid::Uuid;

/// Bytes of `x-amz-id-2`, as AWS sends them at the least.
const EXTENDED_ID_BYTES: usize = 64;

/// A value for `x-amzn-RequestId`.
#[must_use]
pub fn request_id() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_ne_bytes()).into_uuid()
}

/// A value for `x-amz-id-2`.
#[must_use]
pub fn extended_request_id() -> String {
    let mut bytes = [0; EXTENDED_ID_BYTES];
    fastrand::fill(&mut bytes);
    STANDARD.encode_to_string(bytes)
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
