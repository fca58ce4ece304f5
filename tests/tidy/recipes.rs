//! What the documents show of the tests' programs is what those programs are.

use super::source::{self, Source};

/// Begins a comment that names a file and a part of it; the code after it is that part.
const FROM: &str = "<!-- from ";

/// The parts that a document shows and that aren't, or are no longer, in the file that it names.
pub(crate) fn untrue(document: &Source) -> Vec<String> {
    let shown = document.text.split(FROM).skip(1);
    shown.filter_map(|rest| fault(rest).map(|why| format!("{}: {why}", document.path))).collect()
}

fn fault(rest: &str) -> Option<String> {
    let (comment, after) = rest.split_once('\n').unwrap_or((rest, ""));
    let Some(named) = comment.strip_suffix(" -->") else {
        return Some(format!("{comment:?}: end the line with -->, and nothing behind"));
    };
    let Some((path, part)) = named.split_once(' ') else {
        return Some(format!("{named}: name a file and a part"));
    };
    let mut lines = after.lines();
    if !lines.next().is_some_and(|line| line.starts_with("```")) {
        return Some(format!("{named}: no code follows"));
    }
    let shown: Vec<_> = lines.take_while(|line| *line != "```").collect();
    if !source::exists(path) {
        return Some(format!("{path}: no such file"));
    }
    let text = source::read(path);
    let begin = format!("docs: {part}");
    let kept = text.lines().skip_while(|line| !line.trim_end().ends_with(&begin)).skip(1);
    let kept: Vec<_> = kept.take_while(|line| !line.contains("docs: end")).collect();
    let indent = kept.iter().filter(|line| !line.trim().is_empty());
    let indent = indent.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let kept: Vec<_> = kept.iter().map(|line| line.get(indent..).unwrap_or("")).collect();
    (shown.is_empty() || shown != kept).then(|| format!("{named}: the file has other lines"))
}

#[test]
fn a_comment_that_is_not_well_formed_is_a_fault() {
    for rest in ["a b", "a b -->", "a b --> \n```\n", "a b -->\r\n```\r\n", "a b\n-->\n```\n"] {
        assert!(fault(rest).is_some(), "{rest:?}");
    }
}
