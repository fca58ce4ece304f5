//! The load tool of millpond: what a record costs, beside a bare server on the same machine.
mod body;
mod clock;
mod histogram;
mod http;
mod sign;
mod usage;
fn main() {}
