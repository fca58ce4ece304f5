//! What an acknowledgement follows. To kill a process isn't enough to see it: what it wrote is with
//! the operating system, and is read back whether it was synced or not.

use std::sync::Arc;

use millpond_api::types::{Blob, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::{
    batch::RecordBatch,
    engine::{
        Engine, Offset,
        rocks::{Core, RocksEngine},
    },
};

/// How often the write-ahead log was synced, as RocksDB counts it in tests.
fn syncs(core: &Core) -> u64 {
    let statistics = core
        .store
        .with(|db| Ok(db.rocksdb.property_value("rocksdb.options-statistics").unwrap().unwrap()));
    let statistics = statistics.unwrap();
    let count =
        statistics.lines().find_map(|line| line.strip_prefix("rocksdb.wal.synced COUNT : "));
    count.unwrap().parse().unwrap()
}

/// How often the write-ahead log is synced while ten appends are awaited, one after another.
async fn syncs_of_ten_appends(durability: Durability) -> u64 {
    let directory = TempDir::new().unwrap();
    let location = Location::Directory(directory.path().to_owned());
    let options = RocksOptions { durability, ..RocksOptions::new(location) };
    let engine = RocksEngine::open(&options).unwrap();
    let log = engine.open_log(LogId::new(1), Offset::ZERO).await.unwrap();
    let core = Arc::clone(&engine.core);
    let before = syncs(&core);
    for _ in 0..10 {
        let mut batch = RecordBatch::default();
        batch.push("key", None, &Blob::Bytes([1].as_slice().into()));
        log.append(batch.stamp(Timestamp::from_millis(1))).await.unwrap();
    }
    syncs(&core) - before
}

#[tokio::test]
async fn an_acknowledgement_follows_an_fsync() {
    assert_eq!(syncs_of_ten_appends(Durability::Fsync).await, 10);
}

#[tokio::test]
async fn without_fsync_only_the_operating_system_is_waited_for() {
    assert_eq!(syncs_of_ten_appends(Durability::Os).await, 0);
}

#[test]
fn files_tell_of_deleted_ranges_until_they_are_compacted() {
    let options = RocksOptions::new(Location::Memory { limit_bytes: 1 << 30 });
    let store = Store::open(&options).unwrap();
    let data = Family::Data(RetentionTier::Standard);
    let told = |db: &Db| Family::ALL.map(|family| db.has_deleted_ranges(family));
    let write = |db: &Db, change: fn(&mut WriteBatch, &ColumnFamily)| {
        let mut batch = WriteBatch::default();
        change(&mut batch, db.family(data));
        db.write(batch).unwrap();
        db.rocksdb.flush_cf(db.family(data)).unwrap();
    };
    let looked = store.with(|db| {
        assert_eq!(told(db), [false; 5], "empty");
        write(db, |batch, family| {
            for key in 0..9_u8 {
                batch.put_cf(family, [key], vec![0; 2000]);
            }
            batch.delete_cf(family, [1]);
        });
        assert_eq!(told(db), [false; 5], "written");
        write(db, |batch, family| batch.delete_range_cf(family, [3], [7]));
        assert_eq!(told(db), Family::ALL.map(|family| family == data));
        db.compact_all(data);
        assert_eq!(told(db), [false; 5], "compacted");
        Ok(())
    });
    looked.unwrap();
}
