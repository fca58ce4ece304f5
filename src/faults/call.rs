//! A call as faults see it: what it names, before anything is done for it.

use millpond_api::{
    OperationId,
    types::{AccountId, Region, ShardId, StreamName},
};

/// A call that a caller may make.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which operation it is.
    pub operation: OperationId,
    /// The account of the stream where the call names that by ARN; else that of the caller.
    pub account: AccountId,
    /// The same for the region.
    pub region: Region,
    /// The stream that it names, whether or not that exists.
    pub stream: Option<StreamName>,
    /// The shard that it names, itself or by an iterator.
    pub shard: Option<ShardId>,
    /// The consumer that it names.
    pub consumer: Option<String>,
    /// The records that it brings, in order.
    pub records: Vec<RecordFace>,
}

/// A record as faults see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordFace {
    /// Its key, if it has one.
    pub partition_key: Option<String>,
    /// Its shard, where that is known before it is written: not where the service picks it.
    pub shard: Option<ShardId>,
}
