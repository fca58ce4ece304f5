//! The service from outside: every operation, every error, the protocol, and the process itself.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of this crate is tests")]

mod addressing;
mod admin;
mod clock;
mod companions;
mod cors;
mod errors;
mod events;
mod faults;
mod health;
mod looking;
mod ops;
mod permissions;
mod process;
mod protocol;
mod rates;
mod replacing;
mod scaling;
mod server;
mod settings;
mod sharing;
mod signing;
mod start;
mod state;
mod throttling;
mod wire;
