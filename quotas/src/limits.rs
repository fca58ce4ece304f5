//! Every number of the Kinesis contract, once, with its unit and its source.
//!
//! The unit is the last word of a name, or the type (`Duration`). Constraints of single members of
//! requests (lengths, patterns) are not here: they come with the model. "MB" and "KB" of AWS are
//! binary. Figures that AWS publishes no more exactly than a range, or that are inferred, say so.
//!
//! Sources, on <https://docs.aws.amazon.com>:
//! - *quotas*: streams/latest/dev/service-sizes-and-limits.html
//! - *large records*: streams/latest/dev/large-records.html
//! - *API*: kinesis/latest/APIReference/ followed by `API_` and the operation's name
//! - *SigV4*: IAM/latest/UserGuide/reference_sigv.html and its subpages

use std::time::Duration;

use crate::Rate;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Windows of "per day" limits are rolling 24 hours, not calendar days.
pub const DAY: Duration = Duration::from_hours(24);

// ---- Requests -----------------------------------------------------------------------------------

/// The largest body read. AWS cut off at 7 MiB when records were at most 1 MiB; ten MiB of records
/// are 14 MiB of base64 and some syntax.
pub const REQUEST_BODY_BYTES_MAX: usize = 16 * MIB as usize;

/// How far the date of a signature may be from the wall clock, either way (*SigV4*).
pub const SIGNATURE_SKEW_MAX: Duration = Duration::from_mins(5);

/// Bytes in a call of PutMetricData, unpacked (*CloudWatch*).
pub const METRICS_BODY_BYTES_MAX: usize = MIB as usize;

/// How old the values of a metric may be when they are put (*CloudWatch*, PutMetricData).
pub const METRIC_AGE_MAX: Duration = Duration::from_hours(14 * 24);

/// How far in the future they may be.
pub const METRIC_AHEAD_MAX: Duration = Duration::from_hours(2);

/// The longest life that a presigned query can ask for by `X-Amz-Expires` (*SigV4*).
pub const PRESIGNED_LIFE_MAX: Duration = Duration::from_hours(7 * 24);

// ---- Records ------------------------------------------------------------------------------------

/// Record size limit of a stream that asks for none, and the least it can ask for: data and
/// partition key together (*API* `UpdateMaxRecordSize`).
pub const RECORD_SIZE_DEFAULT_KIB: u64 = 1_024;

/// The greatest record size limit of a stream.
pub const RECORD_SIZE_MAX_KIB: u64 = 10_240;

/// Data and partition keys of one PutRecords (*API* `PutRecords`; 5 MiB before large records).
pub const PUT_RECORDS_BYTES_MAX: u64 = 10 * MIB;

/// Records of one PutRecords (*API* `PutRecords`).
pub const PUT_RECORDS_RECORDS_MAX: usize = 500;

/// Data answered by one GetRecords; a single greater record is answered alone (*API* `GetRecords`).
pub const GET_RECORDS_BYTES_MAX: u64 = 10 * MIB;

/// Records answered by one GetRecords, and its default `Limit` (*API* `GetRecords`).
pub const GET_RECORDS_RECORDS_MAX: usize = 10_000;

// ---- One shard ----------------------------------------------------------------------------------

/// Records written to a shard (*quotas*). Also the burst: what an idle shard takes at once.
pub const SHARD_WRITE_RECORDS_PER_SECOND: u32 = 1_000;

/// Data and partition keys written to a shard (*quotas*).
pub const SHARD_WRITE_BYTES_PER_SECOND: u32 = MIB as u32;

/// GetRecords calls on a shard, all callers together (*quotas*). Also the burst.
pub const SHARD_READ_CALLS_PER_SECOND: u32 = 5;

/// Data read from a shard by GetRecords (*quotas*). Also the burst; one answer may go beyond it and
/// is paid for afterwards.
pub const SHARD_READ_BYTES_PER_SECOND: u32 = 2 * MIB as u32;

/// GetShardIterator calls on a shard (*API* `GetShardIterator`). Also the burst.
pub const SHARD_ITERATOR_CALLS_PER_SECOND: u32 = 5;

/// From the issue of a shard iterator to its expiry (*API* `GetShardIterator`).
pub const SHARD_ITERATOR_LIFE: Duration = Duration::from_mins(5);

/// Length of a shard iterator's text (*API* `GetShardIterator`).
pub const SHARD_ITERATOR_CHARS_MAX: usize = 512;

// ---- Enhanced fan-out ---------------------------------------------------------------------------

/// Data pushed from one shard to one consumer (*quotas*).
pub const CONSUMER_READ_BYTES_PER_SECOND: u32 = 2 * MIB as u32;

