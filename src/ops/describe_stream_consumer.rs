//! DescribeStreamConsumer.

use millpond_api::operations::{
    ConsumerDescription, DescribeStreamConsumer, DescribeStreamConsumerInput,
    DescribeStreamConsumerOutput,
};

use super::{
    Cx, Reply, Serve,
    consumers::{self, ConsumerRef},
};
use crate::error::Result;

impl Serve for DescribeStreamConsumer {
    async fn serve<'a>(cx: &'a Cx<'a>, input: DescribeStreamConsumerInput<'a>) -> Result<Reply> {
        let (name, arn) = (input.consumer_name.as_deref(), input.consumer_arn.as_deref());
        let consumer = consumers::control(cx, &ConsumerRef { stream: input.stream(), name, arn })?;
        let description = ConsumerDescription {
            consumer_arn: consumer.arn().to_string().into(),
            consumer_name: consumer.name.into(),
            consumer_status: consumer.status,
            consumer_creation_timestamp: consumer.created,
            stream_arn: consumer.stream.to_string().into(),
        };
        Ok(cx.reply(&DescribeStreamConsumerOutput { consumer_description: description }))
    }
}
