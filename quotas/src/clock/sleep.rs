//! Who sleeps, until when, and how they are woken: by the runtime's timer, or by a move.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    Clock, Time,
    attendant::{Idle, Seat},
};

/// The longest uninterrupted wait on the runtime's timer. The monotonic clock that drives it
/// stands still while a machine is suspended, so a longer sleep would end late by the suspension.
const TIMER_MAX: Duration = Duration::from_mins(1);

/// The sleepers of a clock.
#[derive(Default)]
pub(super) struct Sleepers {
    arrivals: u64,
    sleeping: BTreeMap<u64, Sleeping>,
    /// By due time and then by who came first.
    order: BTreeSet<(Time, u64)>,
    /// How often time was stopped or started: whoever looks at a timer must look again then.
    turns: u64,
    /// In steps, a sleeper wakes when it is called and not before.
    is_stepping: bool,
    /// How often something was done that others may have to look at; and moves begin and end.
    acts: u64,
    /// Who was set to a later round, since they had nothing to do.
    passed_over: BTreeSet<u64>,
}

struct Sleeping {
    due: Time,
    waker: Option<Waker>,
    seat: Option<Arc<Seat>>,
    rounds: Option<Rounds>,
}

/// A sleep that comes back every so often, and may have nothing to do for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds {
    pub(super) every: Duration,
    pub(super) idle: Idle,
}

/// Somebody to be woken.
pub(super) struct Call {
    pub(super) waker: Option<Waker>,
    pub(super) seat: Option<Arc<Seat>>,
}

impl Call {
    pub(super) fn wake(self) {
        if let Some(waker) = self.waker {
            waker.wake();
        }
    }
}

/// Those who are to look anew at how time passes, in the order of their due times. To be woken when
/// the sleepers are let go: with a waker a task may go, and the sleepers in it.
#[must_use]
#[derive(Default)]
pub(super) struct Turned(Vec<Waker>);

impl Turned {
    pub(super) fn wake(self) {
        self.0.into_iter().for_each(Waker::wake);
    }
}

impl Sleepers {
    /// Has everybody look anew at how time passes.
    pub(super) fn turn(&mut self) -> Turned {
        self.turns += 1;
        let Self { order, sleeping, .. } = self;
        let waker = |(_, id): &(Time, u64)| sleeping.get_mut(id)?.waker.take();
        Turned(order.iter().filter_map(waker).collect())
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.order.first().map(|(due, _)| *due)
    }

    /// The first of those who are due by `now`, who sleeps no longer.
    pub(super) fn take_due(&mut self, now: Time) -> Option<(Time, Call)> {
        let (due, id) = *self.order.first().filter(|(due, _)| *due <= now)?;
        let Sleeping { waker, seat, .. } = self.remove(id)?;
        if let Some(seat) = &seat {
            seat.call();
        }
        Some((due, Call { waker, seat }))
    }

    fn remove(&mut self, id: u64) -> Option<Sleeping> {
        let sleeping = self.sleeping.remove(&id)?;
        self.order.remove(&(sleeping.due, id));
        self.passed_over.remove(&id);
        Some(sleeping)
    }

    fn set(&mut self, id: u64, due: Time) {
        if let Some(sleeping) = self.sleeping.get_mut(&id) {
            self.order.remove(&(sleeping.due, id));
            sleeping.due = due;
            self.order.insert((due, id));
        }
    }
}

/// What a move in steps needs.
impl Sleepers {
    /// From now on, or no longer, sleepers wake when they are called.
    pub(super) fn set_stepping(&mut self, is_stepping: bool) {
        self.is_stepping = is_stepping;
        // Who said before that there was nothing to do didn't know what came since.
        self.acts += 1;
    }

    pub(super) fn acts(&self) -> u64 {
        self.acts
    }

    /// Somebody has acted at `now`: whoever was passed over has their next round after it.
    pub(super) fn act(&mut self, now: Time) {
        self.acts += 1;
        for id in mem::take(&mut self.passed_over) {
            let Some(Sleeping { due, rounds: Some(rounds), .. }) = self.sleeping.get(&id) else {
                continue;
            };
            let early = due.saturating_duration_since(now).as_nanos();
            // Due a whole number of rounds earlier, but later than now.
            let spare = early.saturating_sub(1) / rounds.every.as_nanos().max(1);
            let sooner = *due - rounds.every.saturating_mul(spare.try_into().unwrap_or(u32::MAX));
            self.set(id, sooner);
        }
    }