/// SubscribeToShard calls for one consumer and shard (*API* `SubscribeToShard`).
pub const SUBSCRIBE_CALLS_PER_SECOND: u32 = 1;

/// A second subscription sooner than this after the first is refused; later, it takes over
/// (*API* `SubscribeToShard`).
pub const SUBSCRIPTION_TAKEOVER_MIN: Duration = Duration::from_secs(5);

/// How long a subscription is served (*API* `SubscribeToShard`).
pub const SUBSCRIPTION_LIFE: Duration = Duration::from_mins(5);

/// Silence after which a subscription says that it lives. Clients of AWS see such events every few
/// seconds; the number is ours.
pub const SUBSCRIPTION_HEARTBEAT: Duration = Duration::from_secs(5);

/// Data in one event of a subscription, unless its only record is larger. Ours: small enough that
/// many stalled consumers hold little memory.
pub const SUBSCRIPTION_EVENT_BYTES_MAX: u64 = 256 << 10;

/// Consumers registered with a stream, queues included (*quotas*).
pub const CONSUMERS_PER_STREAM_MAX: usize = 20;

/// The same in an account with the On-demand Advantage commitment (*quotas*).
pub const CONSUMERS_PER_STREAM_ADVANTAGE_MAX: usize = 50;

/// Consumers of a stream in CREATING at once (*API* `RegisterStreamConsumer`).
pub const CONSUMERS_CREATING_MAX: usize = 5;

// ---- Streams ------------------------------------------------------------------------------------

/// Streams of an account and region in CREATING at once (*API* `CreateStream`).
pub const STREAMS_CREATING_MAX: usize = 5;

/// On-demand streams of an account and region (*quotas*).
pub const ON_DEMAND_STREAMS_MAX: usize = 50;

/// Days whose greatest write traffic an on-demand stream is ready for (*quotas*).
pub const ON_DEMAND_PEAK_DAYS: i64 = 30;

/// How many times that traffic its capacity is (*quotas*).
pub const ON_DEMAND_HEADROOM: u64 = 2;

/// Write traffic above which a shard of an on-demand stream is split (*quotas*: about 500 KB a
/// second), in bytes a second.
pub const ON_DEMAND_SPLIT_BYTES_PER_SECOND: u64 = MIB / 2;

/// How long that traffic must last. Ours: AWS acts within 15 minutes.
pub const ON_DEMAND_SUSTAINED: Duration = Duration::from_mins(5);

/// Write traffic below which a shard of an on-demand stream may be merged with another, in bytes a
/// second. Ours: two such shards make one that is far from being split.
pub const ON_DEMAND_MERGE_BYTES_PER_SECOND: u64 = MIB / 8;

/// How long a shard must have had so little before it is merged. Ours: AWS takes about a day.
pub const ON_DEMAND_QUIET: Duration = DAY;

/// How long a commitment to a minimum throughput lasts at least (*API* `UpdateAccountSettings`).
pub const COMMITMENT_MIN: Duration = DAY;

/// Open shards of an on-demand stream at least; so many has a new one.
pub const ON_DEMAND_SHARDS_MIN: u32 = 4;

const ON_DEMAND_WRITE_MIB_BY_REGION: [(&str, u32); 3] =
    [("us-east-1", 10_240), ("us-west-2", 10_240), ("eu-west-1", 10_240)];
const ON_DEMAND_WRITE_MIB_ELSEWHERE: u32 = 200;

/// MiB of data and partition keys a second that an on-demand stream in `region` may grow to take,
/// or be kept warm for; as many shards take it, and reads may be double (*quotas*).
#[must_use]
pub fn on_demand_write_mib_max(region: &str) -> u32 {
    by_region(&ON_DEMAND_WRITE_MIB_BY_REGION, region).unwrap_or(ON_DEMAND_WRITE_MIB_ELSEWHERE)
}

/// Open shards of one stream that UpdateShardCount can lead to (*API* `UpdateShardCount`).
pub const SHARDS_PER_STREAM_MAX: u32 = 10_000;

/// UpdateShardCount calls that take effect on a stream in a [`DAY`] (*API* `UpdateShardCount`).
pub const UPDATE_SHARD_COUNT_PER_DAY_MAX: usize = 10;

/// Changes of a stream's capacity mode in a [`DAY`] (*API* `UpdateStreamMode`).
pub const MODE_SWITCHES_PER_DAY_MAX: usize = 2;

/// Keys applied to a stream by StartStreamEncryption in a [`DAY`] (*API* `StartStreamEncryption`);
/// StopStreamEncryption has as many of its own.
pub const ENCRYPTION_CHANGES_PER_DAY_MAX: usize = 25;

