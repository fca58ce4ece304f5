//! Resource policies of streams and consumers: `apply` for these. What a policy says is the edge's
//! business; here it is a text.

use std::{fmt, sync::Arc};

use millpond_api::types::{ConsumerArn, StreamArn};

use super::{State, consumers};
use crate::Error;

/// What can have a policy, or tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A stream.
    Stream(StreamArn),
    /// A consumer of a stream.
    Consumer(ConsumerArn),
}

impl Resource {
    /// The stream that it is, or is registered with.
    #[must_use]
    pub fn stream(&self) -> &StreamArn {
        match self {
            Self::Stream(stream) => stream,
            Self::Consumer(consumer) => &consumer.stream,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(stream) => stream.fmt(f),
            Self::Consumer(consumer) => consumer.fmt(f),
        }
    }
}

/// A change of the policy of a resource, which must be ACTIVE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are Kinesis' own request members")]
pub enum PolicyCommand {
    /// PutResourcePolicy: in place of the one before.
    Put { resource: Resource, policy: Arc<str> },
    /// DeleteResourcePolicy, of one that is there.
    Delete { resource: Resource },
}

pub(super) fn apply(next: &mut State, command: &PolicyCommand) -> Result<(), Error> {
    let (resource, policy) = match command {
        PolicyCommand::Put { resource, policy } => (resource, Some(policy)),
        PolicyCommand::Delete { resource } => (resource, None),
    };
    let replace = |place: &mut Option<Arc<str>>| {
        if place.is_none() && policy.is_none() {
            return Err(Error::PolicyNotFound { resource: resource.clone() });
        }
        *place = policy.cloned();
        Ok(())
    };
    match resource {
        Resource::Stream(stream) => {
            let mut changed = next.active_stream(stream)?;
            replace(&mut changed.policy)?;
            next.put(changed);
            Ok(())
        }
        Resource::Consumer(consumer) => consumers::change(next, consumer, |consumer| {
            consumers::check_active(consumer)?;
            replace(&mut consumer.policy)
        }),
    }
}

#[cfg(test)]
mod tests {
    use millpond_api::types::{StreamStatus, Timestamp};

    use super::*;
    use crate::state::{Command, apply, consumers::tests::some_in_each_status, tests::with_stream};

    fn clicks() -> StreamArn {
        "arn:aws:kinesis:us-east-1:000000000000:stream/clicks".parse().unwrap()
    }

    fn consumer(name: &str) -> Resource {
        let (stream, name) = (clicks(), name.to_owned());
        Resource::Consumer(ConsumerArn { stream, name, created: 200 })
    }

    fn put(state: &State, resource: &Resource, policy: &str) -> Result<State, Error> {
        let (resource, policy) = (resource.clone(), policy.into());
        apply(state, &Command::Policy(PolicyCommand::Put { resource, policy }))
    }

    fn delete(state: &State, resource: &Resource) -> Result<State, Error> {
        apply(state, &Command::Policy(PolicyCommand::Delete { resource: resource.clone() }))
    }

    fn policy<'a>(state: &'a State, resource: &Resource) -> Option<&'a str> {
        let stream = state.stream(resource.stream()).unwrap();
        match resource {
            Resource::Stream(_) => stream.policy.as_deref(),
            Resource::Consumer(arn) => stream.consumer(arn).unwrap().policy.as_deref(),
        }
    }

    #[test]
    fn a_policy_is_put_replaced_and_deleted() {
        let state = some_in_each_status(&with_stream("clicks", 1));
        for resource in [Resource::Stream(clicks()), consumer("active")] {
            let missing = Error::PolicyNotFound { resource: resource.clone() };
            assert_eq!(delete(&state, &resource), Err(missing.clone()));
            let first = put(&state, &resource, "first").unwrap();
            let second = put(&first, &resource, "second").unwrap();
            assert_eq!(policy(&second, &resource), Some("second"));
            let deleted = delete(&second, &resource).unwrap();
            assert_eq!(deleted, state, "no other resource has changed");
            assert_eq!(delete(&deleted, &resource), Err(missing));
        }
    }

    #[test]
    fn only_what_is_active_takes_a_policy() {
        let state = some_in_each_status(&with_stream("clicks", 1));
        for name in ["creating", "deleting"] {
            let Resource::Consumer(arn) = consumer(name) else { panic!("it is a consumer") };
            let idle = Error::ConsumerNotActive { consumer: arn };
            assert_eq!(put(&state, &consumer(name), "text"), Err(idle.clone()));
            assert_eq!(delete(&state, &consumer(name)), Err(idle));
        }
        let (stream, due) = (clicks(), Timestamp::from_millis(300_000));
        let command = Command::DeleteStream { stream, enforce_consumer_deletion: true, due };
        let deleting = apply(&state, &command).unwrap();
        let idle = Error::StreamNotActive { stream: clicks(), status: StreamStatus::Deleting };
        assert_eq!(put(&deleting, &Resource::Stream(clicks()), "text"), Err(idle));
    }
}
