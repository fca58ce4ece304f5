//! Nonces: a lease of them that is taken once, and a request's share of it.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use millpond_api::types::HashKey;
use ring::rand::{SecureRandom, SystemRandom};

use super::{
    Cipher,
    cipher::{NONCE_BYTES, TAG_BYTES},
};
use crate::stream::encryption::DataKeyNumber;

/// Nonces of one lease.
const NONCES_MAX: u32 = 1 << 24;

/// Random bytes of a nonce, the same within a lease.
const RANDOM_BYTES: usize = 8;

/// The right to so many nonces of one data key, held by one process.
#[derive(Debug)]
pub struct Lease {
    number: u8,
    random: [u8; RANDOM_BYTES],
    used: AtomicU32,
}

impl Lease {
    /// The lease of this number, which nobody else holds.
    ///
    /// # Panics
    /// When the system has no randomness.
    #[must_use]
    pub fn new(number: u8) -> Self {
        let mut random = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut random).expect("the system gives random bytes");
        Self { number, random, used: AtomicU32::new(0) }
    }

    /// The first of `count` nonces that are the caller's alone, if as many are left.
    pub(crate) fn take(&self, count: usize) -> Option<u32> {
        let after = |used: u32| {
            used.checked_add(u32::try_from(count).ok()?).filter(|after| *after <= NONCES_MAX)
        };
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, after).ok()
    }

    pub(super) fn nonce(&self, index: u32) -> [u8; NONCE_BYTES] {
        let [_, counter @ ..] = index.to_be_bytes();
        let mut nonce = [0; NONCE_BYTES];
        let parts = std::iter::once(self.number).chain(self.random).chain(counter);
        nonce.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        nonce
    }
}

/// The means to seal as many records as were asked for.
#[derive(Debug)]
pub struct Sealing {
    cipher: Arc<Cipher>,
    lease: Arc<Lease>,
    next: u32,
    end: u32,
    scratch: Vec<u8>,
}

impl Sealing {
    /// A share of `records` nonces of `lease`, if as many are left.
    #[must_use]
    pub fn new(cipher: &Arc<Cipher>, lease: &Arc<Lease>, records: usize) -> Option<Self> {
        let next = lease.take(records)?;
        let (cipher, lease) = (Arc::clone(cipher), Arc::clone(lease));
        let scratch = Vec::new();
        Some(Self { cipher, lease, next, end: next + records as u32, scratch })
    }

    pub(crate) fn data_key(&self) -> DataKeyNumber {
        self.cipher.number()
    }

    pub(crate) fn next_nonce(&mut self) -> [u8; NONCE_BYTES] {
        assert!(self.next < self.end, "no more records are sealed than were asked for");
        self.next += 1;
        self.lease.nonce(self.next - 1)
    }

    /// Seals data in place under a nonce that was just taken.
    pub(crate) fn seal(
        &mut self,
        nonce: [u8; NONCE_BYTES],
        partition_key: Option<&str>,
        explicit: Option<HashKey>,
        data: &mut [u8],
    ) -> [u8; TAG_BYTES] {
        self.cipher.seal(nonce, partition_key, explicit, data, &mut self.scratch)
    }
}
