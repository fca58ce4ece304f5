//! DeleteStream.

use millpond_api::operations::{DeleteStream, DeleteStreamInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve};
use crate::error::Result;

impl Serve for DeleteStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DeleteStreamInput<'a>) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        let enforce_consumer_deletion = input.enforce_consumer_deletion == Some(true);
        let due = cx.due();
        cx.submit(Command::DeleteStream { stream, enforce_consumer_deletion, due }).await?;
        Ok(Reply::empty())
    }
}
