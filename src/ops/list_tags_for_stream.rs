//! ListTagsForStream.

use std::ops::Bound;

use millpond_api::{
    operations::{ListTagsForStream, ListTagsForStreamInput, ListTagsForStreamOutput},
    shapes::Tag,
};
use millpond_quotas::limits;

use super::{Cx, Reply, Serve};
use crate::error::Result;

impl Serve for ListTagsForStream {
    async fn serve<'a>(cx: &'a Cx<'a>, input: ListTagsForStreamInput<'a>) -> Result<Reply> {
        let stream = cx.controlled(input.stream())?;
        let after = match input.exclusive_start_tag_key.as_deref() {
            Some(key) => Bound::Excluded(key),
            None => Bound::Unbounded,
        };
        let page = limits::page_size(input.limit, limits::LIST_TAGS_PAGE_MAX);
        let mut listed = stream.state().tags.range::<str, _>((after, Bound::Unbounded));
        let mut tags = Vec::new();
        for (key, value) in listed.by_ref().take(page) {
            tags.push(Tag { key: key.into(), value: Some(value.into()) });
        }
        let has_more_tags = listed.next().is_some();
        Ok(cx.reply(&ListTagsForStreamOutput { tags, has_more_tags }))
    }
}
