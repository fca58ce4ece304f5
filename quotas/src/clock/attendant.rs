//! Whoever acts when it is time: a move of the clock waits until all of them have done so.

use std::{
    fmt,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use super::{Clock, Time};

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
        let seat = Arc::new(Seat { id, name, acts_on_others, place: Mutex::new(place) });
        clock.0.moves.seats().insert(id, Arc::clone(&seat));
        Self { clock: clock.clone(), seat }
    }

    /// Waits until service time has reached `at`; within [`rest`](Self::rest).
    pub async fn sleep_until(&self, at: Time) {
        self.clock.sleep_in(at, Some(Arc::clone(&self.seat)), None).await;
    }

    /// Rests until the next of the times that lie `every` apart, the last of which was `due`; it is
    /// `due` afterwards. A move of the clock may pass over rounds before `idle_until`, if there is
    /// nothing to do in them unless somebody has [acted](Self::acted); but not over the last in its
    /// way.
    pub async fn next_round(&self, due: &mut Time, every: Duration, idle_until: Option<Time>) {
        let next = *due + every;
        let rounds = idle_until.map(|idle_until| (every, idle_until));
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

    /// Says that what it did may give others something to do who had nothing.
    pub fn acted(&self) {
        if self.clock.0.moves.is_under_way() {
            let now = self.clock.now();
            self.clock.sleepers().act(now);
        }
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
