//! The domain of Kinesis: streams, shards and records, behind one storage seam. No HTTP here.
//!
//! The life of a record. At the edge, [`batch::RecordBatch`] takes each entry of a request in the
//! form in which it will be stored ([`record`]), sealed if its stream is encrypted ([`crypt`]), one
//! batch a shard, as
//! [`stream::routing::RoutingTable`] tells from the partition key's hash. [`shard::Shard::append`]
//! hands the batch to the shard's actor, which stamps it with the time of its arrival and passes it
//! to the shard's log in the [`engine`]. When the log says that it is durable, the actor publishes
//! it in the shard's tail and answers: the record now has a sequence number, which is its position
//! in the log in other words. [`shard::Shard::read`] finds it, from then on, in the tail or in the
//! log, until it lies behind the stream's horizon ([`stream::retention`]); some time later
//! `maintenance` gives back its space.
//!
//! The life of a stream. A [`state::Command`] goes to [`control::Control`], the single writer;
//! [`state::apply`] says what the metadata is afterwards; it is made durable, and published in the
//! [`directory::Directory`], which requests read without a lock. What takes time, such as a split,
//! is a persisted intent that is carried through when it is due, also after a crash. For on-demand
//! streams, `scaling` gives such commands itself, as their write traffic asks for other shards.

pub mod batch;
pub mod commitment;
pub mod control;
pub mod crypt;
pub mod directory;
pub mod domain;
pub mod engine;
mod error;
mod holds;
pub mod iterator;
mod maintenance;
pub mod observed;
pub mod record;
mod scaling;
pub mod services;
pub mod shard;
pub mod snapshot;
pub mod state;
pub mod stream;
pub mod subscription;
pub mod tasks;
pub mod token;

pub use domain::{Domain, Options};
pub use error::Error;
