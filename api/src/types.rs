//! The vocabulary of Kinesis: every value that a client can see, defined once for the whole
//! workspace.

mod account;
mod arn;
mod blob;
mod consumer_arn;
pub(crate) mod digits;
mod enums;
mod hash_key;
mod sequence_number;
mod shard_id;
mod stream_name;
mod stream_ref;
mod timestamp;
mod values;

pub use account::{AccountId, InvalidAccountId, InvalidRegion, Region};
pub use arn::{InvalidArn, StreamArn};
pub use blob::{Blob, InvalidBase64};
pub use consumer_arn::{ConsumerArn, InvalidConsumerArn};
pub use enums::*;
pub use hash_key::{HashKey, HashKeyRange, InvalidHashKey};
pub use sequence_number::{InvalidSequenceNumber, SequenceNumber};
pub use shard_id::{InvalidShardId, ShardId};
pub use stream_name::{InvalidStreamName, StreamName};
pub use stream_ref::StreamRef;
pub use timestamp::Timestamp;
pub use values::UnknownValue;
