//! All that is known of what was refused, in the form of the admin API.

use std::collections::BTreeMap;

use millpond_api::types::{StreamArn, Timestamp};
use millpond_quotas::{Quotas, Rate};
use millpond_shards::observed::Observed;
use serde::Serialize;

use super::{
    Filter, Whose,
    advice::{self, Advice},
    bill::{self, Item},
    keys::Count,
    ledger::{Kind, Ledger, Recent, Row},
    prices::Prices,
    summary,
};

/// What was refused since a moment, what would have sufficed, and what it would have cost.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When the ledger was begun.
    pub since: Timestamp,
    /// Now.
    pub until: Timestamp,
    /// Whether the server keeps rates at all, or may refuse for counts only.
    pub keeps_rates: bool,
    /// Records and calls that were refused.
    pub refused: u64,
    /// As many more of which nothing else is known, because there were too many kinds.
    pub left_out: u64,
    /// By stream, the most refused first.
    pub streams: Vec<StreamReport>,
    /// Calls of accounts, and limits of theirs.
    pub accounts: Vec<Throttle>,
    /// The same in a few lines; none when nothing was refused.
    pub summary: Vec<String>,
    /// The latest calls, the newest first.
    pub recent: Vec<Call>,
    /// What AWS would have charged for the streams together.
    pub cost: Cost,
}

/// A stream.
#[derive(Debug, Serialize)]
pub struct StreamReport {
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its name.
    pub stream: String,
    /// Records and calls that were refused.
    pub refused: u64,
    /// By shard, operation and limit, the most refused first.
    pub throttles: Vec<Throttle>,
    /// What it was like, if limits were kept while it was there.
    #[serde(flatten)]
    pub seen: Option<Seen>,
}

/// What a stream was like.
#[derive(Debug, Serialize)]
pub struct Seen {
    /// Whether it was deleted.
    pub is_gone: bool,
    /// Its mode.
    pub mode: &'static str,
    /// Its open shards.
    pub open_shards: u32,
    /// Its busiest second.
    pub offered: Offered,
    /// What would have sufficed, if something was refused.
    pub advice: Option<Advice>,
    /// What AWS would have charged.
    pub cost: StreamCost,
}

/// A busiest second: admitted and refused together.
#[derive(Debug, Serialize)]
pub struct Offered {
    /// Records.
    pub records_per_second: u64,
    /// Data and partition keys.
    pub bytes_per_second: u64,
}

/// Refusals of one kind.
#[derive(Debug, Serialize)]
pub struct Throttle {
    /// The account, where no stream is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The shard, if it was one's limit.
    pub shard: Option<String>,
    /// What was called.
    pub operation: &'static str,
    /// The limit, as `--quotas-file` names it.
    pub limit: &'static str,
    /// What it is set to, a second; `None` for what isn't a rate.
    pub allowed_per_second: Option<u32>,
    /// Records or calls that were refused.
    pub refused: u64,
    /// The greatest excess of one of them.
    pub excess_max: u64,
    /// The longest time after which one would have been admitted.
    pub retry_after_seconds_max: Option<f64>,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Those refused most, if any stand out.
    pub partition_keys: Vec<Key>,
}

/// A partition key.
#[derive(Debug, Serialize)]
pub struct Key {
    /// The key.
    pub key: String,
    /// At most so many records of it.
    pub refused: u64,
    /// And at least so many.
    pub surely: u64,
}

/// A call that was refused, or some of whose records were.
#[derive(Debug, Serialize)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// What was called.
    pub operation: &'static str,
    /// Whose account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// The stream, if it was one's limit.
    pub stream: Option<String>,
    /// The shard of the first.
    pub shard: Option<String>,
    /// Its limit.
    pub limit: &'static str,
    /// By how much that would have been exceeded.
    pub excess: u64,
    /// When the same would have been admitted.
    pub retry_after_seconds: Option<f64>,
    /// Records that were refused, or the call.
    pub refused: u64,
    /// Some of their keys.
    pub partition_keys: Vec<String>,
}

