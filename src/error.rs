//! From the domain's facts to Amazon's words: the only place where that is done.

use millpond_api::{
    Error as ApiError, ErrorKind as Kind,
    types::{ConsumerArn, ShardId, StreamArn},
};
use millpond_shards::{
    Error as Fact,
    crypt::{KmsError, KmsFault},
    engine::EngineError,
};

use crate::{
    auth,
    policy::{self, Denial},
};

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub ApiError);

/// What an operation, or a step of one, comes to.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        // A retry may succeed, and every SDK retries this one.
        Self(Kind::InternalFailureException.with(match error {
            EngineError::Full(_) => STORAGE_FULL,
            _ => "Internal service failure.",
        }))
    }
}

/// KMS' own words are passed on.
impl From<KmsError> for Error {
    fn from(KmsError { fault, message }: KmsError) -> Self {
        let kind = match fault {
            KmsFault::AccessDenied => Kind::KmsAccessDenied,
            KmsFault::Disabled => Kind::KmsDisabled,
            KmsFault::InvalidState => Kind::KmsInvalidState,
            KmsFault::NotFound => Kind::KmsNotFound,
            KmsFault::OptInRequired => Kind::KmsOptInRequired,
            KmsFault::Throttling => Kind::KmsThrottling,
            KmsFault::Unavailable => Kind::InternalFailureException,
        };
        Self(kind.with(message))
    }
}

const STORAGE_FULL: &str = "Storage is full: no space left for records.";

/// Why nothing can be written, for probes: storage's own words name files, and anybody may ask.
#[must_use]
pub fn unwritable(error: &EngineError) -> &'static str {
    tracing::warn!(%error, "not ready");
    match error {
        EngineError::Full(_) => STORAGE_FULL,
        EngineError::Failed(_) => "Storage failed.",
        EngineError::Corrupt(_) => "Stored data is damaged.",
        EngineError::Closed => "Storage is closed.",
    }
}

impl From<auth::Refusal> for Error {
    fn from(refusal: auth::Refusal) -> Self {
        Self(refusal.kind().with(refusal.to_string()))
    }
}

