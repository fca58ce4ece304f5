//! What was refused for a limit, and why: the ledger behind `GET throttles`, and what is told when
//! the server stops.
//!
//! [`Throttles`] is asked only when something is refused. `ledger` keeps what it is told, within
//! bounds; `advice` says what would have sufficed; `bill` what AWS would have charged, by
//! [`prices`]; [`report`] brings all that together, and `summary` says it in a few lines.

mod advice;
mod bill;
mod keys;
mod ledger;
pub mod prices;
pub mod report;
mod summary;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard},
};

use millpond_api::types::{AccountId, Region, ShardId, StreamArn, StreamName, Timestamp};
use millpond_quotas::{Quotas, Refusal};
use millpond_shards::{Error as Fact, directory::Directory, stream::Namespace};

pub use ledger::{Refused, Whose};

use crate::process::StartError;
use ledger::Ledger;
use prices::Prices;
use report::Report;

/// What was refused.
pub struct Throttles {
    // Locked only when something is refused, and when somebody asks.
    ledger: Mutex<Ledger>,
    quotas: Quotas,
    prices: Prices,
}

/// Which part of the ledger is meant.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// One account's.
    pub account: Option<AccountId>,
    /// One region's.
    pub region: Option<Region>,
    /// That of the streams of this name.
    pub stream: Option<StreamName>,
}

impl Throttles {
    /// Nothing was refused yet. What it would have cost is by the prices of the file, if one is
    /// given.
    ///
    /// # Errors
    /// When the file can't be read, or isn't a table of prices.
    pub fn open(quotas: Quotas, prices: Option<&Path>, now: Timestamp) -> Result<Self, StartError> {
        let prices = prices::read(prices)?;
        Ok(Self { ledger: Mutex::new(Ledger::new(now)), quotas, prices })
    }

    /// Records of a request were refused, each with its shard, its size and its key.
    pub fn note_writes<'a>(
        &self,
        operation: &'static str,
        stream: &StreamArn,
        now: Timestamp,
        records: impl Iterator<Item = Refused<'a>>,
    ) {
        self.ledger().note_all(operation, &Whose::Stream(stream.clone()), now, records);
    }

    /// A call on a shard was refused.
    pub fn note_call(
        &self,
        operation: &'static str,
        stream: &StreamArn,
        shard: ShardId,
        now: Timestamp,
        refusal: Refusal,
    ) {
        let refused = Refused::call(Some(shard), refusal);
        let whose = Whose::Stream(stream.clone());
        self.ledger().note_all(operation, &whose, now, std::iter::once(refused));
    }

    /// A call of a control operation was refused for its rate.
    pub fn note_control(
        &self,
        operation: &'static str,
        whose: &Whose,
        now: Timestamp,
        refusal: Refusal,
    ) {
        let refused = Refused::call(None, refusal);
        self.ledger().note_all(operation, whose, now, std::iter::once(refused));
    }

    /// A command was refused; nothing is noted unless a limit on how many there may be was why.
    pub fn note_fact(
        &self,
        operation: &'static str,
        namespace: &Namespace,
        now: Timestamp,
        fact: &Fact,
    ) {
        let Some((stream, refused)) = ledger::of_fact(fact) else { return };
        let whose = stream.map_or_else(|| Whose::Account(namespace.clone()), Whose::Stream);
        self.ledger().note_all(operation, &whose, now, std::iter::once(refused));
    }

    /// Everything that is known, as far as the filter lets it through.
    #[must_use]
    pub fn report(&self, directory: &Directory, filter: &Filter, now: Timestamp) -> Report {
        let observed = directory.observed();
        let ledger = self.ledger();
        Report::new(&ledger, observed, &self.quotas, &self.prices, filter, now)
    }

    /// Forgets what the filter lets through, and begins anew with it.
    pub fn clear(&self, directory: &Directory, filter: &Filter, now: Timestamp) {
        self.ledger().clear(filter, now);
        directory.forget_observed(|arn| filter.has_stream(arn));
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("nothing panics while it holds the ledger")
    }
}

impl Filter {
    /// Whether nothing is left out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.account.is_none() && self.region.is_none() && self.stream.is_none()
    }

    /// Whether the stream is let through.
    #[must_use]
    pub fn has_stream(&self, arn: &StreamArn) -> bool {
        let named = self.stream.as_ref().is_none_or(|name| *name == arn.name);
        named && self.has_namespace(&Namespace::of(arn))
    }

    /// Whether it lets through what isn't of a stream.
    fn has_account(&self, namespace: &Namespace) -> bool {
        self.stream.is_none() && self.has_namespace(namespace)
    }

    fn has_namespace(&self, namespace: &Namespace) -> bool {
        self.account.is_none_or(|account| account == namespace.account)
            && self.region.as_ref().is_none_or(|region| *region == namespace.region)
    }
}