/// How long a data key is used before the master key is asked for it again (*guide*, "Server-Side
/// Encryption": KMS is called about every five minutes).
pub const DATA_KEY_LIFE: Duration = Duration::from_mins(5);

/// Tags of one stream or consumer (*quotas*).
pub const TAGS_PER_RESOURCE_MAX: usize = 50;

/// UpdateShardCount makes of the open shards at most so many times as many, and at least that part
/// of them, rounded up (*API* `UpdateShardCount`).
pub const SHARD_COUNT_FACTOR_MAX: u32 = 2;

const SHARDS_PER_ACCOUNT_BY_REGION: [(&str, u32); 3] =
    [("us-east-1", 20_000), ("us-west-2", 20_000), ("eu-west-1", 20_000)];

/// AWS says "1,000 or 6,000" without saying where: the stricter.
const SHARDS_PER_ACCOUNT_ELSEWHERE: u32 = 1_000;

/// Open shards of all provisioned streams of an account in `region`, as AWS grants to a new account
/// (*quotas*).
#[must_use]
pub fn shards_per_account_max(region: &str) -> u32 {
    by_region(&SHARDS_PER_ACCOUNT_BY_REGION, region).unwrap_or(SHARDS_PER_ACCOUNT_ELSEWHERE)
}

fn by_region<N: Copy>(table: &[(&str, N)], region: &str) -> Option<N> {
    table.iter().find(|(name, _)| *name == region).map(|(_, number)| *number)
}

// ---- Retention ----------------------------------------------------------------------------------

/// Retention period of a new stream (*API* `IncreaseStreamRetentionPeriod`).
pub const RETENTION_DEFAULT_HOURS: u32 = 24;

/// The least retention period (*API* `DecreaseStreamRetentionPeriod`).
pub const RETENTION_MIN_HOURS: u32 = 24;

/// Where extended retention ends and long-term retention begins; only billing differs on AWS.
pub const RETENTION_EXTENDED_MAX_HOURS: u32 = 168;

/// The greatest retention period: 365 days.
pub const RETENTION_MAX_HOURS: u32 = 8_760;

// ---- Pages --------------------------------------------------------------------------------------

/// Shards in an answer of DescribeStream, whatever `Limit` asks (*API* `DescribeStream`).
pub const DESCRIBE_STREAM_SHARDS_PAGE_MAX: usize = 100;

/// Names in an answer of ListStreams (*API* `ListStreams`).
pub const LIST_STREAMS_PAGE_MAX: usize = 100;

/// Shards in an answer of ListShards (*API* `ListShards`).
pub const LIST_SHARDS_PAGE_MAX: usize = 1_000;

/// Consumers in an answer of ListStreamConsumers (*API* `ListStreamConsumers`).
pub const LIST_STREAM_CONSUMERS_PAGE_MAX: usize = 100;

/// Tags in an answer of ListTagsForStream: all that a stream can have.
pub const LIST_TAGS_PAGE_MAX: usize = TAGS_PER_RESOURCE_MAX;

/// From the issue of a `NextToken` to its expiry (*API* `ListShards`).
pub const NEXT_TOKEN_LIFE: Duration = Duration::from_mins(5);

/// How many to answer when `asked` were asked for and a page holds `page_max`: more than a page is
/// cut to it without an error.
#[must_use]
pub fn page_size(asked: Option<i32>, page_max: usize) -> usize {
    asked.map_or(page_max, |asked| usize::try_from(asked).unwrap_or(0).min(page_max))
}

// ---- Policies -----------------------------------------------------------------------------------

/// Bytes of a policy document. AWS publishes no figure for Kinesis; resource policies of its other
/// services have this many.
pub const POLICY_BYTES_MAX: usize = 20 * KIB as usize;

// ---- Calls of the control plane -----------------------------------------------------------------

/// Whose calls are counted together.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum CallScope {
    /// All calls of the operation by an account in a region.
    Account,
    /// All calls of the operation that address one stream.
    Stream,
}

/// How often a control operation may be called. An idle caller can make a second's calls at once.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CallLimit {
    /// Calls in a second.
    pub calls_per_second: u32,
    /// Whose calls.
    pub scope: CallScope,
}

const fn account(calls_per_second: u32) -> CallLimit {
    CallLimit { calls_per_second, scope: CallScope::Account }
}

const fn stream(calls_per_second: u32) -> CallLimit {
    CallLimit { calls_per_second, scope: CallScope::Stream }
}

