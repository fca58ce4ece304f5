//! Moves in steps: who is due wakes at its own time, one after another, and is waited for.

use std::sync::{Mutex as Shared, atomic::AtomicBool};

use tokio::{runtime, sync::mpsc as channel, task};

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

/// Tasks end with the test's runtime.
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> task::JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "the home of tasks is in a crate above")]
    task::spawn(task)
}

/// What was done, and when, in seconds after the start.
#[derive(Clone, Default)]
struct Log(Arc<Shared<Vec<(&'static str, u64)>>>);

impl Log {
    fn note(&self, who: &'static str, clock: &Clock) {
        let at = clock.now().saturating_duration_since(START).as_secs();
        self.0.lock().unwrap().push((who, at));
    }

    fn of(&self, who: &str) -> Vec<u64> {
        let log = self.0.lock().unwrap();
        log.iter().filter(|(name, _)| *name == who).map(|(_, at)| *at).collect()
    }

    fn all(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().unwrap().clone()
    }
}

/// Somebody who acts every so often, and needs a while for it.
fn spawn_actor(clock: &Clock, log: &Log, name: &'static str, every: Duration) {
    let (clock, log, attendant) = (clock.clone(), log.clone(), clock.attendant(name));
    spawn(async move {
        loop {
            let next = clock.now() + every;
            attendant.rest(attendant.sleep_until(next)).await;
            for _ in 0..10 {
                task::yield_now().await;
            }
            log.note(name, &clock);
            attendant.acted();
        }
    });
}

#[tokio::test]
async fn everything_on_the_way_happens_at_its_own_time_in_order() {
    let (clock, log) = (Clock::manual(START), Log::default());
    spawn_actor(&clock, &log, "a", SECOND * 2);
    spawn_actor(&clock, &log, "b", SECOND * 3);
    assert_eq!(clock.step_by(SECOND * 7).await, Ok(START + SECOND * 7));
    assert_eq!(log.all(), [("a", 2), ("b", 3), ("a", 4), ("b", 6), ("a", 6)]);
    assert_eq!((clock.now(), clock.wall()), (START + SECOND * 7, START + SECOND * 7));
}

#[tokio::test]
async fn who_is_given_something_to_do_has_done_it_before_time_goes_on() {
    let (clock, log) = (Clock::manual(START), Log::default());
    let (asked, mut questions) = channel::channel(8);
    let attendant = clock.attendant("server");
    let (of, to) = (clock.clone(), log.clone());
    spawn(async move {
        while let Some(()) = attendant.rest(questions.recv()).await {
            for _ in 0..10 {
                task::yield_now().await;
            }
            to.note("server", &of);
        }
    });
    let attendant = clock.attendant("client");
    let of = clock.clone();
    spawn(async move {
        loop {
            attendant.rest(attendant.sleep_until(of.now() + SECOND)).await;
            // Nobody waits for an answer, and yet it is there in time.
            asked.send(()).await.unwrap();
        }
    });
    clock.step_by(SECOND * 3).await.unwrap();
    assert_eq!(log.of("server"), [1, 2, 3]);
}

#[tokio::test]
async fn what_was_sent_before_a_move_is_received_before_time_moves() {
    let (clock, log) = (Clock::manual(START), Log::default());
    let (asked, mut questions) = channel::channel(8);
    let (attendant, of, to) = (clock.attendant("server"), clock.clone(), log.clone());
    spawn(async move {
        while let Some(()) = attendant.rest(questions.recv()).await {
            to.note("server", &of);
        }
    });
    clock.step_by(Duration::ZERO).await.unwrap();
    asked.send(()).await.unwrap();
    clock.step_by(SECOND).await.unwrap();
    assert_eq!(log.of("server"), [0]);
}

/// Somebody who looks each minute and has nothing to do for an hour after that.
fn spawn_idler(clock: &Clock, log: &Log, name: &'static str, idle: Duration) {
    let (clock, log, attendant) = (clock.clone(), log.clone(), clock.attendant(name));
    spawn(async move {
        let (mut due, mut nothing) = (clock.now(), None);
        loop {
            attendant.next_round(&mut due, MINUTE, nothing).await;
            assert_eq!(due, clock.now());
            log.note(name, &clock);
            nothing = Some(attendant.look().idle_until(clock.now() + idle));
        }
    });
}

#[tokio::test]
async fn rounds_without_anything_to_do_are_passed_over_but_for_the_last() {
    let (clock, log) = (Clock::manual(START), Log::default());
    spawn_idler(&clock, &log, "hourly", MINUTE * 59 + SECOND);
    spawn_idler(&clock, &log, "never", DAY * 999);
    clock.step_by(MINUTE * 150 + SECOND).await.unwrap();
    assert_eq!(log.of("hourly"), [60, 61 * 60, 121 * 60, 150 * 60]);
    assert_eq!(log.of("never"), [60, 150 * 60]);
    clock.step_by(MINUTE * 2).await.unwrap();
    assert_eq!(log.of("never"), [60, 150 * 60, 151 * 60, 152 * 60], "what came since is looked at");
}

#[tokio::test]
async fn an_act_of_another_ends_idleness() {
    let (clock, log) = (Clock::manual(START), Log::default());
    spawn_idler(&clock, &log, "idler", DAY);
    spawn_actor(&clock, &log, "actor", MINUTE * 100 + SECOND);
    clock.step_by(MINUTE * 202).await.unwrap();
    assert_eq!(log.of("actor"), [100 * 60 + 1, 200 * 60 + 2]);
    let minutes: Vec<_> = log.of("idler").iter().map(|at| at / 60).collect();
    assert_eq!(minutes, [1, 101, 201, 202]);
}

#[tokio::test]
async fn who_had_looked_before_an_act_is_not_taken_for_idle() {
    let (clock, log) = (Clock::manual(START), Log::default());
    let (attendant, of, to) = (clock.attendant("idler"), clock.clone(), log.clone());
    spawn(async move {
        let (mut due, mut idle) = (of.now(), None);
        loop {
            attendant.next_round(&mut due, MINUTE, idle).await;
            to.note("idler", &of);
            let look = attendant.look();
            // Somebody acts who was not seen any more, up to the third minute.
            if due < START + MINUTE * 3 {
                attendant.acted();
            }
            idle = Some(look.idle_until(Clock::END));
        }
    });
    clock.step_by(MINUTE * 9).await.unwrap();
    assert_eq!(log.of("idler"), [60, 120, 180, 540]);
}

#[tokio::test]
async fn what_cannot_be_done_holds_up_no_move_and_is_told() {
    let (clock, log) = (Clock::manual(START), Log::default());
    let (attendant, of, to) = (clock.attendant("control"), clock.clone(), log.clone());
    let is_full = Arc::new(AtomicBool::new(true));
    let refuses = Arc::clone(&is_full);
    spawn(async move {
        attendant.rest(attendant.sleep_until(START + MINUTE)).await;
        loop {
            to.note("try", &of);
            attendant.owes(refuses.load(Relaxed));
            if !refuses.load(Relaxed) {
                to.note("done", &of);
                return;
            }
            let retry = attendant.sleep_until_retry(of.now() + SECOND, SECOND);
            attendant.rest(retry).await;
        }
    });
    let error = clock.step_by(DAY).await.unwrap_err();
    assert_eq!(error, MoveError::NotDone { who: "control", now: START + DAY });
    assert_eq!(
        error.to_string(),
        "control could not do what was due and will try again, the log says why: the clock is at \
         1700086400.000 s since the epoch, where it was to go"
    );
    assert_eq!(log.of("try"), [60, DAY.as_secs()]);
    is_full.store(false, Relaxed);
    assert_eq!(clock.step_by(MINUTE).await, Ok(START + DAY + MINUTE));
    assert_eq!(log.of("done"), [DAY.as_secs() + 1]);
}

#[tokio::test]
async fn an_attempt_is_made_again_when_somebody_has_acted() {
    let (clock, log) = (Clock::manual(START), Log::default());
    let (attendant, of, to) = (clock.attendant("control"), clock.clone(), log.clone());
    spawn(async move {
        loop {
            let retry = attendant.sleep_until_retry(of.now() + SECOND, SECOND);
            attendant.rest(retry).await;
            to.note("try", &of);
        }
    });
    spawn_actor(&clock, &log, "actor", MINUTE * 40);
    clock.step_by(MINUTE * 60).await.unwrap();
    assert_eq!(log.of("try"), [40 * 60 + 1, 60 * 60]);
}

#[tokio::test]
async fn a_long_move_takes_few_steps() {
    let (clock, log) = (Clock::manual(START), Log::default());
    spawn_idler(&clock, &log, "idler", DAY);
    clock.step_by(DAY * 365).await.unwrap();
    assert_eq!(log.of("idler").len(), 366);
}

#[tokio::test]
async fn a_teller_that_nobody_asks_is_not_waited_for() {
    let clock = Clock::manual(START);
    let teller = clock.teller("teller");
    clock.step_by(SECOND).await.unwrap();
    let told = teller.work(async {
        teller.rest(teller.sleep_until(START + SECOND * 3)).await;
        clock.now()
    });
    let (told, moved) = tokio::join!(told, clock.step_by(DAY));
    assert_eq!((told, moved), (START + SECOND * 3, Ok(START + SECOND + DAY)));
}

#[tokio::test]
async fn who_gave_up_waiting_is_not_waited_for() {
    let clock = Clock::manual(START);
    let attendant = clock.attendant("gone");
    let mut rest = Box::pin(attendant.rest(attendant.sleep_until(START + SECOND)));
    assert!(poll_once(rest.as_mut()).is_pending());
    drop(rest);
    drop(attendant);
    assert_eq!(clock.step_by(DAY).await, Ok(START + DAY));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_come_to_rest_is_named_and_time_stays_where_it_was_due() {
    let clock = Clock::manual(START);
    let attendant = clock.attendant("storage");
    spawn(async move {
        attendant.rest(attendant.sleep_until(START + MINUTE)).await;
        std::future::pending::<()>().await;
    });
    let error = clock.step_by(DAY).await.unwrap_err();
    assert_eq!(error, MoveError::AtWork { who: "storage", now: START + MINUTE });
    assert_eq!(
        error.to_string(),
        "storage did not do what was due within 10 s: the clock is at 1700000060.000 s since the \
         epoch, move it on from there"
    );
    assert_eq!(clock.now(), START + MINUTE);
}

#[tokio::test(start_paused = true)]
async fn rounds_that_a_move_given_up_had_passed_over_are_ahead_again() {
    let (clock, log) = (Clock::manual(START), Log::default());
    spawn_idler(&clock, &log, "never", DAY * 999);
    let stuck = clock.attendant("stuck");
    spawn(async move {
        stuck.rest(stuck.sleep_until(START + MINUTE * 5)).await;
        std::future::pending::<()>().await;
    });
    clock.step_by(DAY).await.unwrap_err();
    assert_eq!((clock.now(), log.of("never")), (START + MINUTE * 5, vec![60]));
    clock.advance(MINUTE);
    tokio::task::yield_now().await;
    assert_eq!(log.of("never"), [60, 6 * 60], "the next round, not the end of that move");
}

#[tokio::test(start_paused = true)]
async fn who_was_passed_over_by_a_move_given_up_sleeps_on() {
    let (clock, log) = (Clock::system(), Log::default());
    let start = clock.now();
    let polls = Arc::new(AtomicU64::new(0));
    let idler = clock.attendant("idler");
    let counted = Arc::clone(&polls);
    spawn(async move {
        let (mut due, mut idle) = (start, None);
        let mut rounds = pin!(async {
            loop {
                idler.next_round(&mut due, MINUTE, idle).await;
                idle = Some(idler.look().idle_until(Clock::END));
            }
        });
        std::future::poll_fn(|context| {
            counted.fetch_add(1, Relaxed);
            rounds.as_mut().poll(context)
        })
        .await;
    });
    let stuck = clock.attendant("stuck");
    let (of, to) = (clock.clone(), log.clone());
    spawn(async move {
        stuck.rest(stuck.sleep_until(start + MINUTE * 5)).await;
        to.note("stuck", &of);
        std::future::pending::<()>().await;
    });
    clock.step_by(DAY).await.unwrap_err();
    assert_eq!(log.all().len(), 1);
    let before = polls.load(Relaxed);
    for _ in 0..100 {
        task::yield_now().await;
    }
    let more = polls.load(Relaxed) - before;
    assert!(more <= 2, "it looked {more} times where there was nothing to see");
}

#[tokio::test]
async fn time_goes_neither_back_nor_beyond_its_end() {
    let clock = Clock::manual(START);
    assert_eq!(clock.step_to(START - SECOND).await, Err(MoveError::Backwards { now: START }));
    assert_eq!(clock.step_to(START).await, Ok(START));
    assert_eq!(clock.step_to(Clock::END + SECOND).await, Err(MoveError::BeyondEnd));
    assert_eq!(clock.step_by(Duration::MAX).await, Err(MoveError::BeyondEnd));
    assert_eq!(clock.step_to(Clock::END).await, Ok(Clock::END));
}

#[tokio::test]
async fn one_move_waits_for_another() {
    let (clock, log) = (Clock::manual(START), Log::default());
    spawn_actor(&clock, &log, "a", SECOND);
    let (first, second) = tokio::join!(clock.step_by(SECOND * 2), clock.step_by(SECOND * 2));
    assert_eq!((first, second), (Ok(START + SECOND * 2), Ok(START + SECOND * 4)));
    assert_eq!(log.of("a"), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_move_that_is_given_up_leaves_time_as_it_was() {
    let clock = Clock::system();
    let attendant = clock.attendant("busy");
    {
        let mut moving = pin!(clock.step_by(DAY));
        assert!(poll_once(moving.as_mut()).is_pending());
        assert!(clock.is_standing());
    }
    assert!(!clock.is_standing());
    drop(attendant);
    assert!(clock.step_by(DAY).await.is_ok());
}

/// Waits until the machine's time, which nobody here owns, has gone on by so much: only then can be
/// seen that service time has not.
async fn let_pass(clock: &Clock, length: Duration) {
    let until = clock.wall() + length;
    while clock.wall() < until {
        task::yield_now().await;
    }
}

#[tokio::test]
async fn a_clock_of_the_machine_goes_on_after_a_move_unless_it_was_paused() {
    let clock = Clock::system();
    let before = clock.now();
    let moved = clock.step_by(DAY).await.unwrap();
    assert!(moved >= before + DAY && moved < before + DAY + MINUTE);
    while clock.now() == moved {
        thread::yield_now();
    }
    let paused = clock.pause().await;
    assert_eq!(clock.pause().await, paused, "once is enough");
    assert_eq!(clock.step_by(DAY).await, Ok(paused + DAY));
    let_pass(&clock, Duration::from_millis(1)).await;
    assert_eq!(clock.now(), paused + DAY);
    assert!(clock.wall() < before + MINUTE);
}

#[tokio::test]
async fn time_goes_on_from_where_it_stood_however_far_behind_the_wall() {
    let clock = Clock::system_paused(Some(START));
    assert_eq!(clock.now(), START);
    let mut sleep = pin!(clock.sleep(Duration::from_millis(5)));
    assert!(poll_once(sleep.as_mut()).is_pending());
    let_pass(&clock, Duration::from_millis(6)).await;
    assert!(poll_once(sleep.as_mut()).is_pending(), "no time has passed");
    assert_eq!(clock.resume().await, START);
    sleep.await;
    assert!(clock.now() >= START + Duration::from_millis(5));
    assert!(clock.now() < START + MINUTE, "it is long ago for the wall");
    let now = clock.now();
    assert!(clock.resume().await >= now, "it passes already");
}

#[tokio::test]
async fn a_sleep_on_a_timer_ends_when_time_has_passed_without_the_pauses() {
    let clock = Clock::system();
    let length = Duration::from_millis(20);
    let due = clock.now() + length;
    let sleep = spawn({
        let clock = clock.clone();
        async move { clock.sleep_until(due).await }
    });
    clock.pause().await;
    let_pass(&clock, length * 2).await;
    assert!(!sleep.is_finished());
    clock.resume().await;
    sleep.await.unwrap();
    assert!(clock.now() >= due);
}

#[test]
fn threads_see_time_stand_while_it_does() {
    let clock = Clock::system();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = clock.now();
                    for _ in 0..30_000 {
                        let now = clock.now();
                        assert!(now >= last);
                        last = now;
                    }
                })
            })
            .collect();
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        while !readers.iter().all(thread::ScopedJoinHandle::is_finished) {
            let paused = runtime.block_on(clock.pause());
            thread::yield_now();
            assert_eq!(clock.now(), paused);
            let resumed = runtime.block_on(clock.resume());
            assert!(resumed >= paused && resumed < paused + SECOND);
        }
    });
}
