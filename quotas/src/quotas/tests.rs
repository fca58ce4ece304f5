//! Every limit has a name by which it is set, and takes nothing that it can't be.

use super::*;
use crate::Limit;

#[test]
fn a_limit_is_set_by_its_name_and_no_other_moves() {
    for name in Quotas::names() {
        let mut set = Quotas::off();
        let value = [Value::Number(7), Value::Length(Duration::from_secs(7))]
            .into_iter()
            .find(|value| set.set(name, *value).is_ok());
        assert!(value.is_some(), "{name}");
        assert_ne!(set, Quotas::off(), "{name}");
        let others = Quotas::names().filter(|other| *other != name);
        for other in others {
            let mut also = set.clone();
            let _ = also.set(other, Value::Number(9));
            let _ = also.set(other, Value::Length(Duration::from_secs(9)));
            assert_ne!(also, set, "{other} and {name} are two");
        }
    }
}

#[test]
fn every_limit_can_be_switched_off() {
    let mut quotas = Quotas::strict();
    for name in Quotas::names() {
        quotas.set(name, Value::Off).unwrap();
    }
    for operation in quotas.calls.clone().operations() {
        quotas.set_calls(operation, Value::Off).unwrap();
    }
    assert!(!quotas.throttle());
    assert_eq!(quotas.rates, Rates::OFF);
    assert_eq!(quotas.counts.tags, Counts::ANY);
    assert_eq!(quotas.lives.iterator, Lives::EVER);
    assert_eq!(quotas.lives.takeover_min, Duration::ZERO);
}

#[test]
fn off_is_without_rates_and_with_counts() {
    let (off, strict) = (Quotas::off(), Quotas::strict());
    assert!(strict.throttle() && !off.throttle());
    assert_eq!(off.counts, strict.counts);
    assert_eq!(off.lives.iterator, strict.lives.iterator);
    assert_eq!(off.calls.of("DescribeLimits"), Rate::OFF);
    assert_eq!(strict.calls.of("DescribeLimits").get(), Some(1));
    assert_eq!(strict.calls.of("PutRecords"), Rate::OFF);
}

#[test]
fn one_rate_over_none_is_enough_to_throttle() {
    for name in Quotas::names().filter(|name| name.ends_with("-per-second")) {
        let mut quotas = Quotas::off();
        quotas.set(name, Value::Number(1)).unwrap();
        assert!(quotas.throttle(), "{name}");
    }
    let mut quotas = Quotas::off();
    quotas.set_calls("CreateStream", Value::Number(50)).unwrap();
    assert_eq!(quotas.calls.of("CreateStream").get(), Some(50));
    assert!(quotas.throttle());
}

#[test]
fn what_a_limit_cannot_be_is_refused_and_changes_nothing() {
    let second = Value::Length(Duration::from_secs(1));
    let year = Value::Length(Duration::from_hours(24 * 365 * 200));
    for (name, value, why) in [
        ("shard-write-records", Value::Off, Unsettable::UnknownName),
        ("shard-write-records-per-second", Value::Number(0), Unsettable::NoRate(Rate::COUNTED_MAX)),
        (
            "shard-write-records-per-second",
            Value::Number(1_000_001),
            Unsettable::NoRate(Rate::COUNTED_MAX),
        ),
        (
            "shard-write-bytes-per-second",
            Value::Number(1 << 31),
            Unsettable::NoRate(Rate::PER_SECOND_MAX),
        ),
        (
            "shard-write-records-per-second",
            Value::Number(u64::MAX),
            Unsettable::NoRate(Rate::COUNTED_MAX),
        ),
        ("shard-write-records-per-second", second, Unsettable::NoRate(Rate::COUNTED_MAX)),
        ("tags-per-resource", Value::Number(1_000_001), Unsettable::NoCount),
        ("tags-per-resource", second, Unsettable::NoCount),
        ("shard-iterator-life", Value::Number(300), Unsettable::NoLife),
        ("shard-iterator-life", Value::Length(Duration::ZERO), Unsettable::NoLife),
        ("shard-iterator-life", year, Unsettable::NoLife),
        ("subscription-takeover", year, Unsettable::NoLife),
    ] {
        let mut quotas = Quotas::strict();
        assert_eq!(quotas.set(name, value), Err(why), "{name} = {value:?}");
        assert_eq!(quotas, Quotas::strict());
    }
    let mut quotas = Quotas::strict();
    assert_eq!(quotas.set_calls("PutRecords", Value::Number(1)), Err(Unsettable::UnknownName));
}

#[test]
fn a_refusal_tells_the_name_that_sets_the_limit() {
    for limit in [
        Limit::WriteRecords,
        Limit::WriteBytes,
        Limit::ReadCalls,
        Limit::ReadBytes,
        Limit::IteratorCalls,
        Limit::SubscribeCalls,
        Limit::SubscriptionTakeover,
    ] {
        assert!(Quotas::names().any(|name| name == limit.name()), "{}", limit.name());
    }
}

#[test]
fn a_target_is_between_half_and_double() {
    let counts = Counts::STRICT;
    assert_eq!(counts.targets(5), (3, 10));
    assert_eq!(counts.targets(1), (1, 2));
    assert_eq!(counts.targets(u32::MAX).1, u32::MAX);
    let any = Counts { shard_count_factor: Counts::ANY, ..counts };
    assert_eq!(any.targets(7), (1, u32::MAX));
}
