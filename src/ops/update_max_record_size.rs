//! UpdateMaxRecordSize.

use millpond_api::operations::{UpdateMaxRecordSize, UpdateMaxRecordSizeInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve};
use crate::error::Result;

impl Serve for UpdateMaxRecordSize {
    async fn serve<'a>(cx: &'a Cx<'a>, input: UpdateMaxRecordSizeInput<'a>) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        let (kib, due) = (input.max_record_size_in_kib.unsigned_abs(), cx.due());
        cx.submit(Command::UpdateMaxRecordSize { stream, kib, due }).await?;
        Ok(Reply::empty())
    }
}
