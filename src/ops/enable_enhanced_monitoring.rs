//! EnableEnhancedMonitoring.

use millpond_api::operations::{EnableEnhancedMonitoring, EnableEnhancedMonitoringInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, monitoring};
use crate::error::Result;

impl Serve for EnableEnhancedMonitoring {
    async fn serve<'a>(cx: &'a Cx<'a>, input: EnableEnhancedMonitoringInput<'a>) -> Result<Reply> {
        let before = cx.controlled(input.stream())?;
        let (stream, current) = (&before.state().arn, &before.state().shard_level_metrics);
        let metrics = monitoring::metrics(&input.shard_level_metrics);
        let desired = current | &metrics;
        let due = cx.due();
        cx.submit(Command::EnableMonitoring { stream: stream.clone(), metrics, due }).await?;
        Ok(monitoring::reply(cx, stream, current, &desired))
    }
}