impl From<Fact> for Error {
    #[expect(clippy::too_many_lines, reason = "one row a fact")]
    fn from(fact: Fact) -> Self {
        let words = match fact {
            Fact::StreamNotFound { stream: StreamArn { name, account, .. } } => {
                Kind::ResourceNotFound
                    .with(format!("Stream {name} under account {account} not found."))
            }
            Fact::StreamExists { stream: StreamArn { name, account, .. } } => Kind::ResourceInUse
                .with(format!("Stream {name} under account {account} already exists.")),
            Fact::StreamNotActive { stream: StreamArn { name, account, .. }, status } => {
                let status = status.as_str();
                Kind::ResourceInUse.with(format!(
                    "Stream {name} under account {account} not ACTIVE, instead in state {status}"
                ))
            }
            Fact::StreamHasConsumers { stream: StreamArn { name, account, .. } } => {
                Kind::ResourceInUse.with(format!(
                    "DeleteStream can’t delete {account}:{name} because there are consumers \
                     associated with this data stream. To delete {name} anyway, set the \
                     EnforceConsumerDeletion parameter to true to force the deletion of all the \
                     consumers that are associated with it."
                ))
            }
            Fact::ConsumerNotFound { consumer: ConsumerArn { stream, name, created } } => {
                let StreamArn { name: stream, account, .. } = stream;
                Kind::ResourceNotFound.with(format!(
                    "Consumer {name} with creation timestamp {created} under stream: {stream}, \
                     account {account} not found."
                ))
            }
            Fact::ConsumerExists { consumer: ConsumerArn { stream, name, .. } } => {
                let StreamArn { name: stream, account, .. } = stream;
                Kind::ResourceInUse.with(format!(
                    "Consumer {name} under stream {stream} and account {account} already exists."
                ))
            }
            Fact::ConsumerNotActive { consumer: ConsumerArn { stream, name, created } } => {
                let StreamArn { name: stream, account, .. } = stream;
                Kind::ResourceInUse.with(format!(
                    "Consumer {name} with creation timestamp {created} under stream {stream} and \
                     account {account} is not in ACTIVE status."
                ))
            }
            Fact::SubscribedJustNow { consumer, shard, .. }
            | Fact::Superseded { consumer, shard } => {
                let ConsumerArn { stream: StreamArn { name: stream, account, .. }, name, .. } =
                    consumer;
                Kind::ResourceInUse.with(format!(
                    "Another active subscription exists for this consumer: \
                     {account}:{stream}:{shard}:{name}"
                ))
            }
            Fact::SubscribedTooOften { consumer, shard, .. } => Kind::LimitExceeded.with(format!(
                "Rate exceeded for SubscribeToShard of consumer {} on shard {shard}.",
                consumer.name
            )),
            Fact::TooManyConsumers { stream: StreamArn { name, account, .. }, limit } => {
                Kind::LimitExceeded.with(format!(
                    "This request would exceed the limit of {limit} consumers of stream {name} \
                     under account {account}."
                ))
            }
            Fact::TooManyConsumersCreating { stream: StreamArn { name, account, .. }, limit } => {
                Kind::LimitExceeded.with(format!(
                    "This request would exceed the limit of {limit} consumers in the CREATING \
                     state of stream {name} under account {account}."
                ))
            }
            Fact::TooManyForks { stream: StreamArn { name, account, .. }, limit } => {
                Kind::LimitExceeded.with(format!(
                    "Stream {name} under account {account} is a fork of forks, each of which was \
                     written to; there can't be more than {limit} in a row."
                ))
            }
            Fact::TooManyConsumerTags { consumer, limit } => {
                let ConsumerArn { stream: StreamArn { name: stream, account, .. }, name, .. } =
                    consumer;
                Kind::InvalidArgument.with(format!(
                    "Failed to add tags to consumer {name} under stream {stream} and account \
                     {account} because a given consumer cannot have more than {limit} tags \
                     associated with it."
                ))
            }
            Fact::PolicyNotFound { resource } => Kind::ResourceNotFound
                .with(format!("No resource policy found for resource ARN {resource}.")),
            Fact::ShardNotFound { stream, shard } => {
                return could_not_find(&stream, &shard.to_string());
            }
            Fact::ShardClosed { stream: StreamArn { name, account, .. }, shard } => {
                Kind::InvalidArgument.with(format!(
                    "Shard {shard} in stream {name} under account {account} has already been \
                     merged or split, and thus is not eligible for merging or splitting."
                ))
            }
            Fact::HashKeyOutsideShard { stream, shard, key, range } => {
                let StreamArn { name, account, .. } = stream;
                let (start, end) = (range.start(), range.end());
                Kind::InvalidArgument.with(format!(
                    "NewStartingHashKey {key} used in SplitShard() on shard {shard} in stream \
                     {name} under account {account} is not both greater than one plus the shard's \
                     StartingHashKey {start} and less than the shard's EndingHashKey {end}."
                ))
            }
            Fact::NotAdjacent { stream: StreamArn { name, account, .. }, lower, upper } => {
                Kind::InvalidArgument.with(format!(
                    "Shards {lower} and {upper} in stream {name} under account {account} are not \
                     an adjacent pair of shards eligible for merging"
                ))
            }
            Fact::ShardLimit { namespace, current, limit, additional } => {
                let (account, region) = (namespace.account, namespace.region);
                Kind::LimitExceeded.with(format!(
                    "This request would exceed the shard limit for the account {account} in \
                     {region}. Current shard count for the account: {current}. Limit: {limit}. \
                     Number of additional shards that would have resulted from this request: \
                     {additional}. Refer to the AWS Service Limits page \
                     (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for \
                     current limits and how to request higher limits."
                ))
            }
            Fact::TooManyCreating { namespace, limit } => Kind::LimitExceeded.with(format!(
                "This request would exceed the limit of {limit} streams in the CREATING state for \
                 the account {} in {}.",
                namespace.account, namespace.region
            )),
            Fact::ScaleUpTooFar { current, target, factor } => Kind::LimitExceeded.with(format!(
                "UpdateShardCount cannot scale up over {} your current open shard count. \
                 Current open shard count: {current} Target shard count: {target}",
                if factor == 2 { "double".to_owned() } else { format!("{factor} times") }
            )),
            Fact::ScaleDownTooFar { current, target, factor } => Kind::LimitExceeded.with(format!(
                "UpdateShardCount cannot scale down below {} your current open shard count. \
                 Current open shard count: {current}, Target shard count: {target}",
                if factor == 2 { "half".to_owned() } else { format!("1/{factor} of") }
            )),
            Fact::TooManyShards { current, target, limit } => Kind::LimitExceeded.with(format!(
                "Target shard count or number of open shards cannot be greater than {limit}. \
                 Current open shard count: {current}, Target shard count: {target}"
            )),
            Fact::ShardCountUpdatedTooOften { stream: StreamArn { name, account, .. }, limit } => {
                Kind::LimitExceeded.with(format!(
                    "UpdateShardCount was called {limit} times in the last 24 hours for stream \
                     {name} under account {account}."
                ))
            }
            Fact::OnDemand { stream: StreamArn { name, account, .. } } => {
                Kind::Validation.with(format!(
                    "Request is invalid. Stream {name} under account {account} is in On-Demand \
                     mode."
                ))
            }
            Fact::NotOnDemand { stream: StreamArn { name, account, .. } } => Kind::InvalidArgument
                .with(format!("Stream {name} under account {account} is not in On-Demand mode.")),
            Fact::TooManyOnDemandStreams { namespace, current, limit } => {
                let (account, region) = (namespace.account, namespace.region);
                Kind::LimitExceeded.with(format!(
                    "This request would exceed the limit on the number of On-Demand streams for \
                     the account {account} in {region}. Current On-Demand streams count: \
                     {current}. Limit: {limit}."
                ))
            }
            Fact::ModeSwitchedTooOften { stream: StreamArn { name, account, .. }, limit } => {
                Kind::LimitExceeded.with(format!(
                    "The mode of stream {name} under account {account} was switched {limit} times \
                     in the last 24 hours."
                ))
            }
            Fact::NotCommitted { namespace } => Kind::InvalidArgument.with(format!(
                "WarmThroughputMiBps needs the minimum throughput billing commitment of account \
                 {} in {} to be ENABLED.",
                namespace.account, namespace.region
            )),
            Fact::TooWarm { stream: StreamArn { name, account, .. }, mib, limit } => {
                Kind::LimitExceeded.with(format!(
                    "WarmThroughputMiBps {mib} of stream {name} under account {account} exceeds \
                     the limit of {limit}."
                ))
            }
            Fact::RetentionNotLonger { stream, hours, current } => {
                Kind::InvalidArgument.with(format!(
                    "Requested retention period ({hours} hours) for stream {} can not be shorter \
                     than existing retention period ({current} hours). Use \
                     DecreaseRetentionPeriod API.",
                    stream.name
                ))
            }
            Fact::RetentionNotShorter { stream, hours, current } => {
                Kind::InvalidArgument.with(format!(
                    "Requested retention period ({hours} hours) for stream {} can not be longer \
                     than existing retention period ({current} hours). Use \
                     IncreaseRetentionPeriod API.",
                    stream.name
                ))
            }
            // The limit is 50; AWS's sentence still says 10.
            Fact::TooManyTags { stream: StreamArn { name, account, .. }, .. } => {
                Kind::InvalidArgument.with(format!(
                    "Failed to add tags to stream {name} under account {account} because a given \
                     stream cannot have more than 10 tags associated with it."
                ))
            }
            Fact::EncryptionChangedTooOften { stream: StreamArn { name, account, .. }, limit } => {
                Kind::LimitExceeded.with(format!(
                    "The server-side encryption of stream {name} under account {account} was \
                     changed {limit} times in the last 24 hours."
                ))
            }
            Fact::Kms(error) => return error.into(),
            // A retry finds the keys as they are.
            Fact::DataKeyChanged { .. }
            | Fact::DataKeyMissing { .. }
            | Fact::KeysNotReady { .. } => {
                tracing::error!(error = %fact, "records neither sealed nor opened");
                Kind::InternalFailureException.with("Internal service failure.")
            }
            Fact::Stopping => Kind::ServiceUnavailable.with("The server is shutting down."),
            Fact::Engine(error) => {
                tracing::error!(%error, "storage refused or failed");
                return error.into();
            }
        };
        Self(words)
    }
}

