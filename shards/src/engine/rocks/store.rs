//! RocksDB behind its column families: opened once, closed once, one kind of error.

use std::{
    ffi::CStr,
    fs,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};

use rocksdb::{
    BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB,
    DBRawIterator, ReadOptions, WriteBatch, WriteOptions, properties,
};

use super::{
    directory::{DataDirectory, OpenError},
    keys,
    options::{Location, RocksOptions},
};
use crate::engine::{Durability, EngineError, LogId, RetentionTier};

/// The column families that hold chunks.
pub(super) const TIERS: [RetentionTier; 3] =
    [RetentionTier::Standard, RetentionTier::Extended, RetentionTier::LongTerm];

/// RocksDB's path within its memory environment.
const MEMORY_PATH: &str = "/millpond";

/// What RocksDB says of tables that tell of no deleted range.
const NO_DELETED_RANGE: &str = "# range deletions=0";

const COLLECT_ALL_AGES: (&str, &str) = ("blob_garbage_collection_age_cutoff", "1.0");

/// A column family. Not one a stream or shard: each costs memory and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    /// Metadata, and what must outlast a log's data. The family that RocksDB insists on having.
    Meta,
    /// The first position of each minute of each log.
    Time,
    /// Chunks that are expected to live as long as each other.
    Data(RetentionTier),
}

impl Family {
    pub(super) const ALL: [Self; 5] = [
        Self::Meta,
        Self::Time,
        Self::Data(RetentionTier::Standard),
        Self::Data(RetentionTier::Extended),
        Self::Data(RetentionTier::LongTerm),
    ];

    // Stored: these names keep their meaning for ever.
    fn name(self) -> &'static str {
        match self {
            Self::Meta => rocksdb::DEFAULT_COLUMN_FAMILY_NAME,
            Self::Time => "time",
            Self::Data(RetentionTier::Standard) => "d1",
            Self::Data(RetentionTier::Extended) => "d7",
            Self::Data(RetentionTier::LongTerm) => "d365",
        }
    }
}

/// The database while it is open. Closing waits for whoever uses it.
#[derive(Debug)]
pub(super) struct Store(RwLock<Option<Db>>);

/// An open database.
#[derive(Debug)]
pub(super) struct Db {
    // Before the directory: that stays locked until RocksDB has let go of it.
    rocksdb: DB,
    directory: Option<DataDirectory>,
    write: WriteMode,
}

/// What a write does beside changing memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteMode {
    Fsync,
    Os,
    /// No write-ahead log.
    Memory,
}

impl Store {
    pub(super) fn open(options: &RocksOptions) -> Result<Self, OpenError> {
        let directory = match &options.location {
            Location::Directory(path) => Some(DataDirectory::open(path)?),
            Location::Memory { .. } => None,
        };
        let write = match (&directory, options.durability) {
            (None, _) => WriteMode::Memory,
            (_, Durability::Os) => WriteMode::Os,
            (_, Durability::Fsync) => WriteMode::Fsync,
        };
        let path = directory.as_ref().map_or(MEMORY_PATH.into(), DataDirectory::rocksdb);
        let rocksdb = open_rocksdb(options, &path)?;
        Ok(Self(RwLock::new(Some(Db { rocksdb, directory, write }))))
    }

    /// Does `work` on the open database.
    ///
    /// # Errors
    /// Those of `work`, and [`EngineError::Closed`].
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Db) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        // The option changes at once, so a panic elsewhere can't have left it half changed.
        let db = self.0.read().unwrap_or_else(PoisonError::into_inner);
        db.as_ref().ok_or(EngineError::Closed).and_then(work)
    }

    /// Closes the database; the first call tells how that went.
    pub(super) fn close(&self) -> Result<(), EngineError> {
        let result = self.with(|db| {
            let synced = match db.write {
                WriteMode::Memory => Ok(()),
                WriteMode::Fsync | WriteMode::Os => db.rocksdb.flush_wal(true).map_err(error),
            };
            // A long compaction gives up, and lets go of its lock.
            db.rocksdb.cancel_all_background_work(true);
            synced
        });
        drop(self.0.write().unwrap_or_else(PoisonError::into_inner).take());
        result
    }
}

