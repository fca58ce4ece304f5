//! Commands that ask a running server: their flags, and the variables that stand for some of them.

use std::ffi::OsString;

use clap::{ArgMatches, FromArgMatches as _};

use super::{Refused, flags, refusal};
use crate::cli::{Ask, Command, CommonFlags, WITH_VARIABLE};

/// The variables that the commands read.
pub(super) fn variables() -> impl Iterator<Item = String> {
    WITH_VARIABLE.iter().map(|flag| flags::variable_of(flag))
}

/// What the command line asks for, where it names such a command.
pub(super) fn read(
    command_line: &ArgMatches,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Ask, Refused> {
    let refused =
        |error: clap::Error| Refused(refusal::sentence(&error, |flag| format!("--{flag}")));
    let command = Command::from_arg_matches(command_line).map_err(refused)?;
    let given = command_line.subcommand().map_or(command_line, |(_, rest)| rest);
    let mut common = CommonFlags::from_arg_matches(given).map_err(refused)?;
    for flag in WITH_VARIABLE {
        let name = flags::variable_of(flag);
        // A variable that is set to nothing is how compose files leave one out.
        let text = variable(&name).and_then(|text| text.into_string().ok());
        let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
        let is_secret = flag == "admin-token";
        common.say(flag, &text).map_err(|reason| {
            let text = if is_secret { "…" } else { &text };
            Refused(format!("{name} cannot be '{text}': {reason}"))
        })?;
    }
    let is_json = common.json;
    Ok(Ask { command, server: common.server(), is_json })
}
