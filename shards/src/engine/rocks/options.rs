//! What the engine can be told, and what RocksDB is told.

use std::{ffi::c_int, path::PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, Env, InfoLogger, LogLevel, Options,
};

use crate::engine::{Durability, EngineError};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Values of at least this size lie in blob files, which are written once and unlinked whole.
const BLOB_BYTES_MIN: u64 = KIB as u64;
const BLOB_FILE_BYTES: u64 = 64 * MIB as u64;
/// In memory a file that is written at once takes its size and no more, and small ones soon hold
/// nothing that is still needed.
const MEMORY_FILE_BYTES: u64 = 2 * MIB as u64;
const BLOCK_BYTES: usize = 16 * KIB;
const BLOCK_FORMAT: i32 = 6;
const WRITE_BUFFERS_MAX: c_int = 3;
const WRITE_BUFFERS_BYTES_MAX: usize = 64 * MIB;
/// Write buffers' worth of write-ahead log after which the oldest buffer is written out.
const WAL_BUFFERS_MAX: u64 = 4;
/// Write-ahead logs that are kept to be written over, as many as may be given up at once. A write
/// to blocks that a file already has changes nothing about the file: its fsync waits for the disk
/// once instead of also for the file system's journal, and takes a third less CPU.
const WAL_FILES_RECYCLED: usize = WAL_BUFFERS_MAX as usize;
const ARENA_BLOCK_BYTES: usize = 256 * KIB;
const TABLE_FILE_BYTES: u64 = 32 * MIB as u64;
const MANIFEST_FILE_BYTES_MAX: usize = 16 * MIB;
const SYNC_BYTES: u64 = MIB as u64;
const BACKGROUND_JOBS_MAX: c_int = 2;

/// One: there are few index files, and RocksDB would start sixteen threads to open none.
const FILE_OPENING_THREADS: c_int = 1;

/// Where logs and metadata are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// On disk, in a directory that belongs to this engine alone. It is made, with its parents,
    /// when it isn't there.
    Directory(PathBuf),
    /// In this process' memory, lost with it. Appends beyond `limit_bytes` are refused as
    /// [`EngineError::Full`] until something was trimmed or dropped.
    ///
    /// RocksDB's own memory environment, not a temporary directory. The code path is the same for
    /// both, but memory opens with half the CPU time (4 ms against 9 ms) and no fsync (against
    /// 16), leaves nothing behind after a crash, and needs no disk. No write-ahead log is written,
    /// as there is nothing to recover. What is given back is free for further records; how much of
    /// it the process returns to the operating system is up to its allocator.
    Memory {
        /// Bytes that records and their index may take, buffers included.
        limit_bytes: u64,
    },
}

/// How a [`RocksEngine`](super::RocksEngine) is opened. The sizes are small on purpose: an idle
/// engine should cost nothing.
#[derive(Debug, Clone)]
pub struct RocksOptions {
    /// Where data is kept.
    pub location: Location,
    /// What an acknowledgement means. Without meaning in memory.
    pub durability: Durability,
    /// Bytes that gather in memory before they are written out to blob and index files.
    pub write_buffer_bytes: usize,
    /// Bytes of index blocks kept for reads.
    pub block_cache_bytes: usize,
    /// Index and blob files kept open.
    pub open_files_max: i32,
}

impl RocksOptions {
    /// The defaults for `location`; an acknowledgement follows an fsync.
    #[must_use]
    pub fn new(location: Location) -> Self {
        Self {
            location,
            durability: Durability::Fsync,
            write_buffer_bytes: 8 * MIB,
            block_cache_bytes: 8 * MIB,
            open_files_max: 256,
        }
    }

    pub(super) fn in_memory(&self) -> bool {
        matches!(self.location, Location::Memory { .. })
    }

    /// Options of the database as a whole.
    pub(super) fn database(&self) -> Result<Options, EngineError> {
        let mut options = Options::default();
        if self.in_memory() {
            options.set_env(&Env::mem_env().map_err(EngineError::failed)?);
            options.set_writable_file_max_buffer_size(2 * MEMORY_FILE_BYTES);
        } else {
            options.set_recycle_log_file_num(WAL_FILES_RECYCLED);
        }
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES_MAX.max(self.write_buffer_bytes));
        options.set_max_total_wal_size(WAL_BUFFERS_MAX * self.write_buffer_bytes as u64);
        options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_max_manifest_file_size(MANIFEST_FILE_BYTES_MAX);
        options.set_bytes_per_sync(SYNC_BYTES);
        options.set_wal_bytes_per_sync(SYNC_BYTES);
        options.set_max_background_jobs(BACKGROUND_JOBS_MAX);
        options.set_max_open_files(self.open_files_max);
        // Who reads a log reads on: the kernel sees that and reads ahead, unless it is told that
        // reads are at random.
        options.set_advise_random_on_open(false);
        options.set_max_file_opening_threads(FILE_OPENING_THREADS);
        options.set_skip_stats_update_on_db_open(true);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        // Tests see by them what a write does; each operation would pay for them.
        if cfg!(test) {
            options.enable_statistics();
        }
        options.set_log_level(LogLevel::Warn);
        // In memory it would only complain that its directory isn't on disk.
        if !self.in_memory() {
            options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, log));
        }
        Ok(options)
    }

    /// Options of a column family that holds small rows.
    pub(super) fn rows(&self, cache: &Cache) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_block_size(BLOCK_BYTES);
        table.set_format_version(BLOCK_FORMAT);
        table.set_cache_index_and_filter_blocks(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::None);
        options.set_write_buffer_size(self.write_buffer_bytes);
        options.set_max_write_buffer_number(WRITE_BUFFERS_MAX);
        options.set_arena_block_size(ARENA_BLOCK_BYTES);
        options.set_target_file_size_base(TABLE_FILE_BYTES);
        options.set_level_compaction_dynamic_level_bytes(true);
        options
    }

    /// Options of a column family that holds chunks.
    pub(super) fn chunks(&self, cache: &Cache) -> Options {
        let mut options = self.rows(cache);
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES_MIN);
        options.set_blob_file_size(if self.in_memory() {
            MEMORY_FILE_BYTES
        } else {
            BLOB_FILE_BYTES
        });
        options
    }
}

fn log(level: LogLevel, message: &str) {
    let message = message.trim_end();
    match level {
        LogLevel::Error | LogLevel::Fatal => tracing::error!(target: "rocksdb", message),
        LogLevel::Warn => tracing::warn!(target: "rocksdb", message),
        // RocksDB tells every option at every start, as news and whatever the level asked for.
        LogLevel::Debug | LogLevel::Info | LogLevel::Header => {}
    }
}
