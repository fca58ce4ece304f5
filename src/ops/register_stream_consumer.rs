//! RegisterStreamConsumer.

use millpond_api::{
    OperationId,
    operations::{
        RegisterStreamConsumer, RegisterStreamConsumerInput, RegisterStreamConsumerOutput,
    },
    shapes::Consumer,
    types::{ConsumerArn, ConsumerStatus},
};
use millpond_shards::state::{Command, ConsumerCommand};

use super::{Cx, Reply, Serve, permission::Subject, tags};
use crate::{error::Result, policy::Tagging};

impl Serve for RegisterStreamConsumer {
    async fn serve<'a>(cx: &'a Cx<'a>, input: RegisterStreamConsumerInput<'a>) -> Result<Reply> {
        let tagging = input.tags.as_ref().map_or(Tagging::Nothing, Tagging::Tags);
        let stream = cx.control_tagging(input.stream(), tagging)?;
        // A missing stream is told before a bad character.
        cx.find(&stream)?;
        let name = input.consumer_name.into_owned();
        let now = cx.now();
        let arn = ConsumerArn { stream, name, created: now.seconds() };
        let tags = input.tags.unwrap_or_default();
        if !tags.is_empty() {
            let consumer = Subject::bare(&arn, arn.stream.account);
            cx.permit_as(OperationId::TagResource, &consumer, Tagging::Tags(&tags))?;
        }
        tags::check_model_characters(tags.iter().flat_map(|(key, value)| [key, value]))?;
        let tags = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let due = cx.due();
        let (stream, name) = (arn.stream.clone(), arn.name.clone());
        let register = ConsumerCommand::Register { stream, name, tags, now, due };
        cx.submit(Command::Consumer(register)).await?;
        let consumer = Consumer {
            consumer_arn: arn.to_string().into(),
            consumer_name: arn.name.into(),
            // Even where no time passes until it is ACTIVE, as on AWS.
            consumer_status: ConsumerStatus::Creating,
            consumer_creation_timestamp: now,
        };
        Ok(cx.reply(&RegisterStreamConsumerOutput { consumer }))
    }
}
