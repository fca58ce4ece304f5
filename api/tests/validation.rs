//! Violated constraints, in the sentences that AWS was recorded to write.

use millpond_api::{Codec, Error, ErrorKind, Operation, operations::*};
use serde_json::{Value, json};

fn refusal<O: Operation>(body: &Value) -> Error {
    let body = body.to_string();
    Codec::Json.decode::<O>(body.as_bytes()).err().expect("the body is refused")
}

/// Asserts the violations of a body, in any order: AWS gives them in one of its own.
fn assert_violations<O: Operation>(body: &Value, violations: &[&str]) {
    let error = refusal::<O>(body);
    assert_eq!(error.kind, ErrorKind::Validation, "{error}");
    let message = error.message.expect("violations are told");
    let plural = if violations.len() == 1 { "" } else { "s" };
    let head = format!("{} validation error{plural} detected: ", violations.len());
    let list = message.strip_prefix(&head).unwrap_or_else(|| panic!("{message}"));
    let mut found: Vec<&str> = list.split("; ").collect();
    let mut expected = violations.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{body}");
}

fn assert_accepted<O: Operation>(body: &Value) {
    let decoded = Codec::Json.decode::<O>(body.to_string().as_bytes()).map(|_| ());
    assert_eq!(decoded, Ok(()), "{body}");
}

/// A violation: of what, and which rule.
fn violation(subject: &str, rule: &str) -> String {
    format!("{subject} failed to satisfy constraint: {rule}")
}

const NOT_NULL: &str = "Member must not be null";
const HASH_KEY: &str = r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})";
const SEQUENCE_NUMBER: &str = r"Member must satisfy regular expression pattern: 0|([1-9]\d{0,128})";

fn at_least(what: &str, n: i64) -> String {
    format!("Member must have {what} greater than or equal to {n}")
}

fn at_most(what: &str, n: i64) -> String {
    format!("Member must have {what} less than or equal to {n}")
}

#[test]
fn one_violation_reads_as_recorded() {
    let error = refusal::<CreateStream>(&json!({}));
    assert_eq!(
        error.message.unwrap(),
        "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: \
         Member must not be null"
    );
}

