//! Where metrics are: by account and region, by name, by minute; within a bound.

use std::{
    collections::{BTreeMap, VecDeque},
    mem::size_of,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millpond_api::types::Timestamp;
use millpond_shards::stream::Namespace;

/// How long a minute is kept: as long as ListMetrics' `RecentlyActive` looks back.
const KEPT_MINUTES: i64 = 3 * 60;

/// Bytes that all metrics may take. Beyond them the oldest minutes go, and when the last hour alone
/// is too much, the metrics that nobody has put to for longest.
const BYTES_MAX: usize = 32 << 20;
const SURE_MINUTES: i64 = 60;

/// Minutes that go at once, as all metrics are gone through for it.
const STEP_MINUTES: i64 = 10;

const MINUTE_MILLIS: i64 = 60_000;

/// Whose metric it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric {
    /// Such as `AWS/Kinesis`, or the name of a KCL application.
    pub namespace: String,
    /// Such as `IncomingRecords`.
    pub name: String,
    /// Names and values, in their order.
    pub dimensions: Vec<(String, String)>,
}

impl Metric {
    /// About what it takes in memory, without its minutes.
    pub(super) fn bytes(&self) -> usize {
        let dimensions = self.dimensions.iter();
        let texts = dimensions
            .map(|(name, value)| size_of::<(String, String)>() + name.len() + value.len());
        256 + self.namespace.len() + self.name.len() + texts.sum::<usize>()
    }
}

/// What values come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many there are.
    pub count: f64,
    /// All of them together.
    pub sum: f64,
    /// The least of them.
    pub min: f64,
    /// The greatest of them.
    pub max: f64,
}

impl Statistics {
    /// Those of one value, `count` times.
    #[must_use]
    pub fn of(value: f64, count: f64) -> Self {
        Self { count, sum: value * count, min: value, max: value }
    }

    /// Those of these values and others.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// A minute of a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// When it began.
    pub start: Timestamp,
    /// The unit of its values; one minute may have several.
    pub unit: &'static str,
    /// Its values.
    pub statistics: Statistics,
}

/// All metrics.
#[derive(Debug, Default)]
pub struct MetricStore(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    owners: BTreeMap<Namespace, BTreeMap<Arc<Metric>, Series>>,
    bytes: usize,
    puts: u64,
    // What is older than this minute has been given up.
    horizon: i64,
}

#[derive(Debug, Default)]
struct Series {
    // In order of time, then unit.
    minutes: VecDeque<Minute>,
    last_put: u64,
}

impl MetricStore {
    /// Adds values of one moment to a metric. What is too old to be kept is left out.
    pub fn put(
        &self,
        owner: &Namespace,
        metric: Metric,
        unit: &'static str,
        at: Timestamp,
        statistics: Statistics,
        now: Timestamp,
    ) {
        let start = Timestamp::from_millis(at.millis().div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS);
        let minute = Minute { start, unit, statistics };
        let mut inner = self.inner(now);
        if start.millis() / MINUTE_MILLIS >= inner.horizon {
            inner.put(owner, metric, minute);
        }
        inner.make_room(now.millis() / MINUTE_MILLIS - SURE_MINUTES);
    }

    /// Forgets every metric.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Inner::default();
    }

    /// The metrics of an account in a region, in order.
    #[must_use]
    pub fn metrics(&self, owner: &Namespace, now: Timestamp) -> Vec<Arc<Metric>> {
        let inner = self.inner(now);
        let metrics = inner.owners.get(owner).into_iter().flat_map(BTreeMap::keys);
        metrics.map(Arc::clone).collect()
    }

    /// The minutes of a metric, in order.
    #[must_use]
    pub fn minutes(&self, owner: &Namespace, metric: &Metric, now: Timestamp) -> Vec<Minute> {
        let inner = self.inner(now);
        let series = inner.owners.get(owner).and_then(|metrics| metrics.get(metric));
        series.map(|series| series.minutes.iter().copied().collect()).unwrap_or_default()
    }

    /// What is there, without what is too old.
    fn inner(&self, now: Timestamp) -> MutexGuard<'_, Inner> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget_before(now.millis() / MINUTE_MILLIS - KEPT_MINUTES);
        inner
    }
}

impl Inner {
    fn put(&mut self, owner: &Namespace, metric: Metric, minute: Minute) {
        self.puts += 1;
        let metrics = self.owners.entry(owner.clone()).or_default();
        let series = metrics.entry(Arc::new(metric)).or_insert_with_key(|metric| {
            self.bytes += metric.bytes();
            Series::default()
        });
        series.last_put = self.puts;
        let key = (minute.start, minute.unit);
        match series.minutes.binary_search_by_key(&key, |minute| (minute.start, minute.unit)) {
            Ok(at) => {
                if let Some(kept) = series.minutes.get_mut(at) {
                    kept.statistics = kept.statistics.and(minute.statistics);
                }
            }
            Err(at) => {
                series.minutes.insert(at, minute);
                self.bytes += size_of::<Minute>();
            }
        }
    }

    /// Gives up the minutes before this one, once for each minute that passes.
    fn forget_before(&mut self, horizon: i64) {
        if horizon <= self.horizon {
            return;
        }
        self.horizon = horizon;
        let horizon = Timestamp::from_millis(horizon * MINUTE_MILLIS);
        self.retain(|series| {
            let expired = series.minutes.partition_point(|minute| minute.start < horizon);
            series.minutes.drain(..expired);
            !series.minutes.is_empty()
        });
    }

    /// Keeps within the bound, if that is possible with the minutes before `sure` only.
    fn make_room(&mut self, sure: i64) {
        while self.bytes > BYTES_MAX && self.horizon < sure {
            self.forget_before((self.horizon + STEP_MINUTES).min(sure));
        }
        while self.bytes > BYTES_MAX {
            self.forget_silent();
        }
    }

    /// Gives up the tenth of all metrics that was put to least recently.
    fn forget_silent(&mut self) {
        let all = self.owners.values().flat_map(BTreeMap::values);
        let mut puts: Vec<_> = all.map(|series| series.last_put).collect();
        let tenth = puts.len() / 10;
        let (_, &mut oldest_kept, _) = puts.select_nth_unstable(tenth);
        // At least the very oldest goes.
        self.retain(|series| series.last_put > oldest_kept);
    }

    fn retain(&mut self, mut is_kept: impl FnMut(&mut Series) -> bool) {
        let bytes = &mut self.bytes;
        *bytes = 0;
        self.owners.retain(|_, metrics| {
            metrics.retain(|metric, series| {
                let is_kept = is_kept(series);
                if is_kept {
                    *bytes += metric.bytes();
                    *bytes += series.minutes.len() * size_of::<Minute>();
                }
                is_kept
            });
            !metrics.is_empty()
        });
    }
}
