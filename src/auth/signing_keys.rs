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
use millpond_api::types::Region;

use super::{SERVICE, credentials::Credential, date::AmzDate};

/// Signing keys that are kept. A key is needed per credential, region and day.
const SIGNING_KEYS_MAX: usize = 256;

/// The key that signs requests of one credential in one region on one day.
pub(super) struct SigningKey {
    pub(super) credential: Arc<Credential>,
    pub(super) region: Region,
    /// Any second of the day.
    date: AmzDate,
    key: [u8; 32],
}

impl SigningKey {
    pub(super) fn derive(credential: &Arc<Credential>, region: Region, date: AmzDate) -> Self {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(date.seconds().unsigned_abs());
        let key = generate_signing_key(credential.secret(), time, region.as_str(), SERVICE);
        let key = key.as_ref().try_into().expect("an HMAC-SHA256 has 32 bytes");
        Self { credential: Arc::clone(credential), region, date, key }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.key
    }

    // The credential is compared by identity: a key of a replaced secret is never found again.
    fn is_for(&self, credential: &Arc<Credential>, region: &str, date: &AmzDate) -> bool {
        Arc::ptr_eq(&self.credential, credential)
            && self.region.as_str() == region
            && self.date.day() == date.day()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}/{}/{})", self.credential.id(), self.date.day(), self.region)
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
        region: &str,
        date: &AmzDate,
    ) -> Option<Arc<SigningKey>> {
        let found = self.slot(credential, region, date).load_full()?;
        found.is_for(credential, region, date).then_some(found)
    }

    pub(super) fn remember(&self, key: Arc<SigningKey>) {
        self.slot(&key.credential, key.region.as_str(), &key.date).store(Some(key));
    }

    fn slot(
        &self,
        credential: &Arc<Credential>,
        region: &str,
        date: &AmzDate,
    ) -> &ArcSwapOption<SigningKey> {
        let hash = self.hasher.hash_one((credential.id(), region, date.day()));
        let index = usize::try_from(hash % SIGNING_KEYS_MAX as u64).expect("smaller than 256");
        self.slots.get(index).expect("the table has SIGNING_KEYS_MAX slots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> AmzDate {
        AmzDate::parse(text).unwrap()
    }

    #[test]
    fn a_key_is_found_only_for_its_credential_region_and_day() {
        let credential = Arc::new(Credential::test());
        let keys = SigningKeys::new();
        let morning = date("20150830T000000Z");
        let region: Region = "us-east-1".parse().unwrap();
        keys.remember(Arc::new(SigningKey::derive(&credential, region, morning)));

        let found = |credential, region, at| keys.get(credential, region, &date(at)).is_some();
        assert!(found(&credential, "us-east-1", "20150830T235959Z"));
        assert!(!found(&credential, "us-east-1", "20150831T000000Z"));
        assert!(!found(&credential, "us-east-2", "20150830T000000Z"));
        assert!(!found(&Arc::new(Credential::test()), "us-east-1", "20150830T000000Z"));
    }

    #[test]
    fn the_table_stays_small_and_serves_the_newest() {
        let credential = Arc::new(Credential::test());
        let keys = SigningKeys::new();
        let today = date("20150830T000000Z");
        for n in 0..4 * SIGNING_KEYS_MAX {
            let region: Region = format!("region-{n}").parse().unwrap();
            keys.remember(Arc::new(SigningKey::derive(&credential, region.clone(), today)));
            assert!(keys.get(&credential, region.as_str(), &today).is_some());
        }
        assert_eq!(keys.slots.len(), SIGNING_KEYS_MAX);
    }

    #[test]
    fn debug_output_shows_no_key() {
        let credential = Arc::new(Credential::test());
        let region = "us-east-1".parse().unwrap();
        let key = SigningKey::derive(&credential, region, date("20150830T000000Z"));
        assert_eq!(format!("{key:?}"), "SigningKey(test/20150830/us-east-1)");
    }
}
