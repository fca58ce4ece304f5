//! The engine for tests keeps the contract, and its faults are the faults that they claim to be.

use std::{collections::BTreeMap, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use millpond_api::types::{Blob, Timestamp};
use millpond_shards::{
    batch::RecordBatch,
    engine::{
        Engine, EngineError, LogId, MetadataChange, Offset, ReadLimit, ShardLog,
        conformance::{self, Fault, Fixture},
        memory::{self, MemoryEngine},
    },
};
use proptest::{collection::vec, prelude::*};

/// Opens memory engines; each crash keeps a different part of what waited.
#[derive(Default)]
struct Memory {
    engine: MemoryEngine,
    crashes: u64,
    gap: u64,
}

impl Memory {
    fn serve(&mut self, engine: MemoryEngine) -> BoxFuture<'_, Arc<dyn Engine>> {
        engine.faults().leave_gaps(self.gap);
        let served: Arc<dyn Engine> = Arc::new(engine.clone());
        self.engine = engine;
        futures::future::ready(served).boxed()
    }
}

impl Fixture for Memory {
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Engine>> {
        self.serve(MemoryEngine::new())
    }

    fn reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>> {
        async move {
            engine.close().await.expect("an engine can be closed");
            let reopened = self.engine.crash(0);
            self.serve(reopened).await
        }
        .boxed()
    }

    fn crash_and_reopen(&mut self, _: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>> {
        self.crashes += 1;
        let reopened = self.engine.crash(self.crashes);
        self.serve(reopened)
    }

    fn inject(&mut self, fault: Fault) -> bool {
        let faults = self.engine.faults();
        match fault {
            Fault::RefuseNextAppend => faults.next(memory::Fault::Full),
            Fault::FailNextAppend => faults.next(memory::Fault::Failed { stored: true }),
            Fault::HoldCommits => faults.hold(),
            Fault::ReleaseCommits => faults.release(),
        }
        true
    }
}

#[tokio::test]
async fn the_memory_engine_conforms() {
    conformance::run_all(&mut Memory::default()).await;
}

#[tokio::test]
async fn the_memory_engine_conforms_with_gaps_between_appends() {
    conformance::run_all(&mut Memory { gap: 5, ..Memory::default() }).await;
}

const LOGS: u64 = 3;

#[derive(Debug, Clone)]
enum Act {
    /// An append of so many records, a chunk each.
    Append {
        log: u64,
        records: usize,
    },
    /// A change of two metadata rows.
    Rows,
    Hold,
    Step,
    Release,
    Crash {
        seed: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..LOGS, 1..5_usize).prop_map(|(log, records)| Act::Append { log, records }),
        2 => Just(Act::Rows),
        2 => Just(Act::Hold),
        4 => Just(Act::Step),
        1 => Just(Act::Release),
        2 => any::<u64>().prop_map(|seed| Act::Crash { seed }),
    ]
}

/// A write that was called, by its serial number.
#[derive(Debug, Clone, Copy)]
enum Called {
    Append { log: u64, records: usize, serial: usize },
    Rows { serial: usize },
}

/// A client of an engine that notes what it called and what was acknowledged.
#[derive(Default)]
struct Client {
    engine: MemoryEngine,
    waiting: Vec<(Called, BoxFuture<'static, Result<(), EngineError>>)>,
    durable: Vec<Called>,
    serial: usize,
}

impl Client {
    fn act(&mut self, act: &Act) {
        let faults = self.engine.faults();
        match *act {
            Act::Append { log, records } => self.append(log, records),
            Act::Rows => self.change_rows(),
            Act::Hold => faults.hold(),
            Act::Step => assert_eq!(faults.step(), !self.waiting.is_empty()),
            Act::Release => faults.release(),
            Act::Crash { seed } => self.crash(seed),
        }
        self.collect_acknowledgements();
    }

