//! What every part of a server uses: storage, time, memory, and a home for tasks.

use std::sync::Arc;

use millpond_api::types::Timestamp;
use millpond_quotas::Clock;
use tokio::sync::{RwLock, Semaphore};

use crate::{engine::Engine, shard::TailBudget, tasks::Tasks};

/// The services of one server. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// Where records are kept.
    pub engine: Arc<dyn Engine>,
    /// Service time.
    pub clock: Clock,
    /// Memory for the newest records.
    pub tail_budget: Arc<TailBudget>,
    /// Home of the tasks.
    pub tasks: Tasks,
    /// Whoever trims or drops logs reads it; whoever needs all of them as they are writes.
    pub keeping: Arc<RwLock<()>>,
    /// Room for records that wait to be durable, in KiB.
    pub waiting_kib: Arc<Semaphore>,
}

impl Services {
    /// Service time in the resolution that clients see.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().millis())
    }
}
