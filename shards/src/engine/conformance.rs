//! The suite that each engine must pass: every sentence of the seam's contract as a case.
//!
//! A case is a function that begins with an engine without data and panics when the engine breaks
//! its word. [`run_all`] runs them all; each module's `run` runs those of one subject.

pub mod append;
pub mod begin;
pub mod faults;
pub mod history;
pub mod logs;
pub mod metadata;
pub mod place;
pub mod read;
pub mod seek;
pub mod trim;

mod kit;

use std::sync::Arc;

use futures::future::BoxFuture;

use crate::engine::Engine;

/// The engine under test, as a thing that can be opened, closed and crashed.
pub trait Fixture {
    /// An engine without data. What was opened earlier isn't used any more.
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Engine>>;

    /// Closes the engine cleanly and opens it again. No log's handle is held any more.
    fn reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>>;

    /// Ends the engine in the harshest way that its durability promises to survive, and opens it
    /// again. Commits that weren't awaited may be under way.
    fn crash_and_reopen(&mut self, engine: Arc<dyn Engine>) -> BoxFuture<'_, Arc<dyn Engine>>;

    /// Makes the open engine misbehave. False when it can't on demand; the case is then skipped.
    fn inject(&mut self, _fault: Fault) -> bool {
        false
    }
}

/// A misbehaviour on demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The next append is refused with [`EngineError::Full`](crate::engine::EngineError::Full).
    RefuseNextAppend,
    /// The next append fails.
    FailNextAppend,
    /// Until [`Fault::ReleaseCommits`] or a crash, no write takes effect.
    HoldCommits,
    /// All writes that were held take effect.
    ReleaseCommits,
}

/// Runs every case, and prints its name before.
pub async fn run_all(fixture: &mut dyn Fixture) {
    append::run(fixture).await;
    read::run(fixture).await;
    seek::run(fixture).await;
    trim::run(fixture).await;
    place::run(fixture).await;
    logs::run(fixture).await;
    begin::run(fixture).await;
    metadata::run(fixture).await;
    faults::run(fixture).await;
    history::run(fixture).await;
}

async fn case(name: &str, body: impl Future<Output = ()>) {
    println!("conformance: {name}");
    body.await;
}

/// Keeps later writes under way until the next crash, where the engine can. Where it can't, some
/// are under way by the luck of the moment.
fn hold(fixture: &mut dyn Fixture) {
    let _ = fixture.inject(Fault::HoldCommits);
}
