//! DeleteStream.

use millpond_api::operations::{DeleteStream, DeleteStreamInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve};
use crate::error::Result;

impl Serve for DeleteStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DeleteStreamInput<'a>) -> Result<Reply> {
        let stream = cx.control(input.stream())?;
        cx.submit(Command::DeleteStream { stream, due: cx.due() }).await?;
        Ok(Reply::empty())
    }
}
