//! The table of operations: how each one of the model is served.

use std::future::Future;

use bytes::Bytes;
use futures::{future::BoxFuture, stream::BoxStream};
use millpond_api::{
    ErrorKind, Operation, OperationId,
    operations::{
        AddTagsToStream, CreateStream, DecreaseStreamRetentionPeriod, DeleteResourcePolicy,
        DeleteStream, DeregisterStreamConsumer, DescribeAccountSettings, DescribeLimits,
        DescribeStream, DescribeStreamConsumer, DescribeStreamSummary, DisableEnhancedMonitoring,
        EnableEnhancedMonitoring, GetRecords, GetResourcePolicy, GetShardIterator,
        IncreaseStreamRetentionPeriod, ListShards, ListStreamConsumers, ListStreams,
        ListTagsForResource, ListTagsForStream, MergeShards, PutRecord, PutRecords,
        PutResourcePolicy, RegisterStreamConsumer, RemoveTagsFromStream, SplitShard,
        StartStreamEncryption, StopStreamEncryption, SubscribeToShard, TagResource, UntagResource,
        UpdateAccountSettings, UpdateMaxRecordSize, UpdateShardCount, UpdateStreamMode,
        UpdateStreamRecordDistributionStrategy, UpdateStreamWarmThroughput,
    },
};

mod account_settings;
mod add_tags_to_stream;
mod address;
mod consumers;
mod create_stream;
mod cx;
mod decrease_stream_retention_period;
mod delete_resource_policy;
mod delete_stream;
mod deregister_stream_consumer;
mod describe;
mod describe_account_settings;
mod describe_limits;
mod describe_stream;
mod describe_stream_consumer;
mod describe_stream_summary;
mod disable_enhanced_monitoring;
mod dry_run;
mod enable_enhanced_monitoring;
mod get_records;
mod get_resource_policy;
mod get_shard_iterator;
mod increase_stream_retention_period;
mod injected;
mod list_shards;
mod list_stream_consumers;
mod list_streams;
mod list_tags_for_resource;
mod list_tags_for_stream;
mod merge_shards;
mod monitoring;
mod on_demand;
mod page;
mod permission;
mod placement;
mod put_record;
mod put_records;
mod put_resource_policy;
mod records;
mod register_stream_consumer;
mod remove_tags_from_stream;
mod resource;
mod retention;
mod split_shard;
mod start_stream_encryption;
mod starting_position;
mod stop_stream_encryption;
mod subscribe_to_shard;
mod tag_resource;
mod tags;
mod untag_resource;
mod update_account_settings;
mod update_max_record_size;
mod update_shard_count;
mod update_stream_mode;
mod update_stream_record_distribution_strategy;
mod update_stream_warm_throughput;
mod write;

pub use cx::{Cx, Origin};
pub(crate) use tags::is_legal as is_legal_in_tags;

use crate::{
    answers::AnswerRoom,
    blocks::Blocks,
    error::{Error, Result},
    faults::Cut,
};

/// How an operation is served: one function from its checked input to its reply.
pub trait Serve: Operation {
    /// Does what the input asks for.
    fn serve<'a>(
        cx: &'a Cx<'a>,
        input: Self::Input<'a>,
    ) -> impl Future<Output = Result<Reply>> + Send + 'a;
}

/// An answer that isn't an error.
pub enum Reply {
    /// One body in the request's format; empty for operations without output.
    Whole {
        /// The body.
        body: Blocks,
        /// What it holds of the room for large answers, until it is sent.
        room: AnswerRoom,
    },
    /// One body in the request's format, which is made as it is sent.
    Parts {
        /// Its parts as they come.
        frames: BoxStream<'static, Bytes>,
    },
    /// An event stream.
    Events {
        /// Its frames as they come.
        frames: BoxStream<'static, Result<Bytes, Cut>>,
        /// Ends when it should have ended, if its client read it.
        ends: BoxFuture<'static, ()>,
    },
    /// None: the connection is cut.
    Cut,
    /// The first half of a body: then the connection is cut.
    CutHalfway {
        /// The whole body, which is not empty.
        body: Blocks,
        /// What it holds of the room for large answers, until it is sent.
        room: AnswerRoom,
    },
}

impl Reply {
    /// The answer of an operation without output.
    #[must_use]
    pub fn empty() -> Self {
        Self::Whole { body: Blocks::default(), room: AnswerRoom::default() }
    }
}

/// An operation as the gateway calls it: the caller's context and the body of the request.
pub type Entrypoint = for<'a> fn(&'a Cx<'a>, &'a [u8]) -> BoxFuture<'a, Result<Reply>>;