/// A request that policies don't let go on.
#[must_use]
pub fn access_denied(request: &policy::Request<'_>, denial: Denial) -> Error {
    let policy::Request { principal, action, resource, .. } = request;
    let because = |kind| format!("because no {kind}-based policy allows the {action} action");
    let why = match denial {
        Denial::Implicit(policy::Kind::Identity) => because("identity"),
        Denial::Implicit(policy::Kind::Resource) => because("resource"),
        Denial::Explicit(policy::Kind::Identity) => {
            "with an explicit deny in an identity-based policy".to_owned()
        }
        Denial::Explicit(policy::Kind::Resource) => {
            "with an explicit deny in a resource-based policy".to_owned()
        }
    };
    Error(Kind::AccessDenied.with(format!(
        "User: {} is not authorized to perform: {action} on resource: {resource} {why}",
        principal.arn()
    )))
}

/// A stored policy that can't be read any more, for its owner.
#[must_use]
pub fn unreadable_policy() -> Error {
    Error(Kind::InternalFailureException.with("Internal service failure."))
}

/// A shard that a request names and the stream doesn't have, or that can't be a shard's name.
#[must_use]
pub fn could_not_find(stream: &StreamArn, shard: &str) -> Error {
    let StreamArn { name, account, .. } = stream;
    Error(
        Kind::ResourceNotFound.with(format!(
            "Could not find shard {shard} in stream {name} under account {account}."
        )),
    )
}

