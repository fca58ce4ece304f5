//! The one clock: service time that can be moved but never goes back, and the wall time beside it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicI64, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::{Duration, SystemTime},
};

mod attendant;
mod moves;
mod sleep;
mod time;

pub use attendant::{Attendant, Idle, Look};
pub use moves::MoveError;
pub use time::Time;

use moves::Moves;
use sleep::{Sleepers, Turned};
use time::nanos;

/// How far the wall clock may be behind service time before service time stops waiting for it.
///
/// Within it (a leap second, a small correction, a floor a moment ahead) time stands still until
/// the wall has caught up. Beyond it standing still would stop every deadline and refill for as
/// long, so time goes on from where it is, ahead of the wall.
const LAG_MAX: Duration = Duration::from_secs(2);

const NANOS_PER_MILLI: u64 = 1_000_000;

/// Marks a time as one at which the clock stands.
const STANDS: u64 = 1 << 63;

/// A shared clock; clones tell the same time.
///
/// *Service time* ([`now`](Self::now)) is what the service lives by: arrival, retention, expiry,
/// quotas. It never goes back, within the process or (by [`not_before`](Self::not_before)) over a
/// restart. It can be stopped, and it can be moved forward: at one go by
/// [`advance`](Self::advance), or by [`step_to`](Self::step_to) past everything that becomes due
/// on the way. *Wall time* ([`wall`](Self::wall)) is what the rest of the world agrees on:
/// signatures, the `Date` header, TLS, logs. Stopping or moving a clock leaves the wall of a system
/// clock alone, so it breaks no client.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall: Wall,
    /// Service time less wall time, in nanoseconds; holds while time passes.
    ahead: AtomicI64,
    /// The latest service time told or promised, in nanoseconds; with `STANDS` if it is the time
    /// until somebody moves it. In one word, so that nobody tells a later time once it stands.
    told: AtomicU64,
    // Held to register and wake sleepers, and by whoever stops, moves or starts time.
    sleepers: Mutex<Sleepers>,
    moves: Moves,
}

