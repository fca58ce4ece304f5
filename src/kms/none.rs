//! A server that has no keys.

use futures::{FutureExt as _, future::BoxFuture};
use millpond_api::types::StreamArn;
use millpond_shards::crypt::{KeyService, KmsError, KmsFault, NewDataKey, PlainKey};

/// Knows no key, and says how to give it some.
pub(super) struct NoKeys;

impl KeyService for NoKeys {
    fn generate<'a>(
        &'a self,
        key_id: &'a str,
        _: &'a StreamArn,
    ) -> BoxFuture<'a, Result<NewDataKey, KmsError>> {
        async move { Err(unknown(key_id)) }.boxed()
    }

    fn decrypt<'a>(
        &'a self,
        key_id: &'a str,
        _: &'a [u8],
        _: &'a StreamArn,
    ) -> BoxFuture<'a, Result<PlainKey, KmsError>> {
        async move { Err(unknown(key_id)) }.boxed()
    }
}

fn unknown(key_id: &str) -> KmsError {
    let words = format!(
        "Key '{key_id}' does not exist: this server has no keys. Start it with --keyring FILE or \
         --kms-endpoint URL."
    );
    KmsError::new(KmsFault::NotFound, words)
}
