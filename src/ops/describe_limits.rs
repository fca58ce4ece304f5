//! DescribeLimits.

use millpond_api::{
    operations::{DescribeLimits, DescribeLimitsInput, DescribeLimitsOutput},
    types::StreamMode,
};

use super::{Cx, Reply, Serve, describe};
use crate::error::Result;

impl Serve for DescribeLimits {
    async fn serve<'a>(cx: &'a Cx<'a>, _: DescribeLimitsInput) -> Result<Reply> {
        cx.control_account()?;
        let snapshot = cx.domain().directory().snapshot();
        let streams = snapshot.namespace(cx.namespace()).into_iter().flatten();
        let states = streams.map(|(_, stream)| stream.state());
        let (on_demand, provisioned): (Vec<_>, Vec<_>) =
            states.partition(|state| state.mode() == StreamMode::OnDemand);
        let open = provisioned.iter().map(|state| state.open_shards().count()).sum();
        let limit = cx.domain().directory().shard_limit(cx.namespace());
        let output = DescribeLimitsOutput {
            shard_limit: i32::try_from(limit).unwrap_or(i32::MAX),
            open_shard_count: describe::count(open),
            on_demand_stream_count: describe::count(on_demand.len()),
            on_demand_stream_count_limit: describe::count(cx.quotas().counts.on_demand_streams),
            ..DescribeLimitsOutput::default()
        };
        Ok(cx.reply(&output))
    }
}
