//! Time and limits.

pub mod clock;

pub use clock::{Clock, Time};
