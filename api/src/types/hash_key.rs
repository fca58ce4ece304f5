//! The 128-bit space of hash keys, and the closed intervals of it that shards own.

use std::{fmt, str::FromStr};

/// A point of the hash-key space, 0 to 2¹²⁸ − 1; decimal text on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashKey(u128);

impl HashKey {
    /// The lowest hash key.
    pub const MIN: Self = Self(0);
    /// The highest hash key, 340282366920938463463374607431768211455.
    pub const MAX: Self = Self(u128::MAX);

    /// The hash key of this value.
    #[must_use]
    pub const fn new(value: u128) -> Self {
        Self(value)
    }

    /// The key as a number.
    #[must_use]
    pub const fn value(self) -> u128 {
        self.0
    }
}

impl fmt::Display for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for HashKey {
    type Err = InvalidHashKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text == "0" || !text.starts_with(['0', '+']);
        if plain { text.parse().map(Self).map_err(|_| InvalidHashKey) } else { Err(InvalidHashKey) }
    }
}

/// The text is not a number of 0 to 2¹²⁸ − 1 without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHashKey;

impl fmt::Display for InvalidHashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hash key is a decimal number in the range [0, 2^128-1]")
    }
}

impl std::error::Error for InvalidHashKey {}

/// A closed interval of the hash-key space. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HashKeyRange {
    start: HashKey,
    end: HashKey,
}

impl HashKeyRange {
    /// The whole space.
    pub const FULL: Self = Self { start: HashKey::MIN, end: HashKey::MAX };

    /// The interval from `start` to `end`, both included; `None` where that would be empty.
    #[must_use]
    pub fn new(start: HashKey, end: HashKey) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// First key of the interval.
    #[must_use]
    pub const fn start(self) -> HashKey {
        self.start
    }

    /// Last key of the interval.
    #[must_use]
    pub const fn end(self) -> HashKey {
        self.end
    }

    /// The part of the whole space that the interval is, in parts per billion.
    #[must_use]
    pub const fn parts_per_billion(self) -> u64 {
        const PARTS: u128 = 1_000_000_000;
        let keys = self.end.0 - self.start.0;
        let parts = keys / (u128::MAX / PARTS);
        // At most 10⁹, and a few more by rounding.
        if parts > PARTS { PARTS as u64 } else { parts as u64 }
    }

    /// Whether `key` lies within.
    #[must_use]
    pub fn contains(self, key: HashKey) -> bool {
        self.start <= key && key <= self.end
    }

    /// The two intervals that meet at `at`, which opens the second; `None` unless both are
    /// non-empty.
    #[must_use]
    pub fn split_at(self, at: HashKey) -> Option<(Self, Self)> {
        if at <= self.start || at > self.end {
            return None;
        }
        let before = HashKey(at.0 - 1);
        Some((Self { start: self.start, end: before }, Self { start: at, end: self.end }))
    }

    /// The union with the interval directly above; `None` where `upper` doesn't start right after
    /// this one's end.
    #[must_use]
    pub fn merge(self, upper: Self) -> Option<Self> {
        let adjacent = self.end.0.checked_add(1) == Some(upper.start.0);
        adjacent.then_some(Self { start: self.start, end: upper.end })
    }

    /// The space cut into `parts` intervals of floor(2¹²⁸ / parts) keys, of which the last takes
    /// the remainder. Interval `i` starts at `i` times that width, as recorded from AWS.
    ///
    /// # Panics
    /// When `parts` is zero.
    pub fn uniform(parts: u32) -> impl Iterator<Item = Self> {
        assert!(parts > 0, "the hash-key space is cut into at least one interval");
        // floor(2^128 / n) without a 129-bit number: 2^128 − 1 differs from 2^128 only where n
        // divides the latter.
        let parts = u128::from(parts);
        let width =
            if parts == 1 { 0 } else { u128::MAX / parts + u128::from(parts.is_power_of_two()) };
        (0..parts).map(move |i| {
            let last = i + 1 == parts;
            let end = if last { u128::MAX } else { (i + 1) * width - 1 };
            Self { start: HashKey(i * width), end: HashKey(end) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_ranges_are_the_recorded_ones() {
        let ends = |n| HashKeyRange::uniform(n).map(|r| r.end().to_string()).collect::<Vec<_>>();
        let max = "340282366920938463463374607431768211455";
        assert_eq!(ends(1), [max]);
        assert_eq!(ends(2), ["170141183460469231731687303715884105727", max]);
        assert_eq!(
            ends(3),
            [
                "113427455640312821154458202477256070484",
                "226854911280625642308916404954512140969",
                max
            ]
        );
        assert_eq!(ends(5)[0], "68056473384187692692674921486353642290");
        assert_eq!(ends(7)[0], "48611766702991209066196372490252601635");
    }

    #[test]
    fn uniform_ranges_cover_the_space_once() {
        for n in [1, 2, 3, 4, 5, 7, 8, 100, 1000, 10_000] {
            let ranges: Vec<_> = HashKeyRange::uniform(n).collect();
            let whole = ranges[1..].iter().try_fold(ranges[0], |sum, next| sum.merge(*next));
            assert_eq!(whole, Some(HashKeyRange::FULL), "{n} shards");
        }
    }

    #[test]
    fn a_split_leaves_no_empty_half() {
        let range = HashKeyRange::new(HashKey(10), HashKey(20)).unwrap();
        assert_eq!(range.split_at(HashKey(10)), None);
        assert_eq!(range.split_at(HashKey(21)), None);
        let (lower, upper) = range.split_at(HashKey(20)).unwrap();
        assert_eq!((lower.end(), upper.start()), (HashKey(19), HashKey(20)));
        assert_eq!(lower.merge(upper), Some(range));
        assert_eq!(upper.merge(lower), None);
    }

    #[test]
    fn hash_keys_have_one_spelling() {
        assert_eq!("0".parse(), Ok(HashKey::MIN));
        assert_eq!("340282366920938463463374607431768211455".parse(), Ok(HashKey::MAX));
        for text in ["", "00", "01", "+1", "-1", "340282366920938463463374607431768211456", "1 "] {
            assert_eq!(text.parse::<HashKey>(), Err(InvalidHashKey), "{text}");
        }
    }
}
