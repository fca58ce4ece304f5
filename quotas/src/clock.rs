//! The one clock: service time that can be moved but never goes back, and the wall time beside it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use tokio::sync::oneshot;

mod time;

pub use time::Time;
use time::nanos;

/// How far the wall clock may be behind service time before service time stops waiting for it.
///
/// Within it (a leap second, a small correction, a floor a moment ahead) time stands still until
/// the wall has caught up. Beyond it standing still would stop every deadline and refill for as
/// long, so time goes on from where it is, ahead of the wall.
const LAG_MAX: Duration = Duration::from_secs(2);

/// The longest uninterrupted wait on the runtime's timer. The monotonic clock that drives it
/// stands still while a machine is suspended, so a longer sleep would end late by the suspension.
const TIMER_MAX: Duration = Duration::from_mins(1);

/// A shared clock; clones tell the same time.
///
/// *Service time* ([`now`](Self::now)) is what the service lives by: arrival, retention, expiry,
/// quotas. It never goes back, within the process or (by [`not_before`](Self::not_before)) over a
/// restart, and it can be moved forward. *Wall time* ([`wall`](Self::wall)) is what the rest of the
/// world agrees on: signatures, the `Date` header, TLS, logs. Moving a clock leaves the wall of a
/// system clock alone, so it breaks no client.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall: Wall,
    /// Service time less wall time, in nanoseconds; only ever grows.
    ahead: AtomicU64,
    /// The latest service time told or promised, in nanoseconds.
    latest: AtomicU64,
    sleepers: Mutex<Sleepers>,
}

/// Where wall time comes from.
enum Wall {
    System,
    /// Nanoseconds since the epoch, moved by hand.
    Manual(AtomicU64),
}

/// Who sleeps, by due time and then by who came first.
#[derive(Default)]
struct Sleepers {
    arrivals: u64,
    waiting: BTreeMap<SleeperKey, oneshot::Sender<()>>,
}

