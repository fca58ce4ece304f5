//! DescribeLimits.

use millpond_api::operations::{DescribeLimits, DescribeLimitsInput, DescribeLimitsOutput};
use millpond_quotas::limits;

use super::{Cx, Reply, Serve, describe};
use crate::error::Result;

impl Serve for DescribeLimits {
    async fn serve<'a>(cx: &'a Cx<'a>, _: DescribeLimitsInput) -> Result<Reply> {
        cx.control_account()?;
        let snapshot = cx.domain().directory().snapshot();
        let streams = snapshot.namespace(cx.namespace()).into_iter().flatten();
        let open = streams.map(|(_, stream)| stream.state().open_shards().count()).sum::<usize>();
        let limit = cx.domain().directory().shard_limit(cx.namespace());
        let output = DescribeLimitsOutput {
            shard_limit: i32::try_from(limit).unwrap_or(i32::MAX),
            open_shard_count: describe::count(open),
            on_demand_stream_count: 0,
            on_demand_stream_count_limit: describe::count(limits::ON_DEMAND_STREAMS_MAX),
            ..DescribeLimitsOutput::default()
        };
        Ok(cx.reply(&output))
    }
}
