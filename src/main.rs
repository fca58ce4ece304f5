//! The millpond server.

use std::{io, process::ExitCode, sync::Arc, time::Duration};

use millpond::{
    app::{self, App},
    banner, cli,
    config::{self, Config, LogFormat, Refused, Request, Storage},
    kms,
    process::{self, StartError},
    reload, telemetry,
    tls::Authority,
};
use millpond_api::types::Timestamp;
use millpond_quotas::Clock;
use millpond_shards::tasks::Tasks;
use tokio::{net::TcpListener, time::Instant};

// For RocksDB too: it gives memory back to the system when records are gone, which glibc's
// allocator doesn't, and costs less.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How long the process waits, when all is done, for a thread that is stuck in the system: of a
/// file on a dead mount, say.
const EXIT_WITHIN: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let config = match config::of_this_process() {
        Ok(Request::Run(config)) => config,
        Ok(Request::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok(Request::Ask(ask)) => return cli::run(*ask),
        Ok(Request::PrintAuthority(dir)) => {
            process::keep_files_private();
            let now = Timestamp::from_millis(Clock::system().wall().millis());
            return match Authority::open(&dir, now) {
                Ok(authority) => {
                    if authority.is_new() {
                        eprintln!(
                            "millpond: this authority was made just now, in {}",
                            dir.display()
                        );
                    }
                    print!("{}", authority.pem());
                    ExitCode::SUCCESS
                }
                Err(error) => fail(1, &error),
            };
        }
        Err(refused) => return fail(Refused::EXIT_CODE, &refused),
    };
    let run = || -> Result<(), StartError> {
        telemetry::init(config.log_format, &config.log_filter).map_err(StartError::new)?;
        let runtime = process::runtime().map_err(StartError::new)?;
        let served = runtime.block_on(serve(&config));
        runtime.shutdown_timeout(EXIT_WITHIN);
        served
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
    }
}

/// Runs the server until a signal, then lets requests at hand finish.
async fn serve(config: &Config) -> Result<(), StartError> {
    let began = Instant::now();
    let clock = config.clock.clock();
    process::raise_open_files();
    process::keep_files_private();
    let listener = listen(config).await?;
    let address = listener.local_addr().map_err(StartError::new)?;
    let stop = process::stop_on_signal()?;
    let (data, recovered) = data(&config.storage);
    let keys = kms::open(&config.keys, &clock)?;
    let engine = app::open_engine(config)?;
    let app = App::open(config, engine, keys, clock.clone()).await?;
    let streams = app.domain().directory().snapshot().streams().count();
    // Not earlier: a start that fails says one sentence, why.
    for (variable, nearest) in config::unknown_variables_of_this_process() {
        tracing::warn!(variable, nearest, "this environment variable is no setting");
    }
    if app.verifier().has_moot_policies() {
        tracing::warn!(
            "policies of credentials keep nobody out with --auth any: use --auth verify"
        );
    }
    if config.credentials_file.is_some() {
        let (app, hangup) = (Arc::clone(&app), process::hangup()?);
        let keep = reload::keep_credentials(app, hangup, stop.clone());
        Tasks::default().spawn("credentials", keep);
    }
    let (endpoint, ms) = (banner::endpoint(address), began.elapsed().as_millis() as u64);
    tracing::info!(endpoint, data, recovered, streams, ms, "started");
    if let Some(script) = &config.faults {
        tracing::warn!(script = %script.display(), "faults are injected");
    }
    if let Some(traces) = &config.traces {
        tracing::info!(collector = %traces.url, "traces are sent");
    }
    // Whoever reads objects line by line has no use for a text.
    if config.log_format == LogFormat::Text {
        print!("{}", banner::banner(config, address));
    }
    Arc::clone(&app).serve(config, listener, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(config: &Config) -> Result<TcpListener, StartError> {
    let address = config.listen;
    TcpListener::bind(address).await.map_err(|error| {
        StartError::new(match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is in use, perhaps by another millpond: stop that one, or choose \
                 another address with --listen IP:PORT"
            ),
            _ => format!("{address} can't be listened on: {error}"),
        })
    })
}

/// Where records live, and whether something is there already.
fn data(storage: &Storage) -> (String, bool) {
    match storage {
        Storage::Memory { .. } => ("memory".to_owned(), false),
        Storage::Directory(path) => {
            let holds_files = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
            (path.display().to_string(), holds_files)
        }
    }
}

fn fail(code: u8, reason: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("millpond: {reason}");
    ExitCode::from(code)
}