    fn append(&mut self, log: u64, records: usize) {
        let called = Called::Append { log, records, serial: self.serial };
        let chunks = (0..records).flat_map(|_| {
            let mut batch = RecordBatch::default();
            batch.push("k", None, &Blob::Bytes(self.serial.to_string().into_bytes().into()));
            batch.stamp(Timestamp::from_millis(1))
        });
        let commit = open(&self.engine, log).append(chunks.collect());
        self.call(called, commit.map(|outcome| outcome.map(|_| ())).boxed());
    }

    fn change_rows(&mut self) {
        let serial = self.serial;
        let put = |key: &str| MetadataChange::Put {
            key: key.into(),
            value: serial.to_string().into_bytes(),
        };
        let (engine, changes) = (self.engine.clone(), vec![put("a"), put("b")]);
        let commit = async move { engine.commit_metadata(changes).await };
        self.call(Called::Rows { serial }, commit.boxed());
    }

    fn call(&mut self, called: Called, commit: BoxFuture<'static, Result<(), EngineError>>) {
        self.serial += 1;
        self.waiting.push((called, commit));
    }

    /// Polls every commit; they must resolve in the order of the calls.
    fn collect_acknowledgements(&mut self) {
        let mut still_waiting = Vec::new();
        for (called, mut commit) in self.waiting.drain(..) {
            match (&mut commit).now_or_never() {
                Some(outcome) => {
                    assert_eq!(outcome, Ok(()));
                    assert!(still_waiting.is_empty(), "a later write was acknowledged first");
                    self.durable.push(called);
                }
                None => still_waiting.push((called, commit)),
            }
        }
        self.waiting = still_waiting;
    }

    fn crash(&mut self, seed: u64) {
        let kept = (seed % (self.waiting.len() as u64 + 1)) as usize;
        self.engine = self.engine.crash(seed);
        for (i, (called, commit)) in self.waiting.drain(..).enumerate() {
            assert_eq!(commit.now_or_never(), Some(Err(EngineError::Closed)));
            if i < kept {
                self.durable.push(called);
            }
        }
        self.check();
    }

    /// Compares everything that is stored with what must be.
    fn check(&self) {
        let mut logs: BTreeMap<u64, Vec<String>> = (0..LOGS).map(|log| (log, vec![])).collect();
        let mut row = None;
        for called in &self.durable {
            match called {
                Called::Append { log, records, serial } => {
                    let texts = vec![serial.to_string(); *records];
                    logs.get_mut(log).expect("there is such a log").extend(texts);
                }
                Called::Rows { serial } => row = Some(serial.to_string().into_bytes()),
            }
        }
        for (log, expected) in logs {
            assert_eq!(texts(&open(&self.engine, log)), expected);
        }
        let rows = now(self.engine.load_metadata()).expect("metadata can be read");
        let expected = row.map(|row| [(b"a".to_vec(), row.clone()), (b"b".to_vec(), row)]);
        assert_eq!(rows, expected.into_iter().flatten().collect::<Vec<_>>());
    }
}

/// Only writes wait in this engine, and those only when they are held.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("this engine answers at once")
}

fn open(engine: &MemoryEngine, log: u64) -> Arc<dyn ShardLog> {
    now(engine.open_log(LogId::new(log), Offset::ZERO)).expect("a log can be opened")
}

fn texts(log: &Arc<dyn ShardLog>) -> Vec<String> {
    let everything = ReadLimit { records: usize::MAX, bytes: usize::MAX };
    let page = now(log.read(Offset::ZERO, everything)).expect("a log can be read");
    let records = page.iter().flat_map(|chunk| chunk.records().expect("a chunk has a header"));
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    records.map(|record| text(record.expect("a record reads back").data)).collect()
}

proptest! {
    #[test]
    fn a_crash_keeps_what_was_acknowledged_and_a_whole_prefix(acts in vec(act(), 1..120)) {
        let mut client = Client::default();
        for act in &acts {
            client.act(act);
        }
        client.crash(0);
    }
}
