//! From a partition key to the open shard that owns its hash key.

use std::sync::Arc;

use md5::{Digest, Md5};
use millpond_api::types::{HashKey, HashKeyRange};

/// The hash key of a partition key: its MD5, read as a big-endian number.
#[must_use]
pub fn hash_key(partition_key: &str) -> HashKey {
    HashKey::new(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
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
    use proptest::prelude::*;

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
    }

    proptest! {
        #[test]
        fn every_key_has_the_shard_whose_range_holds_it(shards in 1..200_u32, key: u128) {
            let (table, key) = (table(shards), HashKey::new(key));
            let index = **table.shard_of(key).unwrap();
            prop_assert!(HashKeyRange::uniform(shards).nth(index).unwrap().contains(key));
        }
    }
}
