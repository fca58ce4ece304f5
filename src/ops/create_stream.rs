//! CreateStream.

use millpond_api::{
    OperationId,
    operations::{CreateStream, CreateStreamInput},
    types::{RecordDistributionStrategy, StreamArn, StreamMode},
};
use millpond_quotas::limits;
use millpond_shards::{
    state::{Command, NewMode, NewStream},
    stream::on_demand::OnDemand,
};

use super::{Cx, Reply, Serve, address, on_demand, permission::Subject, tags};
use crate::{
    error::{Result, invalid},
    policy::{Tagging, Tags},
};

impl Serve for CreateStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: CreateStreamInput<'a>) -> Result<Reply> {
        let arn = address::resolve(cx, input.stream())?;
        permit(cx, &arn, input.tags.as_ref())?;
        cx.admit(Some(&arn))?;
        let mode = mode(&input)?;
        let tags = input.tags.unwrap_or_default();
        let texts = tags.iter().flat_map(|(key, value)| [key, value]);
        tags::check_characters(&arn, tags::Act::Add, texts)?;
        let max_record_kib = match input.max_record_size_in_kib {
            Some(kib) => kib.unsigned_abs(),
            None => limits::RECORD_SIZE_DEFAULT_KIB as u32,
        };
        let tags = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let (now, due) = (cx.now(), cx.due());
        let stream = NewStream { arn, mode, max_record_kib, tags, now, due };
        cx.submit(Command::CreateStream(stream)).await?;
        Ok(Reply::empty())
    }
}

/// Tags of a new stream take the permission to tag it.
fn permit(cx: &Cx<'_>, arn: &StreamArn, tags: Option<&Tags<'_>>) -> Result<()> {
    let subject = Subject::bare(arn, arn.account);
    let Some(tags) = tags.filter(|tags| !tags.is_empty()) else {
        return cx.permit(&subject, Tagging::Nothing);
    };
    cx.permit(&subject, Tagging::Tags(tags))?;
    cx.permit_as(OperationId::AddTagsToStream, &subject, Tagging::Tags(tags))
}

/// Without a mode, a shard count makes the stream provisioned; without either AWS makes it
/// on-demand.
fn mode(input: &CreateStreamInput<'_>) -> Result<NewMode> {
    let mode = input.stream_mode_details.as_ref().map(|details| details.stream_mode);
    match (mode, input.shard_count) {
        (None | Some(StreamMode::Provisioned), Some(shards)) => {
            refuse_on_demand(input)?;
            Ok(NewMode::Provisioned { shards: shards.unsigned_abs() })
        }
        (Some(StreamMode::Provisioned), None) => {
            Err(invalid("ShardCount is required when StreamMode is PROVISIONED."))
        }
        (Some(StreamMode::OnDemand), Some(_)) => {
            Err(invalid("ShardCount is not expected when StreamMode=ON_DEMAND"))
        }
        (None | Some(StreamMode::OnDemand), None) => {
            let by_key = RecordDistributionStrategy::UserPartitionKey;
            let strategy = input.record_distribution_strategy.unwrap_or(by_key);
            let warm_mib = input.warm_throughput_mibps.map(i32::unsigned_abs);
            Ok(NewMode::OnDemand(OnDemand::new(strategy, warm_mib)))
        }
    }
}

fn refuse_on_demand(input: &CreateStreamInput<'_>) -> Result<()> {
    if input.record_distribution_strategy == Some(RecordDistributionStrategy::Auto) {
        return Err(invalid(
            "RecordDistributionStrategy AUTO is only supported for on-demand streams.",
        ));
    }
    if input.warm_throughput_mibps.is_some() {
        return Err(on_demand::no_warm_throughput());
    }
    Ok(())
}
