//! What one stream's requests share: data keys that are ready for use. Read without a lock; made
//! ready by one request at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use arc_swap::{ArcSwap, ArcSwapOption};
use millpond_quotas::Time;
use tokio::sync::{Mutex, MutexGuard};

use super::{Cipher, KmsError, Lease, Sealing};
use crate::stream::encryption::DataKeyNumber;

/// How long a refusal of the key service stands before it is asked again.
const REFUSAL_LIFE: Duration = Duration::from_secs(1);

/// The data keys of one stream that are ready for use.
#[derive(Default)]
pub(crate) struct Vault {
    sealer: ArcSwapOption<Sealer>,
    ciphers: ArcSwap<BTreeMap<DataKeyNumber, Arc<Cipher>>>,
    turns: Mutex<Turns>,
}

struct Sealer {
    cipher: Arc<Cipher>,
    lease: Arc<Lease>,
}

#[derive(Default)]
struct Turns {
    lease: Option<(DataKeyNumber, Arc<Lease>)>,
    refused: Option<(DataKeyNumber, Time, KmsError)>,
}

impl Vault {
    /// The means to seal so many records under this data key, if it is ready.
    pub(crate) fn sealing(
        &self,
        number: DataKeyNumber,
        records: usize,
        now: Time,
    ) -> Option<Sealing> {
        let sealer = self.sealer.load();
        let Sealer { cipher, lease } = &**sealer.as_ref()?;
        let is_ready = cipher.number() == number && cipher.is_usable(now);
        is_ready.then(|| Sealing::new(cipher, lease, records)).flatten()
    }

    /// This data key, if it is ready.
    pub(crate) fn cipher(&self, number: DataKeyNumber, now: Time) -> Option<Arc<Cipher>> {
        self.ciphers.load().get(&number).filter(|cipher| cipher.is_usable(now)).cloned()
    }

    /// The right to make something ready.
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn(self.turns.lock().await)
    }

    pub(super) fn keep(&self, cipher: &Arc<Cipher>) {
        let mut ciphers = BTreeMap::clone(&self.ciphers.load());
        ciphers.insert(cipher.number(), Arc::clone(cipher));
        self.ciphers.store(Arc::new(ciphers));
    }

    pub(super) fn ready(&self, cipher: Arc<Cipher>, lease: Arc<Lease>) {
        self.sealer.store(Some(Arc::new(Sealer { cipher, lease })));
    }

    /// Lets go of keys that have expired.
    pub(crate) fn forget_expired(&self, now: Time) {
        // Who makes one ready may wait for the key service; there is a next time.
        let Ok(_turn) = self.turns.try_lock() else { return };
        let is_usable = |cipher: &Cipher| cipher.is_usable(now);
        if self.ciphers.load().values().any(|cipher| !is_usable(cipher)) {
            let mut ciphers = BTreeMap::clone(&self.ciphers.load());
            ciphers.retain(|_, cipher| is_usable(cipher));
            self.ciphers.store(Arc::new(ciphers));
        }
        if self.sealer.load().as_ref().is_some_and(|sealer| !is_usable(&sealer.cipher)) {
            self.sealer.store(None);
        }
    }
}

/// The right to make something ready, until it is dropped.
pub(super) struct Turn<'a>(MutexGuard<'a, Turns>);

impl Turn<'_> {
    /// The lease that is held already, if it is of this data key and has as many nonces left.
    pub(super) fn lease(&self, number: DataKeyNumber, records: usize) -> Option<Arc<Lease>> {
        let (of, lease) = self.0.lease.as_ref()?;
        (*of == number && lease.has(records)).then(|| Arc::clone(lease))
    }

    pub(super) fn keep(&mut self, number: DataKeyNumber, lease: &Arc<Lease>) {
        self.0.lease = Some((number, Arc::clone(lease)));
    }

    /// Why this data key couldn't be made ready a moment ago.
    pub(super) fn failure(&self, number: DataKeyNumber, now: Time) -> Option<KmsError> {
        let (of, until, error) = self.0.refused.as_ref()?;
        (*of == number && now < *until).then(|| error.clone())
    }

    pub(super) fn failed(&mut self, number: DataKeyNumber, now: Time, error: KmsError) {
        self.0.refused = Some((number, now + REFUSAL_LIFE, error));
    }
}
