//! Where the master keys of encrypted streams are: a keyring file, a key management service, or
//! keys made up for tests. Each of them is a [`KeyService`] to the domain.

mod key_id;
mod keyring;
mod none;

use std::sync::Arc;

use millpond_shards::crypt::KeyService;

use crate::{config::Keys, process::StartError};

pub use keyring::{InvalidKeyring, Keyring};

/// The key service that the configuration names.
///
/// # Errors
/// When it can't be used, with what to do about it.
pub fn open(keys: &Keys) -> Result<Arc<dyn KeyService>, StartError> {
    Ok(match keys {
        Keys::None => Arc::new(none::NoKeys),
        Keys::MadeUp => Arc::new(Keyring::made_up()),
        Keys::File(path) => Arc::new(Keyring::read(path).map_err(StartError::refused)?),
    })
}