impl Db {
    /// Writes the batch, whole or not at all, as durably as the engine was opened.
    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let mut options = WriteOptions::default();
        options.set_sync(self.write == WriteMode::Fsync);
        options.disable_wal(self.write == WriteMode::Memory);
        self.rocksdb.write_opt(batch, &options).map_err(error)
    }

    pub(super) fn family(&self, family: Family) -> &ColumnFamily {
        self.rocksdb.cf_handle(family.name()).expect("all column families are opened")
    }

    pub(super) fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.rocksdb.get_cf(self.family(family), key).map_err(error)
    }

    /// An iterator that sees the keys from `low` to before `high` only. What it reads isn't
    /// cached: who reads the tail doesn't come here, and who reads from the start won't come back.
    pub(super) fn iterate(&self, family: Family, low: &[u8], high: &[u8]) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(low);
        options.set_iterate_upper_bound(high);
        options.fill_cache(false);
        self.rocksdb.raw_iterator_cf_opt(self.family(family), options)
    }

    /// All keys of a log in a column family.
    pub(super) fn iterate_log(&self, family: Family, log: LogId) -> DBRawIterator<'_> {
        self.iterate(family, &keys::log_start(log), &keys::log_end(log))
    }

    /// Rewrites the index of the keys from `low` to before `high`, and gives back the space of what
    /// was deleted there.
    pub(super) fn compact(&self, family: Family, low: &[u8], high: &[u8]) {
        self.rocksdb.compact_range_cf(self.family(family), Some(low), Some(high));
    }

    /// Does so for all keys.
    pub(super) fn compact_all(&self, family: Family) {
        self.rocksdb.compact_range_cf(self.family(family), None::<&[u8]>, None::<&[u8]>);
    }

    /// Whether files of a column family tell of ranges that were deleted. One that is compacted
    /// forgets them, with all that lay there.
    pub(super) fn has_deleted_ranges(&self, family: Family) -> bool {
        let tables = properties::AGGREGATED_TABLE_PROPERTIES;
        let told = self.rocksdb.property_value_cf(self.family(family), tables);
        told.ok().flatten().is_none_or(|told| !told.split("; ").any(|one| one == NO_DELETED_RANGE))
    }

    /// Bytes of a column family's files, and how many of them nothing points to any more, as far as
    /// its index was compacted since.
    pub(super) fn file_bytes(&self, family: Family) -> (u64, u64) {
        let blobs = self.property(family, c"rocksdb.live-blob-file-size");
        let index = self.property(family, c"rocksdb.live-sst-files-size");
        (blobs + index, self.property(family, c"rocksdb.live-blob-file-garbage-size"))
    }

    /// Writes all that is alive in a column family anew, and gives back all that isn't.
    pub(super) fn rewrite(&self, family: Family) -> Result<(), EngineError> {
        let family = self.family(family);
        let collect = |on| [("enable_blob_garbage_collection", on), COLLECT_ALL_AGES];
        self.rocksdb.set_options_cf(family, &collect("true")).map_err(error)?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.rocksdb.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        self.rocksdb.set_options_cf(family, &collect("false")).map_err(error)
    }

    /// Bytes of index between two keys, as far as it is written out.
    pub(super) fn index_bytes(&self, family: Family, low: &[u8], high: &[u8]) -> u64 {
        let range = rocksdb::Range::new(low, high);
        self.rocksdb.get_approximate_sizes_cf(self.family(family), &[range]).into_iter().sum()
    }

    /// Bytes in memory that are not yet written out.
    pub(super) fn buffered_bytes(&self) -> u64 {
        self.sum(c"rocksdb.cur-size-all-mem-tables")
    }

    /// Bytes that buffers, blob and index files take, except the write-ahead log.
    pub(super) fn used_bytes(&self) -> u64 {
        self.buffered_bytes()
            + self.sum(c"rocksdb.total-sst-files-size")
            + self.sum(c"rocksdb.total-blob-file-size")
    }

    /// Bytes of the write-ahead log.
    pub(super) fn wal_bytes(&self) -> u64 {
        self.directory.as_ref().map_or(0, |directory| log_file_bytes(&directory.rocksdb()))
    }

    fn sum(&self, property: &CStr) -> u64 {
        Family::ALL.map(|family| self.property(family, property)).into_iter().sum()
    }

    fn property(&self, family: Family, property: &CStr) -> u64 {
        let value = self.rocksdb.property_int_value_cf(self.family(family), property);
        value.ok().flatten().unwrap_or(0)
    }
}

/// What RocksDB says, in the words of the seam. It tells a full disk by its message alone.
pub(super) fn error(error: rocksdb::Error) -> EngineError {
    let kind = error.kind();
    let message = error.into_string();
    match kind {
        _ if message.contains("No space left on device") => EngineError::Full(message.into()),
        rocksdb::ErrorKind::Corruption => EngineError::Corrupt(message.into()),
        _ => EngineError::Failed(message.into()),
    }
}

fn open_rocksdb(options: &RocksOptions, path: &Path) -> Result<DB, EngineError> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let families = Family::ALL.map(|family| {
        let options = match family {
            Family::Meta | Family::Time => options.rows(&cache),
            Family::Data(_) => options.chunks(&cache),
        };
        ColumnFamilyDescriptor::new(family.name(), options)
    });
    DB::open_cf_descriptors(&options.database()?, path, families).map_err(error)
}

fn log_file_bytes(path: &Path) -> u64 {
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let files = fs::read_dir(path).into_iter().flatten().flatten();
    let logs = files.filter(|file| is_log(&file.path()));
    logs.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

#[cfg(test)]
mod tests;
