//! The promise of the bucket, over all windows, sizes and threads.

use std::{sync::Barrier, thread};

use proptest::prelude::*;

use super::*;
use crate::promise::assert_kept;

const START: Time = Time::from_seconds(1_700_000_000);
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

proptest! {
    #[test]
    fn no_window_admits_more_than_its_length_and_the_depth(
        rate in prop_oneof![1_u32..20, Just(1_000), Just(1 << 20), Just(1 << 21), 1_u32..1 << 31],
        depth in 1_u64..4_000_000,
        requests in prop::collection::vec((0_u64..1_200_000_000, 0.0..1.1), 1..60),
    ) {
        let bucket = Bucket::new(rate, depth);
        let (mut now, mut taken) = (START, Vec::new());
        for (gap, share) in requests {
            now = now + Duration::from_nanos(gap);
            let n = scale(depth, share);
            if bucket.try_take(now, n).is_ok() {
                taken.push((now, n));
            }
        }
        assert_kept(&taken, rate, depth);
    }

    #[test]
    fn nor_when_each_request_comes_as_soon_as_it_was_told_to(
        rate in prop_oneof![1_u32..20, Just(1 << 20), 1_u32..1 << 31],
        depth in 1_u64..4_000_000,
        shares in prop::collection::vec(0.0..1.0, 1..60),
    ) {
        let bucket = Bucket::new(rate, depth);
        let (mut now, mut taken) = (START + Duration::from_nanos(rate.into()), Vec::new());
        for share in shares {
            let n = scale(depth, share);
            if let Err(shortage) = bucket.try_take(now, n) {
                prop_assert!(shortage.excess > 0 && !shortage.retry_after.is_zero());
                now = now + shortage.retry_after;
                prop_assert_eq!(bucket.try_take(now, n), Ok(()), "the wait told is enough");
            }
            taken.push((now, n));
        }
        assert_kept(&taken, rate, depth);
    }

    #[test]
    fn takes_that_add_up_to_the_depth_empty_it_exactly(
        rate in 1_u32..1 << 31,
        sizes in prop::collection::vec(1_u64..50_000, 1..200),
        nanos in 0_u64..NANOS_PER_SECOND,
    ) {
        let now = START + Duration::from_nanos(nanos);
        let bucket = Bucket::new(rate, sizes.iter().sum());
        for n in sizes {
            prop_assert_eq!(bucket.try_take(now, n), Ok(()));
        }
        prop_assert_eq!(bucket.try_take(now, 1).map_err(|short| short.excess), Err(1));
        prop_assert_eq!(bucket.check(now, 0), Ok(()), "empty is not in debt");
    }

    #[test]
    fn a_saturated_bucket_loses_nothing_in_the_long_run(n in 1_u64..=MIB) {
        let bucket = Bucket::new(1 << 20, MIB);
        let (mut now, mut sum) = (START, 0);
        while now < START + SECOND * 20 {
            match bucket.try_take(now, n) {
                Ok(()) => sum += n,
                Err(shortage) => now = now + shortage.retry_after.max(SECOND / 50),
            }
        }
        prop_assert!(sum + n > 20 * MIB, "{} of {}", sum, 21 * MIB);
    }
}

#[expect(clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small number")]
fn scale(depth: u64, share: f64) -> u64 {
    (depth as f64 * share) as u64
}

#[test]
fn a_refusal_says_how_much_and_how_long() {
    let bucket = Bucket::new(1 << 20, 10 * MIB);
    assert_eq!(bucket.try_take(START, 10 * MIB), Ok(()));
    let expected = Shortage { excess: MIB, retry_after: SECOND };
    assert_eq!(bucket.try_take(START, MIB), Err(expected));
    assert_eq!(bucket.try_take(START + SECOND, MIB), Ok(()));
}

#[test]
fn more_than_the_depth_is_never_admitted() {
    let bucket = Bucket::new(5, 5);
    assert!(bucket.try_take(START, 6).is_err());
    assert!(bucket.try_take(START, u64::MAX).is_err());
    assert!(bucket.is_full(START), "and nothing was spent on it");
}

