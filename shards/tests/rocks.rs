//! The engine on RocksDB keeps the contract: in memory and on disk, closed, crashed and killed.
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

use fixture::OnDisk;
use millpond_shards::engine::{Durability, conformance};

#[tokio::test]
async fn it_conforms_on_disk_with_fsync() {
    conformance::run_all(&mut OnDisk::new(Durability::Fsync)).await;
}

#[tokio::test]
async fn it_conforms_on_disk_without_fsync() {
    conformance::run_all(&mut OnDisk::new(Durability::Os)).await;
}
