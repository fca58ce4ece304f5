//! UntagResource.

use millpond_api::operations::{UntagResource, UntagResourceInput};
use millpond_shards::state::{Command, ConsumerCommand, Resource};

use super::{Cx, Reply, Serve, resource, tags};
use crate::{error::Result, policy::Tagging};

impl Serve for UntagResource {
    async fn serve<'a>(cx: &'a Cx<'a>, input: UntagResourceInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Keys(&input.tag_keys))?;
        tags::check_model_characters(&input.tag_keys)?;
        let keys = input.tag_keys.into_iter().map(Into::into).collect();
        let command = match resource.resource() {
            Resource::Stream(stream) => Command::RemoveTags { stream, keys },
            Resource::Consumer(consumer) => {
                Command::Consumer(ConsumerCommand::RemoveTags { consumer, keys })
            }
        };
        cx.submit(command).await?;
        Ok(Reply::empty())
    }
}
