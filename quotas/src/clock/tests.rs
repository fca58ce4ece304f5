//! Time goes one way, sleepers wake in order, and nothing here waits for real time.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::mpsc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

use super::*;

mod steps;

const START: Time = Time::from_seconds(1_700_000_000);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// Notes who was woken, in order.
struct Named(u8, mpsc::Sender<u8>);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        self.1.send(self.0).expect("the test still listens");
    }
}

fn poll_as<F: Future>(future: Pin<&mut F>, name: u8, log: &mpsc::Sender<u8>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Named(name, log.clone())));
    future.poll(&mut Context::from_waker(&waker))
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_manual_clock_stands_until_advanced() {
    let clock = Clock::manual(START);
    assert_eq!((clock.now(), clock.wall()), (START, START));
    let clone = clock.clone();
    clone.advance(SECOND);
    assert_eq!((clock.now(), clock.wall()), (START + SECOND, START + SECOND));
}

#[test]
fn sleepers_wake_in_the_order_of_their_due_times_then_of_arrival() {
    let clock = Clock::manual(START);
    let (log, woken) = mpsc::channel();
    let mut third = pin!(clock.sleep(SECOND * 3));
    let mut first = pin!(clock.sleep(SECOND));
    let mut second = pin!(clock.sleep(SECOND));
    let mut later = pin!(clock.sleep(DAY));
    assert!(poll_as(third.as_mut(), 3, &log).is_pending());
    assert!(poll_as(first.as_mut(), 1, &log).is_pending());
    assert!(poll_as(second.as_mut(), 2, &log).is_pending());
    assert!(poll_as(later.as_mut(), 4, &log).is_pending());
    assert_eq!(clock.next_due(), Some(START + SECOND));

    clock.advance(SECOND * 3);

    assert_eq!(woken.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    assert!(poll_as(third, 3, &log).is_ready());
    assert!(poll_as(later.as_mut(), 4, &log).is_pending());
    assert_eq!(clock.next_due(), Some(START + DAY));
}

#[test]
fn a_sleep_lasts_to_the_nanosecond_and_not_at_all_when_due() {
    let clock = Clock::manual(START);
    let mut sleep = pin!(clock.sleep(SECOND));
    assert!(poll_once(sleep.as_mut()).is_pending());
    clock.advance(Duration::from_nanos(999_999_999));
    assert!(poll_once(sleep.as_mut()).is_pending());
    clock.advance(Duration::from_nanos(1));
    assert!(poll_once(sleep).is_ready());
    assert!(poll_once(pin!(clock.sleep_until(START))).is_ready());
    assert!(poll_once(pin!(clock.sleep(Duration::ZERO))).is_ready());
}

#[test]
fn a_dropped_sleep_is_forgotten() {
    let clock = Clock::manual(START);
    {
        let mut sleep = pin!(clock.sleep(SECOND));
        assert!(poll_once(sleep.as_mut()).is_pending());
        assert!(clock.next_due().is_some());
    }
    assert_eq!(clock.next_due(), None);
}

#[test]
fn a_floor_raises_time_for_good_and_wakes_the_due() {
    for floor in [START + SECOND, START + DAY] {
        let clock = Clock::manual(START);
        let mut sleep = pin!(clock.sleep_until(floor));
        assert!(poll_once(sleep.as_mut()).is_pending());
        clock.not_before(START - SECOND);
        assert_eq!(clock.now(), START, "a floor in the past changes nothing");
        clock.not_before(floor);
        assert_eq!(clock.now(), floor);
        assert!(poll_once(sleep).is_ready());
        clock.advance(SECOND);
        assert_eq!(clock.now(), floor + SECOND, "an advance counts from the floor");
        assert_eq!(clock.wall(), START + SECOND, "a floor is no wall time");
    }
}

#[test]
fn a_wall_that_is_set_back_does_not_take_service_time_along() {
    let clock = Clock::manual(START);
    assert_eq!(clock.now(), START);
    let Wall::Manual(wall) = &clock.0.wall else { panic!("a manual clock has a manual wall") };
    wall.store((START - DAY).nanos(), Relaxed);
    assert_eq!((clock.now(), clock.wall()), (START, START - DAY));
    clock.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND, "and it goes on from where it was");
}

#[test]
fn moving_a_system_clock_leaves_the_wall_alone() {
    let clock = Clock::system();
    let before = clock.wall();
    clock.advance(DAY);
    assert!(clock.now() >= before + DAY);
    assert!(clock.wall() < before + DAY);
}

