//! ListTagsForResource.

use std::collections::BTreeMap;

use millpond_api::{
    operations::{ListTagsForResource, ListTagsForResourceInput, ListTagsForResourceOutput},
    shapes::Tag,
};

use super::{
    Cx, Reply, Serve, consumers,
    tags::{self, Resource},
};
use crate::error::Result;

impl Serve for ListTagsForResource {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListTagsForResourceInput<'a>) -> Result<Reply> {
        Ok(match tags::resource(cx, &input.resource_arn)? {
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
