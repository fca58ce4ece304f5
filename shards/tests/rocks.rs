//! The engine on RocksDB keeps the contract: in memory and on disk, closed, crashed and killed. It
//! can't fail on demand, so of the suite's faults it sees none; those of the disk are in `failure`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "rocks/directory.rs"]
mod directory;
#[path = "rocks/failure.rs"]
mod failure;
#[path = "rocks/fixture.rs"]
mod fixture;
#[path = "rocks/kill.rs"]
mod kill;
#[path = "rocks/space.rs"]
mod space;

use fixture::{InMemory, OnDisk};
use millpond_shards::engine::{Durability, conformance};

#[tokio::test]
async fn it_conforms_in_memory() {
    let fixture = &mut InMemory;
    conformance::append::run(fixture).await;
    conformance::read::run(fixture).await;
    conformance::seek::run(fixture).await;
    conformance::trim::run(fixture).await;
    conformance::place::run(fixture).await;
    conformance::metadata::run(fixture).await;
    conformance::history::run(fixture).await;
    conformance::begin::a_log_begins_where_it_is_told_to(fixture).await;
    conformance::begin::a_log_that_holds_nothing_begins_anew(fixture).await;
    // The other cases of logs close the engine, and open it to see what is left.
    conformance::logs::neighbours_keep_apart(fixture).await;
    conformance::logs::a_dropped_log_is_gone(fixture).await;
    conformance::logs::many_logs_go_at_once(fixture).await;
    conformance::logs::handles_of_a_dropped_log_fail(fixture).await;
    conformance::logs::a_closed_engine_says_so(fixture).await;
}

#[tokio::test]
async fn it_conforms_on_disk_with_fsync() {
    conformance::run_all(&mut OnDisk::new(Durability::Fsync)).await;
}

#[tokio::test]
async fn it_conforms_on_disk_without_fsync() {
    conformance::run_all(&mut OnDisk::new(Durability::Os)).await;
}