/// Calls a second of each control operation, by name in order (*quotas* and *API*).
const CONTROL_CALLS: &[(&str, CallLimit)] = &[
    ("AddTagsToStream", account(5)),
    ("CreateChannel", account(5)),
    ("CreateStream", account(5)),
    ("DecreaseStreamRetentionPeriod", account(5)),
    ("DeleteChannel", account(5)),
    ("DeleteStream", account(5)),
    ("DeregisterStreamConsumer", stream(5)),
    ("DescribeAccountSettings", account(5)),
    ("DescribeChannel", account(5)),
    ("DescribeLimits", account(1)),
    ("DescribeStream", account(10)),
    ("DescribeStreamConsumer", stream(20)),
    ("DescribeStreamSummary", account(20)),
    ("DisableEnhancedMonitoring", account(5)),
    ("EnableEnhancedMonitoring", account(5)),
    ("IncreaseStreamRetentionPeriod", account(5)),
    ("ListChannels", account(5)),
    ("ListShards", stream(1_000)),
    ("ListStreamConsumers", stream(5)),
    ("ListStreams", account(5)),
    ("ListTagsForStream", account(5)),
    ("MergeShards", account(5)),
    ("RegisterStreamConsumer", account(5)),
    ("RemoveTagsFromStream", account(5)),
    ("SplitShard", account(5)),
    ("UpdateAccountSettings", account(5)),
    ("UpdateChannel", account(5)),
    ("UpdateShardCount", account(10)),
    ("UpdateStreamWarmThroughput", account(5)),
];

/// Control operations without a published figure: they get the usual five.
const CONTROL_CALLS_INFERRED: &[(&str, CallLimit)] = &[
    ("DeleteResourcePolicy", account(5)),
    ("GetResourcePolicy", account(5)),
    ("ListTagsForResource", account(5)),
    ("PutResourcePolicy", account(5)),
    ("StartStreamEncryption", account(5)),
    ("StopStreamEncryption", account(5)),
    ("TagResource", account(5)),
    ("UntagResource", account(5)),
    ("UpdateMaxRecordSize", account(5)),
    ("UpdateStreamMode", account(5)),
    ("UpdateStreamRecordDistributionStrategy", account(5)),
];

/// The control operations that have a limit, by their Kinesis names.
pub(crate) fn control_operations() -> impl Iterator<Item = &'static str> {
    CONTROL_CALLS.iter().chain(CONTROL_CALLS_INFERRED).map(|(name, _)| *name)
}

impl CallLimit {
    pub(crate) const fn calls_per_second(self) -> Rate {
        Rate::of(self.calls_per_second)
    }
}

/// How often `operation`, by its Kinesis name, may be called. `None` for operations of the data
/// plane, which are limited by shard.
#[must_use]
pub fn control_calls(operation: &str) -> Option<CallLimit> {
    let mut rows = CONTROL_CALLS.iter().chain(CONTROL_CALLS_INFERRED);
    rows.find(|(name, _)| *name == operation).map(|(_, limit)| *limit)
}

/// Bytes of data and partition key together that a record may have on a stream whose record size
/// limit is `kib`.
#[must_use]
pub const fn record_bytes_max(kib: u64) -> u64 {
    kib.saturating_mul(KIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    // What must hold between the numbers for the buckets to be deep enough, whoever edits them.
    const _: () = assert!(record_bytes_max(RECORD_SIZE_MAX_KIB) <= PUT_RECORDS_BYTES_MAX);
    const _: () = assert!(PUT_RECORDS_BYTES_MAX * 4 / 3 < REQUEST_BODY_BYTES_MAX as u64);

    #[test]
    fn each_control_operation_has_one_limit() {
        let rows = || CONTROL_CALLS.iter().chain(CONTROL_CALLS_INFERRED);
        for (name, limit) in rows() {
            assert_eq!(rows().filter(|(other, _)| other == name).count(), 1, "{name}");
            assert_eq!(control_calls(name), Some(*limit));
        }
        assert!(CONTROL_CALLS.is_sorted_by_key(|(name, _)| name), "in order, to be found by eye");
        assert_eq!(control_calls("PutRecords"), None);
    }

    #[test]
    fn a_page_is_what_was_asked_for_up_to_its_cap() {
        assert_eq!(page_size(None, 100), 100);
        assert_eq!(page_size(Some(7), 100), 7);
        assert_eq!(page_size(Some(10_000), 100), 100);
    }

    #[test]
    fn three_regions_have_more() {
        assert_eq!(shards_per_account_max("eu-west-1"), 20_000);
        assert_eq!(shards_per_account_max("eu-central-1"), 1_000);
        assert_eq!(on_demand_write_mib_max("eu-central-1"), 200);
        assert_eq!(on_demand_write_mib_max("eu-west-1"), 10_240);
    }
}
