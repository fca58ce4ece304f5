//! Where the master keys of encrypted streams are: a keyring file, a key management service, or
//! keys made up for tests. Each of them is a [`KeyService`] to the domain.

mod endpoint;
mod key_id;
mod keyring;
mod none;

use std::sync::Arc;

use millpond_quotas::Clock;
use millpond_shards::crypt::KeyService;

use self::endpoint::KmsEndpoint;
use crate::{config::Keys, process::StartError};

pub use endpoint::KmsUrl;
pub use keyring::{InvalidKeyring, Keyring};

/// The key service that the configuration names.
///
/// # Errors
/// When it can't be used, with what to do about it.
pub fn open(keys: &Keys, clock: &Clock) -> Result<Arc<dyn KeyService>, StartError> {
    Ok(match keys {
        Keys::None => Arc::new(none::NoKeys),
        Keys::MadeUp => Arc::new(Keyring::made_up()),
        Keys::Endpoint { url, credential, ca } => {
            let endpoint = KmsEndpoint::new(url, credential, ca.as_deref(), clock.clone());
            Arc::new(endpoint?)
        }
        Keys::File(path) => Arc::new(Keyring::read(path).map_err(StartError::refused)?),
    })
}
