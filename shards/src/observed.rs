//! What a stream had to take, and what AWS would bill for it: counted while limits are kept, since
//! the server started or was told to begin anew.

mod arrivals;
mod gone;

use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use millpond_api::types::{ShardId, StreamArn, StreamMode};
use millpond_quotas::{Clock, Offered, Peak, ShardPeaks, Time};

use crate::{
    directory::Stream,
    stream::{ShardState, StreamState},
};

use arrivals::Arrivals;
pub(crate) use gone::Gone;

/// What AWS calls a unit of a record that is put into a provisioned stream.
const PUT_UNIT_BYTES: u64 = 25 << 10;

/// To what a record is rounded up that is put into an on-demand stream.
const BILLED_UNIT_BYTES: u64 = 1 << 10;

/// Hours after which records are kept by extended retention, and by long-term retention.
const EXTENDED_FROM_HOURS: u64 = 24;
const LONG_TERM_FROM_HOURS: u64 = 168;

/// Shards of which it is told what they had to take: the busiest.
const SHARDS_MAX: usize = 1_000;

/// The counters of one stream.
#[derive(Debug)]
pub struct Meters {
    clock: Clock,
    offered: Offered,
    put_units: AtomicU64,
    in_kib: AtomicU64,
    out_bytes: AtomicU64,
    fan_out_bytes: AtomicU64,
    // Locked when the stream changes, when somebody asks, and once an hour.
    held: Mutex<Held>,
    hour: AtomicU64,
}

#[derive(Debug)]
struct Held {
    since: Time,
    until: Time,
    shard_millis: u64,
    extended_shard_millis: u64,
    consumer_shard_millis: u64,
    arrivals: Arrivals,
}

/// Amounts that AWS bills. Which of them count depends on the stream's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Billed {
    /// How long the stream was there, in milliseconds.
    pub stream_millis: u64,
    /// Its open shards' time together.
    pub shard_millis: u64,
    /// As much of that as records were kept for more than 24 hours.
    pub extended_shard_millis: u64,
    /// The time of its consumers, for each open shard.
    pub consumer_shard_millis: u64,
    /// Units of 25 KiB, or begun ones, of each record that was put.
    pub put_units: u64,
    /// Records that were put, each rounded up to whole KiB.
    pub in_kib: u64,
    /// Data read by GetRecords.
    pub out_bytes: u64,
    /// Data pushed to consumers.
    pub fan_out_bytes: u64,
    /// KiB times hours for which records were kept from their second to their seventh day.
    pub extended_kib_hours: u64,
    /// KiB times hours for which they were kept for longer.
    pub long_term_kib_hours: u64,
}

/// One stream, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Which stream.
    pub arn: StreamArn,
    /// Whether it was deleted.
    pub is_gone: bool,
    /// Its mode, the last one.
    pub mode: StreamMode,
    /// Its open shards, the last ones.
    pub open_shards: u32,
    /// The busiest second of writes: admitted and refused together.
    pub offered: Peak,
    /// The shards that were asked for something; the busiest first.
    pub shards: Vec<ObservedShard>,
    /// What AWS would bill.
    pub billed: Billed,
}

/// One shard, as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedShard {
    /// Which shard.
    pub id: ShardId,
    /// Its part of the key space, in parts per billion.
    pub width_ppb: u64,
    /// Whether it takes records.
    pub is_open: bool,
    /// Its busiest seconds.
    pub peaks: ShardPeaks,
}

impl Billed {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            stream_millis: self.stream_millis + other.stream_millis,
            shard_millis: self.shard_millis + other.shard_millis,
            extended_shard_millis: self.extended_shard_millis + other.extended_shard_millis,
            consumer_shard_millis: self.consumer_shard_millis + other.consumer_shard_millis,
            put_units: self.put_units + other.put_units,
            in_kib: self.in_kib + other.in_kib,
            out_bytes: self.out_bytes + other.out_bytes,
            fan_out_bytes: self.fan_out_bytes + other.fan_out_bytes,
            extended_kib_hours: self.extended_kib_hours + other.extended_kib_hours,
            long_term_kib_hours: self.long_term_kib_hours + other.long_term_kib_hours,
        }
    }
}

impl Meters {
    pub(crate) fn new(clock: Clock) -> Self {
        let now = clock.now();
        Self {
            clock,
            offered: Offered::default(),
            put_units: AtomicU64::new(0),
            in_kib: AtomicU64::new(0),
            out_bytes: AtomicU64::new(0),
            fan_out_bytes: AtomicU64::new(0),
            held: Mutex::new(Held::since(now)),
            hour: AtomicU64::new(hour(now)),
        }
    }

    /// A request wants to put so many records of so many bytes together.
    pub fn note_offered(&self, now: Time, records: u64, bytes: u64) {
        self.offered.note(now, records, bytes);
    }

