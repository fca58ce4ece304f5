//! millpond: Kinesis Data Streams as a service that people run themselves.
//!
//! In reading order:
//!
//! * [`config`] is the command line, [`process`] what the system gives and takes, [`app`] the
//!   server that is made of it.
//! * [`http`] listens, in TLS if [`tls`] has a certificate, and reads bodies; [`gateway`] is the
//!   one pipeline behind it; [`auth`] says who asks.
//! * [`ops`] has the table of operations, and one file each. They work on the streams and shards
//!   of `millpond-shards`, with the types of `millpond-api`.
//! * [`admin`] is what tests and operators may do that clients of Kinesis can't.
//! * [`faults`] says which requests go wrong, where a test wants that.
//! * [`companions`] is what clients of Kinesis want of CloudWatch and STS.
//! * [`payload`] takes apart what producers put into records.
//! * [`cli`] has the commands that look into a running server, over its admin API.
//! * [`quotas_file`] sets single limits; [`throttles`] tells what was refused for one.
//! * [`kms`] is where the master keys of encrypted streams are.
//! * [`policy`] reads and asks IAM policies.
//! * [`reload`] keeps credentials as their files say.
//! * [`error`] turns the domain's facts into Amazon's words.
//! * [`blocks`] holds an answer's bytes; [`answers`] bounds what large ones hold together.
//! * [`secret_file`] reads files that others must not; [`toml_text`] says where a file is wrong.
//! * [`outbound`] calls the services of others.
//! * [`metrics`], [`traces`], [`telemetry`], [`banner`] and [`ids`] are what they are called.

pub mod admin;
pub mod answers;
pub mod app;
pub mod auth;
pub mod banner;
pub mod blocks;
pub mod cli;
pub mod companions;
pub mod config;
pub mod error;
pub mod faults;
pub mod gateway;
pub mod http;
pub mod ids;
pub mod kms;
pub mod metrics;
pub mod ops;
pub mod outbound;
pub mod payload;
pub mod policy;
pub mod process;
pub mod quotas_file;
pub mod reload;
pub mod secret_file;
pub mod telemetry;
pub mod throttles;
pub mod tls;
pub mod toml_text;
pub mod traces;
