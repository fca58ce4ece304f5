//! Amazon Kinesis Data Streams as types: the vocabulary, every operation of the model, and the two
//! wire formats.

pub mod types;
