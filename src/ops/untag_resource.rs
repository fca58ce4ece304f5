//! UntagResource.

use millpond_api::operations::{UntagResource, UntagResourceInput};
use millpond_shards::state::{Command, ConsumerCommand};

use super::{
    Cx, Reply, Serve,
    tags::{self, Resource},
};
use crate::error::Result;

impl Serve for UntagResource {
    async fn serve<'a>(cx: &'a Cx<'a>, input: UntagResourceInput<'a>) -> Result<Reply> {
        let resource = tags::resource(cx, &input.resource_arn)?;
        tags::check_model_characters(&input.tag_keys)?;
        let keys = input.tag_keys.into_iter().map(Into::into).collect();
        let command = match resource {
            Resource::Stream(stream) => Command::RemoveTags { stream, keys },
            Resource::Consumer(consumer) => {
                Command::Consumer(ConsumerCommand::RemoveTags { consumer, keys })
            }
        };
        cx.submit(command).await?;
        Ok(Reply::empty())
    }
}