    /// Sets those who have nothing to do at the first due time to a later round: the first in which
    /// they have, or the last that is not after `end`.
    pub(super) fn pass_over(&mut self, end: Time) {
        while let Some((due, id)) = self.order.first().copied().filter(|(due, _)| *due <= end) {
            let rounds = self.sleeping.get(&id).and_then(|sleeping| sleeping.rounds);
            let rounds = rounds.filter(|rounds| rounds.idle.acts == self.acts);
            let later = rounds.and_then(|rounds| rounds.later(due, end));
            let Some(later) = later else { return };
            self.set(id, later);
            self.passed_over.insert(id);
        }
    }
}

impl Rounds {
    fn later(self, due: Time, end: Time) -> Option<Time> {
        let every = self.every.as_nanos().max(1);
        let idle = self.idle.until.saturating_duration_since(due).as_nanos().div_ceil(every);
        let whole = end.saturating_duration_since(due).as_nanos() / every;
        let rounds = u32::try_from(idle.min(whole)).unwrap_or(u32::MAX);
        (rounds > 0).then(|| due + self.every.saturating_mul(rounds))
    }
}

impl Clock {
    /// Waits until service time has reached `at`. Sleepers of one move wake in the order of their
    /// due times, and of their arrival when those are equal. Dropping the future forgets it.
    pub async fn sleep_until(&self, at: Time) {
        self.sleep_in(at, None, None).await;
    }

    /// Waits until `length` of service time has passed.
    pub async fn sleep(&self, length: Duration) {
        self.sleep_until(self.now() + length).await;
    }

    /// When the next sleeper is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.sleepers().next_due()
    }

    /// Sleeps in the seat of an attendant, and in rounds if there are any.
    pub(super) async fn sleep_in(&self, at: Time, seat: Option<Arc<Seat>>, rounds: Option<Rounds>) {
        let Some(sleeper) = Sleeper::register(self, at, seat, rounds) else { return };
        loop {
            let (turns, nap) = self.nap(sleeper.id);
            let called = poll_fn(|context| sleeper.poll_called(context, turns));
            let woken = match nap {
                Some(nap) => tokio::time::timeout(nap, called).await.unwrap_or_default(),
                None => called.await,
            };
            if woken {
                return;
            }
        }
    }

    /// How long to wait on the runtime's timer, if it will help, and until which turn that holds.
    fn nap(&self, id: u64) -> (u64, Option<Duration>) {
        let sleepers = self.sleepers();
        let is_passing = self.0.wall.passes() && !self.is_standing();
        // One that was called is told so at once.
        let due = sleepers.sleeping.get(&id).map_or(Time::EPOCH, |sleeping| sleeping.due);
        let left = || due.saturating_duration_since(self.now()).min(TIMER_MAX);
        (sleepers.turns, is_passing.then(left))
    }

    /// Wakes whoever is due, in order.
    pub(super) fn wake_due(&self) {
        let mut calls = Vec::new();
        let mut sleepers = self.sleepers();
        let now = self.now();
        while let Some((_, call)) = sleepers.take_due(now) {
            calls.push(call);
        }
        drop(sleepers);
        calls.into_iter().for_each(Call::wake);
    }
}

/// A place among the sleepers, given up when dropped.
struct Sleeper<'a> {
    clock: &'a Clock,
    id: u64,
}

impl<'a> Sleeper<'a> {
    /// `None` when `due` has passed. Looked at under the lock that a move takes after moving, so
    /// that no move falls between looking and waiting.
    fn register(
        clock: &'a Clock,
        due: Time,
        seat: Option<Arc<Seat>>,
        rounds: Option<Rounds>,
    ) -> Option<Self> {
        let mut sleepers = clock.sleepers();
        if clock.now() >= due {
            return None;
        }
        sleepers.arrivals += 1;
        let id = sleepers.arrivals;
        sleepers.sleeping.insert(id, Sleeping { due, waker: None, seat, rounds });
        sleepers.order.insert((due, id));
        Some(Self { clock, id })
    }

    /// Ready with true when the sleep is over, with false when time was stopped or started.
    fn poll_called(&self, context: &Context<'_>, turns: u64) -> Poll<bool> {
        let mut sleepers = self.clock.sleepers();
        let (is_stepping, is_turned) = (sleepers.is_stepping, sleepers.turns != turns);
        let Some(sleeping) = sleepers.sleeping.get_mut(&self.id) else { return Poll::Ready(true) };
        if !is_stepping && self.clock.now() >= sleeping.due {
            let sleeping = sleepers.remove(self.id);
            drop(sleepers);
            drop(sleeping);
            return Poll::Ready(true);
        }
        if is_turned {
            return Poll::Ready(false);
        }
        let waker = sleeping.waker.replace(context.waker().clone());
        drop(sleepers);
        drop(waker);
        Poll::Pending
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let sleeping = self.clock.sleepers().remove(self.id);
        // Not under the lock: with its waker a task may go, and the sleepers in it.
        drop(sleeping);
    }
}
