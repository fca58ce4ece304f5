//! The domain of Kinesis: streams, shards and records, behind one storage seam. No HTTP here.

pub mod batch;
pub mod engine;
pub mod record;
