//! Signing keys that were derived before: four HMACs that most requests need not repeat.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher as _,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use aws_sigv4::sign::v4::generate_signing_key;
use hmac::{Hmac, KeyInit as _, Mac as _};
use millpond_api::types::Region;
use sha2::Sha256;

use super::{Service, credentials::Credential, date::AmzDate};

/// Signing keys that are kept. A key is needed per credential and scope.
const SIGNING_KEYS_MAX: usize = 256;

/// What a key signs for.
#[derive(Debug, Clone)]
pub(super) struct KeyScope {
    pub(super) service: Service,
    pub(super) region: Region,
    /// Any second of the day.
    pub(super) date: AmzDate,
}

impl KeyScope {
    fn parts(&self) -> (Service, &Region, &str) {
        (self.service, &self.region, self.date.day())
    }
}

/// The key that signs requests of one credential to one service in one region on one day.
pub(super) struct SigningKey {
    pub(super) credential: Arc<Credential>,
    pub(super) scope: KeyScope,
    // With the key taken in, which most requests need not repeat either.
    mac: Hmac<Sha256>,
}

impl SigningKey {
    pub(super) fn derive(credential: &Arc<Credential>, scope: KeyScope) -> Self {
        let KeyScope { service, region, date } = &scope;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(date.seconds().unsigned_abs());
        let (region, service) = (region.as_str(), service.name());
        let key = generate_signing_key(credential.secret(), time, region, service);
        let mac = Hmac::new_from_slice(key.as_ref()).expect("an HMAC takes keys of any length");
        Self { credential: Arc::clone(credential), scope, mac }
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        self.mac.clone().chain_update(text).finalize().into_bytes().into()
    }

    // The credential is compared by identity: a key of a replaced secret is never found again.
    fn is_for(&self, credential: &Arc<Credential>, scope: &KeyScope) -> bool {
        Arc::ptr_eq(&self.credential, credential) && self.scope.parts() == scope.parts()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} for {:?})", self.credential.id(), self.scope.parts())
    }
}

/// A table in which each key has one slot, and a newer key takes the place of an older one.
pub(super) struct SigningKeys {
    slots: Box<[ArcSwapOption<SigningKey>]>,
    hasher: RandomState,
}

impl SigningKeys {
    pub(super) fn new() -> Self {
        let slots = (0..SIGNING_KEYS_MAX).map(|_| ArcSwapOption::empty()).collect();
        Self { slots, hasher: RandomState::new() }
    }

    pub(super) fn get(
        &self,
        credential: &Arc<Credential>,
        scope: &KeyScope,
    ) -> Option<Arc<SigningKey>> {
        let found = self.slot(credential, scope).load_full()?;
        found.is_for(credential, scope).then_some(found)
    }

    pub(super) fn remember(&self, key: Arc<SigningKey>) {
        self.slot(&key.credential, &key.scope).store(Some(key));
    }

    fn slot(&self, credential: &Arc<Credential>, scope: &KeyScope) -> &ArcSwapOption<SigningKey> {
        let hash = self.hasher.hash_one((credential.id(), scope.parts()));
        let index = usize::try_from(hash % SIGNING_KEYS_MAX as u64).expect("smaller than 256");
        self.slots.get(index).expect("the table has SIGNING_KEYS_MAX slots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(service: Service, region: &str, at: &str) -> KeyScope {
        let date = AmzDate::parse(at).unwrap();
        KeyScope { service, region: region.parse().unwrap(), date }
    }

    #[test]
    fn a_key_is_found_only_for_its_credential_and_scope() {
        let credential = Arc::new(Credential::test());
        let keys = SigningKeys::new();
        let morning = scope(Service::Kinesis, "us-east-1", "20150830T000000Z");
        keys.remember(Arc::new(SigningKey::derive(&credential, morning)));

        let found = |credential, service, region, at| {
            keys.get(credential, &scope(service, region, at)).is_some()
        };
        let kinesis = Service::Kinesis;
        assert!(found(&credential, kinesis, "us-east-1", "20150830T235959Z"));
        assert!(!found(&credential, kinesis, "us-east-1", "20150831T000000Z"));
        assert!(!found(&credential, kinesis, "us-east-2", "20150830T000000Z"));
        assert!(!found(&credential, Service::Sts, "us-east-1", "20150830T000000Z"));
        assert!(!found(&Arc::new(Credential::test()), kinesis, "us-east-1", "20150830T000000Z"));
    }

    #[test]
    fn the_table_stays_small_and_serves_the_newest() {
        let credential = Arc::new(Credential::test());
        let keys = SigningKeys::new();
        for n in 0..4 * SIGNING_KEYS_MAX {
            let scope = scope(Service::Kinesis, &format!("region-{n}"), "20150830T000000Z");
            keys.remember(Arc::new(SigningKey::derive(&credential, scope.clone())));
            assert!(keys.get(&credential, &scope).is_some());
        }
        assert_eq!(keys.slots.len(), SIGNING_KEYS_MAX);
    }

    #[test]
    fn debug_output_shows_no_key() {
        let credential = Arc::new(Credential::test());
        let scope = scope(Service::Kinesis, "us-east-1", "20150830T000000Z");
        let key = SigningKey::derive(&credential, scope);
        let shown = "SigningKey(test for (Kinesis, us-east-1, \"20150830\"))";
        assert_eq!(format!("{key:?}"), shown);
    }
}
