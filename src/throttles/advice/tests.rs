//! What would have sufficed, worked out from busiest seconds.

use millpond_api::types::{ShardId, StreamMode, Timestamp};
use millpond_quotas::{Limit, Refusal, ShardPeaks};
use millpond_shards::observed::Billed;

use super::*;
use crate::throttles::ledger::{Ledger, Refused, Whose};

const MIB: u64 = 1 << 20;

/// A stream of shards of these widths, in percent, and with these records and bytes in their
/// busiest seconds.
fn stream(shards: &[(u64, u64, u64)]) -> Observed {
    let shard = |(index, (percent, records, bytes)): (usize, &(u64, u64, u64))| ObservedShard {
        id: ShardId::new(i32::try_from(index).unwrap()),
        width_ppb: percent * 10_000_000,
        is_open: true,
        peaks: ShardPeaks { writes: Peak { records: *records, bytes: *bytes }, read_calls: 0 },
    };
    Observed {
        arn: "arn:aws:kinesis:us-east-1:000000000000:stream/clicks".parse().unwrap(),
        is_gone: false,
        mode: StreamMode::Provisioned,
        open_shards: u32::try_from(shards.len()).unwrap(),
        offered: Peak::default(),
        shards: shards.iter().enumerate().map(shard).collect(),
        billed: Billed::default(),
    }
}

/// What is advised after these refusals: shard, limit, key, how often, bytes each.
fn advised(observed: &Observed, refused: &[(i32, Limit, &str, usize, u64)]) -> Advice {
    let mut ledger = Ledger::new(Timestamp::default());
    let whose = Whose::Stream(observed.arn.clone());
    for (shard, limit, key, times, bytes) in refused {
        let refusal = Refusal { limit: *limit, excess: 1, retry_after: std::time::Duration::ZERO };
        let record = Refused::record(ShardId::new(*shard), refusal, *bytes, Some(key));
        let records = std::iter::repeat_n(record, *times);
        ledger.note_all("PutRecords", &whose, Timestamp::default(), records);
    }
    let rows: Vec<_> = ledger.rows[&whose].iter().collect();
    advise(observed, &rows, &Rates::STRICT)
}

/// Refusals of many keys, none of them more often than others.
fn many(shard: i32, limit: Limit) -> Vec<(i32, Limit, &'static str, usize, u64)> {
    let keys = "a b c d e f g h i j k l m n o p q r s t u v w x y z".split(' ');
    keys.map(|key| (shard, limit, key, 1, 10)).collect()
}

#[test]
fn one_shard_that_had_triple_its_rate_is_to_be_three() {
    let advice = advised(&stream(&[(100, 2_500, 0)]), &many(0, Limit::WriteRecords));
    assert_eq!(advice.shards, 3);
    assert_eq!(advice.splits, [Split { shard: "shardId-000000000000".to_owned(), into: 3 }]);
    assert!(advice.hot_keys.is_empty());
    let advice = advised(&stream(&[(100, 10, 7 * MIB + 1)]), &many(0, Limit::WriteBytes));
    assert_eq!(advice.shards, 8);
}

#[test]
fn even_shards_are_as_narrow_as_the_busiest_shard_needs() {
    // A quarter of the keys has 1.5 times what a shard takes: six even shards take it.
    let uneven = stream(&[(25, 1_500, 0), (75, 300, 0)]);
    let advice = advised(&uneven, &many(0, Limit::WriteRecords));
    assert_eq!(advice.shards, 6);
    assert_eq!(advice.splits, [Split { shard: "shardId-000000000000".to_owned(), into: 2 }]);
    assert!(advice.sentences[0].contains("with 6 even shards instead of 2"), "{advice:?}");
}

#[test]
fn shards_whose_widths_are_no_round_numbers_are_even_all_the_same() {
    let mut thirds = stream(&[(33, 1_100, 0), (33, 0, 0), (33, 0, 0)]);
    thirds.shards.iter_mut().for_each(|shard| shard.width_ppb = 333_333_333);
    assert_eq!(advised(&thirds, &many(0, Limit::WriteRecords)).shards, 4);
    thirds.shards[0].peaks.writes.records = 900;
    assert_eq!(advised(&thirds, &many(0, Limit::WriteRecords)).shards, 6, "a burst");
}

#[test]
fn a_burst_within_a_second_asks_for_two() {
    let advice = advised(&stream(&[(50, 900, 0), (50, 0, 0)]), &many(0, Limit::WriteRecords));
    assert_eq!((advice.shards, advice.splits[0].into), (4, 2));
}

#[test]
fn what_was_split_since_needs_no_more() {
    let mut split = stream(&[(100, 2_000, 0)]);
    (split.shards[0].is_open, split.open_shards) = (false, 2);
    let advice = advised(&split, &many(0, Limit::WriteRecords));
    assert_eq!((advice.shards, advice.splits.len()), (2, 0));
    assert!(advice.sentences[0].contains("as many shards by now"), "{advice:?}");
}

#[test]
fn a_key_above_the_rate_of_a_shard_is_named_and_not_split() {
    let hot = [(0, Limit::WriteRecords, "hot", 900, 10), (0, Limit::WriteRecords, "b", 100, 10)];
    let advice = advised(&stream(&[(100, 3_000, 30_000)]), &hot);
    let key = &advice.hot_keys[0];
    assert_eq!((advice.hot_keys.len(), key.partition_key.as_str()), (1, "hot"));
    assert_eq!((key.records_per_second, key.bytes_per_second), (2_700, 27_000));
    assert_eq!((advice.shards, advice.splits[0].into), (1, 2), "the rest fits one shard");
    assert!(advice.sentences[1].contains("no number of shards helps"), "{advice:?}");
}

#[test]
fn a_key_is_hot_by_what_both_limits_refused() {
    let hot = [
        (0, Limit::WriteRecords, "hot", 400, 2_000),
        (0, Limit::WriteBytes, "hot", 400, 2_000),
        (0, Limit::WriteRecords, "b", 200, 2_000),
    ];
    let advice = advised(&stream(&[(100, 1_500, 3 * MIB)]), &hot);
    assert_eq!(advice.hot_keys.len(), 1);
    assert_eq!(advice.hot_keys[0].records_per_second, 1_200);
}

#[test]
fn refused_reads_ask_for_no_shards() {
    let advice = advised(&stream(&[(100, 10, 10)]), &[(0, Limit::ReadCalls, "", 3, 0)]);
    assert_eq!((advice.shards, advice.splits.len()), (1, 0));
    assert!(advice.sentences[0].contains("enhanced fan-out"), "{advice:?}");
}
