//! TagResource.

use millpond_api::operations::{TagResource, TagResourceInput};
use millpond_shards::state::{Command, ConsumerCommand, Resource};

use super::{Cx, Reply, Serve, resource, tags};
use crate::{error::Result, policy::Tagging};

impl Serve for TagResource {
    async fn serve<'a>(cx: &'a Cx<'a>, input: TagResourceInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Tags(&input.tags))?;
        tags::check_model_characters(input.tags.iter().flat_map(|(key, value)| [key, value]))?;
        let tags = input.tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let command = match resource.resource() {
            Resource::Stream(stream) => Command::AddTags { stream, tags },
            Resource::Consumer(consumer) => {
                Command::Consumer(ConsumerCommand::AddTags { consumer, tags })
            }
        };
        cx.submit(command).await?;
        Ok(Reply::empty())
    }
}
