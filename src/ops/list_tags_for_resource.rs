//! ListTagsForResource.

use std::collections::BTreeMap;

use millpond_api::{
    operations::{ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput},
    shapes::Tag,
};
use millpond_shards::state::Resource;

use super::{Cx, Reply, Serve, consumers, resource};
use crate::{error::Result, policy::Tagging};

impl Serve for ListTagsForResource {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListTagsForResourceInput<'a>) -> Result<Reply> {
        Ok(match resource::control(cx, &input.resource_arn, Tagging::Nothing)? {
            Resource::Stream(stream) => reply(cx, &cx.find(&stream)?.state().tags),
            Resource::Consumer(consumer) => reply(cx, &consumers::find(cx, &consumer)?.tags),
        })
    }
}

fn reply(cx: &Cx<'_>, tags: &BTreeMap<String, String>) -> Reply {
    let tag = |(key, value): (&'_ String, &'_ String)| Tag {
        key: key.clone().into(),
        value: Some(value.clone().into()),
    };
    cx.reply(&ListTagsForResourceOutput { tags: Some(tags.iter().map(tag).collect()) })
}
