//! What can be asked of consumers, and what becomes of them: `apply` for this part of a stream.

use std::collections::BTreeMap;

use millpond_api::types::{ConsumerArn, ConsumerStatus, StreamArn, StreamMode, Timestamp};

use super::{State, apply::same_stream};
use crate::{
    Error,
    stream::{Namespace, StreamNumber, StreamState, consumer::ConsumerState},
};

/// A change of a stream's consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are Kinesis' own request members, or explained above")]
pub enum ConsumerCommand {
    /// RegisterStreamConsumer: the consumer is CREATING until `due`.
    Register {
        stream: StreamArn,
        name: String,
        tags: Vec<(String, String)>,
        now: Timestamp,
        due: Timestamp,
    },
    /// DeregisterStreamConsumer: the consumer is DELETING until `due`.
    Deregister { consumer: ConsumerArn, due: Timestamp },
    /// TagResource.
    AddTags { consumer: ConsumerArn, tags: Vec<(String, String)> },
    /// UntagResource.
    RemoveTags { consumer: ConsumerArn, keys: Vec<String> },
    /// The due time of some consumers has come. Nothing happens when the stream is another one by
    /// now.
    Settle { stream: StreamArn, log_number: StreamNumber, now: Timestamp },
}

pub(super) fn apply(next: &mut State, command: &ConsumerCommand) -> Result<(), Error> {
    match command {
        ConsumerCommand::Register { stream, name, tags, now, due } => {
            // Also while the stream is being resharded.
            let mut stream = next.usable_stream(stream)?;
            let consumer = ConsumerState {
                stream: stream.arn.clone(),
                name: name.clone(),
                created: *now,
                status: ConsumerStatus::Creating,
                due: Some(*due),
                tags: tags.iter().cloned().collect(),
                policy: None,
            };
            check_room(next, &stream, &consumer)?;
            check_tags(next.counts.tags, &consumer)?;
            stream.consumers.insert(name.clone(), consumer);
            next.put(stream);
            Ok(())
        }
        ConsumerCommand::Deregister { consumer, due } => change(next, consumer, |consumer| {
            consumer.delete(*due);
            Ok(())
        }),
        ConsumerCommand::AddTags { consumer, tags } => {
            let limit = next.counts.tags;
            change(next, consumer, |consumer| {
                check_active(consumer)?;
                consumer.tags.extend(tags.iter().cloned());
                check_tags(limit, consumer)
            })
        }
        ConsumerCommand::RemoveTags { consumer, keys } => change(next, consumer, |consumer| {
            check_active(consumer)?;
            consumer.tags.retain(|key, _| !keys.contains(key));
            Ok(())
        }),
        ConsumerCommand::Settle { stream, log_number, now } => {
            if let Some(mut stream) = same_stream(next, stream, *log_number) {
                settle(&mut stream.consumers, *now);
                next.put(stream);
            }
            Ok(())
        }
    }
}

/// Checks that the stream has room for one more consumer of this name.
fn check_room(state: &State, stream: &StreamState, new: &ConsumerState) -> Result<(), Error> {
    if let Some(known) = stream.consumers.get(&new.name) {
        return Err(Error::ConsumerExists { consumer: known.arn() });
    }
    let is_committed = state.is_committed(&Namespace::of(&stream.arn), new.created);
    let limit = match stream.mode() {
        StreamMode::OnDemand if is_committed => state.counts.consumers_advantage,
        StreamMode::OnDemand | StreamMode::Provisioned => state.counts.consumers,
    };
    if stream.consumers.len() >= limit {
        return Err(Error::TooManyConsumers { stream: stream.arn.clone(), limit });
    }
    let limit = state.counts.consumers_creating;
    let is_creating = |consumer: &&ConsumerState| consumer.status == ConsumerStatus::Creating;
    if stream.consumers.values().filter(is_creating).count() >= limit {
        return Err(Error::TooManyConsumersCreating { stream: stream.arn.clone(), limit });
    }
    Ok(())
}

pub(super) fn change(
    next: &mut State,
    arn: &ConsumerArn,
    change: impl FnOnce(&mut ConsumerState) -> Result<(), Error>,
) -> Result<(), Error> {
    let missing = || Error::ConsumerNotFound { consumer: arn.clone() };
    let mut stream = StreamState::clone(next.stream(&arn.stream).map_err(|_| missing())?);
    let named = stream.consumers.get_mut(&arn.name);
    change(named.filter(|consumer| consumer.arn() == *arn).ok_or_else(missing)?)?;
    next.put(stream);
    Ok(())
}

pub(super) fn check_active(consumer: &ConsumerState) -> Result<(), Error> {
    match consumer.status {
        ConsumerStatus::Active => Ok(()),
        ConsumerStatus::Creating | ConsumerStatus::Deleting => {
            Err(Error::ConsumerNotActive { consumer: consumer.arn() })
        }
    }
}

fn check_tags(limit: usize, consumer: &ConsumerState) -> Result<(), Error> {
    if consumer.tags.len() <= limit {
        return Ok(());
    }
    Err(Error::TooManyConsumerTags { consumer: consumer.arn(), limit })
}

fn settle(consumers: &mut BTreeMap<String, ConsumerState>, now: Timestamp) {
    let is_due = |consumer: &ConsumerState| consumer.due.is_some_and(|due| due <= now);
    let is_deleting = |consumer: &ConsumerState| consumer.status == ConsumerStatus::Deleting;
    consumers.retain(|_, consumer| !(is_deleting(consumer) && is_due(consumer)));
    for consumer in consumers.values_mut().filter(|consumer| is_due(consumer)) {
        consumer.status = ConsumerStatus::Active;
        consumer.due = None;
    }
}

#[cfg(test)]
pub(crate) mod tests;
