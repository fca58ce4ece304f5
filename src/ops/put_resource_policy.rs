//! PutResourcePolicy.

use millpond_api::operations::{PutResourcePolicy, PutResourcePolicyInput};
use millpond_shards::state::{Command, PolicyCommand};

use super::{Cx, Reply, Serve, resource};
use crate::{
    error::{Result, invalid},
    policy::{Policy, Tagging},
};

impl Serve for PutResourcePolicy {
    async fn serve<'a>(cx: &'a Cx<'a>, input: PutResourcePolicyInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Nothing)?.resource();
        Policy::of_resource(&input.policy, &resource.to_string())
            .map_err(|fault| invalid(format!("Policy is not valid. {fault}.")))?;
        let policy = input.policy.as_ref().into();
        cx.submit(Command::Policy(PolicyCommand::Put { resource, policy })).await?;
        Ok(Reply::empty())
    }
}
