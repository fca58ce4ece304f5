//! What callgrind wrote: instructions of each function itself, and of its callers through it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// A number of instructions; a difference of two counts may be negative.
pub(crate) type Instructions = i64;

/// Functions by their demangled names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) functions: BTreeMap<String, Function>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Function {
    /// Executed in the function itself.
    pub(crate) own: Instructions,
    /// Executed in it and all that it called, by who called it.
    pub(crate) callers: BTreeMap<String, Instructions>,
}

impl Profile {
    /// Reads a file of callgrind's format 1, with one event and one position a line.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        ensure!(text.starts_with("# callgrind format"), "this is no profile of callgrind");
        ensure!(text.lines().any(|line| line == "events: Ir"), "not instructions were counted");
        let mut reader = Reader::default();
        for line in text.lines() {
            reader.line(line).with_context(|| format!("in the profile's line: {line}"))?;
        }
        let found: Instructions = reader.profile.functions.values().map(|each| each.own).sum();
        let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
        let total: Instructions = total.context("a profile without a summary")?.parse()?;
        // What threads were in the middle of when the process ended is in the lines alone.
        let near = found.abs_diff(total) <= total.unsigned_abs() / 1_000;
        ensure!(near, "the profile sums up {total} instructions, {found} were found");
        Ok(reader.profile)
    }

    /// What this profile has more than an earlier one.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        for (name, before) in &earlier.functions {
            let function = self.functions.entry(name.clone()).or_default();
            function.own -= before.own;
            for (caller, instructions) in &before.callers {
                *function.callers.entry(caller.clone()).or_default() -= instructions;
            }
        }
        self
    }
}

/// Where in the file we are.
#[derive(Default)]
struct Reader {
    profile: Profile,
    /// Names stand out once, and are numbers from then on.
    names: BTreeMap<String, String>,
    function: String,
    /// The function that the next line of cost is of, if it was called.
    called: Option<String>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(name) = line.strip_prefix("fn=") {
            self.function = self.name(name)?;
        } else if let Some(name) = line.strip_prefix("cfn=") {
            self.called = Some(self.name(name)?);
        } else if line.starts_with(|char: char| char.is_ascii_digit() || "+-*".contains(char)) {
            let (_, instructions) = line.split_once(' ').context("a position without a cost")?;
            self.cost(instructions.parse().context("a cost is a number")?);
        }
        Ok(())
    }

    /// The name in `(12) name`, or of `(12)` that stood out before.
    fn name(&mut self, text: &str) -> Result<String> {
        let Some((number, name)) = text.split_once(')') else { return Ok(text.to_owned()) };
        if !number.starts_with('(') {
            return Ok(text.to_owned());
        }
        if name.is_empty() {
            return self.names.get(number).cloned().context("a number without a name");
        }
        let name = name.trim_start().to_owned();
        self.names.insert(number.to_owned(), name.clone());
        Ok(name)
    }

    fn cost(&mut self, instructions: Instructions) {
        let functions = &mut self.profile.functions;
        match self.called.take() {
            None => functions.entry(self.function.clone()).or_default().own += instructions,
            Some(called) => {
                let callers = &mut functions.entry(called).or_default().callers;
                *callers.entry(self.function.clone()).or_default() += instructions;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
# callgrind format
positions: line
events: Ir
summary: 155

ob=(1) /bin/server
fl=(1) ???
fn=(1) main
0 20
cob=(2) /lib/libc.so.6
cfi=(2) mem.c
cfn=(2) memcpy
calls=3 0
0 90
+4 5
cfn=(3) <A<B> as C>::d
calls=1 0
* 60

ob=(2)
fl=(2)
fn=(2)
0 80
-1 10

fn=(3)
0 40
cfn=(2)
calls=1 0
0 20
";

    fn function(own: Instructions, callers: &[(&str, Instructions)]) -> Function {
        let callers = callers.iter().map(|&(name, cost)| (name.to_owned(), cost)).collect();
        Function { own, callers }
    }

    #[test]
    fn own_instructions_and_those_of_callers_are_told_apart() {
        let profile = Profile::parse(PROFILE).unwrap();
        let expected = [
            ("main", function(25, &[])),
            ("memcpy", function(90, &[("main", 90), ("<A<B> as C>::d", 20)])),
            ("<A<B> as C>::d", function(40, &[("main", 60)])),
        ];
        let expected = expected.map(|(name, function)| (name.to_owned(), function)).into();
        assert_eq!(profile.functions, expected);
    }

    #[test]
    fn a_later_profile_less_an_earlier_is_what_came_between() {
        let twice = PROFILE.replace("0 80", "0 100").replace("0 90", "0 110").replace("155", "175");
        let later = Profile::parse(&twice).unwrap();
        let between = later.since(&Profile::parse(PROFILE).unwrap());
        let own: Instructions = between.functions.values().map(|function| function.own).sum();
        assert_eq!(own, 20);
        assert_eq!(between.functions["memcpy"].callers["main"], 20);
        assert_eq!(between.functions["main"].own, 0);
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for wrong in ["", "hello", "# callgrind format\nevents: Ir\n"] {
            assert!(Profile::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Profile::parse(&PROFILE.replace("fn=(3)\n", "fn=(9)\n")).is_err());
        assert!(Profile::parse(&PROFILE.replace("events: Ir", "events: Dr")).is_err());
    }
}