/// Where wall time comes from.
enum Wall {
    System,
    /// Nanoseconds since the epoch, moved by hand.
    Manual(AtomicU64),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Wall::System, 0)
    }

    /// The machine's clock, whose service time stands at `at`, or where it is.
    #[must_use]
    pub fn system_paused(at: Option<Time>) -> Self {
        let clock = Self::system();
        let at = at.unwrap_or_else(|| clock.now());
        clock.0.moves.set_paused(true);
        clock.0.told.store(whole_millis(word(at)) | STANDS, Release);
        clock
    }

    /// A clock that stands at `start` until it is moved. No real time passes in it, sleeping
    /// included.
    #[must_use]
    pub fn manual(start: Time) -> Self {
        let start = word(start);
        let clock = Self::new(Wall::Manual(AtomicU64::new(start)), start | STANDS);
        clock.0.moves.set_paused(true);
        clock
    }

    fn new(wall: Wall, told: u64) -> Self {
        Self(Arc::new(Inner {
            wall,
            ahead: AtomicI64::new(0),
            told: AtomicU64::new(told),
            sleepers: Mutex::default(),
            moves: Moves::default(),
        }))
    }

    /// Service time. Lock-free; no caller ever sees less than another has already seen.
    #[must_use]
    pub fn now(&self) -> Time {
        let mut told = self.0.told.load(Acquire);
        loop {
            if told & STANDS != 0 {
                return Time::from_nanos(told & !STANDS);
            }
            let (_, reading) = self.reading();
            if reading <= told {
                if told - reading <= nanos(self.0.wall.lag_max()) {
                    return Time::from_nanos(told);
                }
                self.go_on();
                told = self.0.told.load(Acquire);
            } else if let Err(other) =
                self.0.told.compare_exchange_weak(told, reading, AcqRel, Acquire)
            {
                told = other;
            } else {
                return Time::from_nanos(reading);
            }
        }
    }

    /// Wall time, whatever service time has been moved to. May go back when the machine's clock is
    /// set. A manual clock's wall is its start and its moves.
    #[must_use]
    pub fn wall(&self) -> Time {
        self.0.wall.now()
    }

    /// Whether time stands until somebody moves it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.0.moves.is_paused()
    }

    /// Whether time stands; during a move it does so in any case.
    fn is_standing(&self) -> bool {
        self.0.told.load(Acquire) & STANDS != 0
    }

    /// Moves service time forward at one go and wakes whoever is due, in order. All of them see the
    /// time after the move; [`step_to`](Self::step_to) stops at each due time.
    pub fn advance(&self, by: Duration) {
        let mut sleepers = self.sleepers();
        let stood = self.is_standing();
        let (now, turned) = self.stop(&mut sleepers);
        self.stand_at(now + by);
        let again = if stood { Turned::default() } else { self.run(&mut sleepers) };
        drop(sleepers);
        turned.wake();
        again.wake();
        self.wake_due();
    }

    /// Makes sure that service time is at least `floor`: the latest time that an earlier process
    /// told. Time goes on from there when the floor is far ahead of the wall; where it stands, it
    /// does so at a whole millisecond.
    pub fn not_before(&self, floor: Time) {
        let floor = word(floor);
        let _ = self.0.told.fetch_update(AcqRel, Acquire, |told| {
            let (at, stands) = (told & !STANDS, told & STANDS);
            let floor = if stands == 0 { floor } else { whole_millis(floor) };
            Some(at.max(floor) | stands)
        });
        self.wake_due();
    }

    /// What service time would be by the wall alone, and how far it is ahead of that.
    fn reading(&self) -> (i64, u64) {
        let ahead = self.0.ahead.load(Relaxed);
        (ahead, word(Time::from_nanos(self.0.wall.now().nanos().saturating_add_signed(ahead))))
    }

    /// Sets service time ahead of a wall that lags too far behind what has been told already.
    #[cold]
    fn go_on(&self) {
        // Read again: the first reading may only have been old, in a thread held up since.
        let (ahead, reading) = self.reading();
        let told = self.0.told.load(Acquire);
        let lag = told.saturating_sub(reading);
        if told & STANDS != 0 || lag <= nanos(self.0.wall.lag_max()) {
            return;
        }
        let further = ahead.saturating_add_unsigned(lag);
        // Only one thread of many that see the same lag makes it good; the rest look again.
        let _ = self.0.ahead.compare_exchange(ahead, further, Relaxed, Relaxed);
    }

    /// From now on time stands, at a whole millisecond, so that it is told in full wherever it is
    /// told. Sleepers learn that no timer will wake them.
    fn stop(&self, sleepers: &mut Sleepers) -> (Time, Turned) {
        loop {
            let now = self.now();
            let told = self.0.told.load(Acquire);
            if told & STANDS != 0 {
                return (now, Turned::default());
            }
            // A word that was never told before: whoever holds an older one must not take this
            // stop and the start after it for nothing.
            let at = match self.0.wall {
                Wall::System => whole_millis(word(now).max(told + 1)),
                Wall::Manual(_) => word(now),
            };
            let stopped = self.0.told.compare_exchange(told, at | STANDS, AcqRel, Acquire);
            if stopped.is_ok() {
                return (Time::from_nanos(at), sleepers.turn());
            }
        }
    }

    /// Sets time that stands to `at`, which is not earlier.
    fn stand_at(&self, at: Time) {
        let before = self.now();
        if let Wall::Manual(wall) = &self.0.wall {
            let further = word(at).saturating_sub(before.nanos());
            let _ = wall.fetch_update(Relaxed, Relaxed, |wall| Some(wall.saturating_add(further)));
        }
        let _ = self
            .0
            .told
            .fetch_update(AcqRel, Acquire, |told| Some((told & !STANDS).max(word(at)) | STANDS));
    }

    /// Lets time that stands pass from where it is.
    fn run(&self, sleepers: &mut Sleepers) -> Turned {
        let (told, wall) = (self.now().nanos(), self.0.wall.now().nanos());
        self.0.ahead.store(told.cast_signed().saturating_sub_unsigned(wall), Relaxed);
        self.0.told.fetch_and(!STANDS, Release);
        sleepers.turn()
    }

    fn sleepers(&self) -> MutexGuard<'_, Sleepers> {
        // The list is whole between any two statements, so a panic elsewhere spoils nothing.
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

    /// Whether it goes on by itself.
    fn passes(&self) -> bool {
        matches!(self, Self::System)
    }

    fn lag_max(&self) -> Duration {
        match self {
            Self::System => LAG_MAX,
            // Nothing catches up by itself here: an advance after a floor must count in full.
            Self::Manual(_) => Duration::ZERO,
        }
    }
}

/// A time as it is told: in 63 bits, to the year 2262.
fn word(time: Time) -> u64 {
    time.nanos().min(!STANDS)
}

/// The time, or the next that is a whole number of milliseconds; the last that can be told, where
/// there is none.
fn whole_millis(nanos: u64) -> u64 {
    nanos.next_multiple_of(NANOS_PER_MILLI).min(!STANDS / NANOS_PER_MILLI * NANOS_PER_MILLI)
}

#[cfg(test)]
mod tests;
