//! UpdateStreamWarmThroughput.

use millpond_api::operations::{
    UpdateStreamWarmThroughput, UpdateStreamWarmThroughputInput, UpdateStreamWarmThroughputOutput,
};
use millpond_shards::state::{CapacityCommand, Command};

use super::{Cx, Reply, Serve, on_demand};
use crate::error::Result;

impl Serve for UpdateStreamWarmThroughput {
    async fn serve<'a>(
        cx: &'a Cx<'a>,
        input: UpdateStreamWarmThroughputInput<'a>,
    ) -> Result<Reply> {
        let arn = cx.control(input.stream())?;
        let mib = input.warm_throughput_mibps.unsigned_abs();
        let (stream, now, due) = (arn.clone(), cx.now(), cx.due());
        let update = CapacityCommand::UpdateWarmThroughput { stream, mib, now, due };
        cx.submit(Command::Capacity(update)).await?;
        let stream = cx.find(&arn)?;
        let output = UpdateStreamWarmThroughputOutput {
            stream_arn: Some(arn.to_string().into()),
            stream_name: Some(arn.name.as_str().into()),
            warm_throughput: on_demand::warm_throughput(cx, stream.state()),
        };
        Ok(cx.reply(&output))
    }
}
