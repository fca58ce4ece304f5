//! Whether the caller may do what it asks for, by its own policies and that of the resource.

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use millpond_api::{
    OperationId,
    types::{AccountId, ConsumerArn, StreamArn, StreamName, StreamRef},
};
use millpond_shards::{Error as Fact, directory::Stream, stream::consumer::ConsumerState};

use super::{Cx, address};
use crate::{
    error::{Result, access_denied, unreadable_policy},
    policy::{Request, Tagging, judge},
};

/// What a request is about, as policies see it.
pub(super) struct Subject<'a> {
    name: &'a (dyn Display + Sync),
    owner: AccountId,
    policy: Option<&'a Arc<str>>,
    tags: Option<&'a BTreeMap<String, String>>,
    stream: Option<&'a StreamName>,
}

impl<'a> Subject<'a> {
    /// A stream, as it is now if it is there.
    pub(super) fn stream(arn: &'a StreamArn, found: Option<&'a Stream>) -> Self {
        let state = found.map(Stream::state);
        Self {
            name: arn,
            owner: arn.account,
            policy: state.and_then(|state| state.policy.as_ref()),
            tags: state.map(|state| &state.tags),
            stream: Some(&arn.name),
        }
    }

    /// A consumer, as it is now if it is there.
    pub(super) fn consumer(arn: &'a ConsumerArn, found: Option<&'a ConsumerState>) -> Self {
        Self {
            name: arn,
            owner: arn.stream.account,
            policy: found.and_then(|consumer| consumer.policy.as_ref()),
            tags: found.map(|consumer| &consumer.tags),
            stream: Some(&arn.stream.name),
        }
    }

    /// Something of this account that has neither policy nor tags.
    pub(super) fn bare(name: &'a (dyn Display + Sync), owner: AccountId) -> Self {
        Self { name, owner, policy: None, tags: None, stream: None }
    }
}

/// Operations that an account can let others use on its streams and consumers.
const fn is_shared(operation: OperationId) -> bool {
    use OperationId as Id;
    matches!(
        operation,
        Id::PutRecord
            | Id::PutRecords
            | Id::GetShardIterator
            | Id::GetRecords
            | Id::SubscribeToShard
            | Id::DescribeStream
            | Id::DescribeStreamSummary
            | Id::DescribeStreamConsumer
            | Id::ListShards
            | Id::ListStreamConsumers
            | Id::ListTagsForStream
            | Id::ListTagsForResource
    )
}

/// Operations that a resource policy has no say in, lest an account lock itself out of mending it.
const fn is_about_policies(operation: OperationId) -> bool {
    use OperationId as Id;
    matches!(operation, Id::PutResourcePolicy | Id::GetResourcePolicy | Id::DeleteResourcePolicy)
}

impl Cx<'_> {
    /// Checks that the caller may use this operation on the subject.
    ///
    /// # Errors
    /// When a policy forbids it, or none allows it that would have to.
    pub(super) fn permit(&self, subject: &Subject<'_>, tagging: Tagging<'_>) -> Result<()> {
        self.permit_as(self.operation(), subject, tagging)
    }

    /// The same for another operation, whose permission this one needs too.
    ///
    /// # Errors
    /// Those of `permit`.
    pub(super) fn permit_as(
        &self,
        operation: OperationId,
        subject: &Subject<'_>,
        tagging: Tagging<'_>,
    ) -> Result<()> {
        if let Some(stream) = subject.stream {
            self.trace().stream(stream);
        }
        let (caller, is_own) = (self.caller(), subject.owner == self.caller().account);
        if is_own && subject.policy.is_none() && caller.policies().is_none() {
            return Ok(());
        }
        self.ask_policies(operation, subject, tagging)
    }

    #[cold]
    fn ask_policies(
        &self,
        operation: OperationId,
        subject: &Subject<'_>,
        tagging: Tagging<'_>,
    ) -> Result<()> {
        let caller = self.caller();
        let is_own = subject.owner == caller.account;
        let counts = if is_own { !is_about_policies(operation) } else { is_shared(operation) };
        let text = subject.policy.filter(|_| counts);
        let policy = match text.map(|text| self.policies().read(text)).transpose() {
            Ok(policy) => policy,
            Err(invalid) => {
                if self.unread_policies().is_due() {
                    tracing::error!(resource = %subject.name, %invalid, "resource policy not read");
                }
                if is_own {
                    return Err(unreadable_policy());
                }
                // Others aren't told that there is something.
                None
            }
        };
        let (action, resource) =
            (format!("kinesis:{}", operation.name()), subject.name.to_string());
        let request = Request {
            principal: &caller.principal(),
            action: &action,
            resource: &resource,
            owner: subject.owner,
            region: caller.region.as_str(),
            source_ip: self.origin().map(|origin| origin.address),
            is_secure: self.origin().is_some_and(|origin| origin.is_secure),
            now: self.now(),
            resource_tags: subject.tags,
            tagging,
        };
        judge(&request, caller.policies(), policy.as_deref())
            .map_err(|denial| access_denied(&request, denial))
    }

    /// The stream that a request means, and as it is now if it is there.
    ///
    /// # Errors
    /// When the request names none or two different ones, when the caller may not use this
    /// operation on it, or when it is in another region: each knows its own streams only, as on
    /// AWS, where each has its own endpoint.
    pub(super) fn permitted(
        &self,
        stream: StreamRef<'_>,
        tagging: Tagging<'_>,
    ) -> Result<(StreamArn, Option<Arc<Stream>>)> {
        let arn = address::resolve(self, stream)?;
        let found = self.permitted_arn(&arn, tagging)?;
        address::check_agreement(stream, &arn)?;
        Ok((arn, found))
    }

    /// The stream of this ARN as it is now, if it is there.
    ///
    /// # Errors
    /// Those of `permitted`.
    pub(super) fn permitted_arn(
        &self,
        arn: &StreamArn,
        tagging: Tagging<'_>,
    ) -> Result<Option<Arc<Stream>>> {
        let is_here = arn.region == self.namespace().region;
        let found = self.find(arn).ok().filter(|_| is_here);
        self.permit(&Subject::stream(arn, found.as_deref()), tagging)?;
        if is_here { Ok(found) } else { Err(Fact::StreamNotFound { stream: arn.clone() }.into()) }
    }

    /// Checks that the caller may use this operation on a consumer; its stream as it is now, if
    /// that is there.
    ///
    /// # Errors
    /// When the caller may not, or the consumer is in another region.
    pub(super) fn permitted_consumer(
        &self,
        arn: &ConsumerArn,
        tagging: Tagging<'_>,
    ) -> Result<Option<Arc<Stream>>> {
        let is_here = arn.stream.region == self.namespace().region;
        let stream = self.find(&arn.stream).ok().filter(|_| is_here);
        let found = stream.as_ref().and_then(|stream| stream.state().consumer(arn).ok());
        self.permit(&Subject::consumer(arn, found), tagging)?;
        if is_here {
            Ok(stream)
        } else {
            Err(Fact::ConsumerNotFound { consumer: arn.clone() }.into())
        }
    }

    /// Checks that the caller may use this operation, which is about its account, and asks for room
    /// for one call of it.
    ///
    /// # Errors
    /// When the caller may not, or calls too often.
    pub(super) fn control_account(&self) -> Result<()> {
        self.permit(&Subject::bare(&"*", self.caller().account), Tagging::Nothing)?;
        self.admit(None)
    }
}
