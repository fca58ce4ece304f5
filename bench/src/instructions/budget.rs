//! What the cases may cost: a file of budgets, written by the tool and held by CI.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::stages::Split;

/// Budgets by the names of their cases.
pub(crate) type Budgets = BTreeMap<String, Split>;

/// How far a case may be over its budget. Counts differ by less between two runs, and by about as
/// much between versions of the C library or of the compiler.
const OVER_MAX: f64 = 0.05;
/// From how far below a budget should follow.
const UNDER_TOLD: f64 = 0.05;

/// Reads a file of budgets.
pub(crate) fn read(file: &Path) -> Result<Budgets> {
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("reading budgets in {shown}"))?;
    toml::from_str(&text).with_context(|| format!("reading budgets in {shown}"))
}

/// Writes what was counted as the budgets from now on.
pub(crate) fn write(file: &Path, counted: &Budgets) -> Result<()> {
    fs::write(file, text(counted)).with_context(|| format!("writing {}", file.display()))
}

fn text(counted: &Budgets) -> String {
    let mut text = String::from(
        "# Instructions for each record, by stage: what `bench instructions --check` holds CI to.\n\
         # `just instructions --write-budgets bench/instructions.toml` writes this file anew.\n",
    );
    for (case, split) in counted {
        write!(text, "\n[{case}]\n").expect("a string takes all that is written");
        for (stage, instructions) in split.stages() {
            writeln!(text, "{stage} = {instructions:.1}").expect("so it does");
        }
    }
    text
}

/// How a case stands to its budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Kept,
    /// So far below that the budget should be lowered.
    Below(String),
    Over(String),
    /// There is no budget for it.
    Unknown(String),
}

/// Judges the total of a case; stages only explain it, as the compiler may move what it inlines.
pub(crate) fn judge(case: &str, counted: &Split, budgets: &Budgets) -> Verdict {
    let Some(budget) = budgets.get(case) else {
        return Verdict::Unknown(format!("{case}: there is no budget for it"));
    };
    let over = counted.total() / budget.total() - 1.0;
    if over > OVER_MAX {
        Verdict::Over(explained(case, counted, budget, over))
    } else if over < -UNDER_TOLD {
        Verdict::Below(explained(case, counted, budget, over))
    } else {
        Verdict::Kept
    }
}

fn explained(case: &str, counted: &Split, budget: &Split, over: f64) -> String {
    let (now, then) = (counted.total(), budget.total());
    let percent = over * 100.0;
    let mut text = format!("{case}: {now:.0} instructions a record, budget {then:.0}");
    write!(text, " ({percent:+.1} %)").expect("a string takes all that is written");
    for ((stage, now), (_, then)) in counted.stages().into_iter().zip(budget.stages()) {
        let change = now - then;
        if change.abs() > UNDER_TOLD * budget.total() / 10.0 {
            write!(text, ", {stage} {change:+.0}").expect("so it does");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(decode: f64, encode: f64) -> Split {
        Split { decode, encode, ..Split::default() }
    }

    fn budgets() -> Budgets {
        [("put".to_owned(), split(600.0, 400.0))].into()
    }

    #[test]
    fn budgets_are_read_as_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("budgets.toml");
        write(&file, &budgets()).unwrap();
        assert_eq!(read(&file).unwrap(), budgets());
        assert!(read(directory.path()).is_err());
        fs::write(&file, "[put]\nhttp = 1\nhttps = 2").unwrap();
        assert!(read(&file).is_err(), "a stage that is not known");
    }

    #[test]
    fn a_little_over_or_below_is_kept() {
        for decode in [560.0, 600.0, 640.0] {
            assert_eq!(judge("put", &split(decode, 400.0), &budgets()), Verdict::Kept);
        }
    }

    #[test]
    fn what_grew_is_named() {
        let verdict = judge("put", &split(720.0, 401.0), &budgets());
        let text = "put: 1121 instructions a record, budget 1000 (+12.1 %), decode +120";
        assert_eq!(verdict, Verdict::Over(text.to_owned()));
    }

    #[test]
    fn what_shrank_is_named() {
        let verdict = judge("put", &split(600.0, 300.0), &budgets());
        let text = "put: 900 instructions a record, budget 1000 (-10.0 %), encode -100";
        assert_eq!(verdict, Verdict::Below(text.to_owned()));
    }

    #[test]
    fn a_case_without_a_budget_is_not_kept() {
        assert!(matches!(judge("get", &split(1.0, 1.0), &budgets()), Verdict::Unknown(_)));
    }
}
