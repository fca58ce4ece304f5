//! The millpond server.

use std::process::ExitCode;

use millpond::config::{self, Refused, Request};

fn main() -> ExitCode {
    match config::of_this_process() {
        Ok(Request::Print(text)) => print!("{text}"),
        Ok(Request::Run(config)) => print!("{}", millpond::banner::banner(&config, config.listen)),
        Err(refused) => {
            eprintln!("millpond: {refused}");
            return ExitCode::from(Refused::EXIT_CODE);
        }
    }
    ExitCode::SUCCESS
}
