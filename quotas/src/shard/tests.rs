//! What a shard admits, as AWS documents it, and that no interleaving of threads admits more.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use proptest::prelude::*;

use super::*;
use crate::promise::assert_kept;

const START: Time = Time::from_seconds(1_700_000_000);
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);

fn strict() -> ShardQuota {
    ShardQuota::new(&Quotas::strict(), MIB)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How many of `tries` equal writes at one moment are admitted, and what refused the first other.
fn burst(quota: &ShardQuota, now: Time, tries: u64, bytes: u64) -> (u64, Option<Limit>) {
    for done in 0..tries {
        if let Err(refusal) = quota.admit_write(now, bytes) {
            return (done, Some(refusal.limit));
        }
    }
    (tries, None)
}

#[test]
fn a_shard_takes_a_thousand_records_a_second() {
    let quota = strict();
    assert_eq!(burst(&quota, START, 2_000, 100), (1_000, Some(Limit::WriteRecords)));
    assert_eq!(quota.admit_write(START, 100).unwrap_err().retry_after, millis(1));
    assert_eq!(burst(&quota, START + millis(10), 2_000, 100).0, 10);
    assert_eq!(burst(&quota, START + SECOND * 9, 2_000, 100).0, 1_000, "after a pause");
}

#[test]
fn a_shard_takes_a_mebibyte_a_second() {
    let quota = strict();
    assert_eq!(burst(&quota, START, 2_000, MIB / 4), (4, Some(Limit::WriteBytes)));
    let refusal = quota.admit_write(START, MIB / 2).unwrap_err();
    let expected = Refusal { limit: Limit::WriteBytes, excess: MIB / 2, retry_after: millis(500) };
    assert_eq!(refusal, expected);
    assert_eq!(quota.admit_write(START + millis(500), MIB / 2), Ok(()));
}

#[test]
fn a_record_of_the_greatest_size_passes_and_is_paid_back() {
    let quota = ShardQuota::new(&Quotas::strict(), 10 * MIB);
    assert_eq!(burst(&quota, START, 2, 10 * MIB), (1, Some(Limit::WriteBytes)));
    assert_eq!(burst(&quota, START + SECOND, 2, MIB), (1, Some(Limit::WriteBytes)));
}

#[test]
fn a_record_size_limit_may_change_while_records_are_written() {
    let quota = strict();
    assert_eq!(burst(&quota, START, 1, 10 * MIB), (0, Some(Limit::WriteBytes)));
    assert_eq!(burst(&quota, START, 2, MIB), (1, Some(Limit::WriteBytes)));
    quota.set_record_bytes_max(10 * MIB);
    assert_eq!(quota.admit_write(START, 10 * MIB).unwrap_err().retry_after, SECOND);
    assert_eq!(burst(&quota, START + SECOND, 2, 10 * MIB), (1, Some(Limit::WriteBytes)));
    quota.set_record_bytes_max(MIB);
    assert_eq!(quota.admit_write(START + SECOND, 0).unwrap_err().retry_after, SECOND * 9);
    assert_eq!(quota.admit_write(START + SECOND * 11, MIB), Ok(()));
}

#[test]
fn a_record_refused_for_its_bytes_spends_no_record() {
    let quota = strict();
    assert_eq!(quota.admit_write(START, MIB), Ok(()));
    for _ in 0..5_000 {
        assert_eq!(quota.admit_write(START, 1).unwrap_err().limit, Limit::WriteBytes);
    }
    assert_eq!(burst(&quota, START, 2_000, 0), (999, Some(Limit::WriteRecords)));
}

#[test]
fn a_record_refused_by_number_spends_no_bytes() {
    let quota = strict();
    assert_eq!(burst(&quota, START, 1_000, 1), (1_000, None));
    for _ in 0..5_000 {
        assert_eq!(quota.admit_write(START, 1_000).unwrap_err().limit, Limit::WriteRecords);
    }
    let write_bytes = quota.0.as_ref().unwrap().write_bytes.as_ref().unwrap();
    assert_eq!(write_bytes.try_take(START, MIB - 1_000), Ok(()));
    assert!(write_bytes.try_take(START, 1).is_err());
}

#[test]
fn a_shard_answers_five_reads_a_second() {
    let quota = strict();
    for _ in 0..5 {
        assert_eq!(quota.admit_read_call(START), Ok(()));
    }
    let expected = Refusal { limit: Limit::ReadCalls, excess: 1, retry_after: millis(200) };
    assert_eq!(quota.admit_read_call(START), Err(expected));
    assert_eq!(quota.admit_read_call(START + millis(200)), Ok(()));
    assert!(quota.admit_read_call(START + millis(399)).is_err());
}

#[test]
fn ten_mebibytes_read_stop_reads_for_five_seconds() {
    let quota = strict();
    assert_eq!(quota.admit_read_call(START), Ok(()));
    quota.charge_read(START, 0, 10 * MIB);
    let refusal = quota.admit_read_call(START + SECOND).unwrap_err();
    assert_eq!((refusal.limit, refusal.retry_after), (Limit::ReadBytes, SECOND * 4));
    assert!(quota.admit_read_call(START + millis(4_999)).is_err());
    assert_eq!(quota.admit_read_call(START + SECOND * 5), Ok(()));
}

#[test]
fn reads_of_two_mebibytes_a_second_go_on_for_ever() {
    let quota = strict();
    for half_second in 0..100 {
        let now = START + millis(500) * half_second;
        assert_eq!(quota.admit_read_call(now), Ok(()));
        quota.charge_read(now, 0, MIB);
    }
}

#[test]
fn iterators_are_counted_apart_from_reads() {
    let quota = strict();
    for _ in 0..5 {
        assert_eq!(quota.admit_read_call(START), Ok(()));
        assert_eq!(quota.admit_iterator_call(START), Ok(()));
    }
    assert_eq!(quota.admit_iterator_call(START).unwrap_err().limit, Limit::IteratorCalls);
    assert_eq!(quota.admit_iterator_call(START + millis(200)), Ok(()));
}

#[test]
fn a_decision_is_by_the_time_given_and_no_other() {
    let quota = strict();
    assert_eq!(burst(&quota, START, 2_000, 1).0, 1_000);
    let later = strict();
    assert_eq!(burst(&later, START + SECOND * 9, 1, 1).0, 1);
    let made_later = strict();
    assert!(quota.admit_write(START, 1).is_err(), "the other shard's time does not refill this");
    assert_eq!(burst(&made_later, START, 2_000, 1).0, 1_000);
    assert_eq!(burst(&made_later, START + millis(1), 2_000, 1).0, 1);
}

#[test]
fn without_quotas_everything_is_admitted() {
    let quota = ShardQuota::new(&Quotas::off(), MIB);
    assert_eq!(burst(&quota, START, 10_000, 10 * MIB), (10_000, None));
    quota.charge_read(START, 0, u64::MAX);
    assert_eq!(quota.admit_read_call(START), Ok(()));
    assert_eq!(quota.admit_iterator_call(START), Ok(()));
}

#[test]
fn thousands_of_shards_are_small() {
    assert!(size_of::<ShardQuota>() < 300, "{} bytes", size_of::<ShardQuota>());
}

/// Checks what was admitted, by time and bytes, against both limits.
fn assert_both_kept(admitted: &[(Time, u64)], byte_depth: u64) {
    let records: Vec<_> = admitted.iter().map(|(time, _)| (*time, 1)).collect();
    assert_kept(&records, 1_000, 1_000);
    assert_kept(admitted, MIB as u32, byte_depth);
}

proptest! {
    #[test]
    fn every_window_keeps_both_limits(
        record_mib in 1_u64..=10,
        steps in prop::collection::vec((0_u64..400_000_000, 1_u64..300, 0_u64..20_000), 1..60),
    ) {
        let quota = ShardQuota::new(&Quotas::strict(), record_mib * MIB);
        let (mut now, mut admitted) = (START, Vec::new());
        for (gap, tries, bytes) in steps {
            now = now + Duration::from_nanos(gap);
            for n in 0..tries {
                if quota.admit_write(now, bytes + n).is_ok() {
                    admitted.push((now, bytes + n));
                }
            }
        }
        assert_both_kept(&admitted, record_mib * MIB);
    }
}

#[test]
fn threads_keep_both_limits_in_every_window() {
    const TURNS: u64 = 100_000;
    let quota = strict();
    // One time that all threads move on, so that some decide by an older one than others.
    let nanos = AtomicU64::new(START.nanos());
    let start = Barrier::new(4);
    let admitted: Vec<_> = thread::scope(|scope| {
        let (quota, nanos, start) = (&quota, &nanos, &start);
        let hammer = |thread: u64| {
            move || {
                start.wait();
                let mut admitted = Vec::new();
                for turn in 0..TURNS {
                    let now = Time::from_nanos(nanos.fetch_add(50_000, Relaxed));
                    let bytes = (turn * 131 + thread * 977) % 3_000;
                    if quota.admit_write(now, bytes).is_ok() {
                        admitted.push((now, bytes));
                    }
                }
                admitted
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(hammer(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(admitted.len() > 1_000, "the quota was refilled: {}", admitted.len());
    assert_both_kept(&admitted, MIB);
}

#[test]
fn threads_that_are_refused_spend_nothing() {
    let quota = strict();
    let start = Barrier::new(4);
    let admitted: u64 = thread::scope(|scope| {
        let hammer = || {
            start.wait();
            burst(&quota, START, 2_000, 500).0
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(hammer)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(admitted, 1_000, "every record of the second was used");
    let write_bytes = quota.0.as_ref().unwrap().write_bytes.as_ref().unwrap();
    assert_eq!(write_bytes.try_take(START, MIB - 500 * 1_000), Ok(()));
    assert!(write_bytes.try_take(START, 1).is_err(), "and no byte more or less");
}
