//! The engine for tests keeps the contract, and its faults are the faults that they claim to be.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use millpond_shards::engine::{
    Engine,
    conformance::{self, Fault, Fixture},
    memory::{self, MemoryEngine},
};

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
