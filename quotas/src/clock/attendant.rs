//! Whoever acts when it is time: a move of the clock waits until all of them have done so.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use super::{Clock, Time, sleep::Rounds};

/// Somebody who sleeps by a clock and acts in between, until it is dropped.
///
/// A move in steps goes on from a due time only when every attendant rests again. Who waits for
/// anything else than time, such as storage, does so outside of [`rest`](Self::rest).
pub struct Attendant {
    clock: Clock,
    seat: Arc<Seat>,
}

/// What the mover of a clock sees of an attendant.
pub(super) struct Seat {
    id: u64,
    name: &'static str,
    /// Whether what it does may give others something to do.
    pub(super) acts_on_others: bool,
    /// Whether something that was due is still to be done.
    is_owing: AtomicBool,
    // Held for a moment by the attendant's own task, and by a move.
    place: Mutex<Place>,
}

/// Where an attendant is.
enum Place {
    /// Called, or not at rest yet.
    AtWork,
    /// Until it is called, or something else comes.
    AtRest(Waker),
    /// With somebody who calls it back if they want more, which may be soon or never.
    Away,
    /// Away, and nobody waits for it any more.
    Missed,
}

/// What an attendant begins with that is about to see whether there is anything to do.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    acts: u64,
}

/// That there is nothing to do for a while.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    pub(super) until: Time,
    /// When that was found, in acts.
    pub(super) acts: u64,
}

impl Look {
    /// That nothing was seen that is to be done before `until`. What somebody does since the look
    /// began undoes this.
    #[must_use]
    pub fn idle_until(self, until: Time) -> Idle {
        Idle { until, acts: self.acts }
    }
}

static SEATS: AtomicU64 = AtomicU64::new(0);

impl Clock {
    /// Somebody whose acts may give other attendants something to do. At work from now on.
    #[must_use]
    pub fn attendant(&self, name: &'static str) -> Attendant {
        Attendant::new(self, name, true, Place::AtWork)
    }

    /// Somebody who only tells the outside world what is, when that asks: away until it first
    /// [works](Attendant::work).
    #[must_use]
    pub fn teller(&self, name: &'static str) -> Attendant {
        Attendant::new(self, name, false, Place::Away)
    }
}

impl Attendant {
    fn new(clock: &Clock, name: &'static str, acts_on_others: bool, place: Place) -> Self {
        let id = SEATS.fetch_add(1, Relaxed);
        let (is_owing, place) = (AtomicBool::new(false), Mutex::new(place));
        let seat = Arc::new(Seat { id, name, acts_on_others, is_owing, place });
        clock.0.moves.seats().insert(id, Arc::clone(&seat));
        Self { clock: clock.clone(), seat }
    }

    /// Waits until service time has reached `at`; within [`rest`](Self::rest).
    pub async fn sleep_until(&self, at: Time) {
        self.clock.sleep_in(at, Some(Arc::clone(&self.seat)), None).await;
    }

    /// Waits until `at`, or a number of times `every` after it, to try again what could not be
    /// done; within [`rest`](Self::rest). A move of the clock passes over all but the last on its
    /// way, unless somebody [acts](Self::acted).
    pub async fn sleep_until_retry(&self, at: Time, every: Duration) {
        let rounds = Rounds { every, idle: self.look().idle_until(Clock::END) };
        self.clock.sleep_in(at, Some(Arc::clone(&self.seat)), Some(rounds)).await;
    }

    /// Says whether anything that was due could not be done, and is still to be tried. Where that
    /// is so at its end, a move of the clock tells it.
    pub fn owes(&self, is_owing: bool) {
        self.seat.is_owing.store(is_owing, Relaxed);
    }

    /// To be asked for before it is looked whether there is anything to do.
    #[must_use]
    pub fn look(&self) -> Look {
        Look { acts: self.clock.sleepers().acts() }
    }

    /// Rests until the next of the times that lie `every` apart, the last of which was `due`; it is
    /// `due` afterwards. A move of the clock may pass over rounds in which it is `idle`, unless
    /// somebody has [acted](Self::acted); but not over the last on its way.
    pub async fn next_round(&self, due: &mut Time, every: Duration, idle: Option<Idle>) {
        let next = *due + every;
        let rounds = idle.map(|idle| Rounds { every, idle });
        let sleep = self.clock.sleep_in(next, Some(Arc::clone(&self.seat)), rounds);
        self.rest(sleep).await;
        // After a leap, rounds that were missed are not made up for.
        let now = self.clock.now();
        let missed = now.saturating_duration_since(next).as_nanos() / every.as_nanos().max(1);
        *due = next + every.saturating_mul(missed.try_into().unwrap_or(u32::MAX));
    }

    /// Does something that rests at times, and is away when that has ended: a move of the clock
    /// waits for a moment in case that there is more to do.
    pub async fn work<T>(&self, work: impl Future<Output = T>) -> T {
        let _leave = Leave(self);
        self.seat.go(Place::AtWork);
        work.await
    }

    /// Says that what it did may give others something to do who had nothing; to be called when
    /// they can see it.
    pub fn acted(&self) {
        let mut sleepers = self.clock.sleepers();
        sleepers.act(self.clock.now());
    }

    /// Waits for what is given, which is something that time brings or another's act. At rest
    /// meanwhile.
    pub async fn rest<T>(&self, until: impl Future<Output = T>) -> T {
        // Who rests no longer, for whatever reason, is at work.
        let _back = Back(&self.seat);
        let mut until = pin!(until);
        poll_fn(|context| {
            self.seat.go(Place::AtWork);
            let polled = until.as_mut().poll(context);
            if polled.is_pending() {
                self.seat.go(Place::AtRest(context.waker().clone()));
                self.clock.0.moves.someone_rests();
            }
            polled
        })
        .await
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.clock.0.moves.seats().remove(&self.seat.id);
        self.seat.go(Place::Missed);
        self.clock.0.moves.someone_rests();
    }
}

impl fmt::Debug for Attendant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attendant").field("name", &self.seat.name).finish_non_exhaustive()
    }
}

struct Back<'a>(&'a Seat);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.go(Place::AtWork);
    }
}

struct Leave<'a>(&'a Attendant);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.seat.go(Place::Away);
        self.0.clock.0.moves.someone_rests();
    }
}

/// Whether a move waits for somebody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    No,
    /// For as long as it takes.
    Yes,
    /// For a moment.
    Briefly,
}

impl Seat {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn is_owing(&self) -> bool {
        self.is_owing.load(Relaxed)
    }

    /// It is about to be woken.
    pub(super) fn call(&self) -> Option<Waker> {
        let mut place = self.place();
        match mem::replace(&mut *place, Place::AtWork) {
            Place::AtRest(waker) => Some(waker),
            other => {
                *place = other;
                None
            }
        }
    }

    pub(super) fn waits(&self) -> Waits {
        match &*self.place() {
            Place::AtWork => Waits::Yes,
            Place::Away => Waits::Briefly,
            Place::AtRest(_) | Place::Missed => Waits::No,
        }
    }

    /// Nobody waits any more for who is away.
    pub(super) fn miss(&self) {
        let mut place = self.place();
        if matches!(*place, Place::Away) {
            *place = Place::Missed;
        }
    }

    fn go(&self, to: Place) {
        let before = mem::replace(&mut *self.place(), to);
        // Not under the lock: with its waker a task may go, and the attendant in it.
        drop(before);
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // A place is whole at any time, so a panic elsewhere spoils nothing.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