/// How each operation of the model is served, if it is. The match is exhaustive: a new model does
/// not build until every new operation has a row, if only among the unserved.
#[must_use]
#[expect(clippy::too_many_lines, reason = "one row an operation")]
pub const fn entrypoint(operation: OperationId) -> Option<Entrypoint> {
    use OperationId as Id;
    Some(match operation {
        Id::AddTagsToStream => served::<AddTagsToStream>,
        Id::CreateStream => served::<CreateStream>,
        Id::DecreaseStreamRetentionPeriod => served::<DecreaseStreamRetentionPeriod>,
        Id::DeleteResourcePolicy => served::<DeleteResourcePolicy>,
        Id::DeleteStream => served::<DeleteStream>,
        Id::DeregisterStreamConsumer => served::<DeregisterStreamConsumer>,
        Id::DescribeAccountSettings => served::<DescribeAccountSettings>,
        Id::DescribeLimits => served::<DescribeLimits>,
        Id::DescribeStream => served::<DescribeStream>,
        Id::DescribeStreamConsumer => served::<DescribeStreamConsumer>,
        Id::DescribeStreamSummary => served::<DescribeStreamSummary>,
        Id::DisableEnhancedMonitoring => served::<DisableEnhancedMonitoring>,
        Id::EnableEnhancedMonitoring => served::<EnableEnhancedMonitoring>,
        Id::GetRecords => served::<GetRecords>,
        Id::GetResourcePolicy => served::<GetResourcePolicy>,
        Id::GetShardIterator => served::<GetShardIterator>,
        Id::IncreaseStreamRetentionPeriod => served::<IncreaseStreamRetentionPeriod>,
        Id::ListShards => served::<ListShards>,
        Id::ListStreamConsumers => served::<ListStreamConsumers>,
        Id::ListStreams => served::<ListStreams>,
        Id::ListTagsForResource => served::<ListTagsForResource>,
        Id::ListTagsForStream => served::<ListTagsForStream>,
        Id::MergeShards => served::<MergeShards>,
        Id::PutRecord => served::<PutRecord>,
        Id::PutRecords => served::<PutRecords>,
        Id::PutResourcePolicy => served::<PutResourcePolicy>,
        Id::RegisterStreamConsumer => served::<RegisterStreamConsumer>,
        Id::RemoveTagsFromStream => served::<RemoveTagsFromStream>,
        Id::SplitShard => served::<SplitShard>,
        Id::StartStreamEncryption => served::<StartStreamEncryption>,
        Id::StopStreamEncryption => served::<StopStreamEncryption>,
        Id::SubscribeToShard => served::<SubscribeToShard>,
        Id::TagResource => served::<TagResource>,
        Id::UntagResource => served::<UntagResource>,
        Id::UpdateAccountSettings => served::<UpdateAccountSettings>,
        Id::UpdateMaxRecordSize => served::<UpdateMaxRecordSize>,
        Id::UpdateShardCount => served::<UpdateShardCount>,
        Id::UpdateStreamMode => served::<UpdateStreamMode>,
        Id::UpdateStreamRecordDistributionStrategy => {
            served::<UpdateStreamRecordDistributionStrategy>
        }
        Id::UpdateStreamWarmThroughput => served::<UpdateStreamWarmThroughput>,
        Id::AcknowledgeDeadLetterQueueRecords
        | Id::AcknowledgeQueueRecords
        | Id::CreateChannel
        | Id::CreateQueue
        | Id::DeleteChannel
        | Id::DeleteQueue
        | Id::DescribeChannel
        | Id::DescribeQueue
        | Id::ListChannels
        | Id::ListQueues
        | Id::ReceiveDeadLetterQueueRecords
        | Id::ReceiveQueueRecords
        | Id::RestoreDeadLetterQueueRecords
        | Id::UpdateChannel
        | Id::UpdateDeadLetterQueueRecordsVisibility
        | Id::UpdateQueue
        | Id::UpdateQueueRecordsVisibility => return None,
    })
}

fn served<'a, O: Serve>(cx: &'a Cx<'a>, body: &'a [u8]) -> BoxFuture<'a, Result<Reply>> {
    Box::pin(async move {
        let input = cx.codec().decode::<O>(body)?;
        if let Some(injector) = cx.faults() {
            let answer = Box::pin(injected::admit(cx, injector, body)).await?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
        let outcome = O::serve(cx, input).await;
        match cx.injected() {
            Some(injected) => Box::pin(injected.after(cx, outcome)).await,
            None => outcome,
        }
    })
}

/// The answer of an operation that has no entrypoint.
#[must_use]
pub fn unserved(operation: OperationId) -> Error {
    let words = format!("millpond does not serve {} yet.", operation.name());
    Error(ErrorKind::UnknownOperation.with(words))
}