/// What AWS would have charged for all streams.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// Together.
    pub total: f64,
    /// In this currency.
    pub currency: String,
    /// By prices of this date.
    pub as_of: String,
    /// From there.
    pub source: String,
}

/// What AWS would have charged for one stream.
#[derive(Debug, Serialize)]
pub struct StreamCost {
    /// As it was, taking its last mode for all of the time.
    pub total: f64,
    /// The lines of that.
    pub items: Vec<Item>,
    /// With the shards that would have sufficed.
    pub provisioned: f64,
    /// In on-demand mode.
    pub on_demand: f64,
    /// The cheaper of these two.
    pub cheaper_mode: &'static str,
}

type Rows<'a> = Vec<(&'a Kind, &'a Row)>;

impl Report {
    pub(super) fn new(
        ledger: &Ledger,
        observed: Vec<Observed>,
        quotas: &Quotas,
        prices: &Prices,
        filter: &Filter,
        now: Timestamp,
    ) -> Self {
        let (mut streams, mut accounts) = (BTreeMap::<String, Observed>::new(), Vec::new());
        let mut rows: BTreeMap<String, (StreamArn, Rows<'_>)> = BTreeMap::new();
        for (whose, of) in ledger.rows.iter().filter(|(whose, _)| whose.is_in(filter)) {
            match whose {
                Whose::Stream(arn) => {
                    rows.insert(arn.to_string(), (arn.clone(), of.iter().collect()));
                }
                Whose::Account(of_account) => accounts.extend(of.iter().map(|(kind, row)| {
                    let (account, region) = (of_account.account, &of_account.region);
                    Throttle {
                        account: Some(account.to_string()),
                        region: Some(region.to_string()),
                        ..Throttle::new(kind, row, quotas)
                    }
                })),
            }
        }
        for seen in observed.into_iter().filter(|seen| filter.has_stream(&seen.arn)) {
            // Of streams of the same name, the last one that was there, with the bill of all.
            let name = seen.arn.to_string();
            let before = streams.get(&name).map(|before| before.billed);
            let billed = seen.billed.plus(before.unwrap_or_default());
            streams.insert(name, Observed { billed, ..seen });
        }
        let cost = |seen: &Observed| StreamReport::cost(seen, None, prices).total;
        let total = bill::sum(streams.values().map(cost));
        let mut told: Vec<StreamReport> = Vec::new();
        for (name, (arn, rows)) in &rows {
            told.push(StreamReport::new(arn, rows, streams.get(name), quotas, prices));
        }
        for (_, seen) in streams.iter().filter(|(name, _)| !rows.contains_key(*name)) {
            told.push(StreamReport::new(&seen.arn, &Vec::new(), Some(seen), quotas, prices));
        }
        told.sort_by_key(|stream| std::cmp::Reverse(stream.refused));
        accounts.sort_by_key(|throttle| std::cmp::Reverse(throttle.refused));
        let recent = ledger.recent.iter().rev().filter(|call| call.whose.is_in(filter));
        let refused = told.iter().map(|stream| stream.refused);
        let mut report = Self {
            since: ledger.since,
            until: now,
            keeps_rates: keeps_rates(quotas),
            refused: refused.chain(accounts.iter().map(|throttle| throttle.refused)).sum(),
            left_out: ledger.left_out,
            streams: told,
            accounts,
            summary: Vec::new(),
            recent: recent.map(Call::of).collect(),
            cost: Cost {
                total,
                currency: prices.currency.clone(),
                as_of: prices.as_of.clone(),
                source: prices.source.clone(),
            },
        };
        report.summary = summary::lines(&report);
        report
    }
}

impl StreamReport {
    fn new(
        arn: &StreamArn,
        rows: &Rows<'_>,
        seen: Option<&Observed>,
        quotas: &Quotas,
        prices: &Prices,
    ) -> Self {
        let mut throttles: Vec<_> =
            rows.iter().map(|(kind, row)| Throttle::new(kind, row, quotas)).collect();
        throttles.sort_by_key(|throttle| std::cmp::Reverse(throttle.refused));
        let seen = seen.map(|seen| {
            let advice = (!rows.is_empty()).then(|| advice::advise(seen, rows, &quotas.rates));
            Seen {
                is_gone: seen.is_gone,
                mode: seen.mode.as_str(),
                open_shards: seen.open_shards,
                offered: Offered {
                    records_per_second: seen.offered.records,
                    bytes_per_second: seen.offered.bytes,
                },
                cost: Self::cost(seen, advice.as_ref(), prices),
                advice,
            }
        });
        Self {
            account: arn.account.to_string(),
            region: arn.region.to_string(),
            stream: arn.name.to_string(),
            refused: throttles.iter().map(|throttle| throttle.refused).sum(),
            throttles,
            seen,
        }
    }

