//! Time and limits: the one clock, every number of the contract, and who may do how much.
//!
//! Read [`clock`] for what time is, [`limits`] for the numbers, [`Quotas`] for those of them that a
//! server may be told to keep otherwise, [`bucket`] for how a rate is kept, then [`ShardQuota`] and
//! [`CallQuota`] for what is kept. Nothing here knows a request or an account; callers hand in
//! times, sizes and names.

pub mod bucket;
pub mod clock;
pub mod limits;

mod calls;
mod consumer;
mod control_calls;
mod meter;
mod offered;
#[cfg(test)]
mod promise;
mod quotas;
mod rate;
mod refusal;
mod shard;

pub use clock::{Attendant, Clock, Idle, Look, MoveError, Time};
pub use consumer::ConsumerQuota;
pub use control_calls::CallQuota;
pub use meter::{Meter, Usage};
pub use offered::{Offered, Peak};
pub use quotas::{CallRates, Counts, Lives, Quotas, Rates, Unsettable, Value};
pub use rate::Rate;
pub use refusal::{Limit, Refusal};
pub use shard::{ShardPeaks, ShardQuota};
