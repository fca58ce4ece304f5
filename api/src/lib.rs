//! Amazon Kinesis Data Streams as types: the vocabulary, every operation of the model, and the two
//! wire formats.
//!
//! * [`types`] is the vocabulary, and always there. The rest comes with the feature `operations`,
//!   on by default.
//! * [`operations`] and [`shapes`] are written by `millpond-codegen` from Amazon's model;
//!   [`operation`] says what an operation is.
//! * [`Codec`] reads inputs and writes outputs, as JSON or CBOR. What a request's values must look
//!   like is in [`schema`], how they are read in [`decode`], and the words for violations in
//!   [`validate`].
//! * [`Error`] is what clients are told when a request fails.
//! * [`event_stream`] frames the messages of SubscribeToShard.

pub mod types;

#[cfg(feature = "operations")]
mod codec;
#[cfg(feature = "operations")]
mod constraints;
#[cfg(feature = "operations")]
pub mod decode;
#[cfg(feature = "operations")]
mod error;
#[cfg(feature = "operations")]
pub mod event_stream;
#[cfg(feature = "operations")]
pub mod operation;
#[cfg(feature = "operations")]
pub mod operations;
#[cfg(feature = "operations")]
pub mod schema;
#[cfg(feature = "operations")]
pub mod shapes;
#[cfg(feature = "operations")]
pub mod validate;

#[cfg(feature = "operations")]
pub use codec::{Codec, Output, Parts};
#[cfg(feature = "operations")]
pub use error::{Error, ErrorKind};
#[cfg(feature = "operations")]
pub use operation::{Operation, OperationId};