#[test]
fn debt_is_paid_before_anything_is_admitted() {
    let bucket = Bucket::new(100, 100);
    bucket.charge(START, 70);
    bucket.charge(START, 70);
    let shortage = bucket.check(START, 0).unwrap_err();
    assert_eq!(shortage, Shortage { excess: 40, retry_after: Duration::from_millis(400) });
    assert!(bucket.check(START + Duration::from_millis(399), 0).is_err());
    assert!(bucket.check(START + Duration::from_millis(400), 0).is_ok());
    assert!(!bucket.is_full(START + Duration::from_millis(1_399)));
    assert!(bucket.is_full(START + Duration::from_millis(1_400)));
}

#[test]
fn a_charge_in_parts_costs_what_it_costs_at_once() {
    let depth = 2 * MIB;
    for parts in [&[10 * MIB][..], &[MIB, 2 * MIB, 7 * MIB], &[MIB, MIB], &[MIB - 1, 1, MIB, 1]] {
        for earlier in [0, MIB, 3 * MIB] {
            let [at_once, in_parts] = [(); 2].map(|()| Bucket::new(2 * MIB as u32, depth));
            for bucket in [&at_once, &in_parts] {
                bucket.charge(START, earlier);
            }
            at_once.charge(START, parts.iter().sum());
            let mut before = 0;
            for part in parts {
                in_parts.charge_on(START, before, *part);
                before += part;
            }
            // Whenever the parts came.
            for later in [START, START + SECOND, START + SECOND * 4] {
                assert_eq!(
                    in_parts.check(later, 1),
                    at_once.check(later, 1),
                    "{parts:?} {earlier}"
                );
            }
        }
    }
}

#[test]
fn a_charge_beyond_the_depth_is_paid_in_full() {
    let bucket = Bucket::new(1 << 21, 2 * MIB);
    bucket.charge(START, 10 * MIB);
    assert_eq!(bucket.check(START, 0).unwrap_err().retry_after, SECOND * 5);
    let paid = START + SECOND * 5;
    assert!(bucket.check(paid, 0).is_ok());
    bucket.charge(paid, 10 * MIB);
    assert_eq!(bucket.check(paid, 0).unwrap_err().retry_after, SECOND * 5, "again and again");
}

#[test]
fn a_debt_without_end_does_not_wrap_around() {
    let bucket = Bucket::new(1, 1);
    bucket.charge(START, u64::MAX);
    bucket.charge(START, u64::MAX);
    assert!(bucket.try_take(START + SECOND * 60, 1).is_err());
}

#[test]
fn threads_share_one_promise() {
    const THREADS: u64 = 4;
    const TURNS: u64 = 100_000;
    let (rate, depth) = (1 << 20, MIB);
    let bucket = Bucket::new(rate, depth);
    let start = Barrier::new(4);
    let taken: Vec<_> = thread::scope(|scope| {
        let (bucket, start) = (&bucket, &start);
        let hammer = |thread: u64| {
            move || {
                start.wait();
                // Each thread has its own idea of the time, some behind and some ahead.
                let stamps = (0..TURNS).map(|turn| (turn, turn * 20_000 + thread * 37_001));
                let tries = stamps.map(|(turn, nanos)| {
                    (START + Duration::from_nanos(nanos), 300 + turn * (thread + 1) % 1_000)
                });
                tries.filter(|(now, n)| bucket.try_take(*now, *n).is_ok()).collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(hammer(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(taken.iter().map(|(_, n)| n).sum::<u64>() > depth, "the bucket was refilled");
    assert_kept(&taken, rate, depth);
}

#[test]
fn threads_empty_a_bucket_exactly() {
    const DEPTH: u64 = 400_000;
    let bucket = Bucket::new(1_000, DEPTH);
    let start = Barrier::new(4);
    let taken: u64 = thread::scope(|scope| {
        let hammer = || {
            start.wait();
            (0..DEPTH).filter(|_| bucket.try_take(START, 1).is_ok()).count() as u64
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(hammer)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(taken, DEPTH);
}
