//! One server, its storage and its clients, on one thread: every write to storage waits until the
//! world lets it happen, and between any two the server may end.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use fastrand::Rng;
use millpond_api::types::{ShardId, StreamArn, Timestamp};
use millpond_quotas::{Clock, Quotas, Time};
use millpond_shards::{
    Domain, Error, Options,
    crypt::testing::TestKeys,
    directory::Stream,
    engine::{
        Engine, Offset,
        memory::{Fault, Faults, MemoryEngine},
    },
    shard::Limit,
    state::Command,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

use crate::{
    consumer::{self, Consumer},
    deeds::Deeds,
    ledger::Ledger,
    mirror::{Effect, Mirror, SHARD_LIMIT, Streams, View},
    producer::{self, Entry, Fate},
};

/// Clients that put records; each waits for one put before the next.
pub(crate) const PRODUCERS: usize = 4;

/// Clients that read.
pub(crate) const CONSUMERS: usize = 3;

/// Sleepers that are woken one after another when time passes; the rest wake together.
const WAKES_MAX: usize = 6;

/// Longer than anything waits by the runtime's own clock.
const PATIENCE: Duration = Duration::from_secs(11);

/// How long transitions take to be tried again, and then some.
const RETRY: Duration = Duration::from_secs(2);

/// Longer than any record lives, and its space is kept: a 24th of the retention period more.
const RETENTION_MAX: Duration = Duration::from_hours(8760 + 8760 / 24 + 1);

/// How often an on-demand stream is merged until it has its fewest shards, and then some.
const MERGES_MAX: usize = 6;

/// Events that a failure shows.
const EVENTS_SHOWN: usize = 40;

/// Reads everything that there is.
const ALL: Limit = Limit::new(usize::MAX, usize::MAX);

/// The server's process: what is in it is gone when it ends.
pub(crate) struct Process {
    // First, so that no task outlives what it works with.
    pub(crate) runtime: Runtime,
    opening: Option<JoinHandle<Result<Domain, Error>>>,
    domain: Option<Arc<Domain>>,
}

struct Put {
    producer: usize,
    serials: Vec<u64>,
    fates: JoinHandle<Vec<(u64, Fate)>>,
}

struct Asked {
    command: Command,
    /// What the state said of it, each time that the state was another one.
    judgements: Vec<Result<Effect, Error>>,
    /// Whether what it does was seen.
    seen: bool,
    answer: JoinHandle<Result<(), Error>>,
}

/// Everything that there is.
pub(crate) struct World {
    pub(crate) dice: Rng,
    trace: Vec<String>,
    clock: Clock,
    engine: MemoryEngine,
    pub(crate) process: Process,
    puts: Vec<Put>,
    asked: Vec<Asked>,
    consumers: Vec<Consumer>,
    pub(crate) ledger: Ledger,
    pub(crate) mirror: Mirror,
    next_serial: u64,
    gap: u64,
    plan: Plan,
    deeds: Deeds,
}

/// Blows that are to come, each after so many more writes.
pub(crate) type Plan = VecDeque<(usize, Blow)>;

/// What becomes of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blow {
    /// The process ends before it; so many of the writes that wait are found all the same.
    Crash { kept: u64 },
    /// It meets this fault.
    Fault(Fault),
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let mut dice = Rng::with_seed(seed);
        let gap = if dice.bool() { 0 } else { dice.u64(1..5) };
        let clock = Clock::manual(Time::from_millis(1_700_000_000_000));
        let engine = MemoryEngine::new();
        let mut world = Self {
            dice,
            trace: Vec::new(),
            process: Process::start(&engine, &clock, gap),
            clock,
            engine,
            puts: Vec::new(),
            asked: Vec::new(),
            consumers: (0..CONSUMERS).map(|_| Consumer::default()).collect(),
            ledger: Ledger::default(),
            mirror: Mirror::new(),
            next_serial: 1,
            gap,
            plan,
            deeds: Deeds::default(),
        };
        world.note(format!("seed {seed}, {:?}", world.plan));
        world.open();
        world
    }

    pub(crate) fn note(&mut self, event: impl Into<String>) {
        self.trace.push(format!("{} {}", self.clock.now().millis(), event.into()));
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().millis())
    }

    /// All streams as the server shows them.
    pub(crate) fn streams(&self) -> Streams {
        self.mirror.streams()
    }

    pub(crate) fn deeds(&self) -> &Deeds {
        &self.deeds
    }

    pub(crate) fn faults(&self) -> Faults {
        self.engine.faults()
    }

    /// Whether something is planned that hasn't come about yet.
    pub(crate) fn has_plans(&self) -> bool {
        !self.plan.is_empty()
    }

    /// Whether the producer has nothing to wait for.
    pub(crate) fn is_free(&self, producer: usize) -> bool {
        self.puts.iter().all(|put| put.producer != producer)
    }

    /// Commands that wait for their answers.
    pub(crate) fn asked(&self) -> usize {
        self.asked.len()
    }

    pub(crate) fn serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    /// A producer begins to put; `delay` lies between the routing and the appending.
    pub(crate) fn put(
        &mut self,
        producer: usize,
        arn: &StreamArn,
        entries: Vec<Entry>,
        delay: Duration,
    ) {
        let serials: Vec<_> = entries.iter().map(|entry| entry.serial).collect();
        self.note(format!("producer {producer} puts {serials:?} to {}", arn.name));
        self.ledger.tried(producer, &entries);
        let put = producer::put(self.domain(), arn.clone(), entries, delay);
        let fates = self.process.runtime.spawn(put);
        self.puts.push(Put { producer, serials, fates });
        self.settle();
    }

    /// Somebody asks for a change.
    pub(crate) fn ask(&mut self, command: Command) {
        self.note(format!("{command:?}"));
        let (domain, submitted) = (self.domain(), command.clone());
        let answer =
            self.process.runtime.spawn(async move { domain.control().submit(submitted).await });
        let judgements = vec![self.mirror.judge(&command)];
        self.asked.push(Asked { command, judgements, seen: false, answer });
        self.settle();
    }

    /// A consumer reads on.
    pub(crate) fn consume(&mut self, consumer: usize, arn: &StreamArn, limit: Limit) {
        let domain = self.domain();
        let reader = self.consumers.get_mut(consumer).expect("there is such a consumer");
        let visit = reader.visit(&domain, arn, limit, &mut self.ledger);
        let read = self.process.runtime.block_on(visit);
        self.note(format!("consumer {consumer} read {read:?}"));
    }

    /// Reads one shard from somewhere, and searches it.
    pub(crate) fn peek(&mut self, from: u64, limit: Limit, at: Timestamp) {
        let domain = self.domain();
        let snapshot = domain.directory().snapshot();
        let shards: Vec<_> = snapshot
            .streams()
            .flat_map(|stream| stream.shards().map(move |s| (stream, s)))
            .collect();
        let Some((stream, shard)) = self.dice.choice(shards) else { return };
        let from = Offset::new(from);
        let read = consumer::read(&domain, stream, shard, from, limit);
        let read = self.process.runtime.block_on(read);
        let state = stream.state().shard(shard.id()).expect("it is listed");
        if let Ok(pages) = &read {
            self.ledger.check(pages, state);
        }
        let found = self.process.runtime.block_on(shard.seek(at));
        if let Ok(found) = found {
            self.ledger.check_seek(stream.state().number, state, at, found);
        }
        let read = read.map(|pages| pages.records.len());
        self.note(format!("{:?} from {from:?}: {read:?}; {found:?}", shard.id()));
    }

    /// Reads everything.
    pub(crate) fn scan(&mut self) {
        let domain = self.domain();
        let snapshot = domain.directory().snapshot();
        let mut records = 0;
        for stream in snapshot.streams() {
            for shard in stream.shards() {
                records += self.scan_shard(&domain, stream, shard.id(), Offset::ZERO);
            }
            self.ledger.check_order(stream.state().number);
        }
        self.note(format!("{records} records are there"));
    }

    fn scan_shard(&mut self, domain: &Domain, stream: &Stream, id: ShardId, from: Offset) -> usize {
        let shard = stream.shard(id).expect("every shard has a handle");
        let state = stream.state().shard(id).expect("it is listed");
        let read = consumer::read(domain, stream, shard, from, ALL);
        let Ok(pages) = self.process.runtime.block_on(read) else { return 0 };
        self.ledger.check(&pages, state);
        let rest = if pages.records.is_empty() {
            assert!(pages.at_end, "nothing was read, but there is more: {pages:?}");
            0
        } else {
            self.scan_shard(domain, stream, id, pages.next)
        };
        pages.records.len() + rest
    }

    /// Time passes: whoever sleeps wakes at the due time, some of them late.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.note(format!("{by:?} pass"));
        let target = self.clock.now() + by;
        for _ in 0..WAKES_MAX {
            let Some(due) = self.clock.next_due().filter(|due| *due <= target) else { break };
            self.move_clock(due);
        }
        self.move_clock(target);
    }

    fn move_clock(&mut self, to: Time) {
        self.clock.advance(to.saturating_duration_since(self.clock.now()));
        self.expire();
        self.settle();
    }

    fn expire(&mut self) {
        let now = self.now();
        self.mirror.streams().iter().for_each(|stream| self.ledger.expire(stream, now));
    }

    /// Requests lose their patience.
    pub(crate) fn wait(&mut self) {
        self.note("requests run out of time");
        self.process.sleep(PATIENCE);
        self.settle();
    }

    /// The oldest write that waits happens, or what was planned for now does.
    pub(crate) fn step(&mut self) {
        let now = self.plan.pop_front_if(|(writes, _)| *writes == 0);
        match (now, self.plan.front_mut()) {
            (Some((_, Blow::Crash { kept })), _) => return self.crash(kept, Duration::ZERO),
            (Some((_, Blow::Fault(fault))), _) => self.engine.faults().next(fault),
            (None, Some((writes, _))) => *writes -= 1,
            (None, None) => {}
        }
        self.engine.faults().step();
        self.settle();
    }

    /// Every write happens, and what comes of it.
    pub(crate) fn drain(&mut self) {
        while self.engine.faults().queued() > 0 {
            self.step();
        }
    }

    /// The process ends here and now. `kept` says how many waiting writes are found on disk all the
    /// same; the machine's clock is behind by `behind` from then on.
    pub(crate) fn crash(&mut self, kept: u64, behind: Duration) {
        let queued = self.engine.faults().queued();
        self.note(format!("crash {kept} with {queued} writes under way, {behind:?} behind"));
        self.engine = self.engine.crash(kept);
        self.restart(behind);
    }

    /// The server is stopped as it should be, and started again.
    pub(crate) fn stop(&mut self, behind: Duration) {
        self.note("stop");
        self.end_requests();
        self.engine.faults().clear();
        let domain = self.domain();
        let closed = self.process.runtime.spawn(async move { domain.close().await });
        self.rest();
        while !closed.is_finished() {
            assert!(self.engine.faults().step(), "closing waits for nothing");
            self.rest();
        }
        let outcome = self.process.runtime.block_on(closed).expect("closing doesn't panic");
        assert_eq!(outcome, Ok(()));
        let before = self.now();
        self.engine = self.engine.crash(0);
        self.restart(behind);
        assert!(self.now() >= before, "time went back over a restart");
    }

    /// Every request gets its answer.
    pub(crate) fn end_requests(&mut self) {
        self.drain();
        while !(self.puts.is_empty() && self.asked.is_empty()) {
            self.wait();
            self.advance(RETRY);
            self.drain();
        }
    }

    fn restart(&mut self, behind: Duration) {
        let reading = self.clock.now().nanos().saturating_sub(behind.as_nanos() as u64);
        self.clock = Clock::manual(Time::from_nanos(reading));
        self.process = Process::start(&self.engine, &self.clock, self.gap);
        let end = self.mirror.streams_end();
        for serial in self.puts.drain(..).flat_map(|put| put.serials) {
            self.ledger.fated(serial, Fate::Unknown, end);
        }
        for Asked { command, .. } in self.asked.drain(..) {
            self.mirror.unknown(command);
        }
        self.ledger.restarted();
        self.open();
    }

    fn open(&mut self) {
        if let Err(error) = self.try_open() {
            self.note(format!("not open: {error}"));
            self.engine = self.engine.crash(0);
            self.process = Process::start(&self.engine, &self.clock, self.gap);
            self.try_open().expect("storage without faults opens");
        }
        self.note("open");
        let recovered = self.mirror.follow_recovery(&self.seen(), &self.ledger);
        for command in &recovered {
            self.note_forks(command);
        }
        self.expire();
        self.settle();
    }

    /// Opening, too, waits for its writes, and may be interrupted.
    fn try_open(&mut self) -> Result<(), Error> {
        self.rest();
        while !self.process.is_open()? {
            assert!(self.engine.faults().queued() > 0, "opening waits for nothing");
            self.step();
            self.rest();
        }
        Ok(())
    }

    /// Runs everything until nothing goes on without a write or time.
    fn rest(&self) {
        // The runtime's time is paused: it passes when everybody is at rest.
        self.process.sleep(Duration::from_millis(1));
    }

    fn settle(&mut self) {
        self.rest();
        if self.process.domain.is_none() {
            return;
        }
        let before = self.streams();
        let asked = self.asked.iter().map(|asked| &asked.command);
        let followed = self.mirror.follow(&self.seen(), asked, &self.ledger);
        if let Some(command) = followed {
            self.note(format!("seen: {command:?}"));
            if let Command::IncreaseRetention { stream, now, .. } = &command {
                let raised = before.iter().filter(|before| before.arn == *stream);
                raised.for_each(|stream| self.ledger.retain(stream, *now));
            }
            self.note_forks(&command);
            self.expire();
            self.deeds.count(&command);
            let mut waiting = self.asked.iter_mut().filter(|asked| !asked.seen);
            if let Some(asked) = waiting.find(|asked| asked.command == command) {
                asked.seen = true;
            }
            for asked in &mut self.asked {
                asked.judgements.push(self.mirror.judge(&asked.command));
            }
        }
        self.collect_fates();
        self.collect_answers();
    }

    fn collect_fates(&mut self) {
        let done = self.puts.extract_if(.., |put| put.fates.is_finished());
        for put in done.collect::<Vec<_>>() {
            let fates = self.process.runtime.block_on(put.fates).expect("putting doesn't panic");
            assert_eq!(fates.len(), put.serials.len());
            self.note(format!("put: {fates:?}"));
            let end = self.mirror.streams_end();
            for (serial, fate) in fates {
                self.deeds.records_stored += usize::from(matches!(fate, Fate::Stored { .. }));
                self.ledger.fated(serial, fate, end);
            }
        }
    }

    fn collect_answers(&mut self) {
        let done = self.asked.extract_if(.., |asked| asked.answer.is_finished());
        for Asked { command, judgements, seen, answer } in done.collect::<Vec<_>>() {
            let answer = self.process.runtime.block_on(answer).expect("asking doesn't panic");
            self.note(format!("answer: {answer:?}"));
            match answer {
                Ok(()) => {
                    let changes_nothing = judgements.contains(&Ok(Effect::Nothing));
                    self.deeds.commands_done += 1;
                    assert!(seen || changes_nothing, "{command:?} had no effect: {judgements:?}");
                }
                Err(Error::Engine(_)) => self.mirror.unknown(command),
                // It is answered after transitions that were due have been carried through.
                Err(refused) => {
                    let judged = judgements.contains(&Err(refused.clone()));
                    assert!(judged, "{judgements:?}: {refused:?}");
                }
            }
        }
    }

    /// Faults end, everything is carried through and read once more; then everything is deleted.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.note("the end");
        self.plan.clear();
        self.crash(u64::MAX, Duration::ZERO);
        self.carry_through();
        self.scan();
        self.mirror.check_settled();
        self.check_logs();
        self.outlive_everything();
        for stream in self.streams() {
            let due = self.now();
            let (stream, enforce_consumer_deletion) = (stream.arn.clone(), true);
            self.ask(Command::DeleteStream { stream, enforce_consumer_deletion, due });
        }
        self.carry_through();
        assert_eq!(self.streams(), Streams::new());
        self.check_logs();
        self.stop(Duration::ZERO);
        assert_eq!(self.seen().streams, Streams::new());
        self.mirror.check_replay();
        std::mem::take(&mut self.trace)
    }

    /// When everything has expired, nothing but open shards is left of it.
    fn outlive_everything(&mut self) {
        // On-demand streams are merged meanwhile, once a day at the most.
        for _ in 0..MERGES_MAX {
            self.advance(RETENTION_MAX);
            self.carry_through();
            for _ in 0..3 {
                self.advance(Duration::from_mins(1));
                self.drain();
            }
            if self.closed_shards() == 0 {
                break;
            }
        }
        assert_eq!(self.closed_shards(), 0, "{:?}", self.streams());
        self.check_logs();
        let left: Vec<_> = self.engine.logs().into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(left, [], "logs, and their chunks, that have expired");
    }

    fn closed_shards(&self) -> usize {
        let streams = self.streams();
        let shards = streams.iter().flat_map(|stream| stream.shards.values());
        shards.filter(|shard| !shard.is_open()).count()
    }

    /// Waits for all requests and transitions.
    pub(crate) fn carry_through(&mut self) {
        self.end_requests();
        for _ in 0..5 {
            self.advance(RETRY);
            self.drain();
        }
    }

    /// Storage holds no log that no shard refers to.
    fn check_logs(&self) {
        let streams = self.streams();
        let segments = streams.iter().flat_map(|stream| stream.shards.values());
        let used: Vec<_> =
            segments.flat_map(|shard| &shard.segments).map(|segment| segment.log).collect();
        for (log, _) in self.engine.logs() {
            assert!(used.contains(&log), "{log:?} is left behind");
        }
    }

    fn seen(&self) -> View {
        let snapshot = self.domain().directory().snapshot();
        let streams = snapshot.streams().map(|stream| Arc::new(stream.state().clone())).collect();
        View { streams, commitments: snapshot.commitments().clone() }
    }

    pub(crate) fn domain(&self) -> Arc<Domain> {
        Arc::clone(self.process.domain.as_ref().expect("the server is open between two acts"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = self.trace.len().saturating_sub(EVENTS_SHOWN);
            self.trace.iter().skip(shown).for_each(|event| eprintln!("{event}"));
        }
    }
}

impl Process {
    fn start(engine: &MemoryEngine, clock: &Clock, gap: u64) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without threads is built");
        engine.faults().hold();
        engine.faults().leave_gaps(gap);
        let engine: Arc<dyn Engine> = Arc::new(engine.clone());
        let options = Options {
            quotas: Quotas::off(),
            shard_limit: SHARD_LIMIT,
            tail_bytes_max: 64 * 1024,
            // Another one each time: the first is kept.
            keys: Arc::new(TestKeys::default()),
            token_key: clock.now().nanos().to_be_bytes().repeat(4).try_into().expect("32 bytes"),
        };
        let opening = runtime.spawn(Domain::open(engine, clock.clone(), options));
        Self { runtime, opening: Some(opening), domain: None }
    }

    fn sleep(&self, length: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(length).await });
    }

    /// Whether the server is open now.
    fn is_open(&mut self) -> Result<bool, Error> {
        if let Some(opening) = self.opening.take_if(|opening| opening.is_finished()) {
            let domain = self.runtime.block_on(opening).expect("opening doesn't panic");
            self.domain = Some(Arc::new(domain?));
        }
        Ok(self.domain.is_some())
    }
}
