//! A server that has no keys.

use futures::{FutureExt as _, future::BoxFuture};
use millpond_api::types::StreamArn;
use millpond_shards::crypt::{KeyService, KmsError, KmsFault, PlainKey};

/// Knows no key, and says how to give it some.
pub(super) struct NoKeys;

impl KeyService for NoKeys {
    fn generate<'a>(
        &'a self,
        key_id: &'a str,
        _: &'a StreamArn,
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        async move { Err(none(&format!("Key '{key_id}'"))) }.boxed()
    }

    fn decrypt<'a>(
        &'a self,
        _: &'a [u8],
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<PlainKey, KmsError>> {
        async move { Err(none(&format!("The key of {stream}"))) }.boxed()
    }
}

fn none(key: &str) -> KmsError {
    let words = format!(
        "{key} does not exist: this server has no keys. Start it with --keyring FILE or \
         --kms-endpoint URL."
    );
    KmsError::new(KmsFault::NotFound, words)
}
