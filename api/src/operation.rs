//! What an operation is: a name, an input and an output.

mod id;

pub use id::OperationId;
use serde::Serialize;

use crate::decode::Decode;

/// An operation of Kinesis, implemented by a unit structure of its name.
pub trait Operation {
    /// Which operation it is.
    const ID: OperationId;

    /// Whether it answers with a body. Without one, `Output` is `()` and the body of the answer is
    /// empty.
    const HAS_OUTPUT: bool;

    /// What it takes, borrowing from the body of the request.
    type Input<'a>: Decode<'a> + Send;

    /// What it answers with; each event for SubscribeToShard, whose answer is a stream of them.
    type Output<'a>: Serialize;
}
