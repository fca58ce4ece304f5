//! UpdateStreamRecordDistributionStrategy.

use millpond_api::operations::{
    UpdateStreamRecordDistributionStrategy, UpdateStreamRecordDistributionStrategyInput,
};
use millpond_shards::state::{CapacityCommand, Command};

use super::{Cx, Reply, Serve};
use crate::error::Result;

impl Serve for UpdateStreamRecordDistributionStrategy {
    async fn serve<'a>(
        cx: &'a Cx<'a>,
        input: UpdateStreamRecordDistributionStrategyInput<'a>,
    ) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        let strategy = input.record_distribution_strategy;
        let update = CapacityCommand::UpdateDistribution { stream, strategy };
        cx.submit(Command::Capacity(update)).await?;
        Ok(Reply::empty())
    }
}
