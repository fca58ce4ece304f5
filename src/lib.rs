//! The millpond server as a library.

pub mod auth;