type SleeperKey = (Time, u64);

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Wall::System)
    }

    /// A clock that stands at `start` until it is advanced. No real time passes in it, sleeping
    /// included.
    #[must_use]
    pub fn manual(start: Time) -> Self {
        Self::new(Wall::Manual(AtomicU64::new(start.nanos())))
    }

    fn new(wall: Wall) -> Self {
        Self(Arc::new(Inner {
            wall,
            ahead: AtomicU64::new(0),
            latest: AtomicU64::new(0),
            sleepers: Mutex::default(),
        }))
    }

    /// Service time. Lock-free; no caller ever sees less than another has already seen.
    #[must_use]
    pub fn now(&self) -> Time {
        // Relaxed throughout: each value is a number by itself and publishes nothing else.
        let reading = self.reading();
        let latest = self.told(reading);
        if latest.saturating_duration_since(reading) <= self.0.wall.lag_max() {
            latest
        } else {
            self.go_on_from(latest)
        }
    }

    /// Wall time, whatever service time has been moved to. May go back when the machine's clock is
    /// set. A manual clock's wall is its start and its advances.
    #[must_use]
    pub fn wall(&self) -> Time {
        self.0.wall.now()
    }

    /// Waits until service time has reached `at`. Sleepers of one move wake in the order of their
    /// due times, and of their arrival when those are equal. Dropping the future forgets it.
    pub async fn sleep_until(&self, at: Time) {
        let Some(mut sleeper) = Sleeper::register(self, at) else { return };
        match self.0.wall {
            Wall::Manual(_) => sleeper.woken().await,
            Wall::System => loop {
                let left = at.saturating_duration_since(self.now());
                let nap = left.min(TIMER_MAX);
                if left.is_zero() || tokio::time::timeout(nap, sleeper.woken()).await.is_ok() {
                    return;
                }
            },
        }
    }

    /// Waits until `length` of service time has passed.
    pub async fn sleep(&self, length: Duration) {
        self.sleep_until(self.now() + length).await;
    }

    /// Moves service time forward and wakes whoever is due, in order. All of them see the time
    /// after the move; to stop at each due time, advance to [`next_due`](Self::next_due) in turn.
    pub fn advance(&self, by: Duration) {
        let moved = match &self.0.wall {
            Wall::System => &self.0.ahead,
            Wall::Manual(wall) => wall,
        };
        add(moved, by);
        self.wake_due();
    }

    /// Makes sure that service time is at least `floor`: the latest time that an earlier process
    /// told. Time goes on from there when the floor is far ahead of the wall.
    pub fn not_before(&self, floor: Time) {
        self.0.latest.fetch_max(floor.nanos(), Relaxed);
        self.wake_due();
    }

    /// When the next sleeper is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.sleepers().waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// What service time would be by the wall alone.
    fn reading(&self) -> Time {
        self.0.wall.now() + Duration::from_nanos(self.0.ahead.load(Relaxed))
    }

    /// Remembers `reading` as told unless a later time has been: returns the later of them.
    fn told(&self, reading: Time) -> Time {
        let latest = self.0.latest.fetch_max(reading.nanos(), Relaxed);
        reading.max(Time::from_nanos(latest))
    }

    /// Sets service time ahead of a wall that lags too far behind what has been told already.
    #[cold]
    fn go_on_from(&self, mut latest: Time) -> Time {
        loop {
            let ahead = self.0.ahead.load(Relaxed);
            // Read again: the first reading may only have been old, in a thread held up since.
            let reading = self.0.wall.now() + Duration::from_nanos(ahead);
            latest = latest.max(self.told(reading));
            let lag = latest.saturating_duration_since(reading);
            if lag <= self.0.wall.lag_max() {
                return latest;
            }
            let further = ahead.saturating_add(nanos(lag));
            // Only one thread of many that see the same lag makes it good; the rest look again.
            let _ = self.0.ahead.compare_exchange(ahead, further, Relaxed, Relaxed);
        }
    }

    fn wake_due(&self) {
        let now = self.now();
        let mut due = Vec::new();
        let mut sleepers = self.sleepers();
        while let Some(first) = sleepers.waiting.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        drop(sleepers);
        for sleeper in due {
            // A sleeper that went away in the meantime needs no waking.
            let _ = sleeper.send(());
        }
    }

    fn sleepers(&self) -> std::sync::MutexGuard<'_, Sleepers> {
        // The map is whole between any two statements, so a panic elsewhere spoils nothing.
        self.0.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0.wall {
            Wall::System => "system",
            Wall::Manual(_) => "manual",
        };
        f.debug_struct("Clock").field("kind", &kind).field("now", &self.now()).finish()
    }
}

impl Wall {
    fn now(&self) -> Time {
        match self {
            Self::System => {
                #[expect(clippy::disallowed_methods, reason = "this is the home of wall time")]
                let now = SystemTime::now();
                now.duration_since(SystemTime::UNIX_EPOCH)
                    .map_or(Time::EPOCH, |since| Time::EPOCH + since)
            }
            Self::Manual(nanos) => Time::from_nanos(nanos.load(Relaxed)),
        }
    }

    fn lag_max(&self) -> Duration {
        match self {
            Self::System => LAG_MAX,
            // Nothing catches up by itself here: an advance after a floor must count in full.
            Self::Manual(_) => Duration::ZERO,
        }
    }
}

/// A place in the list of sleepers, given up when dropped.
struct Sleeper<'a> {
    clock: &'a Clock,
    key: SleeperKey,
    wake: oneshot::Receiver<()>,
}

impl<'a> Sleeper<'a> {
    /// `None` when `due` has passed. Looked at under the lock that a move takes after moving, so
    /// that no move falls between looking and waiting.
    fn register(clock: &'a Clock, due: Time) -> Option<Self> {
        let mut sleepers = clock.sleepers();
        if clock.now() >= due {
            return None;
        }
        let (sender, wake) = oneshot::channel();
        sleepers.arrivals += 1;
        let key = (due, sleepers.arrivals);
        sleepers.waiting.insert(key, sender);
        Some(Self { clock, key, wake })
    }

    async fn woken(&mut self) {
        // The sender is dropped unsent only together with this value.
        let _ = (&mut self.wake).await;
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.sleepers().waiting.remove(&self.key);
    }
}

fn add(to: &AtomicU64, length: Duration) {
    let length = nanos(length);
    let _ = to.fetch_update(Relaxed, Relaxed, |value| Some(value.saturating_add(length)));
}

#[cfg(test)]
mod tests;
