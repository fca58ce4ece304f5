//! millpond: Kinesis Data Streams as a service that people run themselves.

pub mod banner;
pub mod config;
pub mod http;
pub mod telemetry;
