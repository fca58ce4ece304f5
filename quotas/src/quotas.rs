//! The limits of one server as values: all of them as on AWS, or rates off, or single ones set.
//!
//! What a limit is, and what AWS has it at, stands in [`limits`]; here is what can be set, and by
//! which name. Sizes of requests, of answers and of pages are part of the API's contract and not
//! here.

use std::time::Duration;

use crate::{
    Rate,
    limits::{self, control_calls},
};

/// What a server admits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quotas {
    /// Rates of shards and consumers.
    pub rates: Rates,
    /// Rates of control operations.
    pub calls: CallRates,
    /// How many there may be of something.
    pub counts: Counts,
    /// How long something holds.
    pub lives: Lives,
}

/// Rates of shards and consumers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Rates {
    /// Records written to a shard.
    pub write_records: Rate,
    /// Data and partition keys written to a shard.
    pub write_bytes: Rate,
    /// GetRecords calls on a shard.
    pub read_calls: Rate,
    /// Data read from a shard by GetRecords.
    pub read_bytes: Rate,
    /// GetShardIterator calls on a shard.
    pub iterator_calls: Rate,
    /// Data pushed from a shard to a consumer.
    pub consumer_bytes: Rate,
    /// SubscribeToShard calls for a consumer and shard.
    pub subscribe_calls: Rate,
}

/// Rates of control operations, by their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallRates(Vec<(&'static str, Rate)>);

/// How many there may be of something; [`Counts::ANY`] where that isn't limited.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Consumers registered with a stream.
    pub consumers: usize,
    /// The same of an on-demand stream whose account is committed to a minimum throughput.
    pub consumers_advantage: usize,
    /// Consumers of a stream in CREATING.
    pub consumers_creating: usize,
    /// Streams of an account and region in CREATING.
    pub streams_creating: usize,
    /// On-demand streams of an account and region.
    pub on_demand_streams: usize,
    /// Open shards of a stream that UpdateShardCount can lead to.
    pub shards_per_stream: usize,
    /// How many times the open shards UpdateShardCount can make them, and divide them by.
    pub shard_count_factor: usize,
    /// UpdateShardCount calls that take effect on a stream in a day.
    pub shard_count_updates: usize,
    /// Changes of a stream's mode in a day.
    pub mode_switches: usize,
    /// Keys applied to a stream in a day by StartStreamEncryption, and as many stops.
    pub encryption_changes: usize,
    /// Tags of a stream or consumer.
    pub tags: usize,
}

/// How long something holds.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Lives {
    /// A shard iterator.
    pub iterator: Duration,
    /// A NextToken.
    pub next_token: Duration,
    /// A subscription of SubscribeToShard.
    pub subscription: Duration,
    /// The time for which a subscription is safe from the next one.
    pub takeover_min: Duration,
}

impl Quotas {
    /// Everything as on AWS.
    #[must_use]
    pub fn strict() -> Self {
        Self {
            rates: Rates::STRICT,
            calls: CallRates::strict(),
            counts: Counts::STRICT,
            lives: Lives::STRICT,
        }
    }

    /// No rates; counts and lives as on AWS.
    #[must_use]
    pub fn off() -> Self {
        let takeover_min = Duration::ZERO;
        Self {
            rates: Rates::OFF,
            calls: CallRates::off(),
            counts: Counts::STRICT,
            lives: Lives { takeover_min, ..Lives::STRICT },
        }
    }

