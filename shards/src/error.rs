//! Why the domain refuses: facts, which the edge turns into Amazon's words.

use millpond_api::types::{ConsumerArn, HashKey, HashKeyRange, ShardId, StreamArn, StreamStatus};
use millpond_quotas::Refusal;

use crate::{
    crypt::KmsError,
    engine::EngineError,
    state::Resource,
    stream::{Namespace, encryption::DataKeyNumber},
};

/// A refusal or a failure of the domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant is a fact named by its fields")]
pub enum Error {
    #[error("stream {stream} not found")]
    StreamNotFound { stream: StreamArn },
    #[error("stream {stream} exists")]
    StreamExists { stream: StreamArn },
    #[error("stream {stream} is {status:?}")]
    StreamNotActive { stream: StreamArn, status: StreamStatus },
    #[error("stream {stream} has consumers")]
    StreamHasConsumers { stream: StreamArn },
    #[error("consumer {consumer} not found")]
    ConsumerNotFound { consumer: ConsumerArn },
    #[error("consumer {consumer} exists")]
    ConsumerExists { consumer: ConsumerArn },
    #[error("consumer {consumer} is not ACTIVE")]
    ConsumerNotActive { consumer: ConsumerArn },
    #[error("more than {limit} consumers of {stream}")]
    TooManyConsumers { stream: StreamArn, limit: usize },
    #[error("more than {limit} consumers of {stream} being created")]
    TooManyConsumersCreating { stream: StreamArn, limit: usize },
    #[error("more than {limit} tags on {consumer}")]
    TooManyConsumerTags { consumer: ConsumerArn, limit: usize },
    #[error("{resource} has no policy")]
    PolicyNotFound { resource: Resource },
    #[error("shard {shard} is not in stream {stream}")]
    ShardNotFound { stream: StreamArn, shard: ShardId },
    #[error("shard {shard} of stream {stream} is closed")]
    ShardClosed { stream: StreamArn, shard: ShardId },
    #[error("hash key {key} doesn't split shard {shard} of stream {stream}")]
    HashKeyOutsideShard { stream: StreamArn, shard: ShardId, key: HashKey, range: HashKeyRange },
    #[error("shards {lower} and {upper} of stream {stream} are not adjacent")]
    NotAdjacent { stream: StreamArn, lower: ShardId, upper: ShardId },
    #[error("{additional} more shards exceed the limit of {limit}")]
    ShardLimit { namespace: Namespace, current: u64, limit: u64, additional: u64 },
    #[error("more than {limit} streams being created")]
    TooManyCreating { namespace: Namespace, limit: usize },
    #[error("{target} shards are more than {factor} times {current}")]
    ScaleUpTooFar { current: u32, target: u32, factor: usize },
    #[error("{target} shards are less than 1/{factor} of {current}")]
    ScaleDownTooFar { current: u32, target: u32, factor: usize },
    #[error("{target} shards are more than the limit of {limit}")]
    TooManyShards { current: u32, target: u32, limit: u64 },
    #[error("the shard count of {stream} was updated {limit} times in 24 hours")]
    ShardCountUpdatedTooOften { stream: StreamArn, limit: usize },
    #[error("{stream} is on-demand")]
    OnDemand { stream: StreamArn },
    #[error("{stream} is not on-demand")]
    NotOnDemand { stream: StreamArn },
    #[error("more than {limit} on-demand streams")]
    TooManyOnDemandStreams { namespace: Namespace, current: usize, limit: usize },
    #[error("the mode of {stream} was switched {limit} times in 24 hours")]
    ModeSwitchedTooOften { stream: StreamArn, limit: usize },
    #[error("the account is not committed to a minimum throughput")]
    NotCommitted { namespace: Namespace },
    #[error("{mib} MiB/s are more than the limit of {limit}")]
    TooWarm { stream: StreamArn, mib: u32, limit: u32 },
    #[error("{hours} hours are shorter than the retention period of {stream}")]
    RetentionNotLonger { stream: StreamArn, hours: u32, current: u32 },
    #[error("{hours} hours are longer than the retention period of {stream}")]
    RetentionNotShorter { stream: StreamArn, hours: u32, current: u32 },
    #[error("more than {limit} tags on {stream}")]
    TooManyTags { stream: StreamArn, limit: usize },
    #[error("the encryption of {stream} was changed {limit} times in 24 hours")]
    EncryptionChangedTooOften { stream: StreamArn, limit: usize },
    #[error("the data key of {stream} changed meanwhile")]
    DataKeyChanged { stream: StreamArn },
    #[error("{stream} has no data key {number:?}")]
    DataKeyMissing { stream: StreamArn, number: DataKeyNumber },
    #[error("no key of {stream} was ready in time")]
    KeysNotReady { stream: StreamArn },
    #[error(transparent)]
    Kms(#[from] KmsError),
    #[error("{consumer} subscribed to shard {shard} just now")]
    SubscribedJustNow { consumer: ConsumerArn, shard: ShardId, refusal: Box<Refusal> },
    #[error("{consumer} subscribes to shard {shard} too often")]
    SubscribedTooOften { consumer: ConsumerArn, shard: ShardId, refusal: Box<Refusal> },
    #[error("another subscription of {consumer} to shard {shard} took over")]
    Superseded { consumer: ConsumerArn, shard: ShardId },
    #[error("{stream} has been forked and written to more than {limit} times")]
    TooManyForks { stream: StreamArn, limit: usize },
    #[error("the server is shutting down")]
    Stopping,
    #[error(transparent)]
    Engine(#[from] EngineError),
}
