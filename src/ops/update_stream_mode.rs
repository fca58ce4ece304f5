//! UpdateStreamMode.

use millpond_api::{
    operations::{UpdateStreamMode, UpdateStreamModeInput},
    types::StreamMode,
};
use millpond_shards::state::{CapacityCommand, Command};

use super::{Cx, Reply, Serve, on_demand};
use crate::error::Result;

impl Serve for UpdateStreamMode {
    async fn serve<'a>(cx: &'a Cx<'a>, input: UpdateStreamModeInput<'a>) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        let mode = input.stream_mode_details.stream_mode;
        let warm_mib = input.warm_throughput_mibps.map(i32::unsigned_abs);
        if mode == StreamMode::Provisioned && warm_mib.is_some() {
            return Err(on_demand::no_warm_throughput());
        }
        let (now, due) = (cx.now(), cx.due());
        let update = CapacityCommand::UpdateMode { stream, mode, warm_mib, now, due };
        cx.submit(Command::Capacity(update)).await?;
        Ok(Reply::empty())
    }
}
