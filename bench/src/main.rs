//! The load tool of millpond: what a record costs, beside a bare server on the same machine.
mod answer;
mod body;
mod clock;
mod codec;
mod histogram;
mod http;
mod sign;
mod usage;
mod workload;
fn main() {}
