//! From a partition key to the open shard that owns its hash key.

use std::sync::Arc;

use md5::{Digest, Md5};
use millpond_api::types::{HashKey, HashKeyRange};

mod lanes;

/// The hash key of a partition key: its MD5, read as a big-endian number.
#[must_use]
pub fn hash_key(partition_key: &str) -> HashKey {
    HashKey::new(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

/// What decides which shard owns a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingKey<'k> {
    /// The hash key of this partition key.
    Partition(&'k str),
    /// This hash key, which the producer gave.
    Explicit(HashKey),
}

impl RoutingKey<'_> {
    /// Where that is in the space.
    #[must_use]
    pub fn hash_key(self) -> HashKey {
        match self {
            Self::Partition(key) => hash_key(key),
            Self::Explicit(key) => key,
        }
    }
}

/// The hash keys of partition keys, in their order: many cost a third of as many single ones.
fn hash_keys(partition_keys: &[&str]) -> Vec<HashKey> {
    let mut hash_keys = Vec::with_capacity(partition_keys.len());
    let (groups, rest) = partition_keys.as_chunks();
    for group in groups {
        if group.iter().all(|key| key.len() <= lanes::SHORT_BYTES_MAX) {
            hash_keys.extend(lanes::digests(*group).map(HashKey::new));
        } else {
            hash_keys.extend(group.iter().map(|key| hash_key(key)));
        }
    }
    hash_keys.extend(rest.iter().map(|key| hash_key(key)));
    hash_keys
}

/// The open shards of a stream, by the hash keys that they own. Together they cover the space
/// exactly once.
#[derive(Debug, Default)]
pub struct RoutingTable<S> {
    starts: Vec<HashKey>,
    shards: Vec<Arc<S>>,
}

impl<S> RoutingTable<S> {
    /// The table of these shards, which must cover the space exactly once, or be none at all.
    #[must_use]
    pub fn new(open: impl IntoIterator<Item = (HashKeyRange, Arc<S>)>) -> Self {
        let mut open: Vec<_> = open.into_iter().collect();
        open.sort_unstable_by_key(|(range, _)| range.start());
        assert!(covers_space(open.iter().map(|(range, _)| *range)), "open shards cover the space");
        let (starts, shards) =
            open.into_iter().map(|(range, shard)| (range.start(), shard)).unzip();
        Self { starts, shards }
    }

    /// Index, in order of hash keys, of the shard that owns `key`; `None` when the stream has no
    /// open shard.
    #[must_use]
    pub fn index_of(&self, key: HashKey) -> Option<usize> {
        self.starts.partition_point(|start| *start <= key).checked_sub(1)
    }

    /// The indices of the shards that own these keys, in their order; none when the stream has no
    /// open shard.
    #[must_use]
    pub fn indices_of(&self, keys: &[RoutingKey<'_>]) -> Vec<usize> {
        if self.shards.len() <= 1 {
            // What there is to own belongs to the only shard.
            return self.shards.iter().flat_map(|_| keys.iter().map(|_| 0)).collect();
        }
        let mut partition_keys = Vec::with_capacity(keys.len());
        partition_keys.extend(keys.iter().filter_map(|key| match key {
            RoutingKey::Partition(key) => Some(*key),
            RoutingKey::Explicit(_) => None,
        }));
        let mut hashed = hash_keys(&partition_keys).into_iter();
        let hash_key = |key: &RoutingKey<'_>| match key {
            RoutingKey::Partition(_) => hashed.next(),
            RoutingKey::Explicit(key) => Some(*key),
        };
        keys.iter().filter_map(hash_key).filter_map(|key| self.index_of(key)).collect()
    }

    /// The open shards, in order of their hash keys.
    #[must_use]
    pub fn shards(&self) -> &[Arc<S>] {
        &self.shards
    }

    /// The shard that owns `key`; `None` when the stream has no open shard.
    #[must_use]
    pub fn shard_of(&self, key: HashKey) -> Option<&Arc<S>> {
        self.shards.get(self.index_of(key)?)
    }
}

/// Whether these, in order, are everything exactly once, or nothing at all.
pub(crate) fn covers_space(mut ranges: impl Iterator<Item = HashKeyRange>) -> bool {
    let Some(first) = ranges.next() else { return true };
    ranges.try_fold(first, HashKeyRange::merge) == Some(HashKeyRange::FULL)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    fn table(shards: u32) -> RoutingTable<usize> {
        RoutingTable::new(HashKeyRange::uniform(shards).zip((0..).map(Arc::new)))
    }

    #[test]
    fn hash_keys_are_those_recorded_from_aws() {
        let cases = [
            ("a", "16955237001963240173058271559858726497"),
            ("b", "195289424170611159128911017612795795343"),
            ("e", "299611584147932843547128611849858313266"),
            ("f", "190917122200326810055233066464581373159"),
        ];
        for (key, hash) in cases {
            assert_eq!(hash_key(key).to_string(), hash);
        }
    }

    #[test]
    fn placement_is_that_recorded_from_aws() {
        let table = table(3);
        let placed = ["a", "b", "e", "f"].map(|key| **table.shard_of(hash_key(key)).unwrap());
        assert_eq!(placed, [0, 1, 2, 1]);
    }

    #[test]
    fn a_stream_without_open_shards_routes_nowhere() {
        assert!(RoutingTable::<u8>::default().shard_of(HashKey::MIN).is_none());
        assert!(RoutingTable::<u8>::default().indices_of(&[RoutingKey::Partition("a")]).is_empty());
    }

    #[test]
    fn keys_of_all_lengths_hash_together_as_they_do_alone() {
        let texts: Vec<_> = (0..=256).map(|n| "é1".repeat(86).chars().take(n).collect()).collect();
        let keys: Vec<&str> = texts.iter().map(String::as_str).collect();
        let alone: Vec<_> = keys.iter().map(|key| hash_key(key)).collect();
        assert_eq!(hash_keys(&keys), alone);
    }

    proptest! {
        #[test]
        fn every_key_has_the_shard_whose_range_holds_it(shards in 1..200_u32, key: u128) {
            let (table, key) = (table(shards), HashKey::new(key));
            let index = **table.shard_of(key).unwrap();
            prop_assert!(HashKeyRange::uniform(shards).nth(index).unwrap().contains(key));
        }

        #[test]
        fn many_keys_have_the_owners_that_each_has_alone(
            shards in 1..9_u32,
            keys in vec((".{0,60}", option::of(any::<u128>())), 0..40),
        ) {
            let table = table(shards);
            let key = |explicit: u128| RoutingKey::Explicit(HashKey::new(explicit));
            let keys = keys.iter().map(|(text, explicit)| {
                explicit.map_or(RoutingKey::Partition(text), key)
            });
            let keys: Vec<_> = keys.collect();
            let alone = keys.iter().map(|key| table.index_of(key.hash_key()).unwrap());
            prop_assert_eq!(table.indices_of(&keys), alone.collect::<Vec<_>>());
        }
    }
}