#[test]
fn the_pattern_goes_before_the_length() {
    let error = refusal::<CreateStream>(&json!({ "StreamName": "", "ShardCount": 1 }));
    assert_eq!(
        error.message.unwrap(),
        "2 validation errors detected: \
         Value '' at 'streamName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+; \
         Value '' at 'streamName' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
}

#[test]
fn counts_of_shards_are_ranges() {
    let of = |count: Value| json!({ "StreamName": "a", "ShardCount": count });
    let too_many = violation("Value '2147483647' at 'shardCount'", &at_most("value", 100_000));
    for count in [json!(100_000_000_000_i64), json!(1e30), json!(u64::MAX)] {
        assert_violations::<CreateStream>(&of(count), &[&too_many]);
    }
    for (count, printed) in [
        (json!(0), "0"),
        (json!(0.9), "0"),
        (json!(-0.5), "-1"),
        (json!(-100_000_000_000_i64), "-2147483648"),
    ] {
        let subject = format!("Value '{printed}' at 'shardCount'");
        let too_few = violation(&subject, &at_least("value", 1));
        assert_violations::<CreateStream>(&of(count), &[&too_few]);
    }
    for count in [json!(1), json!(1.9), json!(100_000), json!(null)] {
        assert_accepted::<CreateStream>(&of(count));
    }
    assert_violations::<UpdateShardCount>(
        &json!({ "StreamName": "a", "TargetShardCount": 100_001, "ScalingType": "LINEAR" }),
        &[
            &violation("Value '100001' at 'targetShardCount'", &at_most("value", 100_000)),
            &violation(
                "Value 'LINEAR' at 'scalingType'",
                "Member must satisfy enum value set: [UNIFORM_SCALING]",
            ),
        ],
    );
}

#[test]
fn retention_periods_start_at_an_hour() {
    let of = |hours: i32| json!({ "StreamName": "a", "RetentionPeriodHours": hours });
    let violation = violation("Value '0' at 'retentionPeriodHours'", &at_least("value", 1));
    assert_violations::<IncreaseStreamRetentionPeriod>(&of(0), &[&violation]);
    assert_violations::<DecreaseStreamRetentionPeriod>(&of(0), &[&violation]);
    assert_accepted::<IncreaseStreamRetentionPeriod>(&of(9000));
}

#[test]
fn limits_are_ranges() {
    let too_many = violation("Value '10001' at 'limit'", &at_most("value", 10_000));
    assert_violations::<DescribeStream>(&json!({ "Limit": 10_001 }), &[&too_many]);
    assert_violations::<ListStreams>(&json!({ "Limit": 10_001 }), &[&too_many]);
    let body = json!({ "ShardIterator": "", "Limit": 10_001 });
    let empty = violation("Value '' at 'shardIterator'", &at_least("length", 1));
    assert_violations::<GetRecords>(&body, &[&too_many, &empty]);
    let too_many = violation("Value '10001' at 'maxResults'", &at_most("value", 10_000));
    assert_violations::<ListShards>(&json!({ "MaxResults": 10_001 }), &[&too_many]);
    let too_many = violation("Value '51' at 'limit'", &at_most("value", 50));
    assert_violations::<ListTagsForStream>(&json!({ "Limit": 51 }), &[&too_many]);
}

#[test]
fn numbers_in_text_are_matched_by_their_unanchored_pattern() {
    assert_violations::<PutRecord>(
        &json!({
            "StreamName": "a", "Data": "", "PartitionKey": "",
            "ExplicitHashKey": "", "SequenceNumberForOrdering": "01",
        }),
        &[
            &violation("Value '' at 'partitionKey'", &at_least("length", 1)),
            &violation("Value '' at 'explicitHashKey'", HASH_KEY),
            &violation("Value '01' at 'sequenceNumberForOrdering'", SEQUENCE_NUMBER),
        ],
    );
}

#[test]
fn a_kind_of_iterator_is_one_of_five() {
    let kinds = "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, \
                 AT_SEQUENCE_NUMBER, TRIM_HORIZON]";
    assert_violations::<GetShardIterator>(
        &json!({ "ShardId": "s", "ShardIteratorType": "a", "StartingSequenceNumber": "" }),
        &[
            &violation("Value 'a' at 'shardIteratorType'", kinds),
            &violation("Value '' at 'startingSequenceNumber'", SEQUENCE_NUMBER),
        ],
    );
}

#[test]
fn members_of_entries_have_their_position_in_the_path() {
    let long = "a".repeat(257);
    assert_violations::<PutRecords>(
        &json!({
            "StreamName": "a",
            "Records": [
                { "PartitionKey": "a", "Data": "" },
                { "PartitionKey": long, "Data": null, "ExplicitHashKey": "a" },
            ],
        }),
        &[
            &violation(
                &format!("Value '{long}' at 'records.2.member.partitionKey'"),
                &at_most("length", 256),
            ),
            &violation("Value null at 'records.2.member.data'", NOT_NULL),
            &violation("Value 'a' at 'records.2.member.explicitHashKey'", HASH_KEY),
        ],
    );
    assert_violations::<SubscribeToShard>(
        &json!({
            "ConsumerARN": "arn:aws:kinesis:us-east-1:123456789012:stream/a/consumer/b:1",
            "ShardId": "s",
            "StartingPosition": { "SequenceNumber": "1" },
        }),
        &[&violation("Value null at 'startingPosition.type'", NOT_NULL)],
    );
}

#[test]
fn a_blob_is_not_repeated() {
    let data = "AAAA".repeat(10_485_760 / 3 + 1);
    assert_violations::<PutRecords>(
        &json!({ "StreamName": "a", "Records": [{ "PartitionKey": "a", "Data": data }] }),
        &[&violation("Value at 'records.1.member.data'", &at_most("length", 10_485_760))],
    );
}

#[test]
fn lists_of_structures_print_their_shape() {
    let empty = violation("Value '[]' at 'records'", &at_least("length", 1));
    assert_violations::<PutRecords>(&json!({ "StreamName": "a", "Records": [] }), &[&empty]);
    let records = vec![json!({ "PartitionKey": "a", "Data": "" }); 501];
    let error = refusal::<PutRecords>(&json!({ "StreamName": "a", "Records": records }));
    let message = error.message.unwrap();
    let shape = "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@";
    let head = format!("1 validation error detected: Value '[{shape}");
    assert!(message.starts_with(&head), "{message}");
    assert_eq!(message.matches(shape).count(), 501);
    let tail = violation("]' at 'records'", &at_most("length", 500));
    assert!(message.ends_with(&tail), "{message}");
}

#[test]
fn items_of_a_list_of_texts_are_judged_together() {
    let lengths = format!("[{}, {}]", at_most("length", 128), at_least("length", 1));
    assert_violations::<RemoveTagsFromStream>(
        &json!({ "StreamName": "a", "TagKeys": ["a", "", "b"] }),
        &[&violation(
            "Value '[a, , b]' at 'tagKeys'",
            &format!("Member must satisfy constraint: {lengths}"),
        )],
    );
    let metrics = "[IncomingBytes, IncomingRecords, OutgoingBytes, OutgoingRecords, \
                   WriteProvisionedThroughputExceeded, ReadProvisionedThroughputExceeded, \
                   IteratorAgeMilliseconds, ALL]";
    assert_violations::<EnableEnhancedMonitoring>(
        &json!({ "StreamName": "a", "ShardLevelMetrics": ["ALL", "Nothing"] }),
        &[&violation(
            "Value '[ALL, Nothing]' at 'shardLevelMetrics'",
            &format!(
                "Member must satisfy constraint: [Member must satisfy enum value set: {metrics}]"
            ),
        )],
    );
    assert_violations::<RemoveTagsFromStream>(
        &json!({ "StreamName": "a", "TagKeys": ["a", null] }),
        &[&violation("Value null at 'tagKeys.2.member'", NOT_NULL)],
    );
}

#[test]
fn names_and_values_of_a_map_are_judged_together() {
    let long = "a".repeat(257);
    let subject = format!("Value '{{=1, b={long}}}' at 'tags'");
    let rules = |max, min| format!("[{}, {}]", at_most("length", max), at_least("length", min));
    assert_violations::<AddTagsToStream>(
        &json!({ "StreamName": "a", "Tags": { "": "1", "b": long } }),
        &[
            &violation(&subject, &format!("Map keys must satisfy constraint: {}", rules(128, 1))),
            &violation(&subject, &format!("Map value must satisfy constraint: {}", rules(256, 0))),
        ],
    );
    assert_violations::<AddTagsToStream>(
        &json!({ "StreamName": "a", "Tags": {} }),
        &[&violation("Value '{}' at 'tags'", &at_least("length", 1))],
    );
    let many: serde_json::Map<_, _> = (0..201).map(|n| (format!("k{n}"), json!(""))).collect();
    let error = refusal::<AddTagsToStream>(&json!({ "StreamName": "a", "Tags": many }));
    let tail = violation("}' at 'tags'", &at_most("length", 200));
    assert!(error.message.unwrap().ends_with(&tail));
}

#[test]
fn ten_violations_are_enough() {
    let record = json!({ "PartitionKey": "", "Data": "", "ExplicitHashKey": "a" });
    let error = refusal::<PutRecords>(&json!({ "Records": vec![record; 20] }));
    let message = error.message.unwrap();
    assert!(message.starts_with("10 validation errors detected: "), "{message}");
    assert_eq!(message.matches(" failed to satisfy constraint: ").count(), 10);
}

#[test]
fn lengths_count_code_points() {
    let of = |key: &str| json!({ "StreamName": "a", "Data": "", "PartitionKey": key });
    assert_accepted::<PutRecord>(&of(&"🦀".repeat(256)));
    let long = "é".repeat(257);
    let subject = format!("Value '{long}' at 'partitionKey'");
    let violation = violation(&subject, &at_most("length", 256));
    assert_violations::<PutRecord>(&of(&long), &[&violation]);
}

#[test]
fn the_message_stays_small_whatever_was_sent() {
    let error = refusal::<PutRecord>(&json!({ "Data": "", "PartitionKey": "é".repeat(500_000) }));
    assert!(error.message.unwrap().len() < 70_000);
    let keys = vec!["a".repeat(1000); 2_000];
    let error = refusal::<RemoveTagsFromStream>(&json!({ "TagKeys": keys }));
    assert!(error.message.unwrap().len() < 200_000);
}

#[test]
fn null_is_the_same_as_absent() {
    assert_accepted::<PutRecord>(&json!({
        "StreamName": null, "StreamARN": null, "Data": "", "PartitionKey": null, "DryRun": null,
    }));
    let violation = violation("Value null at 'data'", NOT_NULL);
    assert_violations::<PutRecord>(&json!({ "Data": null }), &[&violation]);
}

#[test]
fn of_a_member_that_comes_twice_the_last_one_counts() {
    let body = br#"{"StreamName":"a","ShardCount":1,"StreamName":"b"}"#;
    let input = Codec::Json.decode::<CreateStream>(body).unwrap();
    assert_eq!(input.stream_name, "b");
    let body = br#"{"StreamName":"a","StreamName":null}"#;
    let error = Codec::Json.decode::<CreateStream>(body).unwrap_err();
    assert!(error.message.unwrap().contains("Value null at 'streamName'"));
}

#[test]
fn a_stream_can_be_named_by_its_arn_alone() {
    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/clicks";
    let body = json!({ "StreamARN": arn }).to_string();
    let input = Codec::Json.decode::<DescribeStreamSummary>(body.as_bytes()).unwrap();
    assert_eq!((input.stream().name, input.stream().arn), (None, Some(arn)));
    let pattern = r"arn:aws.*:kinesis:.*:\d{12}:stream/\S+";
    let rule = format!("Member must satisfy regular expression pattern: {pattern}");
    let violation = violation("Value 'clicks' at 'streamARN'", &rule);
    assert_violations::<DescribeStreamSummary>(&json!({ "StreamARN": "clicks" }), &[&violation]);
}