    fn cost(seen: &Observed, advice: Option<&Advice>, prices: &Prices) -> StreamCost {
        use millpond_api::types::StreamMode;
        let region = prices.of(seen.arn.region.as_str());
        let items = bill::items(&seen.billed, seen.mode, &region);
        let shards = advice
            .map_or(seen.open_shards, |advice| u32::try_from(advice.shards).unwrap_or(u32::MAX));
        let provisioned = bill::provisioned_with(&seen.billed, shards, &region);
        let on_demand = bill::total(&bill::items(&seen.billed, StreamMode::OnDemand, &region));
        let cheaper =
            if on_demand < provisioned { StreamMode::OnDemand } else { StreamMode::Provisioned };
        let (total, cheaper_mode) = (bill::total(&items), cheaper.as_str());
        StreamCost { total, items, provisioned, on_demand, cheaper_mode }
    }
}

impl Throttle {
    fn new(kind: &Kind, row: &Row, quotas: &Quotas) -> Self {
        // Of many keys that are all rare, the few that have a place here say nothing.
        let stands_out = |(_, count): &(&str, Count)| count.surely() * 2 >= count.refused;
        let key = |(key, count): (&str, Count)| Key {
            key: key.to_owned(),
            refused: count.refused,
            surely: count.surely(),
        };
        Self {
            account: None,
            region: None,
            shard: kind.shard.map(|shard| shard.to_string()),
            operation: kind.operation,
            limit: kind.limit,
            allowed_per_second: rate(kind, quotas).get(),
            refused: row.refused,
            excess_max: row.excess_max,
            retry_after_seconds_max: row.retry_after_max.map(|after| after.as_secs_f64()),
            first: row.first,
            last: row.last,
            partition_keys: row.keys.counts().into_iter().filter(stands_out).map(key).collect(),
        }
    }
}

fn keeps_rates(quotas: &Quotas) -> bool {
    let off = Quotas::off();
    quotas.rates != off.rates || quotas.calls != off.calls
}

fn rate(kind: &Kind, quotas: &Quotas) -> Rate {
    let rates = &quotas.rates;
    match kind.limit {
        "shard-write-records-per-second" => rates.write_records,
        "shard-write-bytes-per-second" => rates.write_bytes,
        "shard-read-calls-per-second" => rates.read_calls,
        "shard-read-bytes-per-second" => rates.read_bytes,
        "shard-iterator-calls-per-second" => rates.iterator_calls,
        "subscribe-calls-per-second" => rates.subscribe_calls,
        "calls-per-second" => quotas.calls.of(kind.operation),
        _ => Rate::OFF,
    }
}

impl Call {
    fn of(call: &Recent) -> Self {
        let (namespace, stream) = match &call.whose {
            Whose::Stream(arn) => {
                (millpond_shards::stream::Namespace::of(arn), Some(arn.name.to_string()))
            }
            Whose::Account(namespace) => (namespace.clone(), None),
        };
        Self {
            at: call.at,
            operation: call.operation,
            account: namespace.account.to_string(),
            region: namespace.region.to_string(),
            stream,
            shard: call.shard.map(|shard| shard.to_string()),
            limit: call.limit,
            excess: call.excess,
            retry_after_seconds: call.retry_after.map(|after| after.as_secs_f64()),
            refused: call.refused,
            partition_keys: call.keys.iter().map(ToString::to_string).collect(),
        }
    }
}
