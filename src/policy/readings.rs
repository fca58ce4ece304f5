//! Policies of resources, each read once as long as it stands.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use arc_swap::ArcSwap;

use super::{InvalidPolicy, Kind, Policy};

/// Readings that are kept until those of texts that are gone are let go.
const KEPT_MIN: usize = 64;

/// The policies that the texts of resource policies say, by the place of the text in memory: a
/// reading holds on to that place, so no other text can come to lie there.
#[derive(Default)]
pub struct Readings(ArcSwap<HashMap<usize, Reading>>);

#[derive(Clone)]
struct Reading {
    text: Weak<str>,
    policy: Arc<Policy>,
}

impl Readings {
    /// What a text says.
    ///
    /// # Errors
    /// When it is no policy.
    pub fn read(&self, text: &Arc<str>) -> Result<Arc<Policy>, InvalidPolicy> {
        let place = Arc::as_ptr(text).cast::<u8>().addr();
        if let Some(reading) = self.0.load().get(&place) {
            return Ok(Arc::clone(&reading.policy));
        }
        let policy = Arc::new(Policy::parse(text, Kind::Resource)?);
        let reading = Reading { text: Arc::downgrade(text), policy: Arc::clone(&policy) };
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() >= KEPT_MIN && known.len().is_power_of_two() {
                known.retain(|_, reading| reading.text.strong_count() > 0);
            }
            known.insert(place, reading.clone());
            known
        });
        Ok(policy)
    }
}

#[cfg(test)]
impl Readings {
    pub(super) fn len(&self) -> usize {
        self.0.load().len()
    }
}