    /// Records of these sizes, data and partition key together, are put.
    pub fn note_put(&self, now: Time, sizes: impl Iterator<Item = u64>) {
        let (mut units, mut kib) = (0, 0);
        for bytes in sizes {
            units += bytes.div_ceil(PUT_UNIT_BYTES).max(1);
            kib += bytes.div_ceil(BILLED_UNIT_BYTES).max(1);
        }
        let hour = hour(now);
        if self.hour.load(Relaxed) < hour && self.hour.fetch_max(hour, Relaxed) < hour {
            self.held().arrivals.close_hour(hour, self.in_kib.load(Relaxed));
        }
        self.put_units.fetch_add(units, Relaxed);
        self.in_kib.fetch_add(kib, Relaxed);
    }

    /// GetRecords answers with so much data.
    pub fn note_read(&self, bytes: u64) {
        self.out_bytes.fetch_add(bytes, Relaxed);
    }

    /// So much data is pushed to a consumer.
    pub fn note_pushed(&self, bytes: u64) {
        self.fan_out_bytes.fetch_add(bytes, Relaxed);
    }

    /// The stream was in this state until now, and goes on in another.
    pub(crate) fn settle(&self, state: &StreamState) {
        let now = self.clock.now();
        self.held().hold(state, now);
    }

    /// What AWS would bill until now.
    pub(crate) fn billed(&self, state: &StreamState) -> Billed {
        let now = self.clock.now();
        let mut held = self.held();
        held.hold(state, now);
        let in_kib = self.in_kib.load(Relaxed);
        let retention = u64::from(state.retention_hours);
        let kept = |from: u64, to: u64| {
            held.arrivals.kib_hours(in_kib, hour(now), from, to.min(retention))
        };
        Billed {
            stream_millis: millis(held.since, now),
            shard_millis: held.shard_millis,
            extended_shard_millis: held.extended_shard_millis,
            consumer_shard_millis: held.consumer_shard_millis,
            put_units: self.put_units.load(Relaxed),
            in_kib,
            out_bytes: self.out_bytes.load(Relaxed),
            fan_out_bytes: self.fan_out_bytes.load(Relaxed),
            extended_kib_hours: kept(EXTENDED_FROM_HOURS, LONG_TERM_FROM_HOURS),
            long_term_kib_hours: kept(LONG_TERM_FROM_HOURS, u64::MAX),
        }
    }

    /// Begins anew.
    pub(crate) fn clear(&self) {
        let now = self.clock.now();
        let mut held = self.held();
        *held = Held::since(now);
        self.offered.clear();
        for counter in [&self.put_units, &self.in_kib, &self.out_bytes, &self.fan_out_bytes] {
            counter.store(0, Relaxed);
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics while it holds them")
    }
}

impl Held {
    fn since(now: Time) -> Self {
        Self {
            since: now,
            until: now,
            shard_millis: 0,
            extended_shard_millis: 0,
            consumer_shard_millis: 0,
            arrivals: Arrivals::since(hour(now)),
        }
    }

    fn hold(&mut self, state: &StreamState, now: Time) {
        let length = millis(self.until, now);
        self.until = self.until.max(now);
        let shards = state.open_shards().count() as u64;
        let shard_millis = shards.saturating_mul(length);
        self.shard_millis += shard_millis;
        if u64::from(state.retention_hours) > EXTENDED_FROM_HOURS {
            self.extended_shard_millis += shard_millis;
        }
        let consumers = state.consumers.len() as u64;
        self.consumer_shard_millis += consumers.saturating_mul(shard_millis);
    }
}

/// The stream as it is seen now, if it is metered.
pub(crate) fn observe(stream: &Stream, is_gone: bool) -> Option<Observed> {
    let meters = stream.meters()?;
    let state = stream.state();
    let of_shard = |shard: &ShardState| {
        let peaks = stream.shard(shard.id)?.quota().peaks();
        let was_asked = peaks != ShardPeaks::default();
        was_asked.then(|| ObservedShard {
            id: shard.id,
            width_ppb: shard.range.parts_per_billion(),
            is_open: shard.is_open(),
            peaks,
        })
    };
    let mut shards: Vec<_> = state.shards.values().filter_map(of_shard).collect();
    shards.sort_by_key(|shard| {
        (std::cmp::Reverse((shard.peaks.writes.bytes, shard.peaks.writes.records)), shard.id)
    });
    shards.truncate(SHARDS_MAX);
    Some(Observed {
        arn: state.arn.clone(),
        is_gone,
        mode: state.mode(),
        open_shards: u32::try_from(state.open_shards().count()).unwrap_or(u32::MAX),
        offered: meters.offered.peak(),
        shards,
        billed: meters.billed(state),
    })
}

fn hour(at: Time) -> u64 {
    at.seconds() / 3600
}

fn millis(from: Time, to: Time) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
