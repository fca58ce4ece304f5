//! A key service for tests: it knows every key, until it is told otherwise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{FutureExt as _, future::BoxFuture};
use millpond_api::types::StreamArn;
use tokio::sync::watch;

use super::{KeyService, KmsError, KmsFault, PlainKey};

/// Keys of tests. What they wrap is no secret. Clones share what they are told.
#[derive(Debug, Clone, Default)]
pub struct TestKeys {
    faults: Arc<Mutex<BTreeMap<String, KmsFault>>>,
    held: Arc<watch::Sender<BTreeSet<String>>>,
    generated: Arc<AtomicUsize>,
    decrypted: Arc<AtomicUsize>,
}

impl TestKeys {
    /// From now on the key can't be used; or it can be used again.
    pub fn set(&self, key_id: &str, fault: Option<KmsFault>) {
        let mut faults = self.faults.lock().expect("no test panics here");
        match fault {
            Some(fault) => faults.insert(key_id.to_owned(), fault),
            None => faults.remove(key_id),
        };
    }

    /// From now on nobody learns anything of the key, until it is [released](Self::release).
    pub fn hold(&self, key_id: &str) {
        self.held.send_if_modified(|held| held.insert(key_id.to_owned()));
    }

    /// Who asked for the key gets an answer, and who asks for it later.
    pub fn release(&self, key_id: &str) {
        self.held.send_if_modified(|held| held.remove(key_id));
    }

    /// Data keys that were made so far.
    #[must_use]
    pub fn generated(&self) -> usize {
        self.generated.load(Ordering::SeqCst)
    }

    /// Data keys that were unwrapped so far, or were to be.
    #[must_use]
    pub fn decrypted(&self) -> usize {
        self.decrypted.load(Ordering::SeqCst)
    }

    async fn check(&self, key_id: &str) -> Result<(), KmsError> {
        let is_free = |held: &BTreeSet<String>| !held.contains(key_id);
        self.held.subscribe().wait_for(is_free).await.expect("the sender is ours");
        let faults = self.faults.lock().expect("no test panics here");
        match faults.get(key_id) {
            Some(fault) => Err(KmsError::new(*fault, format!("{key_id} can't be used"))),
            None => Ok(()),
        }
    }
}

/// The fault of a key that only wraps is that of its name with this prefix.
pub const UNWRAPPING: &str = "unwrapping ";

/// What a wrapped key has been turned by.
const TURN: u8 = 0x5a;

impl KeyService for TestKeys {
    fn generate<'a>(
        &'a self,
        key_id: &'a str,
        stream: &'a StreamArn,
    ) -> BoxFuture<'a, Result<Vec<u8>, KmsError>> {
        let generate = async move {
            self.check(key_id).await?;
            let serial = self.generated.fetch_add(1, Ordering::SeqCst) as u64;
            let mut key = [0; 32];
            let parts = serial.to_be_bytes().into_iter().chain(stream.name.as_str().bytes());
            key.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
            let wrapped = key.iter().map(|byte| byte ^ TURN).collect();
            Ok([wrapped, key_id.as_bytes().to_vec()].concat())
        };
        generate.boxed()
    }

    fn decrypt<'a>(
        &'a self,
        wrapped: &'a [u8],
        _: &'a StreamArn,
    ) -> BoxFuture<'a, Result<PlainKey, KmsError>> {
        let decrypt = async move {
            self.decrypted.fetch_add(1, Ordering::SeqCst);
            let (wrapped, key_id) = wrapped.split_at_checked(32).unwrap_or_default();
            let key_id = String::from_utf8_lossy(key_id);
            self.check(&key_id).await?;
            self.check(&format!("{UNWRAPPING}{key_id}")).await?;
            let key: Vec<_> = wrapped.iter().map(|byte| byte ^ TURN).collect();
            PlainKey::from_slice(&key)
                .ok_or_else(|| KmsError::new(KmsFault::InvalidState, "not a wrapped key"))
        };
        decrypt.boxed()
    }
}