    /// The names that [`set`](Self::set) knows, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SETTINGS.iter().map(|(name, _)| *name)
    }

    /// Sets the limit of this name.
    ///
    /// # Errors
    ///
    /// When there is none, or it can't be this.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), Unsettable> {
        let setting = SETTINGS.iter().find(|(known, _)| *known == name);
        let (_, of) = setting.ok_or(Unsettable::UnknownName)?;
        match (of(self), value) {
            (Setting::Counted(rate), value) => *rate = rate_of(value, Rate::COUNTED_MAX)?,
            (Setting::Bytes(rate), value) => *rate = rate_of(value, Rate::PER_SECOND_MAX)?,
            (Setting::Count(count), Value::Off) => *count = Counts::ANY,
            (Setting::Count(count), Value::Number(number)) => {
                let number = usize::try_from(number).ok().filter(|n| *n <= Counts::SET_MAX);
                *count = number.ok_or(Unsettable::NoCount)?;
            }
            (Setting::Count(_), Value::Length(_)) => return Err(Unsettable::NoCount),
            (Setting::Life(life), Value::Off) => *life = Lives::EVER,
            (Setting::Life(life), Value::Length(length)) => {
                let is_sound = length >= Lives::SET_MIN && length <= Lives::EVER;
                *life = is_sound.then_some(length).ok_or(Unsettable::NoLife)?;
            }
            (Setting::Takeover(life), Value::Off) => *life = Duration::ZERO,
            (Setting::Takeover(life), Value::Length(length)) if length <= Lives::EVER => {
                *life = length;
            }
            (Setting::Life(_) | Setting::Takeover(_), _) => return Err(Unsettable::NoLife),
        }
        Ok(())
    }

    /// Sets the rate of a control operation, by its Kinesis name.
    ///
    /// # Errors
    ///
    /// When it has none, or it can't be this.
    pub fn set_calls(&mut self, operation: &str, value: Value) -> Result<(), Unsettable> {
        let known = self.calls.0.iter_mut().find(|(known, _)| *known == operation);
        let (_, rate) = known.ok_or(Unsettable::UnknownName)?;
        *rate = rate_of(value, Rate::COUNTED_MAX)?;
        Ok(())
    }

    /// Whether anything is throttled at all.
    #[must_use]
    pub fn throttle(&self) -> bool {
        let Rates { consumer_bytes, subscribe_calls, .. } = self.rates;
        let consumers = [consumer_bytes, subscribe_calls].iter().any(|rate| *rate != Rate::OFF);
        let calls = self.calls.0.iter().any(|(_, rate)| *rate != Rate::OFF);
        self.rates.limit_shards() || consumers || calls
    }
}

/// What a limit is set to.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Not kept.
    Off,
    /// So many, or so many a second.
    Number(u64),
    /// So long.
    Length(Duration),
}

/// Why a limit can't be set so.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Unsettable {
    /// There is no limit of this name.
    UnknownName,
    /// A rate is from 1 to this, or off.
    NoRate(u32),
    /// A count is from 0 to [`Counts::SET_MAX`], or off.
    NoCount,
    /// A life is from [`Lives::SET_MIN`] to [`Lives::EVER`], or off.
    NoLife,
}

fn rate_of(value: Value, max: u32) -> Result<Rate, Unsettable> {
    match value {
        Value::Off => Ok(Rate::OFF),
        Value::Number(number) => {
            let number = u32::try_from(number).ok().filter(|number| *number <= max);
            number.and_then(Rate::per_second).ok_or(Unsettable::NoRate(max))
        }
        Value::Length(_) => Err(Unsettable::NoRate(max)),
    }
}

