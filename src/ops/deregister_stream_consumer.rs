//! DeregisterStreamConsumer.

use millpond_api::operations::{DeregisterStreamConsumer, DeregisterStreamConsumerInput};
use millpond_shards::state::{Command, ConsumerCommand};

use super::{
    Cx, Reply, Serve,
    consumers::{self, ConsumerRef},
};
use crate::error::Result;

impl Serve for DeregisterStreamConsumer {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DeregisterStreamConsumerInput<'a>) -> Result<Reply> {
        let (name, arn) = (input.consumer_name.as_deref(), input.consumer_arn.as_deref());
        let consumer = consumers::control(cx, &ConsumerRef { stream: input.stream(), name, arn })?;
        let (consumer, due) = (consumer.arn(), cx.due());
        let deregister = ConsumerCommand::Deregister { consumer, due };
        cx.submit(Command::Consumer(deregister)).await?;
        Ok(Reply::empty())
    }
}
