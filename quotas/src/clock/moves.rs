//! Moves in steps: everything that becomes due on the way happens at its own time, in order, and is
//! done before the move is.

use std::{
    collections::BTreeMap,
    fmt,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{MutexGuard as Turn, Notify},
    time::{Instant, timeout_at},
};

use super::{
    Clock, Time,
    attendant::{Seat, Waits},
    sleep::{Call, Turned},
};

/// How long a step waits for those who are at work.
const STEP_MAX: Duration = Duration::from_secs(10);

/// How long a whole move may take, in real time. Less than the minute after which clients commonly
/// give up an answer.
const MOVE_MAX: Duration = Duration::from_secs(50);

/// How long a step waits for who may come back or not.
const AWAY_MAX: Duration = Duration::from_millis(20);

/// One move at a time, and those that it waits for.
#[derive(Default)]
pub(super) struct Moves {
    turn: tokio::sync::Mutex<()>,
    is_under_way: AtomicBool,
    is_paused: AtomicBool,
    // Held to come, to go, and to be looked through by a move.
    seats: Mutex<BTreeMap<u64, Arc<Seat>>>,
    rests: Notify,
}

/// Why a clock is not where it was to be moved to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveError {
    /// It is later already; nothing was moved.
    Backwards {
        /// Service time.
        now: Time,
    },
    /// Time ends before; nothing was moved.
    BeyondEnd,
    /// Somebody has not done what was due in time. The clock is where that became due.
    AtWork {
        /// Who.
        who: &'static str,
        /// Service time.
        now: Time,
    },
    /// Somebody could not do what was due, and will try again. The clock is where it was to go.
    NotDone {
        /// Who.
        who: &'static str,
        /// Service time.
        now: Time,
    },
    /// There is too much on the way. The clock is where it came to in time.
    TooLong {
        /// Service time.
        now: Time,
    },
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backwards { now } => {
                write!(f, "time does not go back: it is {} already", Seconds(*now))
            }
            Self::BeyondEnd => write!(f, "time ends at {}", Seconds(Clock::END)),
            Self::AtWork { who, now } => write!(
                f,
                "{who} did not do what was due within {} s: the clock is at {}, move it on from \
                 there",
                STEP_MAX.as_secs(),
                Seconds(*now)
            ),
            Self::NotDone { who, now } => write!(
                f,
                "{who} could not do what was due and will try again, the log says why: the clock \
                 is at {}, where it was to go",
                Seconds(*now)
            ),
            Self::TooLong { now } => write!(
                f,
                "there is more on the way than is done within {} s: the clock is at {}, move it \
                 on from there",
                MOVE_MAX.as_secs(),
                Seconds(*now)
            ),
        }
    }
}

impl std::error::Error for MoveError {}

struct Seconds(Time);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s since the epoch", self.0.seconds(), self.0.millis() % 1000)
    }
}

impl Moves {
    pub(super) fn seats(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Seat>>> {
        // The map is whole between any two statements, so a panic elsewhere spoils nothing.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.load(Relaxed)
    }

    pub(super) fn set_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Relaxed);
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.is_under_way.load(Relaxed)
    }

    /// Tells a move, if one is under way, that it may have waited for long enough. A move looks at
    /// a seat after it has said that it is under way, and under the lock of that seat: who came to
    /// rest later knows of the move.
    pub(super) fn someone_rests(&self) {
        if self.is_under_way() {
            self.rests.notify_waiters();
        }
    }
}

impl Clock {
    /// The latest time that a clock is moved to, 2200-01-01T00:00:00Z: far from where numbers end.
    pub const END: Time = Time::from_seconds(7_258_118_400);

    /// Stops time where it is, once moves that are under way are done. No timer wakes anybody then.
    pub async fn pause(&self) -> Time {
        let _turn = self.0.moves.turn.lock().await;
        self.0.moves.set_paused(true);
        let (now, turned) = self.stop(&mut self.sleepers());
        turned.wake();
        now
    }

    /// Lets time pass again, from where it stands.
    pub async fn resume(&self) -> Time {
        let _turn = self.0.moves.turn.lock().await;
        let mut sleepers = self.sleepers();
        let now = self.now();
        self.0.moves.set_paused(false);
        let turned = if self.is_standing() { self.run(&mut sleepers) } else { Turned::default() };
        drop(sleepers);
        turned.wake();
        now
    }

    /// Moves service time forward to `at`. Sleepers wake one after another, each at its due time,
    /// and attendants have done what they do before time goes on, and before this answers. Time
    /// stands in between: it goes on from `at`, if it was not stopped. One move waits for another.
    ///
    /// # Errors
    /// Where the clock is, and why it isn't there, or what couldn't be done on the way. Nothing
    /// that was due before is left undone, but for `AtWork` and `NotDone`.
    pub async fn step_to(&self, at: Time) -> Result<Time, MoveError> {
        let mut steps = Steps::begin(self).await;
        steps.run(at).await.map(|()| self.now())
    }

