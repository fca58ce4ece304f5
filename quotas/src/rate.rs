//! A rate that is kept, or is not.

use std::num::NonZeroU32;

use crate::{Limit, bucket::Bucket, calls::Calls};

/// So many records, bytes or calls a second; or as many as anybody likes.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Rate(Option<NonZeroU32>);

impl Rate {
    /// Not kept.
    pub const OFF: Self = Self(None);

    /// The greatest rate that a [`Bucket`] can keep.
    pub const PER_SECOND_MAX: u32 = (1 << 31) - 1;

    /// The greatest rate of what is counted one by one: records and calls.
    pub const COUNTED_MAX: u32 = 1_000_000;

    /// So many a second; `None` for zero and for more than
    /// [`PER_SECOND_MAX`](Self::PER_SECOND_MAX).
    #[must_use]
    pub const fn per_second(rate: u32) -> Option<Self> {
        match NonZeroU32::new(rate) {
            Some(rate) if rate.get() <= Self::PER_SECOND_MAX => Some(Self(Some(rate))),
            _ => None,
        }
    }

    /// How many a second, if it is kept.
    #[must_use]
    pub const fn get(self) -> Option<u32> {
        match self.0 {
            Some(rate) => Some(rate.get()),
            None => None,
        }
    }

    /// One of the rates of `limits`.
    pub(crate) const fn of(rate: u32) -> Self {
        Self::per_second(rate).expect("every rate of the table can be kept")
    }

    /// What keeps it as a rate of records or calls, with a burst of one second.
    pub(crate) fn calls(self, limit: Limit) -> Option<Calls> {
        self.0.map(|rate| Calls::per_second(limit, rate))
    }

    /// A bucket that keeps it, with a depth of one second.
    pub(crate) fn bucket(self) -> Option<Bucket> {
        self.get().map(|rate| Bucket::new(rate, rate.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_one_that_a_bucket_can_keep() {
        for rate in [1, 1_000, Rate::PER_SECOND_MAX] {
            assert_eq!(Rate::per_second(rate).unwrap().get(), Some(rate));
            assert!(Rate::of(rate).bucket().is_some());
        }
        assert_eq!(Rate::per_second(0), None);
        assert_eq!(Rate::per_second(Rate::PER_SECOND_MAX + 1), None);
        assert!(Rate::OFF.bucket().is_none());
    }
}
