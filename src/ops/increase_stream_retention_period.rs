//! IncreaseStreamRetentionPeriod.

use millpond_api::operations::{IncreaseStreamRetentionPeriod, IncreaseStreamRetentionPeriodInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, retention};
use crate::error::Result;

impl Serve for IncreaseStreamRetentionPeriod {
    async fn serve<'a>(
        cx: &'a Cx<'a>,
        input: IncreaseStreamRetentionPeriodInput<'a>,
    ) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        cx.find(&stream)?;
        let hours = retention::check(input.retention_period_hours)?;
        let (now, due) = (cx.now(), cx.due());
        cx.submit(Command::IncreaseRetention { stream, hours, now, due }).await?;
        Ok(Reply::empty())
    }
}