/// Where a named limit is kept.
enum Setting<'a> {
    Counted(&'a mut Rate),
    Bytes(&'a mut Rate),
    Count(&'a mut usize),
    Life(&'a mut Duration),
    Takeover(&'a mut Duration),
}

type Place = for<'a> fn(&'a mut Quotas) -> Setting<'a>;

const SETTINGS: &[(&str, Place)] = &[
    ("shard-write-records-per-second", |of| Setting::Counted(&mut of.rates.write_records)),
    ("shard-write-bytes-per-second", |of| Setting::Bytes(&mut of.rates.write_bytes)),
    ("shard-read-calls-per-second", |of| Setting::Counted(&mut of.rates.read_calls)),
    ("shard-read-bytes-per-second", |of| Setting::Bytes(&mut of.rates.read_bytes)),
    ("shard-iterator-calls-per-second", |of| Setting::Counted(&mut of.rates.iterator_calls)),
    ("consumer-read-bytes-per-second", |of| Setting::Bytes(&mut of.rates.consumer_bytes)),
    ("subscribe-calls-per-second", |of| Setting::Counted(&mut of.rates.subscribe_calls)),
    ("subscription-takeover", |of| Setting::Takeover(&mut of.lives.takeover_min)),
    ("subscription-life", |of| Setting::Life(&mut of.lives.subscription)),
    ("shard-iterator-life", |of| Setting::Life(&mut of.lives.iterator)),
    ("next-token-life", |of| Setting::Life(&mut of.lives.next_token)),
    ("consumers-per-stream", |of| Setting::Count(&mut of.counts.consumers)),
    ("consumers-per-stream-advantage", |of| Setting::Count(&mut of.counts.consumers_advantage)),
    ("consumers-creating", |of| Setting::Count(&mut of.counts.consumers_creating)),
    ("streams-creating", |of| Setting::Count(&mut of.counts.streams_creating)),
    ("on-demand-streams", |of| Setting::Count(&mut of.counts.on_demand_streams)),
    ("shards-per-stream", |of| Setting::Count(&mut of.counts.shards_per_stream)),
    ("shard-count-factor", |of| Setting::Count(&mut of.counts.shard_count_factor)),
    ("shard-count-updates-per-day", |of| Setting::Count(&mut of.counts.shard_count_updates)),
    ("mode-switches-per-day", |of| Setting::Count(&mut of.counts.mode_switches)),
    ("encryption-changes-per-day", |of| Setting::Count(&mut of.counts.encryption_changes)),
    ("tags-per-resource", |of| Setting::Count(&mut of.counts.tags)),
];

impl Rates {
    /// As on AWS.
    pub const STRICT: Self = Self {
        write_records: Rate::of(limits::SHARD_WRITE_RECORDS_PER_SECOND),
        write_bytes: Rate::of(limits::SHARD_WRITE_BYTES_PER_SECOND),
        read_calls: Rate::of(limits::SHARD_READ_CALLS_PER_SECOND),
        read_bytes: Rate::of(limits::SHARD_READ_BYTES_PER_SECOND),
        iterator_calls: Rate::of(limits::SHARD_ITERATOR_CALLS_PER_SECOND),
        consumer_bytes: Rate::of(limits::CONSUMER_READ_BYTES_PER_SECOND),
        subscribe_calls: Rate::of(limits::SUBSCRIBE_CALLS_PER_SECOND),
    };

    /// None is kept.
    pub const OFF: Self = Self {
        write_records: Rate::OFF,
        write_bytes: Rate::OFF,
        read_calls: Rate::OFF,
        read_bytes: Rate::OFF,
        iterator_calls: Rate::OFF,
        consumer_bytes: Rate::OFF,
        subscribe_calls: Rate::OFF,
    };

    /// Whether any rate of shards is kept.
    #[must_use]
    pub fn limit_shards(&self) -> bool {
        let Self { write_records, write_bytes, read_calls, read_bytes, iterator_calls, .. } = *self;
        let rates = [write_records, write_bytes, read_calls, read_bytes, iterator_calls];
        rates.iter().any(|rate| *rate != Rate::OFF)
    }
}

impl CallRates {
    fn strict() -> Self {
        let rate =
            |name| control_calls(name).map_or(Rate::OFF, limits::CallLimit::calls_per_second);
        Self(limits::control_operations().map(|name| (name, rate(name))).collect())
    }

    fn off() -> Self {
        Self(limits::control_operations().map(|name| (name, Rate::OFF)).collect())
    }

    /// How often `operation`, by its Kinesis name, may be called.
    #[must_use]
    pub fn of(&self, operation: &str) -> Rate {
        let found = self.0.iter().find(|(name, _)| *name == operation);
        found.map_or(Rate::OFF, |(_, rate)| *rate)
    }

    /// The operations that have a rate, by name.
    pub fn operations(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }
}

impl Counts {
    /// Where nothing is limited.
    pub const ANY: usize = usize::MAX;

    /// The greatest limit that can be set: shards and streams are cheap, but not without end.
    pub const SET_MAX: usize = 1_000_000;

    /// As on AWS.
    pub const STRICT: Self = Self {
        consumers: limits::CONSUMERS_PER_STREAM_MAX,
        consumers_advantage: limits::CONSUMERS_PER_STREAM_ADVANTAGE_MAX,
        consumers_creating: limits::CONSUMERS_CREATING_MAX,
        streams_creating: limits::STREAMS_CREATING_MAX,
        on_demand_streams: limits::ON_DEMAND_STREAMS_MAX,
        shards_per_stream: limits::SHARDS_PER_STREAM_MAX as usize,
        shard_count_factor: limits::SHARD_COUNT_FACTOR_MAX as usize,
        shard_count_updates: limits::UPDATE_SHARD_COUNT_PER_DAY_MAX,
        mode_switches: limits::MODE_SWITCHES_PER_DAY_MAX,
        encryption_changes: limits::ENCRYPTION_CHANGES_PER_DAY_MAX,
        tags: limits::TAGS_PER_RESOURCE_MAX,
    };

    /// The most and the fewest shards that UpdateShardCount may ask for with `open` open.
    #[must_use]
    pub fn targets(&self, open: u32) -> (u32, u32) {
        let factor = u32::try_from(self.shard_count_factor).unwrap_or(u32::MAX).max(1);
        (open.div_ceil(factor), open.saturating_mul(factor))
    }
}

impl Lives {
    /// As long as nothing else ends it, for all that matters.
    pub const EVER: Duration = Duration::from_hours(24 * 36_525);

    /// The shortest life that can be set.
    pub const SET_MIN: Duration = Duration::from_secs(1);

    /// As on AWS.
    pub const STRICT: Self = Self {
        iterator: limits::SHARD_ITERATOR_LIFE,
        next_token: limits::NEXT_TOKEN_LIFE,
        subscription: limits::SUBSCRIPTION_LIFE,
        takeover_min: limits::SUBSCRIPTION_TAKEOVER_MIN,
    };
}

#[cfg(test)]
mod tests;
