//! The commands that look into a running server, over its admin API. They are ordinary clients of
//! it: what they can do, any program can.

mod ask;
mod client;
mod ended;
mod look;
mod print;
mod put;
mod streams;
mod throttles;

use std::process::ExitCode;

use tokio::runtime::Builder;

pub use ask::{
    Ask, Command, CommonFlags, Endpoint, Peek, Put, Selection, Server, Tail, WITH_VARIABLE,
};
pub use client::Client;
pub use ended::{Ended, Outcome};
pub use print::Printer;

/// Does what a command asks for; the exit code of the process.
#[must_use]
pub fn run(ask: Ask) -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(answer(ask)),
        Err(error) => Err(Ended::Failed(error.to_string())),
    };
    match ended {
        // Whoever reads what is printed has enough: that is no failure.
        Ok(()) | Err(Ended::Enough) => ExitCode::SUCCESS,
        Err(Ended::Failed(sentence)) => {
            eprintln!("millpond: {sentence}");
            ExitCode::FAILURE
        }
    }
}

async fn answer(ask: Ask) -> Outcome {
    let mut client = Client::new(&ask.server)?;
    if let Some(warning) = client.warning() {
        eprintln!("millpond: {warning}");
    }
    let mut printer = Printer::new(ask.is_json);
    match ask.command {
        Command::Streams => streams::list(&mut client, &mut printer).await?,
        Command::Describe { stream } => {
            streams::describe(&mut client, &mut printer, &stream).await?;
        }
        Command::Shards { stream } => streams::shards(&mut client, &mut printer, &stream).await?,
        Command::Peek(peek) => look::peek(&mut client, &mut printer, &peek).await?,
        Command::Tail(tail) => look::tail(&mut client, &mut printer, &tail).await?,
        Command::Put(put) => put::put(&mut client, &mut printer, put).await?,
        Command::Throttles { stream, clear: true } => {
            throttles::clear(&mut client, stream.as_ref()).await?;
        }
        Command::Throttles { stream, clear: false } => {
            throttles::show(&mut client, &mut printer, stream.as_ref()).await?;
        }
    }
    printer.flush()
}
