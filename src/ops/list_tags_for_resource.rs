//! ListTagsForResource.

use millpond_api::{
    operations::{ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput},
    shapes::Tag,
};

use super::{Cx, Reply, Serve, resource};
use crate::{error::Result, policy::Tagging};

impl Serve for ListTagsForResource {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListTagsForResourceInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Nothing)?;
        let tags = resource.tags().iter().map(|(key, value)| Tag {
            key: key.as_str().into(),
            value: Some(value.as_str().into()),
        });
        Ok(cx.reply(&ListTagsForResourceOutput { tags: Some(tags.collect()) }))
    }
}
