//! The engine on RocksDB keeps the contract: in memory and on disk, closed, crashed and killed.

#[path = "rocks/fixture.rs"]
mod fixture;

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
