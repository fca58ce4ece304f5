//! DeleteResourcePolicy.

use millpond_api::operations::{DeleteResourcePolicy, DeleteResourcePolicyInput};
use millpond_shards::state::{Command, PolicyCommand};

use super::{Cx, Reply, Serve, resource};
use crate::{error::Result, policy::Tagging};

impl Serve for DeleteResourcePolicy {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DeleteResourcePolicyInput<'a>) -> Result<Reply> {
        let resource = resource::control(cx, &input.resource_arn, Tagging::Nothing)?.resource();
        cx.submit(Command::Policy(PolicyCommand::Delete { resource })).await?;
        Ok(Reply::empty())
    }
}