#[test]
fn a_floor_far_ahead_of_the_wall_does_not_stop_a_system_clock() {
    let clock = Clock::system();
    let floor = clock.now() + DAY;
    clock.not_before(floor);
    let first = clock.now();
    assert!(first >= floor);
    while clock.now() == first {
        thread::yield_now();
    }
    assert!(clock.now() < floor + DAY / 2, "the floor is counted once");
}

#[test]
fn a_floor_just_ahead_of_the_wall_is_waited_for() {
    let clock = Clock::system();
    let floor = clock.now() + LAG_MAX;
    clock.not_before(floor);
    assert_eq!(clock.now(), floor);
    assert!(clock.wall() < floor);
    assert_eq!(clock.0.ahead.load(Relaxed), 0);
}

#[tokio::test]
async fn moving_a_system_clock_wakes_its_sleepers() {
    let clock = Clock::system();
    let mut sleep = pin!(clock.sleep(DAY));
    assert!(poll_once(sleep.as_mut()).is_pending());
    clock.advance(DAY);
    sleep.await;
}

#[tokio::test]
async fn a_system_sleep_ends_by_itself() {
    let clock = Clock::system();
    let due = clock.now() + Duration::from_millis(2);
    clock.sleep_until(due).await;
    assert!(clock.now() >= due);
    assert_eq!(clock.next_due(), None);
}

#[test]
fn threads_never_see_time_go_back() {
    let clock = Clock::system();
    let shared = AtomicU64::new(0);
    thread::scope(|scope| {
        for thread in 0_u64..4 {
            let (clock, shared) = (&clock, &shared);
            scope.spawn(move || {
                for turn in 0..20_000 {
                    let seen = shared.load(Relaxed);
                    let now = clock.now().nanos();
                    assert!(now >= seen, "thread {thread}, turn {turn}");
                    shared.fetch_max(now, Relaxed);
                    if turn % 5_000 == 0 {
                        clock.advance(SECOND);
                        clock.not_before(Time::from_nanos(now) + SECOND * 3);
                    }
                }
            });
        }
    });
}

#[test]
fn a_sleeper_on_another_thread_is_never_missed() {
    let clock = Clock::manual(START);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                for _ in 0..1_000 {
                    clock.sleep(SECOND).await;
                }
            });
        });
        while !sleeper.is_finished() {
            clock.advance(SECOND);
            thread::yield_now();
        }
    });
}

/// Sees whether those who sleep by the clock are kept locked while somebody is woken.
struct Unlocked(Clock, AtomicU64);

impl Wake for Unlocked {
    fn wake(self: Arc<Self>) {
        assert!(self.0.0.sleepers.try_lock().is_ok(), "a task that goes drops its sleepers");
        self.1.fetch_add(1, Relaxed);
    }
}

#[tokio::test]
async fn nobody_is_woken_under_the_lock() {
    let clock = Clock::system();
    let woken = Arc::new(Unlocked(clock.clone(), AtomicU64::default()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut sleep = pin!(clock.sleep(DAY * 2));
    let mut times = 0;
    for turn in ["pause", "resume", "move", "advance", "advance"] {
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        match turn {
            "pause" => drop(clock.pause().await),
            "resume" => drop(clock.resume().await),
            "move" => drop(clock.step_by(SECOND).await),
            _ => clock.advance(DAY),
        }
        let now = woken.1.load(Relaxed);
        assert!(now > times, "{turn}");
        times = now;
    }
}

#[test]
fn time_saturates_at_both_ends() {
    let end = Time::from_nanos(u64::MAX);
    assert_eq!(end + Duration::MAX, end);
    assert_eq!(Time::EPOCH - SECOND, Time::EPOCH);
    assert_eq!(Time::from_millis(-5), Time::EPOCH);
    assert_eq!(Time::from_millis(i64::MAX), end);
    assert_eq!(Time::from_seconds(u64::MAX), end);
    assert_eq!(START.saturating_duration_since(START + SECOND), Duration::ZERO);
    assert_eq!(Time::from_millis(1_234).millis(), 1_234);
    assert_eq!(Time::from_nanos(1_999_999_999).seconds(), 1);
    let clock = Clock::manual(end);
    let last = clock.now();
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), last);
    assert!(last > Clock::END);
}

#[test]
fn a_clock_that_stands_goes_to_a_whole_millisecond_at_a_floor() {
    let clock = Clock::system_paused(Some(START));
    clock.not_before(START + Duration::from_nanos(1));
    assert_eq!(clock.now(), START + Duration::from_millis(1));
    clock.not_before(START);
    assert_eq!(clock.now(), START + Duration::from_millis(1));
    let latest = Time::from_nanos(u64::MAX);
    clock.not_before(latest);
    assert_eq!(clock.now().nanos() % NANOS_PER_MILLI, 0);
    assert!(clock.now() > Clock::END, "{:?}", clock.now());
}
