//! The partition keys that were refused most, counted in little room.

use std::collections::{BTreeMap, btree_map::Entry};

/// Keys that are counted for each shard and limit.
pub(super) const KEYS_MAX: usize = 8;

/// Counts keys as the *space-saving* algorithm does: a new key takes the place of the rarest one
/// and its count, so a key that is more than one in [`KEYS_MAX`] of all is never missed.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<Box<str>, Count>);

/// How often a key was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    /// At most so often.
    pub(super) refused: u64,
    /// By so much the count may be too great.
    pub(super) doubt: u64,
    /// Bytes that were counted with the key itself.
    pub(super) bytes: u64,
}

impl Count {
    /// At least so often.
    pub(super) fn surely(self) -> u64 {
        self.refused - self.doubt
    }

    /// Takes in what was counted of the same key elsewhere.
    pub(super) fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.doubt += other.doubt;
        self.bytes += other.bytes;
    }
}

impl Keys {
    pub(super) fn note(&mut self, key: &str, bytes: u64) {
        if let Some(count) = self.0.get_mut(key) {
            count.refused += 1;
            count.bytes += bytes;
            return;
        }
        let doubt = if self.0.len() < KEYS_MAX { 0 } else { self.take_rarest() };
        if let Entry::Vacant(place) = self.0.entry(key.into()) {
            place.insert(Count { refused: doubt + 1, doubt, bytes });
        }
    }

    fn take_rarest(&mut self) -> u64 {
        let rarest = self.0.iter().min_by_key(|(_, count)| count.refused);
        let Some((key, count)) = rarest.map(|(key, count)| (key.clone(), *count)) else { return 0 };
        self.0.remove(&key);
        count.refused
    }

    /// The keys, the most refused first.
    pub(super) fn counts(&self) -> Vec<(&str, Count)> {
        let mut counts: Vec<_> = self.0.iter().map(|(key, count)| (&**key, *count)).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse((count.surely(), count.refused)));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut keys = Keys::default();
        for key in ["a", "b", "a", "c", "a", "b"] {
            keys.note(key, 10);
        }
        let told: Vec<_> =
            keys.counts().iter().map(|(key, c)| (*key, c.surely(), c.bytes)).collect();
        assert_eq!(told, [("a", 3, 30), ("b", 2, 20), ("c", 1, 10)]);
        assert!(keys.counts().iter().all(|(_, count)| count.doubt == 0));
    }

    #[test]
    fn a_hot_key_is_found_among_many_in_little_room() {
        let mut keys = Keys::default();
        for n in 0..10_000 {
            keys.note(if n % 4 == 0 { "hot" } else { "other" }, 1);
            keys.note(&format!("key-{n}"), 1);
        }
        let counts = keys.counts();
        assert_eq!(counts.len(), KEYS_MAX);
        let hot = counts.iter().find(|(key, _)| *key == "hot").unwrap().1;
        assert!(hot.refused >= 2_500, "never too few: {hot:?}");
        assert!(hot.surely() <= 2_500, "and never surely too many: {hot:?}");
        assert_eq!(counts[0].0, "other");
    }
}
