//! A token bucket in one atomic word: takes in advance, or charges afterwards and goes into debt.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::Time;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Tokens that come back at a steady rate up to a depth. Lock-free.
///
/// What is promised to whoever watches: the tokens taken at times from `a` to `b`, both included,
/// are at most `rate · (b − a + 1 ns) + depth`, for all `a` and `b` and any number of threads. (A
/// time in nanoseconds stands for the nanosecond that begins there; hence the one more.) Nothing is
/// rounded but time, so takes of any sizes that add up to the depth empty a full bucket exactly.
///
/// # How
///
/// The bucket lives on a line on which a second is `rate` tokens long. Its only state is where on
/// that line it will be full again: taking `n` tokens moves that point `n` further on, and the
/// passing of time moves the present towards it. The distance between the two is what is missing.
/// Positions are counted in fractions of a token that are shorter than a nanosecond.
#[derive(Debug)]
pub struct Bucket {
    /// The position at which nothing will be missing.
    full_at: AtomicU64,
    depth: AtomicU64,
    rate: u32,
    /// Fractions in a token, as a power of two.
    shift: u32,
}

/// What was missing when a bucket refused.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Shortage {
    /// Tokens that were missing, rounded up.
    pub excess: u64,
    /// When the same request will be admitted if nobody else takes anything.
    pub retry_after: Duration,
}

impl Bucket {
    /// A full bucket that gets `rate` tokens a second and holds `depth`.
    ///
    /// # Panics
    ///
    /// If `rate` is zero or 2³¹ and more.
    #[must_use]
    pub const fn new(rate: u32, depth: u64) -> Self {
        assert!(rate != 0 && rate < 1 << 31, "a rate fits the line");
        // The fractions of a second are then at least 2³⁰, more than it has nanoseconds, and less
        // than 2³¹, so that positions fit a word until the year 2242.
        let shift = 30 - rate.ilog2();
        Self { full_at: AtomicU64::new(0), depth: AtomicU64::new(depth), rate, shift }
    }

    /// From now on the bucket holds `depth` tokens. What is missing stays missing: a deeper bucket
    /// has as many more at once, a shallower one may be in debt. In a window in which the depth
    /// changes, the greatest one counts.
    pub fn set_depth(&self, depth: u64) {
        self.depth.store(depth, Relaxed);
    }

    /// Takes `n` tokens if there are as many. More than the depth are never admitted.
    ///
    /// # Errors
    ///
    /// The shortage; then nothing was taken.
    pub fn try_take(&self, now: Time, n: u64) -> Result<(), Shortage> {
        let mut full_at = self.full_at.load(Relaxed);
        loop {
            let next = self.after(now, full_at, n)?;
            match self.full_at.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
                Ok(_) => return Ok(()),
                Err(moved) => full_at = moved,
            }
        }
    }

    /// Would `n` tokens be admitted? With none asked for: is the bucket out of debt?
    ///
    /// # Errors
    ///
    /// The shortage.
    pub fn check(&self, now: Time, n: u64) -> Result<(), Shortage> {
        self.after(now, self.full_at.load(Relaxed), n).map(drop)
    }

    /// Charges `n` tokens whether they are there or not; what is missing is debt, and nothing is
    /// admitted before it is paid.
    ///
    /// A charge of more than the depth empties the bucket first, so that it is paid for in full:
    /// nothing is admitted for `n / rate` from now.
    pub fn charge(&self, now: Time, n: u64) {
        self.charge_on(now, 0, n);
    }

    /// Charges `n` tokens more for what has cost `before` since `begun`. Together they cost what
    /// they would have cost at once, then.
    pub fn charge_on(&self, begun: Time, before: u64, n: u64) {
        let present = self.position(begun);
        let depth = self.depth.load(Relaxed);
        let together = before.saturating_add(n);
        let forfeit = if together > depth { self.fractions(depth) } else { 0 };
        let least = present.saturating_add(forfeit);
        let (paid, price) = (self.fractions(before), self.fractions(together));
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| {
            Some(full_at.saturating_sub(paid).max(least).saturating_add(price))
        });
    }

    /// Has everything come back that was ever taken?
    #[must_use]
    pub fn is_full(&self, now: Time) -> bool {
        self.full_at.load(Relaxed) <= self.position(now)
    }

    /// Where the bucket will be full again once `n` tokens have been taken.
    fn after(&self, now: Time, full_at: u64, n: u64) -> Result<u64, Shortage> {
        let present = self.position(now);
        let next = full_at.max(present).saturating_add(self.fractions(n));
        let depth = self.fractions(self.depth.load(Relaxed));
        match next.saturating_sub(present).checked_sub(depth) {
            None | Some(0) => Ok(next),
            Some(missing) => Err(self.shortage(missing)),
        }
    }

    #[cold]
    fn shortage(&self, missing: u64) -> Shortage {
        let nanos = u128::from(missing) * u128::from(NANOS_PER_SECOND);
        let nanos = nanos.div_ceil(u128::from(self.fractions(self.rate.into())));
        Shortage {
            excess: missing.div_ceil(1 << self.shift),
            retry_after: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)),
        }
    }

    /// Where `now` is on the line, rounded down.
    fn position(&self, now: Time) -> u64 {
        let second = self.fractions(self.rate.into());
        // In two parts, because the product of the whole would overflow.
        let part = now.nanos() % NANOS_PER_SECOND * second / NANOS_PER_SECOND;
        now.seconds().saturating_mul(second).saturating_add(part)
    }

    const fn fractions(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(1 << self.shift)
    }
}

#[cfg(test)]
mod tests;
