//! Streams, shards and records.
