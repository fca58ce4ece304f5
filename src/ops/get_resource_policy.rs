//! GetResourcePolicy.

use millpond_api::operations::{
    GetResourcePolicy, GetResourcePolicyInput, GetResourcePolicyOutput,
};
use millpond_shards::state::Resource;

use super::{Cx, Reply, Serve, consumers, resource};
use crate::{error::Result, policy::Tagging};

/// What is told where there is no policy.
const NONE: &str = "{}";

impl Serve for GetResourcePolicy {
    async fn serve<'a>(cx: &'a Cx<'a>, input: GetResourcePolicyInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Nothing)?;
        let policy = match &resource {
            Resource::Stream(stream) => cx.find(stream)?.state().policy.clone(),
            Resource::Consumer(consumer) => consumers::find(cx, consumer)?.policy,
        };
        let policy = policy.as_deref().unwrap_or(NONE).into();
        Ok(cx.reply(&GetResourcePolicyOutput { policy }))
    }
}
