//! Writes the generated part of millpond-api from Amazon's model of Kinesis.
//!
//! * `millpond-codegen` writes the files, `--check` instead names those that differ and fails.
//! * `millpond-codegen describe` prints what was understood as JSON, for a comparison with another
//!   model.
//! * `millpond-codegen strip <in> <out>` copies a model without its documentation.

mod constraints;
mod describe;
mod enums;
mod errors;
mod facts;
mod files;
mod imports;
mod model;
mod names;
mod operations;
mod strip;
mod structures;

use std::{env, path::PathBuf, process::ExitCode};

use model::Model;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("millpond-codegen: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    let api = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let load = || Model::load(&api.join("model/kinesis-2013-12-02.json"));
    match arguments {
        [] => files::write(&api, &files::generate(&load()?)?),
        ["--check"] => files::check(&api, &files::generate(&load()?)?),
        ["describe"] => describe::print(&load()?),
        ["strip", from, to] => strip::strip(from.as_ref(), to.as_ref()),
        _ => Err("usage: millpond-codegen [--check | describe | strip <in> <out>]".into()),
    }
}
