//! RemoveTagsFromStream.

use millpond_api::operations::{RemoveTagsFromStream, RemoveTagsFromStreamInput};
use millpond_shards::state::Command;

use super::{Cx, Reply, Serve, tags};
use crate::{error::Result, policy::Tagging};

impl Serve for RemoveTagsFromStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: RemoveTagsFromStreamInput<'a>) -> Result<Reply> {
        let stream = cx.control_tagging(input.stream(), Tagging::Keys(&input.tag_keys))?;
        // A missing stream is told before a bad character.
        cx.find(&stream)?;
        tags::check_characters(&stream, tags::Act::Remove, input.tag_keys.iter())?;
        let keys = input.tag_keys.into_iter().map(Into::into).collect();
        cx.submit(Command::RemoveTags { stream, keys }).await?;
        Ok(Reply::empty())
    }
}
