//! Where master keys are: the seam to a keyring or to a key management service.

use futures::future::BoxFuture;
use millpond_api::types::StreamArn;
use thiserror::Error;

use super::PlainKey;

/// Keeps master keys, and never gives one away: it makes data keys and opens wrapped ones.
pub trait KeyService: Send + Sync {
    /// A new data key of `stream` to be stored, wrapped under the master key that `key_id` names: a
    /// UUID, an alias, or the ARN of either.
    fn generate<'a>(
        &'a self,
        key_id: &'a str,
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>>;

    /// The data key of `stream` in the clear. What counts is the master key that wrapped it, also
    /// when the alias that it was asked for under names another one by now.
    fn decrypt<'a>(
        &'a self,
        wrapped: &'a [u8],
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<PlainKey, KmsError>>;
}

/// Why a master key can't be used: one of the facts that KMS has, in the service's own words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct KmsError {
    /// Which fact.
    pub fault: KmsFault,
    /// A sentence for whoever asked.
    pub message: String,
}

impl KmsError {
    /// The fact in these words.
    pub fn new(fault: KmsFault, message: impl Into<String>) -> Self {
        Self { fault, message: message.into() }
    }
}

/// What can be wrong with a master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KmsFault {
    /// The caller may not use the key.
    AccessDenied,
    /// The key is disabled.
    Disabled,
    /// The key can't do this in its state, or isn't the one that it was.
    InvalidState,
    /// There is no such key.
    NotFound,
    /// The account has no subscription to the service.
    OptInRequired,
    /// The service is called too often.
    Throttling,
    /// The service doesn't answer, or not as it should.
    Unavailable,
}
