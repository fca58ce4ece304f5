//! A registered consumer, as the metadata has it. Plain data; `state::apply` changes it.

use std::{collections::BTreeMap, sync::Arc};

use millpond_api::types::{ConsumerArn, ConsumerStatus, StreamArn, Timestamp};

/// A consumer that is registered with a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerState {
    /// The stream.
    pub stream: StreamArn,
    /// Its name, unique within the stream.
    pub name: String,
    /// When RegisterStreamConsumer was accepted.
    pub created: Timestamp,
    /// As DescribeStreamConsumer shows it.
    pub status: ConsumerStatus,
    /// When a CREATING consumer turns ACTIVE, or a DELETING one is gone; `None` exactly when the
    /// status is ACTIVE.
    pub due: Option<Timestamp>,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
    /// The resource policy, as it was given.
    pub policy: Option<Arc<str>>,
}

impl ConsumerState {
    /// What the consumer is called all over.
    #[must_use]
    pub fn arn(&self) -> ConsumerArn {
        let created = self.created.seconds();
        ConsumerArn { stream: self.stream.clone(), name: self.name.clone(), created }
    }

    /// Begins the deletion, unless it has begun.
    pub(crate) fn delete(&mut self, due: Timestamp) {
        if self.status != ConsumerStatus::Deleting {
            self.status = ConsumerStatus::Deleting;
            self.due = Some(due);
        }
    }
}
