//! GetResourcePolicy.

use millpond_api::operations::{
    GetResourcePolicy, GetResourcePolicyInput, GetResourcePolicyOutput,
};

use super::{Cx, Reply, Serve, resource};
use crate::{error::Result, policy::Tagging};

/// What is told where there is no policy.
const NONE: &str = "{}";

impl Serve for GetResourcePolicy {
    async fn serve<'a>(cx: &'a Cx<'a>, input: GetResourcePolicyInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Nothing)?;
        let policy = resource.policy().unwrap_or(NONE).into();
        Ok(cx.reply(&GetResourcePolicyOutput { policy }))
    }
}
