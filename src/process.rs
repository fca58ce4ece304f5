//! The process around the server: its threads, its open files, and the signals that end it.

use std::{fmt, io, thread};

use millpond_shards::tasks::Tasks;
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, getrlimit, setrlimit, umask},
};
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::config::Refused;

/// Why the server can't start: one sentence that says what to do.
#[derive(Debug)]
pub struct StartError {
    reason: String,
    exit_code: u8,
}

impl StartError {
    /// The sentence that says it.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), exit_code: 1 }
    }

    /// The same when the configuration is to blame.
    pub(crate) fn refused(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), exit_code: Refused::EXIT_CODE }
    }

    /// What the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for StartError {}

/// The threads that requests run on: one core is left to the thread that commits, and to RocksDB.
///
/// # Errors
/// When the system refuses threads.
pub fn runtime() -> io::Result<Runtime> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread().worker_threads((cores - 1).max(1)).enable_all().build()
}

/// Takes as many open files as this process may have: each connection is one, and many systems
/// begin with 1,024. Without them the server runs all the same, with fewer connections.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit on open files stays as it is (see ulimit -n)");
    }
}

/// Keeps what this process stores to its own user: others would read records past all signatures.
pub fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

/// Each SIGHUP from now on, which would end the process otherwise.
///
/// # Errors
/// When the process can't take signals.
pub fn hangup() -> Result<Signal, StartError> {
    signal(SignalKind::hangup()).map_err(StartError::new)
}

/// A token that SIGTERM and SIGINT cancel.
///
/// # Errors
/// When the process can't take signals.
pub fn stop_on_signal() -> Result<CancellationToken, StartError> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::new)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::new)?;
    let told = stop.clone();
    Tasks::default().spawn("signals", async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal, "stopping");
        told.cancel();
    });
    Ok(stop)
}
