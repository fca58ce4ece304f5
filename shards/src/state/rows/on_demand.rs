//! The on-demand mode of a stream as a part of its row.

use millpond_api::types::RecordDistributionStrategy;
use minicbor::{Decode, Encode};

use crate::stream::on_demand::{Load, OnDemand, Peaks};

#[derive(Encode, Decode)]
pub(super) struct OnDemandRow {
    /// Whether the service picks the shards of records.
    #[n(0)]
    spreads_records: bool,
    #[n(1)]
    warm_mib: Option<u32>,
    /// Days since the epoch, and the greatest load of each.
    #[n(2)]
    peaks: Vec<(i64, u64)>,
}

impl OnDemandRow {
    pub(super) fn of(on_demand: &OnDemand) -> Self {
        Self {
            spreads_records: on_demand.distribution == RecordDistributionStrategy::Auto,
            warm_mib: on_demand.warm_mib,
            peaks: on_demand.peaks.days().map(|(day, load)| (day, load.0)).collect(),
        }
    }

    pub(super) fn into_on_demand(self) -> OnDemand {
        let distribution = if self.spreads_records {
            RecordDistributionStrategy::Auto
        } else {
            RecordDistributionStrategy::UserPartitionKey
        };
        let peaks = Peaks::of_days(self.peaks.into_iter().map(|(day, load)| (day, Load(load))));
        OnDemand { distribution, warm_mib: self.warm_mib, peaks }
    }
}
