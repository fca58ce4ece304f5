//! Time and limits: the one clock, every number of the contract, and who may do how much.
//!
//! Read [`clock`] for what time is, [`limits`] for the numbers, [`bucket`] for how a rate is kept,
//! then [`ShardQuota`] and [`CallQuota`] for what is kept. Nothing here knows a request or an
//! account; callers hand in times, sizes and names.

pub mod bucket;
pub mod clock;
pub mod limits;

mod calls;
mod consumer;
mod control_calls;
mod meter;
#[cfg(test)]
mod promise;
mod refusal;
mod shard;

pub use clock::{Clock, Time};
pub use consumer::ConsumerQuota;
pub use control_calls::CallQuota;
pub use meter::{Meter, Usage};
pub use refusal::{Limit, Quotas, Refusal};
pub use shard::ShardQuota;