    /// The same by a length of time from when the move begins.
    ///
    /// # Errors
    /// Those of `step_to`.
    pub async fn step_by(&self, by: Duration) -> Result<Time, MoveError> {
        let mut steps = Steps::begin(self).await;
        steps.run(self.now() + by).await.map(|()| self.now())
    }
}

/// A move under way. Dropped, time passes again unless it stood before.
struct Steps<'a> {
    clock: &'a Clock,
    until: Instant,
    _turn: Turn<'a, ()>,
}

impl<'a> Steps<'a> {
    async fn begin(clock: &'a Clock) -> Self {
        let turn = clock.0.moves.turn.lock().await;
        let until = Instant::now() + MOVE_MAX;
        let mut sleepers = clock.sleepers();
        let (_, turned) = clock.stop(&mut sleepers);
        sleepers.set_stepping(true);
        drop(sleepers);
        clock.0.moves.is_under_way.store(true, Relaxed);
        turned.wake();
        Self { clock, until, _turn: turn }
    }

    async fn run(&mut self, end: Time) -> Result<(), MoveError> {
        let now = self.clock.now();
        if end < now {
            return Err(MoveError::Backwards { now });
        }
        if end > Clock::END {
            return Err(MoveError::BeyondEnd);
        }
        self.all_have_looked().await?;
        while let Some(call) = self.step(end) {
            let seat = call.seat.clone();
            call.wake();
            match seat {
                Some(seat) if seat.acts_on_others => self.all_have_looked().await?,
                Some(seat) => drop(self.rests(&seat, Instant::now()).await?),
                // Somebody whom nobody waits for.
                None => {}
            }
            if Instant::now() >= self.until {
                return Err(MoveError::TooLong { now: self.clock.now() });
            }
        }
        self.clock.stand_at(end);
        match self.seats().into_iter().find(|seat| seat.is_owing()) {
            Some(seat) => Err(MoveError::NotDone { who: seat.name(), now: self.clock.now() }),
            None => Ok(()),
        }
    }

    /// Goes on to the next due time up to `end`, and finds the one to be woken then, if there is
    /// one.
    fn step(&self, end: Time) -> Option<Call> {
        let mut sleepers = self.clock.sleepers();
        sleepers.pass_over(end);
        let (due, call) = sleepers.take_due(end)?;
        self.clock.stand_at(due);
        Some(call)
    }

    /// Waits until everybody rests who has seen what there is to see by now.
    async fn all_have_looked(&self) -> Result<(), MoveError> {
        // What was done may have woken others whose tasks did not run yet; so did requests before.
        self.all_rest().await?;
        let calls: Vec<_> = self.seats().iter().filter_map(|seat| seat.call()).collect();
        calls.into_iter().for_each(std::task::Waker::wake);
        self.all_rest().await
    }

    async fn all_rest(&self) -> Result<(), MoveError> {
        let since = Instant::now();
        // Those who were looked at may have been given something to do by others since.
        loop {
            let mut waited = false;
            for seat in self.seats() {
                waited |= self.rests(&seat, since).await?;
            }
            if !waited {
                return Ok(());
            }
        }
    }

    /// Waits until one rests; whether that took any time.
    async fn rests(&self, seat: &Seat, since: Instant) -> Result<bool, MoveError> {
        let mut waited = false;
        loop {
            let mut rests = pin!(self.clock.0.moves.rests.notified());
            rests.as_mut().enable();
            let (waits, patience) = match seat.waits() {
                Waits::No => return Ok(waited),
                Waits::Yes => (Waits::Yes, STEP_MAX),
                Waits::Briefly => (Waits::Briefly, AWAY_MAX),
            };
            waited = true;
            // It may be another that rests now.
            if timeout_at(since + patience, rests).await.is_ok() {
                continue;
            }
            if seat.waits() != waits {
                continue;
            }
            if waits == Waits::Briefly {
                seat.miss();
                continue;
            }
            return Err(MoveError::AtWork { who: seat.name(), now: self.clock.now() });
        }
    }

    fn seats(&self) -> Vec<Arc<Seat>> {
        self.clock.0.moves.seats().values().cloned().collect()
    }
}

impl Drop for Steps<'_> {
    fn drop(&mut self) {
        self.clock.0.moves.is_under_way.store(false, Relaxed);
        let mut sleepers = self.clock.sleepers();
        sleepers.set_stepping(false);
        // Where the move was given up, rounds that it would have passed over are ahead again.
        sleepers.act(self.clock.now());
        let turned =
            if self.clock.is_paused() { Turned::default() } else { self.clock.run(&mut sleepers) };
        drop(sleepers);
        turned.wake();
        // Whoever was due but not called, where the move was given up.
        self.clock.wake_due();
    }
}
