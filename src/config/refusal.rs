//! One sentence for whatever clap finds wrong.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is wrong and what would be right; `spell` names a flag as its source does.
pub(super) fn sentence(error: &clap::Error, spell: impl Fn(&str) -> String) -> String {
    let value = context(error, ContextKind::InvalidValue);
    let name = match context(error, ContextKind::InvalidArg) {
        positional if positional.starts_with(['<', '[']) => positional,
        flag => spell(flag_name(&flag)),
    };
    let reason = error.source().map(ToString::to_string);
    match (error.kind(), reason) {
        (ErrorKind::ValueValidation, Some(reason)) => {
            format!("{name} cannot be '{value}': {reason}")
        }
        (ErrorKind::InvalidValue, _) if value.is_empty() => format!("{name} needs a value"),
        (ErrorKind::InvalidValue, _) => {
            let valid = context(error, ContextKind::ValidValue);
            format!("{name} cannot be '{value}': it is {valid}")
        }
        (ErrorKind::MissingSubcommand, _) => {
            "say what to run: 'millpond dev' for tests, 'millpond serve' for real".to_owned()
        }
        (ErrorKind::MissingRequiredArgument, _) => {
            let missing = context(error, ContextKind::InvalidArg);
            format!("{missing} is missing; --help after the command shows how it is used")
        }
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            let first = first.strip_prefix("error: ").unwrap_or(first);
            match suggestion(error) {
                Some(better) => format!("{first}; did you mean {better}?"),
                None => format!("{first}; see millpond --help, or --help after the command"),
            }
        }
    }
}

/// What the error's author may have meant, as clap spells it.
pub(super) fn suggestion(error: &clap::Error) -> Option<String> {
    let kinds = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
    kinds.map(|kind| context(error, kind)).into_iter().find(|better| !better.is_empty())
}

/// `data-dir` of `--data-dir <DIR>` or `--in-memory[=<BOOL>]`.
fn flag_name(argument: &str) -> &str {
    let name = argument.trim_start_matches('-');
    name.split([' ', '[', '=']).next().unwrap_or_default()
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(" or "),
        _ => String::new(),
    }
}
