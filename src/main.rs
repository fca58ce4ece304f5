//! The millpond server.

use std::{process::ExitCode, sync::Arc};

use millpond::{
    app::{self, App},
    banner,
    config::{self, Config, Refused, Request},
    process::{self, StartError},
    telemetry,
};
use millpond_quotas::Clock;
use tokio::net::TcpListener;

// For RocksDB too: it gives memory back to the system when records are gone, which glibc's
// allocator doesn't, and costs less.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let config = match config::of_this_process() {
        Ok(Request::Run(config)) => config,
        Ok(Request::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(refused) => return fail(Refused::EXIT_CODE, &refused),
    };
    let run = || -> Result<(), StartError> {
        telemetry::init(config.log_format, &config.log_filter).map_err(StartError::new)?;
        let runtime = process::runtime().map_err(StartError::new)?;
        runtime.block_on(serve(&config))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
    }
}

/// Runs the server until a signal, then lets requests at hand finish.
async fn serve(config: &Config) -> Result<(), StartError> {
    process::raise_open_files();
    let listener = TcpListener::bind(config.listen).await.map_err(|error| {
        StartError::new(format!("{} can't be listened on: {error}", config.listen))
    })?;
    let address = listener.local_addr().map_err(StartError::new)?;
    let stop = process::stop_on_signal()?;
    let engine = app::open_engine(config)?;
    let app = App::open(config, engine, Clock::system()).await?;
    print!("{}", banner::banner(config, address));
    Arc::clone(&app).serve(config, listener, stop).await
}

fn fail(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("millpond: {reason}");
    ExitCode::from(code)
}
