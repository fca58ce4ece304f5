//! What AWS would charge for what a stream had, item by item.

use millpond_api::types::StreamMode;
use millpond_shards::observed::Billed;
use serde::Serialize;

use super::prices::Region;

const MILLIS_PER_HOUR: f64 = 3_600_000.0;
const KIB: f64 = 1_024.0;
const KIB_PER_GB: f64 = KIB * KIB;
const BYTES_PER_GB: f64 = KIB_PER_GB * KIB;

/// A month, as AWS counts it for storage.
const HOURS_PER_MONTH: f64 = 730.0;

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// What is charged.
    #[serde(rename = "item")]
    pub what: &'static str,
    /// How much of it.
    pub quantity: f64,
    /// In what it is counted.
    pub unit: &'static str,
    /// For one of these.
    pub price: f64,
    /// For all.
    pub cost: f64,
}

/// The lines for a stream in this mode, without those that come to nothing.
pub(super) fn items(billed: &Billed, mode: StreamMode, prices: &Region) -> Vec<Item> {
    let items = match mode {
        StreamMode::Provisioned => provisioned(billed, prices).to_vec(),
        StreamMode::OnDemand => on_demand(billed, prices).to_vec(),
    };
    items.into_iter().filter(|item| item.quantity > 0.0).collect()
}

/// The sum of the lines.
pub(super) fn total(items: &[Item]) -> f64 {
    sum(items.iter().map(|item| item.cost))
}

/// The sum; 0 of nothing, for which floats have -0.
pub(super) fn sum(costs: impl Iterator<Item = f64>) -> f64 {
    costs.fold(0.0, |sum, cost| sum + cost)
}

/// What the same would have cost with so many shards all the time.
pub(super) fn provisioned_with(billed: &Billed, shards: u32, prices: &Region) -> f64 {
    let shard_millis = billed.stream_millis.saturating_mul(shards.into());
    // As many consumers, and as much of the time with a longer retention, as there were.
    let scaled = |millis: u64| {
        let share = float(millis) / float(billed.shard_millis.max(1));
        whole(share * float(shard_millis))
    };
    let billed = Billed {
        shard_millis,
        extended_shard_millis: scaled(billed.extended_shard_millis),
        consumer_shard_millis: scaled(billed.consumer_shard_millis),
        ..*billed
    };
    total(&items(&billed, StreamMode::Provisioned, prices))
}

fn provisioned(billed: &Billed, Region { provisioned, .. }: &Region) -> [Item; 6] {
    let hours = |millis| float(millis) / MILLIS_PER_HOUR;
    [
        item("shards", hours(billed.shard_millis), "shard hour", provisioned.shard_hour),
        item(
            "PUT payload units",
            float(billed.put_units) / 1e6,
            "million units of 25 KB",
            provisioned.million_put_units,
        ),
        item(
            "extended retention",
            hours(billed.extended_shard_millis),
            "shard hour",
            provisioned.extended_shard_hour,
        ),
        long_term(billed, provisioned.long_term_gb_month),
        item(
            "enhanced fan-out consumers",
            hours(billed.consumer_shard_millis),
            "consumer shard hour",
            provisioned.consumer_shard_hour,
        ),
        fan_out(billed, provisioned.fan_out_gb),
    ]
}

fn on_demand(billed: &Billed, Region { on_demand, .. }: &Region) -> [Item; 6] {
    let stream_hours = float(billed.stream_millis) / MILLIS_PER_HOUR;
    let extended = float(billed.extended_kib_hours) / KIB_PER_GB / HOURS_PER_MONTH;
    [
        item("stream", stream_hours, "stream hour", on_demand.stream_hour),
        item("data in", float(billed.in_kib) / KIB_PER_GB, "GB", on_demand.gb_in),
        item("data out", float(billed.out_bytes) / BYTES_PER_GB, "GB", on_demand.gb_out),
        item("extended retention", extended, "GB month", on_demand.extended_gb_month),
        long_term(billed, on_demand.long_term_gb_month),
        fan_out(billed, on_demand.fan_out_gb),
    ]
}

fn long_term(billed: &Billed, price: f64) -> Item {
    let months = float(billed.long_term_kib_hours) / KIB_PER_GB / HOURS_PER_MONTH;
    item("long-term retention", months, "GB month", price)
}

fn fan_out(billed: &Billed, price: f64) -> Item {
    item("enhanced fan-out data", float(billed.fan_out_bytes) / BYTES_PER_GB, "GB", price)
}

fn item(what: &'static str, quantity: f64, unit: &'static str, price: f64) -> Item {
    Item { what, quantity, unit, price, cost: quantity * price }
}

#[expect(clippy::cast_precision_loss, reason = "15 digits are enough for money")]
fn float(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_sign_loss, reason = "a share of a time is never below zero")]
fn whole(n: f64) -> u64 {
    n.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::throttles::prices;

    fn cost(billed: &Billed, mode: StreamMode) -> f64 {
        total(&items(billed, mode, &prices::read(None).unwrap().of("us-east-1")))
    }

    fn is_about(cost: f64, expected: f64) {
        assert!((cost - expected).abs() < 1e-9, "{cost} isn't {expected}");
    }

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(serde_json::to_string(&total(&[])).unwrap(), "0.0");
    }

    #[test]
    fn a_day_of_two_shards() {
        let day = 24 * 3_600_000;
        let billed = Billed {
            stream_millis: day,
            shard_millis: 2 * day,
            extended_shard_millis: 2 * day,
            consumer_shard_millis: 6 * day,
            put_units: 50_000_000,
            in_kib: 3 << 20,
            out_bytes: 5 << 30,
            fan_out_bytes: 7 << 30,
            ..Billed::default()
        };
        let shards = 48.0 * 0.015 + 48.0 * 0.02 + 144.0 * 0.015;
        is_about(cost(&billed, StreamMode::Provisioned), shards + 50.0 * 0.014 + 7.0 * 0.013);
        let data = 3.0 * 0.08 + 5.0 * 0.04 + 7.0 * 0.05;
        is_about(cost(&billed, StreamMode::OnDemand), 24.0 * 0.04 + data);
        let region = prices::read(None).unwrap().of("us-east-1");
        let doubled = provisioned_with(&billed, 4, &region);
        is_about(doubled, 2.0 * shards + 50.0 * 0.014 + 7.0 * 0.013);
    }

    #[test]
    fn storage_is_charged_by_the_month() {
        let gb_month = 730 << 20;
        let billed = Billed {
            extended_kib_hours: 2 * gb_month,
            long_term_kib_hours: 3 * gb_month,
            ..Billed::default()
        };
        is_about(cost(&billed, StreamMode::OnDemand), 2.0 * 0.1 + 3.0 * 0.023);
        is_about(cost(&billed, StreamMode::Provisioned), 3.0 * 0.023);
    }

    #[test]
    fn what_was_not_used_is_not_on_the_bill() {
        let region = prices::read(None).unwrap().of("us-east-1");
        assert!(items(&Billed::default(), StreamMode::Provisioned, &region).is_empty());
    }
}
