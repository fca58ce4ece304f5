//! AddTagsToStream.

use millpond_api::operations::{AddTagsToStream, AddTagsToStreamInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, tags};
use crate::{error::Result, policy::Tagging};

impl Serve for AddTagsToStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: AddTagsToStreamInput<'a>) -> Result<Reply> {
        let stream = cx.control_tagging(input.stream(), Tagging::Tags(&input.tags))?;
        // A missing stream is told before a bad character.
        cx.find(&stream)?;
        let texts = input.tags.iter().flat_map(|(key, value)| [key, value]);
        tags::check_characters(&stream, tags::Act::Add, texts)?;
        let tags = input.tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        cx.submit(Command::AddTags { stream, tags }).await?;
        Ok(Reply::empty())
    }
}