/// A consumer that a request names and the stream doesn't have.
#[must_use]
pub fn no_consumer(stream: &StreamArn, consumer: &str) -> Error {
    let StreamArn { name, account, .. } = stream;
    Error(
        Kind::ResourceNotFound.with(format!(
            "Consumer {consumer} under stream: {name}, account {account} not found."
        )),
    )
}

/// What a reader is told. A log that was dropped under the request is of a shard that is gone.
#[must_use]
pub fn unreadable(error: EngineError, stream: &StreamArn, shard: ShardId) -> Error {
    match error {
        EngineError::Closed => does_not_exist(stream, shard),
        error => {
            tracing::error!(%stream, %shard, %error, "records not read");
            error.into()
        }
    }
}

/// What an iterator's stream or shard that is gone is answered with.
#[must_use]
pub fn does_not_exist(stream: &StreamArn, shard: ShardId) -> Error {
    let StreamArn { name, account, .. } = stream;
    Error(
        Kind::ResourceNotFound
            .with(format!("Shard {shard} in stream {name} under account {account} does not exist")),
    )
}

/// A record that its shard has no room for now.
#[must_use]
pub fn write_throttled(stream: &StreamArn, shard: ShardId) -> Error {
    let StreamArn { name, account, .. } = stream;
    Error(
        Kind::ProvisionedThroughputExceeded.with(format!(
            "Rate exceeded for shard {shard} in stream {name} under account {account}."
        )),
    )
}

/// A read that its shard has no room for now.
#[must_use]
pub fn read_throttled(stream: &StreamArn, shard: ShardId) -> Error {
    let StreamArn { name, account, .. } = stream;
    Error(
        Kind::ProvisionedThroughputExceeded
            .with(format!("Rate exceeded for Shard - {account}/{name}/{shard}")),
    )
}

/// An argument that doesn't do, in the words of the caller.
#[must_use]
pub fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error(Kind::InvalidArgument.with(message))
}
